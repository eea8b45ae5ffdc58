package durable

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"syscall"
	"time"
)

// OS is the file system of the operating system.
var OS FS = osFS{}

type osFS struct{}

// Create fails for an existing path, links included, and sets perm whatever
// the umask is.
func (osFS) Create(path string, perm fs.FileMode) (File, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return nil, err
	}
	if err := f.Chmod(perm); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

func (osFS) Rename(oldPath, newPath string) error       { return os.Rename(oldPath, newPath) }
func (osFS) Remove(path string) error                   { return os.Remove(path) }
func (osFS) Mkdir(path string, perm fs.FileMode) error  { return os.Mkdir(path, perm) }
func (osFS) Symlink(target, link string) error          { return os.Symlink(target, link) }
func (osFS) ReadDir(path string) ([]fs.DirEntry, error) { return os.ReadDir(path) }
func (osFS) ReadLink(path string) (string, error)       { return os.Readlink(path) }
func (osFS) Lstat(path string) (fs.FileInfo, error)     { return os.Lstat(path) }

// pipeLimit is how long a pipe may take to give what it holds.
const pipeLimit = 10 * time.Second

// ReadFile stops at MaxRead, whatever size path claims: a device or a pipe never
// ends. Opening a pipe does not wait for its writer; one that has none is empty.
func (osFS) ReadFile(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read from
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Mode()&fs.ModeNamedPipe != 0 {
		if err := f.SetReadDeadline(time.Now().Add(pipeLimit)); err != nil {
			return nil, err
		}
	}
	tooLong := fmt.Errorf("%s is longer than %d MiB", path, MaxRead>>20)
	if info.Size() > MaxRead {
		return nil, tooLong
	}
	data := make([]byte, 0, info.Size()+1)
	for {
		n, err := f.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		switch {
		case errors.Is(err, io.EOF):
			if len(data) == 0 && info.Mode()&fs.ModeNamedPipe != 0 {
				return nil, fmt.Errorf("%s is a pipe from which nothing comes", path)
			}
			return data, nil
		case err != nil:
			return nil, err
		case len(data) > MaxRead:
			return nil, tooLong
		case len(data) == cap(data):
			data = slices.Grow(data, len(data))
		}
	}
}

// SyncDir counts EINVAL as done: some file systems (FUSE, network shares) sync
// entries by themselves and refuse to be asked.
func (osFS) SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, syscall.EINVAL) {
		err = nil
	}
	if closeErr := d.Close(); err == nil {
		err = closeErr
	}
	return err
}
