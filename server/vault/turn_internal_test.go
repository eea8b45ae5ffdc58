package vault

import (
	"context"
	"testing"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// Who waits for a key that another one makes may give up.
func TestGivesUp(t *testing.T) {
	v := New(nil, nil, nil)
	if err := v.take(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := v.Current(ctx, platform.Management, "purpose", nil); problem.KindOf(err) != problem.Unavailable {
		t.Errorf("Current: %v, want that it gave up", err)
	}
	if err := v.Rotate(ctx, platform.Management, "purpose", nil, 1); problem.KindOf(err) != problem.Unavailable {
		t.Errorf("Rotate: %v, want that it gave up", err)
	}
}
