package filekey

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"

	"software.sslmate.com/src/go-pkcs12"

	"mooring/internal/pki"
)

// MaybePKCS12 tells whether a file can be PKCS#12, which is DER, rather than PEM.
func MaybePKCS12(b []byte) bool { return len(b) > 0 && b[0] == 0x30 }

// ParsePKCS12 reads a PKCS#12 file (RFC 7292): a key store, which has one key and
// at least one certificate, or a trust store as Java's keytool makes it, for
// which the key is nil. The certificates are in the order of the file.
//
// How often the passphrase is hashed is up to the file, so ctx bounds the time;
// after that the work goes on until the program ends.
func ParsePKCS12(ctx context.Context, b, passphrase []byte) (crypto.Signer, []*x509.Certificate, error) {
	if len(b) > maxImportBytes {
		return nil, nil, fmt.Errorf("the file is longer than %d bytes", maxImportBytes)
	}
	var found struct {
		signer crypto.Signer
		certs  []*x509.Certificate
		err    error
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		found.signer, found.certs, found.err = parsePKCS12(b, string(passphrase))
	}()
	select {
	case <-done:
		return found.signer, found.certs, found.err
	case <-ctx.Done():
		return nil, nil, fmt.Errorf("the file asks for too much work: %w", ctx.Err())
	}
}

func parsePKCS12(b []byte, passphrase string) (crypto.Signer, []*x509.Certificate, error) {
	private, leaf, others, err := pkcs12.DecodeChain(b, passphrase)
	if errors.Is(err, pkcs12.ErrIncorrectPassword) || errors.Is(err, pkcs12.ErrDecryption) {
		if passphrase == "" {
			return nil, nil, ErrEncrypted
		}
		return nil, nil, errPassphrase
	}
	if err != nil {
		if certs, fault := pkcs12.DecodeTrustStore(b, passphrase); fault == nil && len(certs) > 0 {
			return nil, certs, nil
		}
		return nil, nil, err
	}
	signer, ok := private.(crypto.Signer)
	if !ok {
		return nil, nil, errors.New("holds a key that cannot sign")
	}
	if err := pki.CheckKeyStrength(signer.Public()); err != nil {
		return nil, nil, err
	}
	return signer, append([]*x509.Certificate{leaf}, others...), nil
}
