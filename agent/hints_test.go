package agent_test

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"mooring/agent"
)

// TestHintOfTheDisk has advice for faults that the state directory meets.
func TestHintOfTheDisk(t *testing.T) {
	for _, tt := range []struct {
		errno syscall.Errno
		want  string
	}{
		{syscall.ENOSPC, "make room"},
		{syscall.EDQUOT, "make room"},
		{syscall.EROFS, "read-only"},
		{syscall.EIO, "log of the kernel"},
		{syscall.EINVAL, ""},
	} {
		err := fmt.Errorf("spool: %w", &fs.PathError{Op: "write", Path: "/x", Err: tt.errno})
		if got := agent.Hint(err); !strings.Contains(got, tt.want) || tt.want == "" && got != "" {
			t.Errorf("%v: got %q, want %q in it", tt.errno, got, tt.want)
		}
		if got := agent.Hint(agent.WithHint(err, "own")); got != "own" {
			t.Errorf("%v with its own hint: got %q", tt.errno, got)
		}
	}
	if got := agent.Hint(errors.New("x")); got != "" {
		t.Errorf("got %q", got)
	}
}
