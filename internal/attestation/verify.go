package attestation

import "crypto"

// CheckKeys reads the keys that a device asks a challenge for, and says whether
// they can be an endorsement key and an attestation key at all.
func CheckKeys(ekPublic, akPublic []byte) (ek, ak *Public, err error) {
	if ek, err = ParsePublic(ekPublic); err != nil {
		return nil, nil, err
	}
	if ak, err = ParsePublic(akPublic); err != nil {
		return nil, nil, err
	}
	switch {
	case !ek.has(made|restricted|decrypts) || ek.has(signs):
		return nil, nil, FlawEK
	case !ak.has(made|restricted|signs) || ak.has(decrypts):
		return nil, nil, FlawAK
	}
	return ek, ak, nil
}

// Verify judges the evidence for the key of a certificate request: that TPM2_Certify
// is about that key, signed by the AK with nonce, and that the TPM made the key and
// keeps it. It returns the endorsement key, of which the caller has to ask whose it
// is: Endorsement.
//
// nonce gives what the verifier sealed for these keys under this ticket; without
// its being opened by the TPM of both nobody else knows it.
func Verify(e *Evidence, key crypto.PublicKey, nonce func(ek, ak *Public, ticket []byte) ([]byte, error)) (ek *Public, err error) {
	if len(e.Certified) == 0 || len(e.Signature) == 0 || len(e.KeyPublic) == 0 || len(e.EKPublic) == 0 || len(e.AKPublic) == 0 || len(e.Ticket) == 0 {
		return nil, FlawIncomplete
	}
	ek, ak, err := CheckKeys(e.EKPublic, e.AKPublic)
	if err != nil {
		return nil, err
	}
	if err := checkSignature(ak.Key, e.Certified, e.Signature); err != nil {
		return nil, err
	}
	said, err := parseCertified(e.Certified)
	if err != nil {
		return nil, err
	}
	want, err := nonce(ek, ak, e.Ticket)
	if err != nil {
		return nil, err
	}
	if !sameBytes(said.nonce, want) {
		return nil, FlawNonce
	}
	public, err := ParsePublic(e.KeyPublic)
	if err != nil {
		return nil, err
	}
	switch {
	case !sameBytes(said.name, public.Name), !equal(public.Key, key):
		return nil, FlawOtherKey
	case !public.has(made):
		return nil, FlawSoftwareKey
	case !public.has(signs) || public.has(restricted):
		return nil, FlawKeyUse
	}
	return ek, nil
}
