package spool_test

import (
	"errors"
	"io/fs"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"mooring/agent/spool"
	"mooring/internal/durable"
	"mooring/internal/durable/durabletest"
)

// unreadable is a file system that fails to read while there is an error in fails.
type unreadable struct {
	durable.FS
	fails []error
}

func (u *unreadable) ReadFile(path string) ([]byte, error) {
	if len(u.fails) > 0 {
		err := u.fails[0]
		u.fails = u.fails[1:]
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return u.FS.ReadFile(path)
}

// A shortage delays what is on the disk; what cannot be read at all is lost, and
// who waits for it hears that.
func TestUnreadable(t *testing.T) {
	tests := []struct {
		name     string
		fails    []error
		want     byte // begins the first message that comes
		damaged  int
		wantWait error
	}{
		{"readable", nil, 'a', 0, nil},
		{"a shortage", []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EINTR}, 'a', 0, nil},
		{"a fault of the disk", []error{syscall.EIO}, 'f', 1, spool.ErrDropped},
		{"a shortage, then a fault", []error{syscall.EMFILE, syscall.EIO}, 'f', 1, spool.ErrDropped},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				disk := &unreadable{FS: durabletest.New()}
				s := open(t, disk, nil)
				for i := range 7 { // five fill a segment
					put(t, s, strings.Repeat(string(rune('a'+i)), 10000))
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				s = open(t, disk, nil)
				disk.fails = tt.fails
				waited := make(chan error, 1)
				go func() { waited <- s.Wait(t.Context(), 3) }()
				synctest.Wait()
				e, err := s.Next(t.Context(), 0)
				if err != nil || e.Payload[0] != tt.want {
					t.Fatalf("first %.10q, %v; want %c", e.Payload, err, tt.want)
				}
				if got := s.Stats(); got.Damaged != tt.damaged || got.Messages != uint64('h'-tt.want) {
					t.Errorf("%d damaged and %d messages, want %d and %d", got.Damaged, got.Messages, tt.damaged, 'h'-tt.want)
				}
				for s.Done(e.Seq); s.Stats().Messages > 0; s.Done(e.Seq) {
					if e, err = s.Next(t.Context(), e.Seq); err != nil {
						t.Fatal(err)
					}
				}
				if err := <-waited; !errors.Is(err, tt.wantWait) {
					t.Errorf("Wait: %v, want %v", err, tt.wantWait)
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}
