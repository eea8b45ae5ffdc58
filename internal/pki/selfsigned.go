package pki

import (
	"crypto"
	"crypto/sha1" // names a key (RFC 5280 §4.2.1.2), proves nothing
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"io"
	"math/big"
	"time"
)

// certificate is RFC 5280 §4.1.
//
//	Certificate = SEQUENCE { tbs, signatureAlgorithm, signature }
type certificate struct {
	TBS       asn1.RawValue
	Algorithm pkix.AlgorithmIdentifier
	Signature asn1.BitString
}

type tbsCertificate struct {
	Version    int `asn1:"explicit,tag:0"`
	Serial     *big.Int
	Algorithm  pkix.AlgorithmIdentifier
	Issuer     asn1.RawValue
	Validity   struct{ NotBefore, NotAfter time.Time }
	Subject    asn1.RawValue
	PublicKey  asn1.RawValue
	Extensions []pkix.Extension `asn1:"explicit,tag:3"`
}

// CreateSelfSigned returns a version 3 certificate that signer makes for itself, of an
// authority that also signs data: its subject is the common name cn. Times are
// cut to seconds.
//
// x509.CreateCertificate does the same and much more, at eight times the size.
func CreateSelfSigned(rand io.Reader, signer crypto.Signer, cn string, notBefore, notAfter time.Time) (*x509.Certificate, error) {
	request, err := CreateCSR(rand, signer, pkix.Name{CommonName: cn})
	if err != nil {
		return nil, err
	}
	csr, err := ParseCSR(request)
	if err != nil {
		return nil, err
	}
	var signed certificate // a request has the same outer form (RFC 2986 §4.2)
	if _, err := asn1.Unmarshal(request, &signed); err != nil {
		return nil, err
	}
	serial := make([]byte, 16)
	if _, err := io.ReadFull(rand, serial); err != nil {
		return nil, err
	}
	serial[0] = serial[0]&0x7f | 0x40 // positive, and always of this length
	tbs := tbsCertificate{Version: 2, Serial: new(big.Int).SetBytes(serial), Algorithm: signed.Algorithm,
		Issuer: asn1.RawValue{FullBytes: csr.RawSubject}, Subject: asn1.RawValue{FullBytes: csr.RawSubject},
		PublicKey: asn1.RawValue{FullBytes: csr.RawSubjectPublicKeyInfo}, Extensions: authorityExtensions(csr)}
	tbs.Validity.NotBefore, tbs.Validity.NotAfter = notBefore.UTC().Truncate(time.Second), notAfter.UTC().Truncate(time.Second)
	if signed.TBS.FullBytes, err = asn1.Marshal(tbs); err != nil {
		return nil, fmt.Errorf("encode the certificate: %w", err)
	}
	return finish(rand, signer, csr.SignatureAlgorithm, signed)
}

// authorityExtensions are RFC 5280 §4.2.1.2, .3 and .9.
func authorityExtensions(csr *x509.CertificateRequest) []pkix.Extension {
	name := sha1.Sum(csr.RawSubjectPublicKeyInfo)
	return []pkix.Extension{
		{Id: oidBasicConstraints, Critical: true, Value: []byte{0x30, 3, 1, 1, 0xff}},           // cA TRUE
		{Id: asn1.ObjectIdentifier{2, 5, 29, 15}, Critical: true, Value: []byte{3, 2, 2, 0x84}}, // digitalSignature, keyCertSign
		{Id: asn1.ObjectIdentifier{2, 5, 29, 14}, Value: append([]byte{4, byte(len(name))}, name[:]...)},
	}
}

// finish signs.
func finish(rand io.Reader, signer crypto.Signer, algorithm x509.SignatureAlgorithm, c certificate) (*x509.Certificate, error) {
	hash := crypto.SHA256
	switch algorithm {
	case x509.ECDSAWithSHA384:
		hash = crypto.SHA384
	case x509.ECDSAWithSHA512:
		hash = crypto.SHA512
	}
	h := hash.New()
	_, _ = h.Write(c.TBS.FullBytes) // never fails
	signature, err := signer.Sign(rand, h.Sum(nil), hash)
	if err != nil {
		return nil, fmt.Errorf("sign the certificate: %w", err)
	}
	c.Signature = asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}
	der, err := asn1.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("encode the certificate: %w", err)
	}
	return ParseDER(der)
}
