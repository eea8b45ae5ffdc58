package localhttp_test

import (
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"

	"mooring/agent/localhttp"
)

// short is a listener that fails before a caller comes.
type short struct {
	net.Listener
	errs []error
}

func (s *short) Accept() (net.Conn, error) {
	if len(s.errs) > 0 {
		err := s.errs[0]
		s.errs = s.errs[1:]
		return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", err)}
	}
	near, far := net.Pipe()
	_ = near.Close()
	return far, nil
}

func TestAcceptOutlastsShortage(t *testing.T) {
	for _, tt := range []struct {
		name string
		errs []error
		want error
	}{
		{"none", nil, nil},
		{"files of the process, of the system, memory", []error{syscall.EMFILE, syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM}, nil},
		{"a listener at fault", []error{syscall.EMFILE, syscall.EINVAL}, syscall.EINVAL},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				nc, err := localhttp.Accept(t.Context(), &short{errs: tt.errs})
				if !errors.Is(err, tt.want) {
					t.Errorf("got %v, want %v", err, tt.want)
				}
				if nc != nil {
					_ = nc.Close()
				}
			})
		})
	}
}
