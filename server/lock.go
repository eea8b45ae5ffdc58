package server

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"mooring/internal/problem"
)

// dirLock is held on a data directory while a process uses it. The kernel
// drops it when the process ends, however it ends.
type dirLock struct{ file *os.File }

func lockDir(dir string) (*dirLock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		file.Close()
		return nil, problem.New(problem.Unavailable, fmt.Sprintf("data directory %s is in use by another process", dir), nil)
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("lock data directory: %w", err)
	}
	return &dirLock{file}, nil
}

func (l *dirLock) release() error { return l.file.Close() }
