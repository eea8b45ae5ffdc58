package ca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// checkedEvery is how often the signature of a fresh leaf is verified: the
// first of each opened issuer, then one in so many. Verifying all of them, as
// x509.CreateCertificate does, is a third of what issuing costs, and a key that
// is in our own memory does not go wrong once.
const checkedEvery = 64

// fast reports whether signFast may sign: the issuer has a P-256 key in memory,
// as each one has that Create made. Other signers keep CreateCertificate, which
// checks every signature: a token can be faulty.
func (i *issuer) fast() bool {
	k, ok := i.signer.(*ecdsa.PrivateKey)
	return ok && k.Curve == elliptic.P256()
}

// signFast is x509.CreateCertificate for the leaves that Profile.template
// makes: the same bytes before the signature, without reflection.
func (i *issuer) signFast(template *x509.Certificate, pub crypto.PublicKey) ([]byte, error) {
	tbs, err := i.encode(template, pub)
	if err != nil {
		return nil, fmt.Errorf("encode leaf: %w", err)
	}
	digest := sha256.Sum256(tbs)
	signature, err := i.signer.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("sign leaf: %w", err)
	}
	if i.signed.Add(1)%checkedEvery == 1 {
		if err := i.cert.CheckSignature(x509.ECDSAWithSHA256, tbs, signature); err != nil {
			return nil, fmt.Errorf("signature of a leaf just signed: %w", err)
		}
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(tbs)
		b.AddBytes(ecdsaWithSHA256)
		b.AddASN1BitString(signature)
	})
	return b.Bytes()
}

// Parts of every leaf, in DER.
var (
	// AlgorithmIdentifier of ecdsa-with-SHA256 (RFC 5758 §3.2).
	ecdsaWithSHA256 = []byte{0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02}
	// keyUsage, critical: digitalSignature; extKeyUsage: clientAuth;
	// basicConstraints, critical: no CA (RFC 5280 §4.2.1).
	fixedExtensions = []byte{
		0x30, 0x0e, 0x06, 0x03, 0x55, 0x1d, 0x0f, 0x01, 0x01, 0xff, 0x04, 0x04, 0x03, 0x02, 0x07, 0x80,
		0x30, 0x13, 0x06, 0x03, 0x55, 0x1d, 0x25, 0x04, 0x0c, 0x30, 0x0a, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02,
		0x30, 0x0c, 0x06, 0x03, 0x55, 0x1d, 0x13, 0x01, 0x01, 0xff, 0x04, 0x02, 0x30, 0x00,
	}
	oidSubjectKeyID   = asn1.ObjectIdentifier{2, 5, 29, 14}
	oidAuthorityKeyID = asn1.ObjectIdentifier{2, 5, 29, 35}
	oidCRLPoints      = asn1.ObjectIdentifier{2, 5, 29, 31}
)

// Context-specific tags of a Certificate and its extensions.
var (
	tagVersion    = cbasn1.Tag(0).Constructed().ContextSpecific()
	tagExtensions = cbasn1.Tag(3).Constructed().ContextSpecific()
	tagKeyID      = cbasn1.Tag(0).ContextSpecific()
	tagPoint      = cbasn1.Tag(0).Constructed().ContextSpecific() // distributionPoint and fullName
	tagURI        = cbasn1.Tag(6).ContextSpecific()
)

// encode writes the TBSCertificate (RFC 5280 §4.1):
//
//	SEQUENCE { [0] { INTEGER 2 }, INTEGER serial, AlgorithmIdentifier, Name issuer, SEQUENCE { Time, Time },
//	           Name subject, SubjectPublicKeyInfo, [3] { SEQUENCE { Extension … } } }
func (i *issuer) encode(template *x509.Certificate, pub crypto.PublicKey) ([]byte, error) {
	if template.SerialNumber.Sign() <= 0 || template.NotAfter.Year() > 9999 {
		return nil, errors.New("serial number or end is out of range")
	}
	spki, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, err
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(tagVersion, func(b *cryptobyte.Builder) { b.AddASN1Int64(2) })
		b.AddASN1BigInt(template.SerialNumber)
		b.AddBytes(ecdsaWithSHA256)
		b.AddBytes(i.cert.RawSubject)
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			addTime(b, template.NotBefore)
			addTime(b, template.NotAfter)
		})
		b.AddBytes(template.RawSubject)
		b.AddBytes(spki)
		b.AddASN1(tagExtensions, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { i.addExtensions(b, template) })
		})
	})
	return b.Bytes()
}

// addTime writes a Time: UTCTime up to 2049 (RFC 5280 §4.1.2.5).
func addTime(b *cryptobyte.Builder, t time.Time) {
	if t = t.UTC(); t.Year() < 1950 || t.Year() > 2049 {
		b.AddASN1GeneralizedTime(t)
		return
	}
	b.AddASN1UTCTime(t)
}

func (i *issuer) addExtensions(b *cryptobyte.Builder, template *x509.Certificate) {
	b.AddBytes(fixedExtensions)
	addExtension(b, oidSubjectKeyID, func(b *cryptobyte.Builder) { b.AddASN1OctetString(template.SubjectKeyId) })
	addExtension(b, oidAuthorityKeyID, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(tagKeyID, func(b *cryptobyte.Builder) { b.AddBytes(i.cert.SubjectKeyId) })
		})
	})
	if len(template.CRLDistributionPoints) == 0 {
		return
	}
	addExtension(b, oidCRLPoints, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			for _, u := range template.CRLDistributionPoints {
				addPoint(b, u)
			}
		})
	})
}

// addPoint writes DistributionPoint SEQUENCE { [0] { [0] { [6] uri } } }.
func addPoint(b *cryptobyte.Builder, uri string) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(tagPoint, func(b *cryptobyte.Builder) {
			b.AddASN1(tagPoint, func(b *cryptobyte.Builder) {
				b.AddASN1(tagURI, func(b *cryptobyte.Builder) { b.AddBytes([]byte(uri)) })
			})
		})
	})
}

// addExtension writes an extension that is not critical.
func addExtension(b *cryptobyte.Builder, oid asn1.ObjectIdentifier, value cryptobyte.BuilderContinuation) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oid)
		b.AddASN1(cbasn1.OCTET_STRING, value)
	})
}
