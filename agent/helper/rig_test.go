package helper_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mooring/agent/config"
	"mooring/agent/helper"
)

// rig is a helper with a socket, and an agent's client.
type rig struct {
	t      testing.TB
	dir    string // for what a test makes
	o      helper.Options
	client helper.Client
	stop   func()
}

func newRig(t testing.TB, edit func(o *config.Operations, dir string)) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir()}
	r.o = helper.Options{Operations: config.Default().Operations, Dir: filepath.Join(r.dir, "private"), UID: os.Getuid()}
	r.o.Operations.Software.Plugins = r.dir
	edit(&r.o.Operations, r.dir)
	r.client.Socket = filepath.Join(r.dir, "helper.sock")
	r.start()
	return r
}

func (r *rig) start() {
	r.t.Helper()
	s, err := helper.Open(r.o)
	if err != nil {
		r.t.Fatal(err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: r.client.Socket, Net: "unix"})
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	stopped := false
	r.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			r.t.Error(err)
		}
	}
	r.t.Cleanup(r.stop)
}

// script writes a program.
func (r *rig) script(name, body string) string {
	r.t.Helper()
	return script(r.t, r.dir, name, body)
}

func script(t testing.TB, dir, name, body string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func (r *rig) do(q helper.Request, files ...string) (helper.Result, string) {
	r.t.Helper()
	var data bytes.Buffer
	readers := make([]io.Reader, len(files))
	for i, f := range files {
		readers[i] = strings.NewReader(f)
	}
	result, err := r.client.Do(r.t.Context(), q, &data, readers...)
	if err != nil {
		r.t.Fatalf("%s: %v", q.Verb, err)
	}
	return result, data.String()
}

func newKey() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

func read(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func write(t testing.TB, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

// want checks what a result says; an empty text wants success.
func want(t testing.TB, what string, r helper.Result, text string) {
	t.Helper()
	if text == "" && r.Error != "" || !strings.Contains(r.Error, text) {
		t.Errorf("%s: got error %q, want %q", what, r.Error, text)
	}
}
