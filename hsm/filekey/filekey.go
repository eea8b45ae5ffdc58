// Package filekey keeps private keys in files: PKCS#8 in PEM, encrypted if there
// is a passphrase, mode 0600, one file a key, in a directory of mode 0700
// (hsm/keydir). A Ref is the file's name without ".pem".
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
	"errors"
	"fmt"
	"io/fs"

	"mooring/hsm/key"
	"mooring/hsm/keydir"
	"mooring/internal/durable"
)

const keySuffix = ".pem"

// maxKeyBytes bounds a key file. RSA 8192 in PEM is about 6.4 KiB.
const maxKeyBytes = 16 << 10

// Store is a directory of keys.
type Store struct {
	fsys durable.FS
	dir  *keydir.Dir
	// passphrase encrypts new keys; empty: they are in the clear.
	passphrase []byte
}

var _ key.Store = (*Store)(nil)

// Open opens the directory dir, which must be absolute, and makes it if it does
// not exist.
func Open(fsys durable.FS, dir string) (*Store, error) {
	d, err := keydir.Open(fsys, dir, keySuffix)
	if err != nil {
		return nil, err
	}
	return &Store{fsys: fsys, dir: d}, nil
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

// Open implements key.Store. Beside ErrNotFound it explains what is wrong with
// a file: its mode, its owner or its content.
func (s *Store) Open(ctx context.Context, ref key.Ref) (crypto.Signer, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	path, err := s.dir.Path(ref)
	if err != nil {
		return nil, err
	}
	text, err := readPrivate(s.fsys, path, maxKeyBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, s.dir.NotFound(ref)
	}
	if err != nil {
		return nil, err
	}
	signer, err := s.parse(text)
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", path, err)
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
func (s *Store) List(ctx context.Context) ([]key.Ref, error) { return s.dir.List(ctx) }

// Destroy implements key.Store.
func (s *Store) Destroy(ctx context.Context, ref key.Ref) error { return s.dir.Destroy(ctx, ref) }

// Close implements key.Store.
func (s *Store) Close() error { return nil }
