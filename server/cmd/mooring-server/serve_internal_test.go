package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
)

// TestUnbound: an address that cannot be listened on comes with what to do.
func TestUnbound(t *testing.T) {
	listen := func(err error) error {
		return &net.OpError{Op: "listen", Net: "tcp", Err: os.NewSyscallError("bind", err)}
	}
	for _, tt := range []struct {
		name string
		in   error
		want string // in the hint; empty: none
	}{
		{"taken", listen(syscall.EADDRINUSE), "another program listens"},
		{"low port", listen(syscall.EACCES), "CAP_NET_BIND_SERVICE"},
		{"another machine's", listen(syscall.EADDRNOTAVAIL), "no interface"},
		{"a file", &os.PathError{Op: "open", Path: "x", Err: syscall.EACCES}, ""},
		{"no error", nil, ""},
	} {
		h, ok := errors.AsType[hinted](unbound(tt.in))
		if ok != (tt.want != "") || ok && !strings.Contains(h.hint, tt.want) || !errors.Is(unbound(tt.in), tt.in) {
			t.Errorf("%s: got %+v", tt.name, h)
		}
	}
}

// TestHelpOfACommand: help COMMAND is COMMAND --help.
func TestHelpOfACommand(t *testing.T) {
	for name, want := range map[string]int{"serve": exitDone, "ca create": exitDone, "frobnicate": exitUsage} {
		var out, errs bytes.Buffer
		status := run(context.Background(), append([]string{"help"}, strings.Fields(name)...), nil, &out, &errs)
		if status != want || want == exitDone && !strings.Contains(out.String()+errs.String(), "-data") {
			t.Errorf("help %s: status %d: %s%s", name, status, &out, &errs)
		}
	}
}
