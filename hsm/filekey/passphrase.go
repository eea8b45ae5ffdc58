package filekey

import (
	"bytes"
	"fmt"

	"mooring/internal/durable"
)

// maxPassphrase bounds a passphrase in bytes.
const maxPassphrase = 1024

// OpenEncrypted is Open for keys that are encrypted with the passphrase in a
// file, mostly a systemd credential: one line, readable by this user alone. Keys
// that are there unencrypted are used all the same, so that a passphrase can be
// introduced: the next renewal makes an encrypted one.
func OpenEncrypted(fsys durable.FS, dir, passphraseFile string) (*Store, error) {
	text, err := readPrivate(fsys, passphraseFile, maxPassphrase+2)
	if err != nil {
		return nil, fmt.Errorf("passphrase: %w", err)
	}
	passphrase := bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))
	if len(passphrase) == 0 || len(passphrase) > maxPassphrase || bytes.ContainsAny(passphrase, "\r\n") {
		return nil, fmt.Errorf("passphrase: %s does not hold one line of 1 to %d bytes", passphraseFile, maxPassphrase)
	}
	s, err := Open(fsys, dir)
	if err != nil {
		return nil, err
	}
	s.passphrase = passphrase
	return s, nil
}
