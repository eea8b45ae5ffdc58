package filekey

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"

	"mooring/hsm/keydir"
	"mooring/internal/durable"
	"mooring/internal/pki"
)

// readPrivate reads a file that must be regular, of at most limit bytes and
// readable by nobody else.
func readPrivate(fsys durable.FS, path string, limit int64) ([]byte, error) {
	info, err := fsys.Lstat(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("key file %s is not a regular file", path)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, &keydir.ModeError{Text: fmt.Sprintf("key file %s has mode %04o: others may use the key", path, info.Mode().Perm()),
			Advice: "run chmod 600 " + path + ", and renew, because the key may have been copied"}
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("key file %s is longer than %d bytes", path, limit)
	}
	text, err := fsys.ReadFile(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	return text, nil
}

func unreadable(path string, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("key file %s: this user may not read it: %w", path, err)
	}
	return fmt.Errorf("read key file: %w", err)
}

// parse reads the one private key of a file. Its errors tell no content.
func parse(text []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("no PEM block: the file is empty or damaged")
	}
	if block.Type == "EC PARAMETERS" { // openssl ecparam writes them first
		_, rest := pem.Decode(text)
		if block, _ = pem.Decode(rest); block == nil {
			return nil, errors.New("holds parameters but no key")
		}
	}
	if block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "" {
		return nil, barred("is encrypted with a password, which nobody is there to type: name its file with ?passphrase-file= in the key's URI")
	}
	parsed, err := parseDER(block)
	if err != nil {
		return nil, fmt.Errorf("damaged: %w", err)
	}
	signer, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, errors.New("holds a key that cannot sign")
	}
	if err := pki.CheckKeyStrength(signer.Public()); err != nil {
		return nil, err
	}
	return signer, nil
}

func parseDER(block *pem.Block) (any, error) {
	switch block.Type {
	case "PRIVATE KEY":
		return x509.ParsePKCS8PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		return x509.ParseECPrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		return x509.ParsePKCS1PrivateKey(block.Bytes)
	}
	return nil, fmt.Errorf("a PEM block %q is no private key", block.Type)
}
