// Package identity keeps a device's identity on disk, so that a power cut at
// any instant leaves a key and a certificate that belong together and connect.
//
//	STATE/generations/0001/identity.json   key reference, and what people ask of the certificate
//	STATE/generations/0001/chain.pem       leaf first
//	STATE/generations/0001/digest          SHA-256 of the two, written last: makes the generation complete
//	STATE/current -> generations/0001      the generation that connects; flipped in one step
//	STATE/lifecycle                        what internal/lifecycle remembers
//
// A complete generation with a higher number than the current one is the
// candidate; one without a certificate has a key that waits for it. Anything
// else is left over from a power cut, and Sweep removes it. Directories written
// here are never changed by anybody else.
package identity

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"mooring/hsm/key"
	"mooring/internal/durable"
	"mooring/internal/lifecycle"
	"mooring/internal/pki"
)

const (
	generationsDir = "generations"
	currentLink    = "current"
	identityFile   = "identity.json"
	chainFile      = "chain.pem"
	digestFile     = "digest"

	fileMode = 0o644 // nothing here is secret: keys are in the key store
	dirMode  = 0o755

	// WrongKey is What of the Error of a certificate that is for another key.
	WrongKey = "its certificate is for another key"

	// maxFileBytes bounds what is read back. A chain is at most 64 KiB
	// (internal/pki).
	maxFileBytes = 64 << 10
)

// Identity is one complete generation.
type Identity struct {
	Number  uint32
	KeyOf   uint32 // the generation that made the key
	KeyRef  key.Ref
	Signer  crypto.Signer
	Chain   pki.Chain // leaf first, without trust anchor; nil: a key only
	Created time.Time
}

// Fingerprint is the SHA-256 of the leaf.
func (i *Identity) Fingerprint() [32]byte { return sha256.Sum256(i.Chain.Leaf().Raw) }

// FingerprintHex is Fingerprint as the server shows it.
func (i *Identity) FingerprintHex() string {
	sum := i.Fingerprint()
	return hex.EncodeToString(sum[:])
}

// TLS returns the identity as crypto/tls presents it.
func (i *Identity) TLS() tls.Certificate {
	return tls.Certificate{Certificate: i.Chain.Raw(), PrivateKey: i.Signer, Leaf: i.Chain.Leaf()}
}

// Generation describes the identity to internal/lifecycle.
func (i *Identity) Generation() lifecycle.Generation {
	if i == nil {
		return lifecycle.Generation{}
	}
	return lifecycle.Generation{Number: i.Number, Key: i.KeyOf, Leaf: i.Leaf()}
}

// Leaf describes the certificate to internal/lifecycle, zero if there is none.
func (i *Identity) Leaf() lifecycle.Leaf {
	leaf := i.Chain.Leaf()
	if leaf == nil {
		return lifecycle.Leaf{}
	}
	return lifecycle.Leaf{Fingerprint: i.Fingerprint(), NotBefore: lifecycle.At(leaf.NotBefore), NotAfter: lifecycle.At(leaf.NotAfter)}
}

// metadata is identity.json.
type metadata struct {
	Version     int        `json:"version"`
	Number      uint32     `json:"number"`
	KeyOf       uint32     `json:"key_of"`
	KeyLabel    string     `json:"key_label,omitempty"` // of a key made for this generation
	Key         key.Ref    `json:"key,omitempty"`       // empty while the key is being made
	KeyStays    bool       `json:"key_stays,omitempty"` // the key was there before, and outlives the generation
	Created     time.Time  `json:"created"`
	Device      string     `json:"device,omitempty"`
	Serial      string     `json:"serial,omitempty"`
	Fingerprint string     `json:"fingerprint_sha256,omitempty"`
	NotAfter    *time.Time `json:"not_after,omitempty"`
}

const metadataVersion = 1

func (s *Store) dirOf(number uint32) string {
	return filepath.Join(s.dir, generationsDir, fmt.Sprintf("%04d", number))
}

func (s *Store) read(number uint32, name string) ([]byte, error) {
	path := filepath.Join(s.dirOf(number), name)
	info, err := s.fsys.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxFileBytes {
		return nil, damaged(path, "not a regular file of at most 64 KiB", nil)
	}
	return s.fsys.ReadFile(path)
}

func (s *Store) readMetadata(number uint32) (metadata, error) {
	path := filepath.Join(s.dirOf(number), identityFile)
	text, err := s.read(number, identityFile)
	if err != nil {
		return metadata{}, err
	}
	var m metadata
	if err := json.Unmarshal(text, &m); err != nil {
		return metadata{}, damaged(path, "not readable", err)
	}
	if m.Version != metadataVersion || m.Number != number || m.KeyOf == 0 || m.KeyOf > number {
		return metadata{}, damaged(path, "of another version or another generation", nil)
	}
	return m, nil
}

func (s *Store) writeMetadata(m metadata) error {
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return durable.WriteFile(s.fsys, filepath.Join(s.dirOf(m.Number), identityFile), append(text, '\n'), fileMode)
}

// complete reports whether the generation's digest is there and fits.
func (s *Store) complete(number uint32) (bool, error) {
	want, err := s.read(number, digestFile)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	got, err := s.digest(number)
	if err != nil {
		return false, err
	}
	if string(want) != got {
		return false, damaged(s.dirOf(number), "its digest does not fit its content", nil)
	}
	return true, nil
}

// digest covers names, lengths and contents.
func (s *Store) digest(number uint32) (string, error) {
	h := sha256.New()
	for _, name := range []string{identityFile, chainFile} {
		text, err := s.read(number, name)
		if err != nil {
			return "", err
		}
		_, _ = fmt.Fprintf(h, "%s %d\n", name, len(text))
		_, _ = h.Write(text)
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil)) + "\n", nil
}

// Load reads one generation and proves that key and certificate belong
// together. A generation without a certificate has a nil Chain.
func (s *Store) Load(ctx context.Context, number uint32) (*Identity, error) {
	m, err := s.readMetadata(number)
	if err != nil {
		return nil, missing(s.dirOf(number), err)
	}
	complete, err := s.complete(number)
	if err != nil {
		return nil, missing(s.dirOf(number), err)
	}
	id := &Identity{Number: number, KeyOf: m.KeyOf, KeyRef: m.Key, Created: m.Created}
	if id.Signer, err = s.keys.Open(ctx, m.Key); err != nil {
		return nil, keyMissing(m.Key, err)
	}
	if !complete {
		return id, nil
	}
	text, err := s.read(number, chainFile)
	if err != nil {
		return nil, err
	}
	if id.Chain, err = pki.ParsePEMChain(text); err != nil {
		return nil, damaged(filepath.Join(s.dirOf(number), chainFile), "no certificate chain", err)
	}
	if !pki.KeyMatches(id.Chain.Leaf(), id.Signer) {
		return nil, damaged(s.dirOf(number), WrongKey, nil)
	}
	return id, nil
}
