package attestation

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/binary"
	"math/big"

	"golang.org/x/crypto/cryptobyte"

	"mooring/internal/pki"
)

// Numbers of TPM 2.0 Part 2.
const (
	algRSA, algECC, algNull                = 0x0001, 0x0023, 0x0010
	algSHA256, algSHA384, algSHA512        = 0x000B, 0x000C, 0x000D
	algRSASSA, algRSAES, algRSAPSS         = 0x0014, 0x0015, 0x0016
	algECDSA, algECDAA                     = 0x0018, 0x001A
	curveP256, curveP384, curveP521        = 3, 4, 5
	tagCertify                             = 0x8017     // TPM_ST_ATTEST_CERTIFY
	generated                              = 0xff544347 // TPM_GENERATED_VALUE
	clockInfo, firmwareVersion             = 17, 8      // bytes
	fixedTPM, fixedParent                  = 1 << 1, 1 << 4
	sensitiveDataOrigin                    = 1 << 5
	restricted, decrypts, signs            = 1 << 16, 1 << 17, 1 << 18
	made                            uint32 = fixedTPM | fixedParent | sensitiveDataOrigin
)

// hashOf finds the hashes that may name objects or be signed.
func hashOf(id uint16) (crypto.Hash, bool) {
	switch id {
	case algSHA256:
		return crypto.SHA256, true
	case algSHA384:
		return crypto.SHA384, true
	case algSHA512:
		return crypto.SHA512, true
	}
	return 0, false
}

// Public is a TPMT_PUBLIC of an RSA or ECC key.
type Public struct {
	Key crypto.PublicKey // *rsa.PublicKey or *ecdsa.PublicKey
	// Name is how the TPM calls the key: the hash of all of its public part, with
	// the number of the hash in front.
	Name       []byte
	attributes uint32
}

func (p *Public) has(all uint32) bool { return p.attributes&all == all }

// ParsePublic reads a TPMT_PUBLIC (Part 2 §12.2.4):
//
//	uint16 type, uint16 nameAlg, uint32 objectAttributes, TPM2B authPolicy, parameters, unique
//
// Errors: FlawMalformed, and FlawAlgorithm for keys that are too weak, too.
func ParsePublic(b []byte) (*Public, error) {
	in := cryptobyte.String(b)
	p := &Public{}
	var kind, nameAlg uint16
	var policy cryptobyte.String
	if len(b) > MaxStructure || !in.ReadUint16(&kind) || !in.ReadUint16(&nameAlg) || !in.ReadUint32(&p.attributes) ||
		!in.ReadUint16LengthPrefixed(&policy) || !skipSymmetric(&in) || !skipScheme(&in) {
		return nil, FlawMalformed
	}
	hash, ok := hashOf(nameAlg)
	if !ok {
		return nil, FlawAlgorithm
	}
	var err error
	switch kind {
	case algRSA:
		p.Key, err = readRSA(&in)
	case algECC:
		p.Key, err = readECC(&in)
	default:
		err = FlawAlgorithm
	}
	if err != nil {
		return nil, err
	}
	if !in.Empty() {
		return nil, FlawMalformed
	}
	if pki.CheckKeyStrength(p.Key) != nil {
		return nil, FlawAlgorithm
	}
	h := hash.New()
	h.Write(b)
	p.Name = h.Sum(binary.BigEndian.AppendUint16(nil, nameAlg))
	return p, nil
}

// skipSymmetric reads a TPMT_SYM_DEF_OBJECT: a block cipher with key length and
// mode, or null.
func skipSymmetric(in *cryptobyte.String) bool {
	var algorithm uint16
	return in.ReadUint16(&algorithm) && (algorithm == algNull || in.Skip(4))
}

// skipScheme reads a TPMT_RSA_SCHEME, TPMT_ECC_SCHEME or TPMT_KDF_SCHEME: most
// have a hash.
func skipScheme(in *cryptobyte.String) bool {
	var scheme uint16
	if !in.ReadUint16(&scheme) {
		return false
	}
	switch scheme {
	case algNull, algRSAES:
		return true
	case algECDAA:
		return in.Skip(4)
	}
	return in.Skip(2)
}

// readRSA reads uint16 keyBits, uint32 exponent, TPM2B modulus.
func readRSA(in *cryptobyte.String) (crypto.PublicKey, error) {
	var bits uint16
	var exponent uint32
	var modulus cryptobyte.String
	if !in.ReadUint16(&bits) || !in.ReadUint32(&exponent) || !in.ReadUint16LengthPrefixed(&modulus) {
		return nil, FlawMalformed
	}
	if exponent == 0 {
		exponent = 65537 // Part 2 §12.2.3.5
	}
	if exponent > 1<<31-1 {
		return nil, FlawAlgorithm
	}
	n := new(big.Int).SetBytes(modulus)
	if n.BitLen() != int(bits) {
		return nil, FlawMalformed
	}
	return &rsa.PublicKey{N: n, E: int(exponent)}, nil
}

func curveOf(id uint16) elliptic.Curve {
	switch id {
	case curveP256:
		return elliptic.P256()
	case curveP384:
		return elliptic.P384()
	case curveP521:
		return elliptic.P521()
	}
	return nil
}

// readECC reads uint16 curve, TPMT_KDF_SCHEME, TPM2B x, TPM2B y.
func readECC(in *cryptobyte.String) (crypto.PublicKey, error) {
	var id uint16
	var x, y cryptobyte.String
	if !in.ReadUint16(&id) || !skipScheme(in) || !in.ReadUint16LengthPrefixed(&x) || !in.ReadUint16LengthPrefixed(&y) {
		return nil, FlawMalformed
	}
	curve := curveOf(id)
	if curve == nil {
		return nil, FlawAlgorithm
	}
	size := (curve.Params().BitSize + 7) / 8
	if len(x) > size || len(y) > size {
		return nil, FlawMalformed
	}
	point := make([]byte, 1+2*size)
	point[0] = 4 // uncompressed (SEC 1 §2.3.3)
	copy(point[1+size-len(x):], x)
	copy(point[1+2*size-len(y):], y)
	key, err := ecdsa.ParseUncompressedPublicKey(curve, point)
	if err != nil {
		return nil, FlawMalformed
	}
	return key, nil
}

// certified is what a TPM says with TPM2_Certify.
type certified struct {
	nonce, name []byte
}

// parseCertified reads a TPMS_ATTEST (Part 2 §10.12.12):
//
//	uint32 magic, uint16 type, TPM2B qualifiedSigner, TPM2B extraData, clockInfo, uint64 firmwareVersion,
//	TPM2B name, TPM2B qualifiedName
func parseCertified(b []byte) (c certified, err error) {
	in := cryptobyte.String(b)
	var magic uint32
	var kind uint16
	var signer, nonce, name, qualified cryptobyte.String
	if len(b) > MaxStructure || !in.ReadUint32(&magic) || !in.ReadUint16(&kind) || !in.ReadUint16LengthPrefixed(&signer) ||
		!in.ReadUint16LengthPrefixed(&nonce) || !in.Skip(clockInfo+firmwareVersion) {
		return c, FlawMalformed
	}
	if magic != generated || kind != tagCertify {
		return c, FlawStatement
	}
	if !in.ReadUint16LengthPrefixed(&name) || !in.ReadUint16LengthPrefixed(&qualified) || !in.Empty() {
		return c, FlawMalformed
	}
	return certified{nonce: nonce, name: name}, nil
}

// checkSignature holds a TPMT_SIGNATURE (Part 2 §11.3.4) of key against message:
//
//	uint16 scheme, uint16 hash, then TPM2B signature or, for ECDSA, TPM2B r, TPM2B s
func checkSignature(key crypto.PublicKey, message, signature []byte) error {
	in := cryptobyte.String(signature)
	var scheme, hashID uint16
	var first, second cryptobyte.String
	if len(signature) > MaxStructure || !in.ReadUint16(&scheme) || !in.ReadUint16(&hashID) || !in.ReadUint16LengthPrefixed(&first) ||
		scheme == algECDSA && !in.ReadUint16LengthPrefixed(&second) || !in.Empty() {
		return FlawMalformed
	}
	hash, ok := hashOf(hashID)
	if !ok {
		return FlawAlgorithm
	}
	h := hash.New()
	h.Write(message)
	digest := h.Sum(nil)
	good := false
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		good = scheme == algECDSA && ecdsa.Verify(k, digest, new(big.Int).SetBytes(first), new(big.Int).SetBytes(second))
	case *rsa.PublicKey:
		good = scheme == algRSASSA && rsa.VerifyPKCS1v15(k, hash, digest, first) == nil ||
			scheme == algRSAPSS && rsa.VerifyPSS(k, hash, digest, first, nil) == nil
	}
	if !good {
		return FlawSignature
	}
	return nil
}

// equal reports whether two public keys are the same.
func equal(a, b crypto.PublicKey) bool { return pki.SamePublicKey(a, b) }

// KeyHash is the SHA-256 of a public key's SubjectPublicKeyInfo, by which people
// and lists of makers name endorsement keys.
func (p *Public) KeyHash() ([sha256.Size]byte, error) { return pki.PublicKeyHash(p.Key) }

func sameBytes(a, b []byte) bool { return len(a) > 0 && bytes.Equal(a, b) }
