package agent

import (
	"crypto"
	"errors"
	"testing"

	"mooring/agent/config"
	"mooring/internal/problem"
)

// A device whose key store is away has a generation and no key at hand.
func TestSignWithoutKey(t *testing.T) {
	a := New(Options{Config: config.Default()})
	close(a.ready)
	a.change(func(v *view) { v.state.Current.Number = 1 })
	if _, err := (localDevice{a}).Sign(t.Context(), make([]byte, 32), crypto.SHA256); !errors.Is(err, problem.Unavailable) {
		t.Errorf("got %v", err)
	}
}
