package pki

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"strings"

	"mooring/internal/problem"
)

// Bounds of certificates in text. A chain of ten RSA 4096 certificates is
// about 20 KiB; the platform accepts ten in a chain (contract mqtt.md §1.6).
const (
	MaxChainBytes        = 64 << 10
	MaxChainCertificates = 16
	// MaxCertificateBytes bounds one certificate in DER.
	MaxCertificateBytes = 16 << 10
)

const (
	armourBegin = "-----BEGIN "
	armourEnd   = "-----END "
	armourDash  = "-----"
)

// EncodePEM returns certs as PEM, in the given order.
func EncodePEM(certs ...*x509.Certificate) []byte {
	var b bytes.Buffer
	for _, c := range certs {
		b.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
	}
	return b.Bytes()
}

// BareBase64 returns the DER of c in base64 without armour or line breaks,
// the form the REST API answers with.
func BareBase64(c *x509.Certificate) string {
	return base64.StdEncoding.EncodeToString(c.Raw)
}

// ParsePEMChain reads the armoured certificates of b in their order. Armour
// may be indented, and every line feed may be a space, as in the header
// X-Ssl-Cert-Chain; text between the blocks is skipped. A block of another
// kind is refused, because a private key does not belong into a chain.
//
// Errors: problem.Invalid if b holds no readable certificate, problem.TooLarge
// above MaxChainBytes or MaxChainCertificates.
func ParsePEMChain(b []byte) (Chain, error) {
	if len(b) > MaxChainBytes {
		return nil, problem.New(problem.TooLarge, "the certificate chain is longer than 64 KiB", nil)
	}
	var chain Chain
	rest := string(b)
	for {
		body, after, found, err := nextBlock(rest)
		if err != nil {
			return nil, err
		}
		if !found {
			break
		}
		if len(chain) == MaxChainCertificates {
			return nil, problem.New(problem.TooLarge, "more than 16 certificates in the chain", nil)
		}
		c, err := parseBase64(body)
		if err != nil {
			return nil, err
		}
		chain = append(chain, c)
		rest = after
	}
	if len(chain) == 0 {
		return nil, problem.New(problem.Invalid, "no certificate found", nil)
	}
	return chain, nil
}

// ParseCertificateText reads one certificate in any form clients upload: PEM
// with armour, also indented or on one line, or bare base64 of the DER with or
// without white space.
//
// Errors: problem.Invalid if s is no certificate or more than one,
// problem.TooLarge above MaxChainBytes.
func ParseCertificateText(s string) (*x509.Certificate, error) {
	if len(s) > MaxChainBytes {
		return nil, problem.New(problem.TooLarge, "the certificate is longer than 64 KiB", nil)
	}
	if !strings.Contains(s, armourBegin) {
		return parseBase64(s)
	}
	chain, err := ParsePEMChain([]byte(s))
	if err != nil {
		return nil, err
	}
	if len(chain) != 1 {
		return nil, problem.New(problem.Invalid, "more than one certificate where one is wanted", nil)
	}
	return chain[0], nil
}

// nextBlock cuts the next armoured certificate out of s; found is false if
// there is none.
func nextBlock(s string) (body, after string, found bool, err error) {
	_, s, found = strings.Cut(s, armourBegin)
	if !found {
		return "", "", false, nil
	}
	label, s, found := strings.Cut(s, armourDash)
	if !found {
		return "", "", false, problem.New(problem.Invalid, "PEM armour is cut off", nil)
	}
	if label != "CERTIFICATE" && label != "X509 CERTIFICATE" {
		return "", "", false, problem.New(problem.Invalid, "a PEM block that is no certificate", nil)
	}
	body, after, found = strings.Cut(s, armourEnd+label+armourDash)
	if !found {
		return "", "", false, problem.New(problem.Invalid, "PEM armour without its end line", nil)
	}
	return body, after, true, nil
}

func parseBase64(text string) (*x509.Certificate, error) {
	der, err := base64.StdEncoding.DecodeString(dropSpace(text))
	if err != nil {
		return nil, problem.New(problem.Invalid, "a certificate that is no base64", err)
	}
	return ParseDER(der)
}

// ParseDER reads one certificate of at most MaxCertificateBytes.
func ParseDER(der []byte) (*x509.Certificate, error) {
	if len(der) > MaxCertificateBytes {
		return nil, problem.New(problem.TooLarge, "a certificate is longer than 16 KiB", nil)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, problem.New(problem.Invalid, "a certificate cannot be read", err)
	}
	return c, nil
}

func dropSpace(s string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case ' ', '\t', '\n', '\r', '\v', '\f':
			return -1
		}
		return r
	}, s)
}
