package filekey

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"mooring/hsm/key"
	"mooring/hsm/keydir"
	"mooring/internal/durable"
)

// Layout of sealed data, in bytes:
//
//	 0      1  version, 1
//	 1      8  key ID: first 8 bytes of SHA-256("mooring sealing key" || key)
//	 9     12  nonce, random
//	21      n  ciphertext of the n bytes of plaintext, AES-256-GCM
//	21+n   16  tag
//
// The additional data of GCM are bytes 0 to 8 followed by the caller's. Random
// nonces of 96 bits are good for 2^32 messages under one key (NIST SP 800-38D
// §8.3); a server seals a few for each of its keys and users.
const (
	sealVersion  = 1
	keyIDBytes   = 8
	headerBytes  = 1 + keyIDBytes
	nonceBytes   = 12
	tagBytes     = 16
	sealingBytes = 32 // of the key file
)

// Overhead is how much longer sealed data are than their plaintext.
const Overhead = headerBytes + nonceBytes + tagBytes

// Sealer seals under the key in one file.
type Sealer struct {
	aead  cipher.AEAD
	keyID [keyIDBytes]byte
}

var _ key.Sealer = (*Sealer)(nil)

// OpenSealer reads the 32 raw bytes of the key file path, which must be
// absolute. If the file does not exist it is made, mode 0600, with a random
// key. A file of another length or readable by others is refused.
func OpenSealer(fsys durable.FS, path string) (*Sealer, error) {
	if !filepath.IsAbs(path) {
		return nil, fmt.Errorf("sealing key %q: the path must be absolute", path)
	}
	secret, err := readPrivate(fsys, path, sealingBytes)
	if errors.Is(err, fs.ErrNotExist) {
		secret, err = createSealingKey(fsys, path)
	}
	if err != nil {
		return nil, err
	}
	if len(secret) != sealingBytes {
		return nil, fmt.Errorf("key file %s has %d bytes, a sealing key has %d", path, len(secret), sealingBytes)
	}
	return newSealer(secret)
}

func createSealingKey(fsys durable.FS, path string) ([]byte, error) {
	secret := make([]byte, sealingBytes)
	if _, err := rand.Read(secret); err != nil {
		return nil, fmt.Errorf("read random bytes: %w", err)
	}
	if err := durable.MkdirAll(fsys, filepath.Dir(path), keydir.DirMode); err != nil {
		return nil, err
	}
	if err := durable.WriteFile(fsys, path, secret, keydir.FileMode); err != nil {
		return nil, fmt.Errorf("create sealing key: %w", err)
	}
	return secret, nil
}

func newSealer(secret []byte) (*Sealer, error) {
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	s := &Sealer{aead: aead}
	sum := sha256.Sum256(append([]byte("mooring sealing key"), secret...))
	copy(s.keyID[:], sum[:])
	return s, nil
}

// SealerID implements key.Sealer.
func (s *Sealer) SealerID() string { return "file:" + hex.EncodeToString(s.keyID[:]) }

// Seal implements key.Sealer.
func (s *Sealer) Seal(ctx context.Context, plaintext, aad []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(plaintext) > key.MaxPlaintext || len(aad) > key.MaxAAD {
		return nil, fmt.Errorf("seal: at most %d bytes and %d of associated data", key.MaxPlaintext, key.MaxAAD)
	}
	out := make([]byte, headerBytes+nonceBytes, Overhead+len(plaintext))
	out[0] = sealVersion
	copy(out[1:], s.keyID[:])
	nonce := out[headerBytes:]
	if _, err := rand.Read(nonce); err != nil {
		return nil, fmt.Errorf("read random bytes: %w", err)
	}
	return s.aead.Seal(out, nonce, plaintext, bind(out[:headerBytes], aad)), nil
}

// Unseal implements key.Sealer.
func (s *Sealer) Unseal(ctx context.Context, sealed, aad []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(sealed) < Overhead || len(sealed) > Overhead+key.MaxPlaintext || len(aad) > key.MaxAAD {
		return nil, fmt.Errorf("%w: its length is impossible", key.ErrSealed)
	}
	if sealed[0] != sealVersion {
		return nil, fmt.Errorf("%w: version %d is unknown", key.ErrSealed, sealed[0])
	}
	if id := sealed[1:headerBytes]; string(id) != string(s.keyID[:]) {
		return nil, fmt.Errorf("%w: it needs file:%x, this is %s", key.ErrSealed, id, s.SealerID())
	}
	nonce, body := sealed[headerBytes:headerBytes+nonceBytes], sealed[headerBytes+nonceBytes:]
	plaintext, err := s.aead.Open(nil, nonce, body, bind(sealed[:headerBytes], aad))
	if err != nil {
		return nil, fmt.Errorf("%w: it was changed or belongs to something else", key.ErrSealed)
	}
	return plaintext, nil
}

// bind joins header and aad; the header has a fixed length, so no two pairs
// give the same.
func bind(header, aad []byte) []byte {
	return append(append(make([]byte, 0, len(header)+len(aad)), header...), aad...)
}
