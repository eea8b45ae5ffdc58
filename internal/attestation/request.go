package attestation

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"io"
)

// Signature algorithms in DER (RFC 5758 §3.2, RFC 4055 §5).
var (
	ecdsaSHA256 = []byte{0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02}
	ecdsaSHA384 = []byte{0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03}
	rsaSHA256   = []byte{0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b, 0x05, 0x00}
)

// CreateRequest returns a PKCS#10 request that carries the evidence, in DER
// (RFC 2986 §4). crypto/x509 writes no attributes of other kinds than its own.
//
//	SEQUENCE { SEQUENCE { INTEGER 0, Name, SubjectPublicKeyInfo, [0] { attribute } }, AlgorithmIdentifier, BIT STRING }
func (e *Evidence) CreateRequest(rand io.Reader, key crypto.Signer, subject pkix.Name) ([]byte, error) {
	name, err := asn1.Marshal(subject.ToRDNSequence())
	if err != nil {
		return nil, err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, err
	}
	const attributes, bitString, noUnusedBits = 0xa0, 0x03, 0
	info := tlv(tagSequence, []byte{0x02, 0x01, 0x00}, name, public, tlv(attributes, e.Encode()))
	algorithm, hash, digest, err := digestFor(key.Public(), info)
	if err != nil {
		return nil, err
	}
	signature, err := key.Sign(rand, digest, hash)
	if err != nil {
		return nil, err
	}
	return tlv(tagSequence, info, algorithm, tlv(bitString, []byte{noUnusedBits}, signature)), nil
}

// digestFor chooses as crypto/x509 does.
func digestFor(key crypto.PublicKey, message []byte) (algorithm []byte, hash crypto.Hash, digest []byte, err error) {
	algorithm, hash = rsaSHA256, crypto.SHA256
	sum := sha256.Sum256(message)
	digest = sum[:]
	switch k := key.(type) {
	case *rsa.PublicKey:
	case *ecdsa.PublicKey:
		algorithm = ecdsaSHA256
		if k.Curve.Params().BitSize > 256 {
			long := sha512.Sum384(message)
			algorithm, hash, digest = ecdsaSHA384, crypto.SHA384, long[:]
		}
	default:
		err = errors.New("a TPM has no such key")
	}
	return algorithm, hash, digest, err
}
