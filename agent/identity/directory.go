package identity

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"mooring/hsm/key"
	"mooring/internal/durable"
	"mooring/internal/lifecycle"
)

// Error says what is wrong with the state directory, and what a person can do
// about it.
type Error struct {
	Path string
	What string
	hint string
	err  error
}

// Error gives path and fault.
func (e *Error) Error() string {
	text := e.Path + ": " + e.What
	if e.err != nil {
		text += ": " + e.err.Error()
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.err }

// Hint says what to do.
func (e *Error) Hint() string { return e.hint }

func damaged(path, what string, err error) error {
	return &Error{Path: path, What: what, err: err,
		hint: "the state directory is damaged: restore it from a backup, or move it away and enrol the device again"}
}

// missing turns "no such file" within a generation into damage, and so a file where
// a directory should be.
func missing(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return damaged(path, "incomplete", err)
	}
	return err
}

func keyMissing(ref key.Ref, err error) error {
	hint := "repair the key store or restore the key; if it is lost, register the device again and run mooring-agent enrol --again"
	own, hasHint := errors.AsType[interface {
		error
		Hint() string
	}](err)
	token, isToken := errors.AsType[interface {
		error
		HintText() string // of what has a field Hint
	}](err)
	switch {
	case hasHint:
		hint = own.Hint()
	case isToken && token.HintText() != "":
		hint = token.HintText()
	case errors.Is(err, key.ErrNotFound):
		hint = "the key is gone from its store: restore it, or register the device again and run mooring-agent enrol --again"
	case errors.Is(err, key.ErrBarred):
		hint = "correct the file with the passphrase that the key store's URI names; the key itself was not touched"
	case errors.Is(err, fs.ErrPermission):
		hint = "make the key readable for this user; the key itself was not touched"
	}
	return &Error{Path: "key " + string(ref), What: "cannot be used", err: err, hint: hint}
}

// CheckDir refuses a state directory that others may write to or that belongs
// to somebody else: this user's files in it would be unusable for its owner.
func CheckDir(fsys durable.FS, dir string) error {
	info, err := fsys.Lstat(dir)
	if err != nil {
		return &Error{Path: dir, What: "cannot be used as state directory", err: err,
			hint: "create it for the user that runs mooring-agent, or name another one with --state"}
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		if info, err = os.Stat(dir); err != nil {
			return &Error{Path: dir, What: "leads nowhere", err: err, hint: "name another state directory with --state"}
		}
	}
	if !info.IsDir() {
		return &Error{Path: dir, What: "is not a directory", hint: "name another state directory with --state"}
	}
	mode := info.Mode().Perm()
	if mode&0o022 != 0 {
		return &Error{Path: dir, What: fmt.Sprintf("has mode %04o: others may replace the identity", mode), hint: "run chmod 700 " + dir}
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && int(stat.Uid) != os.Geteuid() {
		return &Error{Path: dir, What: fmt.Sprintf("belongs to user %d, and this is user %d", stat.Uid, os.Geteuid()),
			hint: fmt.Sprintf("run mooring-agent as user %d, as with sudo -u '#%d'", stat.Uid, stat.Uid)}
	}
	if mode&0o700 != 0o700 {
		return &Error{Path: dir, What: fmt.Sprintf("has mode %04o: its owner may not use it", mode), hint: "run chmod 700 " + dir}
	}
	return nil
}

// Exists reports whether the directory has an identity, whole or damaged.
func Exists(fsys durable.FS, dir string) bool {
	_, err := fsys.Lstat(filepath.Join(dir, currentLink))
	return err == nil
}

// ErrLocked says that another process uses the state directory.
var ErrLocked = errors.New("the state directory is in use by another mooring-agent")

const lockFile = "lock"

// Lock takes the state directory for this process, or fails with ErrLocked.
// The kernel gives it back when the process ends, however it ends.
func Lock(dir string) (release func(), err error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the state directory: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, ErrLocked
		}
		return nil, fmt.Errorf("lock the state directory: %w", err)
	}
	return func() { _ = f.Close() }, nil
}

const lifecycleFile = "lifecycle"

// LoadLife reads what the state machine remembered, false if there is nothing
// usable. Without it the machine begins again from what Find finds, so damage
// costs only counters.
func (s *Store) LoadLife() (lifecycle.State, bool) {
	text, err := s.fsys.ReadFile(filepath.Join(s.dir, lifecycleFile))
	if err != nil {
		return lifecycle.State{}, false
	}
	state, err := lifecycle.Decode(text)
	return state, err == nil
}

// SaveLife writes it.
func (s *Store) SaveLife(state lifecycle.State) error {
	return durable.WriteFile(s.fsys, filepath.Join(s.dir, lifecycleFile), state.Encode(), fileMode)
}
