package identity_test

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"mooring/agent/identity"
	"mooring/internal/durable"
	"mooring/internal/durable/durabletest"
)

// ownedFS says to whom files belong: this user unless owners says else.
type ownedFS struct {
	durable.FS
	owners map[string]uint32
}

// Lstat implements durable.FS.
func (o ownedFS) Lstat(path string) (fs.FileInfo, error) {
	info, err := o.FS.Lstat(path)
	uid, other := o.owners[path]
	if !other {
		uid = uint32(syscall.Geteuid())
	}
	return ownedInfo{info, uid}, err
}

type ownedInfo struct {
	fs.FileInfo
	uid uint32
}

// Sys implements fs.FileInfo.
func (o ownedInfo) Sys() any { return &syscall.Stat_t{Uid: o.uid} }

func TestOwners(t *testing.T) {
	disk := durabletest.New()
	for _, name := range []string{dir, dir + "/generations/0001"} {
		if err := durable.MkdirAll(disk, name, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 3 {
		if err := durable.WriteFile(disk, fmt.Sprintf("%s/generations/0001/%d", dir, n), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	denied := fmt.Errorf("open: %w", fs.ErrPermission)
	tests := []struct {
		name string
		of   string // what belongs to user 4711; empty: nothing
		err  error
		want string // empty: nothing is found
	}{
		{"all right", "", denied, ""},
		{"a file deep down", "/generations/0001/2", denied, "/generations/0001/2: belongs to user 4711"},
		{"a directory", "/generations", denied, "/generations: belongs to user 4711"},
		{"another error", "/generations", errors.New("x"), ""},
		{"no error", "/generations", nil, ""},
	}
	for _, tt := range tests {
		fsys := ownedFS{disk, map[string]uint32{}}
		if tt.of != "" {
			fsys.owners[dir+tt.of] = 4711
		}
		err := identity.Denied(fsys, dir, tt.err)
		if tt.want == "" {
			if err != nil {
				t.Errorf("%s: got %v", tt.name, err)
			}
			continue
		}
		fault, ok := errors.AsType[*identity.Error](err)
		if !ok || !strings.Contains(err.Error(), tt.want) || !strings.Contains(fault.Hint(), "chown -R") {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
	own := &fs.PathError{Op: "open", Path: dir + "/generations/0001/0", Err: syscall.EACCES}
	fault, ok := errors.AsType[*identity.Error](identity.Denied(disk, dir, own))
	if !ok || fault.Path != own.Path || !strings.Contains(fault.Hint(), "chmod -R u+rwX "+dir) {
		t.Errorf("its own user kept out: got %v", fault)
	}
	if err := identity.Denied(disk, dir, &fs.PathError{Op: "open", Path: dir + "2/x", Err: syscall.EACCES}); err != nil {
		t.Errorf("beside the directory: %v", err)
	}
	if err := identity.CheckOwners(ownedFS{disk, map[string]uint32{dir: 4711}}, dir); err == nil {
		t.Error("a directory of another user than all that is in it is all right")
	}
	if err := identity.CheckOwners(durable.OS, "/absent"); err != nil {
		t.Errorf("no directory: %v", err)
	}
}

// Directories count, too: 1,000 names are looked at, so that a directory that
// somebody filled holds nobody up.
func TestOwnersAreLookedForInAThousandNames(t *testing.T) {
	for n, want := range map[int]bool{999: true, 1000: true, 1001: false} {
		disk := durabletest.New()
		if err := durable.MkdirAll(disk, dir, 0o700); err != nil {
			t.Fatal(err)
		}
		last := ""
		for i := range n {
			last = fmt.Sprintf("%s/%04d", dir, i)
			if err := durable.WriteFile(disk, last, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := identity.CheckOwners(ownedFS{disk, map[string]uint32{last: 4711}}, dir); (err != nil) != want {
			t.Errorf("the last of %d names is another user's: %v, want it found: %v", n, err, want)
		}
	}
}
