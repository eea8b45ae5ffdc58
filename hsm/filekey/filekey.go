// Package filekey keeps private keys in files: PKCS#8 in PEM, encrypted if there
// is a passphrase, mode 0600, one
// file a key, in a directory of mode 0700. A Ref is the file's name without
// ".pem".
//
// Keys placed there by hand are found too, also in the older forms "EC PRIVATE
// KEY" and "RSA PRIVATE KEY" that OpenSSL writes. A key that others may read is
// refused, because it is no secret any more.
package filekey

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"mooring/hsm/key"
	"mooring/internal/durable"
)

const (
	keySuffix = ".pem"
	keyMode   = 0o600
	dirMode   = 0o700

	// maxKeyBytes bounds a key file. RSA 8192 in PEM is about 6.4 KiB.
	maxKeyBytes = 16 << 10
	// maxRefBytes leaves room in a file name (255) for the suffix and the mark
	// of temporary files.
	maxRefBytes = 128
)

// Store is a directory of keys.
type Store struct {
	fsys durable.FS
	dir  string
	// passphrase encrypts new keys; empty: they are in the clear.
	passphrase []byte

	mu      sync.Mutex // one change at a time
	cleaned bool       // leftovers of power cuts were removed
}

var _ key.Store = (*Store)(nil)

// Open opens the directory dir, which must be absolute, and makes it if it does
// not exist.
func Open(fsys durable.FS, dir string) (*Store, error) {
	if !filepath.IsAbs(dir) {
		return nil, fmt.Errorf("key directory %q: the path must be absolute", dir)
	}
	dir = filepath.Clean(dir)
	if err := durable.MkdirAll(fsys, dir, dirMode); err != nil {
		return nil, fmt.Errorf("key directory: %w", err)
	}
	info, err := fsys.Lstat(dir)
	if err != nil {
		return nil, fmt.Errorf("key directory %s: %w", dir, err)
	}
	if info.IsDir() && info.Mode().Perm()&0o022 != 0 {
		return nil, &modeError{fmt.Sprintf("key directory %s has mode %04o: others may replace keys in it", dir, info.Mode().Perm()), "run chmod 700 " + dir}
	}
	return &Store{fsys: fsys, dir: dir}, nil
}

// Create implements key.Store. The label becomes part of the Ref as far as
// its characters allow.
func (s *Store) Create(ctx context.Context, spec key.Spec) (key.Ref, crypto.Signer, error) {
	if len(spec.Label) > key.MaxLabelBytes {
		return "", nil, fmt.Errorf("the label of a key is longer than %d bytes", key.MaxLabelBytes)
	}
	if err := ctx.Err(); err != nil {
		return "", nil, err
	}
	signer, err := generate(spec.Algorithm)
	if err != nil {
		return "", nil, err
	}
	ref, err := s.write(signer, spec.Label)
	if err != nil {
		return "", nil, err
	}
	return ref, signer, nil
}

// clean removes incomplete files once, before the first key is made. It is not
// done by Open, because another process may only look.
func (s *Store) clean() error {
	if s.cleaned {
		return nil
	}
	if err := durable.RemoveTemporary(s.fsys, s.dir); err != nil {
		return err
	}
	s.cleaned = true
	return nil
}

func generate(a key.Algorithm) (crypto.Signer, error) {
	switch a {
	case key.ECDSAP256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case key.ECDSAP384:
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case key.RSA2048:
		return rsa.GenerateKey(rand.Reader, 2048)
	case key.RSA3072:
		return rsa.GenerateKey(rand.Reader, 3072)
	case key.RSA4096:
		return rsa.GenerateKey(rand.Reader, 4096)
	}
	return nil, fmt.Errorf("a key file cannot hold a key of %v", a)
}

// newRef returns label and 64 random bits.
func newRef(label string) (key.Ref, error) {
	random := make([]byte, 8)
	if _, err := rand.Read(random); err != nil {
		return "", fmt.Errorf("read random bytes: %w", err)
	}
	name := strings.Map(func(r rune) rune {
		if refRune(r) {
			return r
		}
		return '-'
	}, label)
	name = strings.TrimLeft(name, ".-_")
	if name == "" {
		name = "key"
	}
	return key.Ref(name + "-" + hex.EncodeToString(random)), nil
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

func (s *Store) path(ref key.Ref) string { return filepath.Join(s.dir, string(ref)+keySuffix) }

// Open implements key.Store. Beside ErrNotFound it explains what is wrong with
// a file: its mode, its owner or its content.
func (s *Store) Open(ctx context.Context, ref key.Ref) (crypto.Signer, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !validRef(ref) {
		return nil, fmt.Errorf("key %.40q: %w", ref, key.ErrNotFound)
	}
	text, err := readPrivate(s.fsys, s.path(ref), maxKeyBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("key %s in %s: %w", ref, s.dir, key.ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	signer, err := s.parse(text)
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", s.path(ref), err)
	}
	return signer, nil
}

func (s *Store) parse(text []byte) (crypto.Signer, error) {
	if len(s.passphrase) > 0 {
		return ParseKey(text, s.passphrase)
	}
	return parse(text)
}

// List implements key.Store. Files whose names are no Ref are skipped.
func (s *Store) List(ctx context.Context) ([]key.Ref, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	// What the list does not show must not come back with a power cut: callers
	// forget keys that are not there.
	if err := durable.SyncDir(s.fsys, s.dir); err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	entries, err := s.fsys.ReadDir(s.dir)
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	var refs []key.Ref
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), keySuffix)
		if ok && validRef(key.Ref(name)) && e.Type().IsRegular() {
			refs = append(refs, key.Ref(name))
		}
	}
	slices.Sort(refs)
	return refs, nil
}

// Destroy implements key.Store.
func (s *Store) Destroy(ctx context.Context, ref key.Ref) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !validRef(ref) {
		return fmt.Errorf("key %.40q: %w", ref, key.ErrNotFound)
	}
	_, found := s.fsys.Lstat(s.path(ref))
	// Also if it is not there: a process that was killed may have removed it from
	// the cache alone, and who hears ErrNotFound forgets the key for good.
	if err := durable.Remove(s.fsys, s.path(ref)); err != nil {
		return fmt.Errorf("destroy key: %w", err)
	}
	if errors.Is(found, fs.ErrNotExist) {
		return fmt.Errorf("key %s in %s: %w", ref, s.dir, key.ErrNotFound)
	}
	return nil
}

// Close implements key.Store.
func (s *Store) Close() error { return nil }
