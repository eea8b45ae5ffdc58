package pki

import (
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"io"

	"mooring/internal/problem"
)

// MaxCSRBytes bounds a PKCS#10 request in DER. One of an RSA 8192 key with a
// full subject is about 2.5 KiB.
const MaxCSRBytes = 16 << 10

var (
	oidCommonName       = asn1.ObjectIdentifier{2, 5, 4, 3}
	oidBasicConstraints = asn1.ObjectIdentifier{2, 5, 29, 19}
	// known are the extensions a request may mark critical: the profile of the
	// issuer decides about each of them. RFC 5280 §4.2.
	known = []asn1.ObjectIdentifier{
		{2, 5, 29, 14}, // subjectKeyIdentifier
		{2, 5, 29, 15}, // keyUsage
		{2, 5, 29, 17}, // subjectAltName
		oidBasicConstraints,
		{2, 5, 29, 37}, // extKeyUsage
	}
)

// CreateCSR returns a PKCS#10 request for signer's key in DER, without
// requested extensions.
func CreateCSR(rand io.Reader, signer crypto.Signer, subject pkix.Name) ([]byte, error) {
	der, err := x509.CreateCertificateRequest(rand, &x509.CertificateRequest{Subject: subject}, signer)
	if err != nil {
		return nil, fmt.Errorf("create certificate request: %w", err)
	}
	return der, nil
}

// CheckCSR reads a request and holds it to the rules of contract est-interop.md
// §2: its own signature verifies (proof of possession), it has exactly one CN
// and that is cn byte for byte, it asks for no CA certificate and for no
// unknown critical extension, and its key is strong enough.
//
// Errors: problem.TooLarge above MaxCSRBytes, problem.Invalid if it cannot be
// read, problem.Unprocessable if it breaks a rule.
func CheckCSR(der []byte, cn string) (*x509.CertificateRequest, error) {
	csr, err := ParseCSR(der)
	if err != nil {
		return nil, err
	}
	if err := CheckKeyStrength(csr.PublicKey); err != nil {
		return nil, err
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, problem.New(problem.Unprocessable, "the signature of the certificate request does not verify", err)
	}
	got, err := CommonName(csr.RawSubject)
	if err != nil {
		return nil, err
	}
	if got != cn {
		return nil, problem.New(problem.Unprocessable, "the CN of the certificate request is not the ID of the device", nil)
	}
	if err := checkRequested(csr.Extensions); err != nil {
		return nil, err
	}
	return csr, nil
}

// ParseCSR reads a request without judging it.
func ParseCSR(der []byte) (*x509.CertificateRequest, error) {
	if len(der) > MaxCSRBytes {
		return nil, problem.New(problem.TooLarge, "the certificate request is longer than 16 KiB", nil)
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, problem.New(problem.Invalid, "the certificate request cannot be read", err)
	}
	return csr, nil
}

// CommonName returns the CN of a subject in DER. A subject with none, an empty
// one or several is problem.Unprocessable.
func CommonName(rawSubject []byte) (string, error) {
	names, err := parseName(rawSubject)
	if err != nil {
		return "", err
	}
	cn, count := "", 0
	for _, rdn := range names {
		for _, a := range rdn {
			if a.Type.Equal(oidCommonName) {
				cn = a.text()
				count++
			}
		}
	}
	if count != 1 || cn == "" {
		return "", problem.New(problem.Unprocessable, "the subject must have exactly one CN", nil)
	}
	return cn, nil
}

func checkRequested(extensions []pkix.Extension) error {
	for _, e := range extensions {
		if e.Id.Equal(oidBasicConstraints) {
			if err := checkNoCA(e.Value); err != nil {
				return err
			}
		}
		if e.Critical && !isKnown(e.Id) {
			return problem.New(problem.Unprocessable, "the certificate request has an unknown critical extension "+e.Id.String(), nil)
		}
	}
	return nil
}

func isKnown(id asn1.ObjectIdentifier) bool {
	for _, k := range known {
		if k.Equal(id) {
			return true
		}
	}
	return false
}

func checkNoCA(value []byte) error {
	var constraints struct {
		IsCA       bool `asn1:"optional"`
		MaxPathLen int  `asn1:"optional,default:-1"`
	}
	rest, err := asn1.Unmarshal(value, &constraints)
	if err != nil || len(rest) > 0 {
		return problem.New(problem.Invalid, "the basic constraints of the certificate request cannot be read", err)
	}
	if constraints.IsCA {
		return problem.New(problem.Unprocessable, "the certificate request asks for a CA certificate", nil)
	}
	return nil
}
