package attestation

import (
	"bytes"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Attribute is the OBJECT IDENTIFIER id-aa-attestation in DER,
// 1.2.840.113549.1.9.16.2.59 (draft-ietf-lamps-csr-attestation §4.3). By it a
// server asks for evidence in its CSR attributes, too (RFC 7030 §4.5.2).
var Attribute = []byte{0x06, 0x0b, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x02, 0x3b}

// Types of statements, in DER.
var (
	// tcg-attest-tpm-certify, 2.23.133.20.1.
	typeCertify = []byte{0x06, 0x05, 0x67, 0x81, 0x05, 0x14, 0x01}
	// Ours, 2.25.251519979595966104371366318808698867455: there is none for what
	// binds an AK to an EK.
	typeBinding = []byte{0x06, 0x14, 0x69, 0x82, 0xfa, 0xb8, 0xfe, 0x9b, 0x92, 0x85, 0xe2, 0x8e, 0xe5, 0xa7, 0xf7, 0x9f, 0xd8, 0xf8, 0xbf, 0xd9, 0x9d, 0x7f}
)

const (
	tagSequence    = 0x30
	tagSet         = 0x31
	tagOctetString = 0x04
)

// Encode returns the attribute of a certificate request in DER:
//
//	SEQUENCE { id-aa-attestation, SET { AttestationBundle } }
//	AttestationBundle    ::= SEQUENCE { SEQUENCE OF AttestationStatement, SEQUENCE OF Certificate OPTIONAL }
//	AttestationStatement ::= SEQUENCE { type OBJECT IDENTIFIER, stmt ANY }
//	tcg-attest-tpm-certify: SEQUENCE { tpmSAttest, signature, tpmTPublic OCTET STRING }
//	ours:                   SEQUENCE { ekPublic, akPublic, ticket OCTET STRING }
func (e *Evidence) Encode() []byte {
	statements := [][]byte{statement(typeCertify, e.Certified, e.Signature, e.KeyPublic)}
	if len(e.AKPublic) > 0 {
		statements = append(statements, statement(typeBinding, e.EKPublic, e.AKPublic, e.Ticket))
	}
	bundle := [][]byte{tlv(tagSequence, statements...)}
	if len(e.Certificates) > 0 {
		bundle = append(bundle, tlv(tagSequence, e.Certificates...))
	}
	return tlv(tagSequence, Attribute, tlv(tagSet, tlv(tagSequence, bundle...)))
}

func statement(kind []byte, parts ...[]byte) []byte {
	var fields []byte
	for _, p := range parts {
		fields = append(fields, tlv(tagOctetString, p)...)
	}
	return tlv(tagSequence, kind, tlv(tagSequence, fields))
}

// tlv writes an element of at most 65,535 bytes. An agent has no other use for
// a builder of ASN.1.
func tlv(tag byte, parts ...[]byte) []byte {
	var content []byte
	for _, p := range parts {
		content = append(content, p...)
	}
	n := len(content)
	header := []byte{tag, 0x82, byte(n >> 8), byte(n)}
	switch {
	case n < 0x80:
		header = []byte{tag, byte(n)}
	case n < 0x100:
		header = []byte{tag, 0x81, byte(n)}
	}
	return append(header, content...)
}

// FromRequest finds the evidence in the CertificationRequestInfo of a PKCS#10
// request. It is nil if there is none.
//
// Errors: FlawRepeated, and FlawMalformed for anything that is not as Encode
// writes it; statements of other types, and the hint that earlier drafts put
// behind a statement, are passed over.
func FromRequest(tbs []byte) (*Evidence, error) {
	in := cryptobyte.String(tbs)
	var info, attributes cryptobyte.String
	var has bool
	if !in.ReadASN1(&info, cbasn1.SEQUENCE) || !info.SkipASN1(cbasn1.INTEGER) ||
		!info.SkipASN1(cbasn1.SEQUENCE) || !info.SkipASN1(cbasn1.SEQUENCE) ||
		!info.ReadOptionalASN1(&attributes, &has, cbasn1.Tag(0).Constructed().ContextSpecific()) {
		return nil, FlawMalformed
	}
	var found *Evidence
	for !attributes.Empty() {
		var attribute, id, values, bundle cryptobyte.String
		if !attributes.ReadASN1(&attribute, cbasn1.SEQUENCE) || !attribute.ReadASN1Element(&id, cbasn1.OBJECT_IDENTIFIER) {
			return nil, FlawMalformed
		}
		if !bytes.Equal(id, Attribute) {
			continue
		}
		if found != nil {
			return nil, FlawRepeated
		}
		if !attribute.ReadASN1(&values, cbasn1.SET) || !attribute.Empty() ||
			!values.ReadASN1(&bundle, cbasn1.SEQUENCE) {
			return nil, FlawMalformed
		}
		if !values.Empty() {
			return nil, FlawRepeated
		}
		var err error
		if found, err = parseBundle(bundle); err != nil {
			return nil, err
		}
	}
	return found, nil
}

func parseBundle(bundle cryptobyte.String) (*Evidence, error) {
	e := &Evidence{}
	var statements cryptobyte.String
	if !bundle.ReadASN1(&statements, cbasn1.SEQUENCE) || statements.Empty() {
		return nil, FlawMalformed
	}
	for n := 0; !statements.Empty(); n++ {
		var one cryptobyte.String
		if n == maxStatements || !statements.ReadASN1(&one, cbasn1.SEQUENCE) {
			return nil, FlawMalformed
		}
		if err := e.take(one); err != nil {
			return nil, err
		}
	}
	if bundle.Empty() {
		return e, nil
	}
	var certificates cryptobyte.String
	if !bundle.ReadASN1(&certificates, cbasn1.SEQUENCE) || !bundle.Empty() || certificates.Empty() {
		return nil, FlawMalformed
	}
	return e, e.takeCertificates(certificates)
}

// take reads one statement.
func (e *Evidence) take(statement cryptobyte.String) error {
	var kind, content cryptobyte.String
	var tag cbasn1.Tag
	if !statement.ReadASN1Element(&kind, cbasn1.OBJECT_IDENTIFIER) || !statement.ReadAnyASN1(&content, &tag) {
		return FlawMalformed
	}
	switch {
	case bytes.Equal(kind, typeCertify):
		if e.Certified != nil {
			return FlawRepeated
		}
		return fields(tag, content, field{&e.Certified, MaxStructure}, field{&e.Signature, MaxStructure}, field{&e.KeyPublic, MaxStructure})
	case bytes.Equal(kind, typeBinding):
		if e.AKPublic != nil {
			return FlawRepeated
		}
		return fields(tag, content, field{&e.EKPublic, MaxStructure}, field{&e.AKPublic, MaxStructure}, field{&e.Ticket, MaxTicket})
	}
	return nil
}

// field is where an OCTET STRING goes, and how long it may be.
type field struct {
	to   *[]byte
	most int
}

func fields(tag cbasn1.Tag, content cryptobyte.String, list ...field) error {
	if tag != cbasn1.SEQUENCE {
		return FlawMalformed
	}
	for _, f := range list {
		var value cryptobyte.String
		if !content.ReadASN1(&value, cbasn1.OCTET_STRING) || len(value) > f.most {
			return FlawMalformed
		}
		*f.to = append([]byte{}, value...)
	}
	if !content.Empty() {
		return FlawMalformed
	}
	return nil
}

// takeCertificates keeps those of X.509; the other form that the draft knows is
// of no use here.
func (e *Evidence) takeCertificates(list cryptobyte.String) error {
	for !list.Empty() {
		var one cryptobyte.String
		var tag cbasn1.Tag
		if !list.ReadAnyASN1Element(&one, &tag) || len(one) > MaxCertificate || len(e.Certificates) == MaxCertificates {
			return FlawMalformed
		}
		if tag == cbasn1.SEQUENCE {
			e.Certificates = append(e.Certificates, append([]byte{}, one...))
		}
	}
	return nil
}
