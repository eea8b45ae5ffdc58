// Package minisign verifies signatures of files as minisign writes them: Ed25519
// over the BLAKE2b-512 hash of the file.
//
//	public key = base64( "Ed" key-id[8] key[32] )
//	signature  = "untrusted comment: " text LF
//	             base64( "ED" key-id[8] signature[64] ) LF
//	             "trusted comment: " text LF
//	             base64( signature[64] of the signature above and the trusted comment )
//
// The second line of a signature may stand alone: it is short enough to travel
// in a URL, and what is left out is only the comment. Signatures of the
// legacy kind "Ed", over the file itself, are refused: they need all of a file in
// memory. The package does no I/O.
package minisign

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	// MaxSignature bounds the text of a signature in bytes; minisign itself
	// bounds comments to 1,024 and 8,192 bytes.
	MaxSignature = 16 << 10

	keyLength       = 2 + 8 + ed25519.PublicKeySize
	signatureLength = 2 + 8 + ed25519.SignatureSize

	trustedPrefix = "trusted comment: "
)

// ErrUnknownKey says that a signature is by none of the keys given.
var ErrUnknownKey = errors.New("the signature is by an unknown key")

// ErrWrong says that a signature does not fit the file.
var ErrWrong = errors.New("the signature does not fit the file")

// PublicKey is what verifies.
type PublicKey struct {
	id  [8]byte
	key ed25519.PublicKey
}

// ParsePublicKey reads the second line of a public key's file.
func ParsePublicKey(text string) (PublicKey, error) {
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil || len(raw) != keyLength || string(raw[:2]) != "Ed" {
		return PublicKey{}, errors.New("no minisign public key")
	}
	k := PublicKey{key: raw[10:]}
	copy(k.id[:], raw[2:])
	return k, nil
}

// Signature is one signature of a file.
type Signature struct {
	id        [8]byte
	signature []byte
	// comment and global are absent if the second line stood alone.
	comment, global []byte
}

// ParseSignature reads a signature's file, or its second line alone.
func ParseSignature(text string) (Signature, error) {
	var s Signature
	if len(text) > MaxSignature {
		return s, fmt.Errorf("the signature is longer than %d bytes", MaxSignature)
	}
	lines := strings.Split(strings.ReplaceAll(strings.TrimSpace(text), "\r\n", "\n"), "\n")
	if len(lines) == 4 {
		var err error
		comment, ok := strings.CutPrefix(lines[2], trustedPrefix)
		if s.global, err = base64.StdEncoding.DecodeString(lines[3]); err != nil || !ok || len(s.global) != ed25519.SignatureSize {
			return s, errors.New("the signature's trusted comment is broken")
		}
		s.comment, lines = []byte(comment), lines[1:2]
	}
	if len(lines) != 1 {
		return s, errors.New("no minisign signature")
	}
	raw, err := base64.StdEncoding.DecodeString(lines[0])
	switch {
	case err != nil || len(raw) != signatureLength:
		return s, errors.New("no minisign signature")
	case string(raw[:2]) == "Ed":
		return s, errors.New("a legacy signature, over the file itself: sign with minisign -H")
	case string(raw[:2]) != "ED":
		return s, errors.New("no minisign signature")
	}
	copy(s.id[:], raw[2:])
	s.signature = raw[10:]
	return s, nil
}

// Hash is what a file is written to; Sum appends what is signed.
type Hash interface {
	io.Writer
	Sum(b []byte) []byte
}

// NewHash returns a hash; all of the file is written to it, which never fails.
func NewHash() Hash { return newBLAKE2b() }

// Verify checks the signature of a file with that hash. The error is
// ErrUnknownKey or ErrWrong.
func (s Signature) Verify(keys []PublicKey, sum []byte) error {
	for _, k := range keys {
		if k.id != s.id {
			continue
		}
		if !ed25519.Verify(k.key, sum, s.signature) {
			return ErrWrong
		}
		if s.global != nil && !ed25519.Verify(k.key, append(append([]byte(nil), s.signature...), s.comment...), s.global) {
			return ErrWrong
		}
		return nil
	}
	return ErrUnknownKey
}
