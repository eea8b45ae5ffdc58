// Package keydir is a directory of key files, one a key, whose names without their
// suffix are the Refs. What is in the files is the business of the key stores that
// keep theirs here: filekey and tpmkey.
//
// Files have mode 0600, the directory 0700. A file that was written survives a
// power cut, one that was destroyed does not come back with it.
package keydir

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"mooring/hsm/key"
	"mooring/internal/durable"
)

// Modes of what a key store writes.
const (
	FileMode fs.FileMode = 0o600
	DirMode  fs.FileMode = 0o700
)

// maxRefBytes leaves room in a file name (255) for the suffix and the mark of
// temporary files.
const maxRefBytes = 128

// Dir is a directory of key files. It may be used by several goroutines at once.
type Dir struct {
	fsys   durable.FS
	path   string
	suffix string

	mu      sync.Mutex // one change at a time
	cleaned bool       // leftovers of power cuts were removed
}

// ModeError says what a person has to mend before keys here can be used, and how:
// others may use or replace them.
type ModeError struct{ Text, Advice string }

func (e *ModeError) Error() string { return e.Text }

// Hint says what to do.
func (e *ModeError) Hint() string { return e.Advice }

// Open opens the directory path, which must be absolute, and makes it if it does
// not exist. One in which others may replace files is a *ModeError. suffix ends
// the names of key files, ".pem".
func Open(fsys durable.FS, path, suffix string) (*Dir, error) {
	if !filepath.IsAbs(path) {
		return nil, fmt.Errorf("key directory %q: the path must be absolute", path)
	}
	path = filepath.Clean(path)
	if err := durable.MkdirAll(fsys, path, DirMode); errors.Is(err, syscall.ENOTDIR) {
		return nil, &ModeError{fmt.Sprintf("key directory %s is not a directory", path), "restore the directory of keys in its place"}
	} else if err != nil {
		return nil, fmt.Errorf("key directory: %w", err)
	}
	info, err := fsys.Lstat(path)
	if err != nil {
		return nil, fmt.Errorf("key directory %s: %w", path, err)
	}
	if info.IsDir() && info.Mode().Perm()&0o022 != 0 {
		return nil, &ModeError{fmt.Sprintf("key directory %s has mode %04o: others may replace keys in it", path, info.Mode().Perm()), "run chmod 700 " + path}
	}
	return &Dir{fsys: fsys, path: path, suffix: suffix}, nil
}

// String is the path.
func (d *Dir) String() string { return d.path }

// Path is where the file of ref is. The error is key.ErrNotFound for what cannot
// be a Ref of this directory.
func (d *Dir) Path(ref key.Ref) (string, error) {
	if !validRef(ref) {
		return "", fmt.Errorf("key %.40q: %w", ref, key.ErrNotFound)
	}
	return filepath.Join(d.path, string(ref)+d.suffix), nil
}

// NotFound says that there is no file of ref.
func (d *Dir) NotFound(ref key.Ref) error {
	return fmt.Errorf("key %s in %s: %w", ref, d.path, key.ErrNotFound)
}

// Create writes the file of a new key, whose Ref is made of the label, as far as
// its characters allow, and 64 random bits.
func (d *Dir) Create(label string, text []byte) (key.Ref, error) {
	ref := newRef(label)
	if err := d.WriteFile(string(ref)+d.suffix, text); err != nil {
		return "", fmt.Errorf("create key: %w", err)
	}
	return ref, nil
}

// WriteFile writes a file beside those of the keys. Incomplete files are removed
// before the first one is written. It is not done by Open, because another process
// may only look.
func (d *Dir) WriteFile(name string, text []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.cleaned {
		if err := durable.RemoveTemporary(d.fsys, d.path); err != nil {
			return err
		}
		d.cleaned = true
	}
	return durable.WriteFile(d.fsys, filepath.Join(d.path, name), text, FileMode)
}

// List is that of key.Store. Files whose names are no Ref are skipped.
func (d *Dir) List(ctx context.Context) ([]key.Ref, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	// What the list does not show must not come back with a power cut: callers
	// forget keys that are not there.
	if err := durable.SyncDir(d.fsys, d.path); err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	entries, err := d.fsys.ReadDir(d.path)
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	var refs []key.Ref
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), d.suffix)
		if ok && validRef(key.Ref(name)) && e.Type().IsRegular() {
			refs = append(refs, key.Ref(name))
		}
	}
	slices.Sort(refs)
	return refs, nil
}

// Destroy is that of key.Store.
func (d *Dir) Destroy(ctx context.Context, ref key.Ref) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	path, err := d.Path(ref)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	_, found := d.fsys.Lstat(path)
	// Also if it is not there: a process that was killed may have removed it from
	// the cache alone, and who hears ErrNotFound forgets the key for good.
	if err := durable.Remove(d.fsys, path); err != nil {
		return fmt.Errorf("destroy key: %w", err)
	}
	if errors.Is(found, fs.ErrNotExist) {
		return d.NotFound(ref)
	}
	return nil
}

func newRef(label string) key.Ref {
	random := make([]byte, 8)
	_, _ = rand.Read(random) // never fails (crypto/rand)
	name := strings.Map(func(r rune) rune {
		if refRune(r) {
			return r
		}
		return '-'
	}, label)
	if name = strings.TrimLeft(name, ".-_"); name == "" {
		name = "key"
	}
	return key.Ref(name + "-" + hex.EncodeToString(random))
}

func refRune(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '.' || r == '_' || r == '-'
}

// validRef keeps a Ref inside the directory: no separators, no leading dot.
func validRef(ref key.Ref) bool {
	if ref == "" || len(ref) > maxRefBytes || strings.ContainsRune(".-_", rune(ref[0])) {
		return false
	}
	return !strings.ContainsFunc(string(ref), func(r rune) bool { return !refRune(r) })
}
