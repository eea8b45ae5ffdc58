// Package cms reads and writes the one CMS object that EST uses: SignedData
// without content and signers, a bag of certificates ("certs-only", RFC 5652
// §5 and RFC 7030 §4.1.3).
//
// Written is strict DER, byte for byte what OpenSSL writes. Read is also BER
// with indefinite lengths, because the real platform answers in it: a bounded
// reader turns it into DER first. A library would do, but the one we know adds
// an empty set of CRLs when it writes, reads BER without a limit of depth,
// ignores what follows the object, and adds 300 KB to the agent.
package cms

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"slices"

	"mooring/internal/pki"
	"mooring/internal/problem"
)

// MaxBytes bounds an object that is read (contract est-interop.md §2 item 17).
const MaxBytes = 64 << 10

// contentInfo is ContentInfo of RFC 5652 §3 around a signedData.
type contentInfo struct {
	ContentType asn1.ObjectIdentifier
	Content     signedData `asn1:"explicit,tag:0"`
}

// signedData is SignedData of RFC 5652 §5.1 with what certs-only leaves of it.
type signedData struct {
	Version          int
	DigestAlgorithms []asn1.RawValue `asn1:"set"`
	EncapContentInfo struct{ ContentType asn1.ObjectIdentifier }
	Certificates     asn1.RawValue
	SignerInfos      []asn1.RawValue `asn1:"set"`
}

// received is contentInfo as others write it: with content and CRLs, if any.
type received struct {
	ContentType asn1.ObjectIdentifier
	Content     struct {
		Version          int
		DigestAlgorithms []asn1.RawValue `asn1:"set"`
		EncapContentInfo asn1.RawValue
		Certificates     rawSet          `asn1:"optional,tag:0"`
		CRLs             rawSet          `asn1:"optional,tag:1"`
		SignerInfos      []asn1.RawValue `asn1:"set"`
	} `asn1:"explicit,tag:0"`
}

// rawSet is an implicitly tagged set, unread.
type rawSet struct{ Raw asn1.RawContent }

// contents are the bytes of the set's elements.
func (s rawSet) contents() ([]byte, error) {
	if len(s.Raw) == 0 {
		return nil, nil
	}
	var set asn1.RawValue
	_, err := asn1.Unmarshal(s.Raw, &set)
	return set.Bytes, err
}

var (
	oidData       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidSignedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
)

// EncodeCertsOnly returns a certs-only object. DER sorts a SET OF (X.690
// §11.6), so the order of several certificates says nothing to the reader.
func EncodeCertsOnly(certs ...*x509.Certificate) ([]byte, error) {
	if len(certs) == 0 || len(certs) > pki.MaxChainCertificates {
		return nil, problem.New(problem.Invalid, "a certs-only object holds 1 to 16 certificates", nil)
	}
	raw := pki.Chain(certs).Raw()
	slices.SortFunc(raw, bytes.Compare)
	object := contentInfo{ContentType: oidSignedData, Content: signedData{
		Version:      1, // RFC 5652 §5.1: certificates are all X.509, content is data
		Certificates: asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: bytes.Join(raw, nil)},
	}}
	object.Content.EncapContentInfo.ContentType = oidData
	der, err := asn1.Marshal(object)
	if err != nil {
		return nil, problem.New(problem.Internal, "encode certs-only object", err)
	}
	return der, nil
}

// ParseCertsOnly returns the certificates of a certs-only object in the order
// in which they stand there. That a leaf comes first is not certain: pick it
// by its public key.
//
// Errors: problem.TooLarge above MaxBytes or pki.MaxChainCertificates,
// problem.Invalid for anything else that is no certs-only object.
func ParseCertsOnly(ber []byte) (pki.Chain, error) {
	if len(ber) > MaxBytes {
		return nil, problem.New(problem.TooLarge, "the CMS object is longer than 64 KiB", nil)
	}
	der, err := toDER(ber)
	if err != nil {
		return nil, problem.New(problem.Invalid, "the CMS object cannot be read", err)
	}
	var object received
	if rest, err := asn1.Unmarshal(der, &object); err != nil || len(rest) > 0 || !object.ContentType.Equal(oidSignedData) {
		return nil, problem.New(problem.Invalid, "that is no CMS SignedData", err)
	}
	if len(object.Content.SignerInfos) > 0 {
		return nil, problem.New(problem.Invalid, "the CMS object has signers, so it is not certs-only", nil)
	}
	contents, err := object.Content.Certificates.contents()
	if err != nil {
		return nil, problem.New(problem.Invalid, "the CMS object cannot be read", err)
	}
	return parseCertificates(contents)
}

// parseCertificates reads certificates that stand one after the other. The
// count is checked before any is parsed.
func parseCertificates(der []byte) (pki.Chain, error) {
	count := 0
	for rest := der; len(rest) > 0; count++ {
		var one asn1.RawValue
		var err error
		if rest, err = asn1.Unmarshal(rest, &one); err != nil {
			return nil, problem.New(problem.Invalid, "the CMS object cannot be read", err)
		}
	}
	switch {
	case count == 0:
		return nil, problem.New(problem.Invalid, "the CMS object holds no certificate", nil)
	case count > pki.MaxChainCertificates:
		return nil, problem.New(problem.TooLarge, "the CMS object holds more than 16 certificates", nil)
	}
	certs, err := x509.ParseCertificates(der)
	if err != nil {
		return nil, problem.New(problem.Invalid, "a certificate of the CMS object cannot be read", err)
	}
	return certs, nil
}
