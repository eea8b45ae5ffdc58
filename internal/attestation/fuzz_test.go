package attestation_test

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"testing"
	"time"

	"mooring/internal/attestation"
)

// signature is a TPMT_SIGNATURE of ECDSA with SHA-256 whose parts are these.
func signature(r, s []byte) []byte {
	return append(append([]byte{0x00, 0x18, 0x00, 0x0b}, sized(r)...), sized(s)...)
}

// Whatever an attestation is made of, it is judged: with a flaw, unless it is true.
func FuzzVerify(f *testing.F) {
	key, ak, nonce := newKey(f), newKey(f), []byte("the secret of the challenge")
	const generated, certify = 0xff544347, 0x8017
	keyPublic, akPublic, ekPublic := public(f, key, made|signs), public(f, ak, made|restricted|signs), public(f, newKey(f), made|restricted|decrypts)
	said := statement(generated, certify, nonce, keyPublic)
	sum := sha256.Sum256(said)
	first, second, err := ecdsa.Sign(rand.Reader, ak, sum[:])
	if err != nil {
		f.Fatal(err)
	}
	r, s := first.Bytes(), second.Bytes()
	f.Add(said, signature(r, s), keyPublic, ekPublic, akPublic)
	f.Add(statement(generated, 0x8018, nonce, keyPublic), signature(r, s), keyPublic, ekPublic, akPublic)
	f.Add(said, signature(nil, nil), keyPublic, akPublic, ekPublic)
	f.Add(said, append([]byte{0x00, 0x14, 0x00, 0x0b}, sized(make([]byte, 256))...), keyPublic, ekPublic, akPublic)
	f.Add(said[:10], []byte{0x00, 0x18, 0x00, 0x0b, 0xff, 0xff}, keyPublic[:8], ekPublic[:20], akPublic)
	f.Fuzz(func(t *testing.T, certified, signature, keyPublic, ekPublic, akPublic []byte) {
		e := &attestation.Evidence{Certified: certified, Signature: signature, KeyPublic: keyPublic, EKPublic: ekPublic, AKPublic: akPublic, Ticket: []byte{1}}
		ek, err := attestation.Verify(e, key.Public(), func(_, _ *attestation.Public, _ []byte) ([]byte, error) { return nonce, nil })
		if _, flaw := errors.AsType[attestation.Flaw](err); err != nil && !flaw {
			t.Errorf("%T is no flaw: %v", err, err)
		}
		if (ek == nil) == (err == nil) {
			t.Errorf("%v, %v", ek, err)
		}
	})
}

// Whatever lies where the certificate of an endorsement key belongs, it is read or
// refused, and what is kept of its words is short and plain.
func FuzzEndorsement(f *testing.F) {
	m := newMaker(f, "maker", now.AddDate(10, 0, 0))
	good := m.endorse(f, nil)
	f.Add(good)
	f.Add(append(good, make([]byte, 100)...))
	f.Add(good[:len(good)/2])
	f.Add(m.cert.Raw)
	f.Add([]byte{0x30, 0x84, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, der []byte) {
		e, err := attestation.ParseEndorsement(der)
		if err != nil {
			if !errors.Is(err, attestation.FlawEKBroken) && !errors.Is(err, attestation.FlawEKUse) {
				t.Errorf("%v", err)
			}
			return
		}
		for _, text := range []string{e.Manufacturer, e.Model, e.Firmware} {
			if len(text) > 64 {
				t.Errorf("%d bytes of text", len(text))
			}
			for _, r := range text {
				if r < ' ' {
					t.Errorf("%q", text)
				}
			}
		}
		err = e.Verify(nil, attestation.Issuers([][]byte{der}), time.Now(), true)
		if err == nil {
			t.Error("trusted by nobody, and good")
		}
	})
}
