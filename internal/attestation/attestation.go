// Package attestation is what a device shows a certificate authority to prove
// that a TPM holds its key: the attribute of a certificate request that carries
// the proof (draft-ietf-lamps-csr-attestation), the structures of the TPM in it
// (TPM 2.0 Part 2), and the judgement of them. It does no I/O; the time and what
// is trusted are arguments.
//
// The proof has three parts. TPM2_Certify, signed by an attestation key (AK),
// says that the TPM of the AK holds the key of the request. What the verifier
// sealed to the endorsement key (EK) and the AK together, and the device could
// open and had signed along, says that both keys are in one TPM. A certificate
// for the EK says who made that TPM.
package attestation

// Bounds of what is read. The longest certificates for endorsement keys that are
// known have some 1.6 KiB, and TPM structures of RSA 4096 keys less than 600 bytes.
const (
	MaxStructure    = 1 << 10 // a structure of the TPM
	MaxCertificate  = 8 << 10
	MaxCertificates = 8
	MaxTicket       = 256
	maxStatements   = 8
)

// Evidence is what a certificate request carries.
type Evidence struct {
	// Certified is the TPMS_ATTEST of TPM2_Certify, Signature the TPMT_SIGNATURE of
	// the AK over it, KeyPublic the TPMT_PUBLIC of the key it is about.
	Certified, Signature, KeyPublic []byte
	// EKPublic and AKPublic are TPMT_PUBLIC. Empty if the request does not have
	// them, as one that was made for another verifier.
	EKPublic, AKPublic []byte
	// Ticket is what the verifier gave out with its challenge.
	Ticket []byte
	// Certificates are in DER: that of the EK first, if there is one, and others
	// that lead from it to what the verifier trusts.
	Certificates [][]byte
}

// Flaw is what is wrong with evidence, in words for people on both sides.
type Flaw string

// Error implements error.
func (f Flaw) Error() string { return string(f) }

// The flaws.
const (
	FlawMalformed   Flaw = "the attestation cannot be read"
	FlawRepeated    Flaw = "the certificate request has more than one attestation"
	FlawIncomplete  Flaw = "the attestation lacks a part: it needs TPM2_Certify, the public keys of EK and AK, and the ticket of the challenge"
	FlawStatement   Flaw = "what the attestation key signed is not a TPM2_Certify"
	FlawSignature   Flaw = "the signature of the attestation key does not verify"
	FlawOtherKey    Flaw = "the TPM certified another key than that of the certificate request"
	FlawNonce       Flaw = "the attestation does not answer the challenge: it is for another device or TPM, or made up"
	FlawStale       Flaw = "the challenge is too old: ask for another one"
	FlawSoftwareKey Flaw = "the key is not one that its TPM made and cannot give away (fixedTPM, fixedParent, sensitiveDataOrigin)"
	FlawKeyUse      Flaw = "the key is not one that signs freely (sign, not restricted)"
	FlawAK          Flaw = "the attestation key is not a restricted signing key that its TPM made and cannot give away"
	FlawEK          Flaw = "the endorsement key is not a restricted decryption key of its TPM"
	FlawAlgorithm   Flaw = "a key or hash of the attestation is of a kind that is not accepted"
	FlawEKMismatch  Flaw = "the endorsement key is not that of its certificate"
	FlawNoEK        Flaw = "the TPM has no certificate for its endorsement key, and the tenant does not know the key"
	FlawEKBroken    Flaw = "the certificate of the endorsement key cannot be read"
	FlawEKUse       Flaw = "the certificate is not one for the endorsement key of a TPM"
	FlawEKExpired   Flaw = "the certificate of the endorsement key, or one of its issuers, has expired or is not yet valid"
	FlawEKUntrusted Flaw = "no certificate of a TPM maker that the tenant trusts issued the certificate of the endorsement key"
)
