package est

import (
	"bytes"
	"encoding/asn1"
)

// EncodeCSRAttributes returns the body that asks for one attribute, named by its
// OBJECT IDENTIFIER in DER (RFC 7030 §4.5.2):
//
//	CsrAttrs ::= SEQUENCE OF AttrOrOID, AttrOrOID ::= CHOICE { OBJECT IDENTIFIER, SEQUENCE { OBJECT IDENTIFIER, SET } }
func EncodeCSRAttributes(oid []byte) []byte {
	der, err := asn1.Marshal([]asn1.RawValue{{FullBytes: oid}})
	if err != nil {
		return nil // an OBJECT IDENTIFIER can be marshalled
	}
	return lines(der, MaxSingleLine)
}

// AsksFor tells whether a body of CSR attributes asks for the one with that OBJECT
// IDENTIFIER. A body that cannot be read asks for nothing.
func AsksFor(body, oid []byte) bool {
	if len(body) > MaxBodyBytes {
		return false
	}
	der, err := decode(body)
	if err != nil {
		return false
	}
	var list []asn1.RawValue
	if rest, err := asn1.Unmarshal(der, &list); err != nil || len(rest) > 0 {
		return false
	}
	for _, one := range list {
		if one.Tag == asn1.TagSequence && one.IsCompound && bytes.HasPrefix(one.Bytes, oid) || bytes.Equal(one.FullBytes, oid) {
			return true
		}
	}
	return false
}
