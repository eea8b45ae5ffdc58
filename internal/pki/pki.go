// Package pki reads, writes and judges X.509 certificates and requests.
//
// It knows the forms in which real clients send certificates (PEM with and
// without armour, indented, on one line), the names under which the platform
// shows them, and the rules every request and key must meet. It does no I/O
// and takes the time as an argument. Certificates and slices handed out are
// not kept; those handed in are not changed.
package pki

import (
	"crypto"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"math/big"
	"strings"
	"time"

	"mooring/internal/problem"
)

// MaxSerialDigits bounds the hexadecimal digits of a serial number. RFC 5280
// §4.1.2.2 allows 20 octets, 40 digits; the rest is room for leading zeros.
const MaxSerialDigits = 64

// Chain is a certificate path as its owner sends it: leaf first, then each
// issuer. A trust anchor is part of it only if the peer sent it.
type Chain []*x509.Certificate

// Leaf returns the first certificate, nil if the chain is empty.
func (c Chain) Leaf() *x509.Certificate {
	if len(c) == 0 {
		return nil
	}
	return c[0]
}

// Raw returns the DER of each certificate, as tls.Certificate wants it.
func (c Chain) Raw() [][]byte {
	raw := make([][]byte, len(c))
	for i, cert := range c {
		raw[i] = cert.Raw
	}
	return raw
}

// Intermediates returns a pool of everything behind the leaf.
func (c Chain) Intermediates() *x509.CertPool {
	pool := x509.NewCertPool()
	for i, cert := range c {
		if i > 0 {
			pool.AddCert(cert)
		}
	}
	return pool
}

// Fingerprint names a certificate on the REST API: SHA-1 over the DER, 40
// lower-case hexadecimal digits without colons. It is a name, not a proof.
func Fingerprint(c *x509.Certificate) string {
	sum := sha1.Sum(c.Raw)
	return hex.EncodeToString(sum[:])
}

// SPKIHash is the SHA-256 of c's SubjectPublicKeyInfo as it stands in c.
func SPKIHash(c *x509.Certificate) [32]byte {
	return sha256.Sum256(c.RawSubjectPublicKeyInfo)
}

// PublicKeyHash is the SHA-256 of pub's SubjectPublicKeyInfo. For every
// certificate of pub it equals SPKIHash, unless the certificate spells its
// algorithm parameters in an unusual way.
func PublicKeyHash(pub crypto.PublicKey) ([32]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return [32]byte{}, problem.New(problem.Invalid, "unknown type of public key", err)
	}
	return sha256.Sum256(der), nil
}

// SerialHex writes a serial number as the platform shows it: lower-case
// hexadecimal digits without leading zeros.
func SerialHex(n *big.Int) string { return n.Text(16) }

// ParseSerialHex reads a serial number in any case, with or without colons and
// leading zeros, of at most MaxSerialDigits digits.
func ParseSerialHex(s string) (*big.Int, error) {
	digits := strings.ReplaceAll(s, ":", "")
	if digits == "" || len(digits) > MaxSerialDigits {
		return nil, problem.New(problem.Invalid, "a serial number has 1 to 64 hexadecimal digits", nil)
	}
	n := new(big.Int)
	for _, c := range []byte(digits) {
		d, ok := hexDigit(c)
		if !ok {
			return nil, problem.New(problem.Invalid, "a serial number consists of hexadecimal digits", nil)
		}
		n.Lsh(n, 4).Or(n, big.NewInt(int64(d)))
	}
	return n, nil
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// IsCA reports whether c is a version 3 certificate that may issue others.
func IsCA(c *x509.Certificate) bool {
	mayIssue := c.KeyUsage == 0 || c.KeyUsage&x509.KeyUsageCertSign != 0
	return c.Version == 3 && c.BasicConstraintsValid && c.IsCA && mayIssue
}

// SelfIssued reports whether c names itself as its issuer.
func SelfIssued(c *x509.Certificate) bool {
	return string(c.RawSubject) == string(c.RawIssuer)
}

// SelfSigned reports whether c names itself as its issuer and its signature
// verifies with its own key. It costs one verification.
func SelfSigned(c *x509.Certificate) bool {
	return SelfIssued(c) && c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
}

// ValidAt reports whether c's validity holds at now; both ends belong to it
// (RFC 5280 §4.1.2.5).
func ValidAt(c *x509.Certificate, now time.Time) bool {
	return !now.Before(c.NotBefore) && !now.After(c.NotAfter)
}
