package filekey

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"mooring/hsm/key"
	"mooring/internal/pki"
)

// maxImportBytes bounds a file with a key, which may have a chain beside it.
const maxImportBytes = 256 << 10

var _ key.Importer = (*Store)(nil)

// ParseKey reads the one private key of a PEM file as other programs write it:
// PKCS#8, also encrypted (PBES2 with PBKDF2 and AES-CBC), and the older forms
// "EC PRIVATE KEY" and "RSA PRIVATE KEY", also encrypted (openssl -aes256).
// Certificates beside it are passed over. Without passphrase an encrypted key is
// refused with ErrEncrypted.
func ParseKey(text, passphrase []byte) (crypto.Signer, error) {
	if len(text) > maxImportBytes {
		return nil, fmt.Errorf("the file is longer than %d bytes", maxImportBytes)
	}
	var found *pem.Block
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" || block.Type == "EC PARAMETERS" {
			continue
		}
		if found != nil {
			return nil, errors.New("the file holds more than one key")
		}
		found = block
	}
	if found == nil {
		return nil, errors.New("the file holds no key in PEM")
	}
	plain, err := decryptBlock(found, passphrase)
	if err != nil {
		return nil, err
	}
	return parse(pem.EncodeToMemory(plain))
}

// ErrEncrypted says that a key needs a passphrase.
var ErrEncrypted error = barred("the key is encrypted, and no passphrase was given")

// errPassphrase does not say more, because nobody can know.
var errPassphrase error = barred("the passphrase is wrong, or the key is damaged")

// barred is the text of an error that is key.ErrBarred.
type barred string

func (b barred) Error() string { return string(b) }

// Is implements what errors.Is looks for.
func (barred) Is(target error) bool { return target == key.ErrBarred }

func decryptBlock(block *pem.Block, passphrase []byte) (*pem.Block, error) {
	encrypted := block.Type == "ENCRYPTED PRIVATE KEY"
	//lint:ignore SA1019 the form is weak, but people have such files; nothing is written in it
	legacy := x509.IsEncryptedPEMBlock(block)
	switch {
	case !encrypted && !legacy:
		return block, nil
	case len(passphrase) == 0:
		return nil, ErrEncrypted
	case encrypted:
		der, err := decryptPKCS8(block.Bytes, passphrase)
		return &pem.Block{Type: "PRIVATE KEY", Bytes: der}, err
	}
	//lint:ignore SA1019 as above
	der, err := x509.DecryptPEMBlock(block, passphrase)
	if err != nil {
		return nil, errPassphrase
	}
	return &pem.Block{Type: block.Type, Bytes: der}, nil
}

// Import implements key.Importer.
func (s *Store) Import(ctx context.Context, signer crypto.Signer, label string) (key.Ref, error) {
	if len(label) > key.MaxLabelBytes {
		return "", fmt.Errorf("the label of a key is longer than %d bytes", key.MaxLabelBytes)
	}
	if err := errors.Join(ctx.Err(), pki.CheckKeyStrength(signer.Public())); err != nil {
		return "", err
	}
	return s.write(signer, label)
}

// write keeps a key under a new name.
func (s *Store) write(signer crypto.Signer, label string) (key.Ref, error) {
	der, err := x509.MarshalPKCS8PrivateKey(signer)
	if err != nil {
		return "", fmt.Errorf("encode key: %w", err)
	}
	block := &pem.Block{Type: "PRIVATE KEY", Bytes: der}
	if len(s.passphrase) > 0 {
		if der, err = encryptPKCS8(der, s.passphrase); err != nil {
			return "", fmt.Errorf("encrypt key: %w", err)
		}
		block = &pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: der}
	}
	return s.dir.Create(label, pem.EncodeToMemory(block))
}
