package durabletest

import (
	"io/fs"
	"path/filepath"
	"sort"
	"syscall"

	"mooring/internal/durable"
)

// change runs do on the directory that holds path, as one step.
func (f *FS) change(op, path string, do func(dir *node, name string) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := f.step()
	if err == nil {
		var dir *node
		var name string
		if dir, name, err = f.parent(path); err == nil {
			err = do(dir, name)
		}
	}
	return pathError(op, path, err)
}

func pathError(op, path string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: path, Err: err}
}

// add enters n under a name that must be free.
func add(n *node) func(*node, string) error {
	return func(dir *node, name string) error {
		if dir.entries[name] != nil || name == "" {
			return fs.ErrExist
		}
		dir.entries[name] = n
		return nil
	}
}

// Create implements durable.FS.
func (f *FS) Create(path string, perm fs.FileMode) (durable.File, error) {
	n := newNode(perm.Perm())
	if err := f.change("create", path, add(n)); err != nil {
		return nil, err
	}
	return &file{fs: f, n: n, path: path}, nil
}

// Mkdir implements durable.FS.
func (f *FS) Mkdir(path string, perm fs.FileMode) error {
	return f.change("mkdir", path, add(newNode(fs.ModeDir|perm.Perm())))
}

// Symlink implements durable.FS.
func (f *FS) Symlink(target, link string) error {
	n := newNode(fs.ModeSymlink | 0o777)
	n.target = target
	return f.change("symlink", link, add(n))
}

// Remove implements durable.FS.
func (f *FS) Remove(path string) error {
	return f.change("remove", path, func(dir *node, name string) error {
		n := dir.entries[name]
		if n == nil {
			return fs.ErrNotExist
		}
		if len(n.entries) > 0 {
			return syscall.ENOTEMPTY
		}
		delete(dir.entries, name)
		return nil
	})
}

// Rename implements durable.FS.
func (f *FS) Rename(oldPath, newPath string) error {
	return f.change("rename", oldPath, func(dir *node, name string) error {
		n := dir.entries[name]
		if n == nil {
			return fs.ErrNotExist
		}
		to, newName, err := f.parent(newPath)
		if err != nil {
			return err
		}
		if old := to.entries[newName]; old != nil {
			if old.mode.IsDir() != n.mode.IsDir() {
				return syscall.EISDIR
			}
			if len(old.entries) > 0 {
				return syscall.ENOTEMPTY
			}
		}
		delete(dir.entries, name)
		to.entries[newName] = n
		return nil
	})
}

// SyncDir implements durable.FS.
func (f *FS) SyncDir(path string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.step(); err != nil {
		return pathError("sync", path, err)
	}
	dir, err := f.walk(path, true)
	if err == nil && !dir.mode.IsDir() {
		err = syscall.ENOTDIR
	}
	if err != nil {
		return pathError("sync", path, err)
	}
	dir.syncedEntries = map[string]*node{}
	for name, n := range dir.entries {
		dir.syncedEntries[name] = n
	}
	return nil
}

// look finds a node for reading. Reading works until the power is cut.
func (f *FS) look(op, path string, follow bool) (*node, error) {
	if f.off {
		return nil, pathError(op, path, ErrPowerCut)
	}
	n, err := f.walk(path, follow)
	return n, pathError(op, path, err)
}

// ReadFile implements durable.FS.
func (f *FS) ReadFile(path string) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.look("read", path, true)
	if err != nil {
		return nil, err
	}
	if n.mode.IsDir() {
		return nil, pathError("read", path, syscall.EISDIR)
	}
	return append([]byte(nil), n.data...), nil
}

// ReadDir implements durable.FS.
func (f *FS) ReadDir(path string) ([]fs.DirEntry, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	dir, err := f.look("readdir", path, true)
	if err != nil {
		return nil, err
	}
	if !dir.mode.IsDir() {
		return nil, pathError("readdir", path, syscall.ENOTDIR)
	}
	entries := make([]fs.DirEntry, 0, len(dir.entries))
	for name, n := range dir.entries {
		entries = append(entries, fs.FileInfoToDirEntry(info{name: name, n: n}))
	}
	sort.Slice(entries, func(i, j int) bool { return entries[i].Name() < entries[j].Name() })
	return entries, nil
}

// ReadLink implements durable.FS.
func (f *FS) ReadLink(path string) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.look("readlink", path, false)
	if err != nil {
		return "", err
	}
	if n.mode&fs.ModeSymlink == 0 {
		return "", pathError("readlink", path, syscall.EINVAL)
	}
	return n.target, nil
}

// Lstat implements durable.FS.
func (f *FS) Lstat(path string) (fs.FileInfo, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.look("lstat", path, false)
	if err != nil {
		return nil, err
	}
	return info{name: filepath.Base(path), n: n}, nil
}

// file is open for writing.
type file struct {
	fs   *FS
	n    *node
	path string
}

func (w *file) Write(p []byte) (int, error) {
	w.fs.mu.Lock()
	defer w.fs.mu.Unlock()
	before := w.fs.off
	if err := w.fs.step(); err != nil {
		if before {
			return 0, pathError("write", w.path, err)
		}
		half := len(p) / 2
		w.n.data = append(w.n.data, p[:half]...)
		return half, pathError("write", w.path, err)
	}
	w.n.data = append(w.n.data, p...)
	return len(p), nil
}

func (w *file) Sync() error {
	w.fs.mu.Lock()
	defer w.fs.mu.Unlock()
	if err := w.fs.step(); err != nil {
		return pathError("sync", w.path, err)
	}
	w.n.syncedData = append([]byte(nil), w.n.data...)
	return nil
}

// Close changes nothing on the disk, so it is no step.
func (w *file) Close() error { return nil }
