package attestation_test

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"testing"

	"mooring/internal/attestation"
)

// Attributes of objects (TPM 2.0 Part 2 §8.3.2).
const (
	fixedTPM, fixedParent, origin = 1 << 1, 1 << 4, 1 << 5
	restricted, decrypts, signs   = 1 << 16, 1 << 17, 1 << 18
	made                          = fixedTPM | fixedParent | origin
)

func sized(b []byte) []byte { return append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...) }

// public is the TPMT_PUBLIC of a P-256 key.
func public(t testing.TB, k *ecdsa.PrivateKey, attributes uint32) []byte {
	t.Helper()
	point, err := k.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	b := []byte{0x00, 0x23, 0x00, 0x0b}
	b = binary.BigEndian.AppendUint32(b, attributes)
	b = append(b, 0, 0, 0x00, 0x10, 0x00, 0x10, 0x00, 0x03, 0x00, 0x10) // no policy, null, null, P-256, null
	return append(append(b, sized(point[1:33])...), sized(point[33:])...)
}

// statement is a TPMS_ATTEST about the key with that public part.
func statement(magic uint32, kind uint16, nonce, public []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, magic)
	b = binary.BigEndian.AppendUint16(b, kind)
	b = append(append(b, sized(nil)...), sized(nonce)...)
	b = append(b, make([]byte, 25)...)
	sum := sha256.Sum256(public)
	name := sized(append([]byte{0x00, 0x0b}, sum[:]...))
	return append(append(b, name...), name...)
}

// What a TPM would never say, signed by an attestation key all the same.
func TestVerifyKey(t *testing.T) {
	key, ak, nonce := newKey(t), newKey(t), []byte("the secret of the challenge")
	const generated, certify = 0xff544347, 0x8017
	tests := []struct {
		name       string
		magic      uint32
		kind       uint16
		attributes uint32
		want       error
	}{
		{"good", generated, certify, made | signs, nil},
		{"good, and decrypts", generated, certify, made | signs | decrypts, nil},
		{"a quote", generated, 0x8018, made | signs, attestation.FlawStatement},
		{"not made by a TPM", generated + 1, certify, made | signs, attestation.FlawStatement},
		{"may be moved to another TPM", generated, certify, fixedParent | origin | signs, attestation.FlawSoftwareKey},
		{"may be moved to another parent", generated, certify, fixedTPM | origin | signs, attestation.FlawSoftwareKey},
		{"made outside and imported", generated, certify, fixedTPM | fixedParent | signs, attestation.FlawSoftwareKey},
		{"restricted", generated, certify, made | signs | restricted, attestation.FlawKeyUse},
		{"does not sign", generated, certify, made | decrypts, attestation.FlawKeyUse},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := attestation.Evidence{KeyPublic: public(t, key, tt.attributes), EKPublic: public(t, newKey(t), made|restricted|decrypts),
				AKPublic: public(t, ak, made|restricted|signs), Ticket: []byte("ticket")}
			e.Certified = statement(tt.magic, tt.kind, nonce, e.KeyPublic)
			digest := sha256.Sum256(e.Certified)
			r, s, err := ecdsa.Sign(rand.Reader, ak, digest[:])
			if err != nil {
				t.Fatal(err)
			}
			e.Signature = append(append([]byte{0x00, 0x18, 0x00, 0x0b}, sized(r.Bytes())...), sized(s.Bytes())...)
			_, err = attestation.Verify(&e, key.Public(), func(_, _ *attestation.Public, _ []byte) ([]byte, error) { return nonce, nil })
			if err != tt.want {
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}
}
