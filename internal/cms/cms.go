// Package cms reads and writes the one CMS object that EST uses: SignedData
// without content and signers, a bag of certificates ("certs-only", RFC 5652
// §5 and RFC 7030 §4.1.3).
//
// Written is strict DER, byte for byte what OpenSSL writes; the library we read
// with would add an empty set of CRLs, which no certs-only answer in the field
// has. Read is also BER with indefinite lengths, because the real platform
// answers in it; our own bounded reader turns it into DER before
// github.com/smallstep/pkcs7 sees it. That library would read BER too, but
// without a limit of depth, ignoring what follows the object, and it takes an
// empty indefinite object for one with contents.
package cms

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"slices"

	"github.com/smallstep/pkcs7"

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
	object, err := pkcs7.Parse(der)
	if err != nil {
		return nil, problem.New(problem.Invalid, "the CMS object cannot be read", err)
	}
	if len(object.Signers) > 0 {
		return nil, problem.New(problem.Invalid, "the CMS object has signers, so it is not certs-only", nil)
	}
	if len(object.Certificates) == 0 {
		return nil, problem.New(problem.Invalid, "the CMS object holds no certificate", nil)
	}
	if len(object.Certificates) > pki.MaxChainCertificates {
		return nil, problem.New(problem.TooLarge, "the CMS object holds more than 16 certificates", nil)
	}
	return object.Certificates, nil
}
