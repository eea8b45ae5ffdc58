package helper_test

import (
	"errors"
	"sync/atomic"
	"testing"

	"mooring/agent/config"
	"mooring/agent/helper"
)

// A changed configuration is in force at the next request, and a wrong one
// changes nothing.
func TestReread(t *testing.T) {
	var answer atomic.Pointer[func() (config.Operations, error)]
	set := func(f func() (config.Operations, error)) { answer.Store(&f) }
	r := newRig(t, func(o *config.Operations, dir string) {})
	r.stop()
	with := r.o.Operations
	with.Shell.Commands = []config.Named{{Name: "hello", Value: r.script("hello", "echo hello")}}
	set(func() (config.Operations, error) { return r.o.Operations, nil })
	o := r.o
	r.o.Reread = func() (config.Operations, error) { return (*answer.Load())() }
	r.start()
	ask := func() helper.Result {
		result, _ := r.do(helper.Request{Verb: helper.Command, Name: "hello", Key: newKey()})
		return result
	}
	want(t, "before", ask(), "does not allow")
	set(func() (config.Operations, error) { return with, nil })
	want(t, "allowed", ask(), "")
	wrong := with
	wrong.Download.Keys = []string{"no key"}
	set(func() (config.Operations, error) { return wrong, nil })
	want(t, "a wrong key", ask(), "")
	set(func() (config.Operations, error) { return config.Operations{}, errors.New("not TOML") })
	want(t, "unreadable", ask(), "")
	set(func() (config.Operations, error) { return o.Operations, nil })
	want(t, "taken back", ask(), "does not allow")
}
