// Package durable writes files so that a power cut at any instant leaves either
// the old content or the new, never a mixture, and so that what a function
// reported as done is still there afterwards.
//
// Everything goes through FS, a small file system. OS is the real one; package
// durabletest has one that stops at any step and forgets what was not synced.
// Errors are those of the operating system, so errors.Is finds fs.ErrNotExist
// and syscall.ENOSPC.
//
// A path has one writer at a time. A process that finds what an earlier one left
// does not know whether that one came to its last sync: before it destroys
// anything because of what it reads, it calls SyncDir on the directory.
package durable

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
)

// MaxRead is how many bytes a file may have that is read at once; the longest that
// Mooring writes, segments of the agent's spool, are far below.
const MaxRead = 16 << 20

// FS is what durable files need of a file system. Paths are absolute or
// relative to the working directory, as for package os.
type FS interface {
	// Create makes a file that must not exist and opens it for writing.
	Create(path string, perm fs.FileMode) (File, error)
	// Rename replaces newPath, if it is a file or link, in one step.
	Rename(oldPath, newPath string) error
	// Remove takes away a file, a link or an empty directory.
	Remove(path string) error
	Mkdir(path string, perm fs.FileMode) error
	Symlink(target, link string) error
	// SyncDir makes creations, renames and removals in dir survive a power cut.
	SyncDir(dir string) error

	// ReadFile refuses what has more than MaxRead bytes, and a pipe from which
	// nothing comes.
	ReadFile(path string) ([]byte, error)
	ReadDir(path string) ([]fs.DirEntry, error)
	ReadLink(path string) (string, error)
	// Lstat does not follow a link that path itself is.
	Lstat(path string) (fs.FileInfo, error)
}

// File is a new file that is being written.
type File interface {
	io.Writer
	Sync() error
	Close() error
}

// temporary marks files that are not complete; see RemoveTemporary.
const temporary = ".tmp-"

// WriteFile replaces the content of path: temporary file beside it, sync,
// rename, sync of the directory. After an error path holds the old content or
// the new; the temporary file is removed if the file system still works.
func WriteFile(fsys FS, path string, data []byte, perm fs.FileMode) error {
	tmp, err := writeTemporary(fsys, path, data, perm)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := Rename(fsys, tmp, path); err != nil {
		_ = fsys.Remove(tmp)
		return err
	}
	return nil
}

// writeTemporary writes and syncs data beside path and returns its name. The
// name is fixed for a path, so that a leftover of a power cut is replaced and
// does not pile up.
func writeTemporary(fsys FS, path string, data []byte, perm fs.FileMode) (string, error) {
	tmp := temporaryName(path)
	if err := fsys.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	f, err := fsys.Create(tmp, perm)
	if err != nil {
		return "", err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		_ = fsys.Remove(tmp)
		return "", err
	}
	return tmp, nil
}

func temporaryName(path string) string {
	dir, name := filepath.Split(path)
	return dir + temporary + name
}

// Rename moves oldPath to newPath and syncs the directories of both.
func Rename(fsys FS, oldPath, newPath string) error {
	if err := fsys.Rename(oldPath, newPath); err != nil {
		return fmt.Errorf("rename to %s: %w", newPath, err)
	}
	if err := SyncDir(fsys, filepath.Dir(newPath)); err != nil {
		return err
	}
	if filepath.Dir(oldPath) == filepath.Dir(newPath) {
		return nil
	}
	return SyncDir(fsys, filepath.Dir(oldPath))
}

// SyncDir makes what happened to the entries of dir survive a power cut.
func SyncDir(fsys FS, dir string) error {
	if err := fsys.SyncDir(dir); err != nil {
		return fmt.Errorf("sync directory %s: %w", dir, err)
	}
	return nil
}

// MkdirAll makes dir and its missing parents, and syncs the directory above
// each one it made. An existing dir keeps its mode; the directory above it is
// synced too, because who made it may have been killed before that.
func MkdirAll(fsys FS, dir string, perm fs.FileMode) error {
	info, err := fsys.Lstat(dir)
	if err == nil {
		return found(fsys, info, dir)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("make directory %s: %w", dir, err)
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := MkdirAll(fsys, parent, perm); err != nil {
			return err
		}
	}
	if err := fsys.Mkdir(dir, perm); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make directory %s: %w", dir, err)
	}
	return SyncDir(fsys, parent)
}

// found accepts a directory that was there before. It accepts links too: what
// they lead to shows with the first use. That the directory above may not be
// read is no error, because then somebody else made this one.
func found(fsys FS, info fs.FileInfo, dir string) error {
	if !info.IsDir() && info.Mode()&fs.ModeSymlink == 0 {
		return fmt.Errorf("make directory %s: a file is in the way: %w", dir, syscall.ENOTDIR)
	}
	if err := SyncDir(fsys, filepath.Dir(dir)); err != nil && !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return nil
}

// PointAt makes link a symbolic link to target in one step, whether or not
// link existed. Readers see the old target or the new.
func PointAt(fsys FS, link, target string) error {
	tmp := temporaryName(link)
	if err := fsys.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("point %s at %s: %w", link, target, err)
	}
	if err := fsys.Symlink(target, tmp); err != nil {
		return fmt.Errorf("point %s at %s: %w", link, target, err)
	}
	if err := Rename(fsys, tmp, link); err != nil {
		_ = fsys.Remove(tmp)
		return err
	}
	return nil
}

// Remove takes away a file, a link or an empty directory. That path does not
// exist is no error: after a power cut it may be gone already.
func Remove(fsys FS, path string) error {
	// What is gone already may be gone from the cache alone.
	if err := fsys.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove %s: %w", path, err)
	}
	return SyncDir(fsys, filepath.Dir(path))
}

// RemoveAll takes away path and everything below it. Links are removed, never
// followed.
func RemoveAll(fsys FS, path string) error {
	info, err := fsys.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return SyncDir(fsys, filepath.Dir(path))
	}
	if err != nil {
		return fmt.Errorf("remove %s: %w", path, err)
	}
	if info.IsDir() {
		entries, err := fsys.ReadDir(path)
		if err != nil {
			return fmt.Errorf("remove %s: %w", path, err)
		}
		for _, e := range entries {
			if err := RemoveAll(fsys, filepath.Join(path, e.Name())); err != nil {
				return err
			}
		}
	}
	return Remove(fsys, path)
}

// IsTemporary reports whether name is that of an incomplete file. Readers of a
// directory skip those.
func IsTemporary(name string) bool { return strings.HasPrefix(filepath.Base(name), temporary) }

// RemoveTemporary takes away what power cuts left incomplete in dir. Call it
// when nobody else writes there, at start.
func RemoveTemporary(fsys FS, dir string) error {
	entries, err := fsys.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("clean %s: %w", dir, err)
	}
	for _, e := range entries {
		if IsTemporary(e.Name()) {
			if err := Remove(fsys, filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}
