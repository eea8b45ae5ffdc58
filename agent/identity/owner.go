package identity

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"

	"mooring/internal/durable"
)

// maxEntries bounds how many files CheckOwners looks at.
const maxEntries = 1000

// CheckOwners refuses a state directory with a file that belongs to another user
// than the directory: a command that ran as root leaves some.
func CheckOwners(fsys durable.FS, dir string) error {
	info, err := fsys.Lstat(dir)
	if err != nil {
		return nil // CheckDir says so
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	left := maxEntries
	path, uid := foreign(fsys, dir, owner.Uid, &left)
	if path == "" {
		return nil
	}
	return &Error{Path: path, What: fmt.Sprintf("belongs to user %d, and the directory to user %d", uid, owner.Uid),
		hint: fmt.Sprintf("run chown -R -h %d %s: some command ran as another user", owner.Uid, dir)}
}

func foreign(fsys durable.FS, dir string, owner uint32, left *int) (path string, uid uint32) {
	entries, err := fsys.ReadDir(dir)
	if err != nil {
		return "", 0 // what cannot be read is said where it is needed
	}
	for _, entry := range entries {
		if *left--; *left < 0 {
			return "", 0
		}
		p := filepath.Join(dir, entry.Name())
		info, err := fsys.Lstat(p)
		if err != nil {
			continue // gone meanwhile
		}
		if s, ok := info.Sys().(*syscall.Stat_t); ok && s.Uid != owner {
			return p, s.Uid
		}
		if entry.IsDir() {
			if p, uid := foreign(fsys, p, owner, left); p != "" {
				return p, uid
			}
		}
	}
	return "", 0
}

// Denied names the file that is behind err: one of another user, else the one in
// the directory whose mode keeps its own user out. It is nil if err is no missing
// permission, or one of something else.
func Denied(fsys durable.FS, dir string, err error) error {
	if !errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if fault := CheckDir(fsys, dir); fault != nil {
		return fault
	}
	if fault := CheckOwners(fsys, dir); fault != nil {
		return fault
	}
	if e, ok := errors.AsType[*fs.PathError](err); ok && strings.HasPrefix(e.Path, dir+"/") {
		return &Error{Path: e.Path, What: "this user may not use it", err: e.Err, hint: "run chmod -R u+rwX " + dir}
	}
	return nil
}
