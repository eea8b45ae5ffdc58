package platform

import (
	"context"
	"crypto"
	"time"
)

// CodeAttestation is the code of the problem of a device whose attestation is refused,
// or is missing.
const CodeAttestation = "attestation/Refused"

// TPMKeys is what a device asks a challenge for: the endorsement key of its TPM and
// an attestation key in it, both TPMT_PUBLIC (TPM 2.0 Part 2 §12.2.4).
type TPMKeys struct{ EKPublic, AKPublic []byte }

// TPMChallenge is what only the TPM of both keys can open (TPM2_MakeCredential). What
// is in it, and the ticket, belong into the attestation.
type TPMChallenge struct {
	Ticket             []byte
	Credential, Secret []byte // the ID object and the encrypted seed, without their lengths
}

// TPMClaim is a certificate request whose attestation is to be judged.
type TPMClaim struct {
	Tenant     TenantID
	ExternalID string
	TBS        []byte           // CertificationRequestInfo in DER
	Key        crypto.PublicKey // of the request
	Renewal    bool             // the device has a certificate by which it asks
	Now        time.Time
}

// TPMJudgement is what came of a TPMClaim that is not refused.
type TPMJudgement struct {
	Attestation *Attestation // nil: nothing was proved
	// Unproved says why what the device showed counts for nothing; empty: it showed
	// nothing, or proved its key.
	Unproved string
	// Others are devices whose keys are in the same TPM, at most a few.
	Others []string
}

// Attestation is what was proved of the key of an issued certificate: that a TPM
// holds it, and which one.
type Attestation struct {
	Tenant     TenantID
	Serial     string // of the issued certificate
	ExternalID string
	// EKHash is the SHA-256 of the SubjectPublicKeyInfo of the TPM's endorsement key.
	EKHash [32]byte
	// Pinned tells that the tenant had noted the endorsement key for this device;
	// else a maker that the tenant trusts vouched for it.
	Pinned bool
	// Manufacturer, Model and Firmware are those of the endorsement certificate, as
	// its maker writes them. Empty: not said.
	Manufacturer, Model, Firmware string
}

// TPMMaker is the certificate of a maker of TPMs that a tenant trusts to vouch for
// endorsement keys.
type TPMMaker struct {
	Tenant      TenantID
	Fingerprint string // SHA-256 over the DER, lower-case hex
	Certificate []byte // DER
	Created     time.Time
}

// TPMPin notes which TPM a device has, whatever its maker.
type TPMPin struct {
	Tenant     TenantID
	ExternalID string
	EKHash     [32]byte // as in Attestation
}

// Attestations keeps what was proved of TPMs, and which TPMs a tenant takes.
// Issue.Attestation adds to it.
type Attestations interface {
	// Attestation is that of an issued certificate; NotFound if its key was not
	// attested.
	Attestation(ctx context.Context, tenant TenantID, serial string) (Attestation, error)
	// Attestations lists the newest first, of every device if externalID is empty.
	Attestations(ctx context.Context, tenant TenantID, externalID string, page Page) (List[Attestation], error)
	// DevicesOfTPM lists at most most external IDs, sorted, other than but, whose
	// certificates for keys of that TPM neither ended before now nor are on the
	// tenant's offline list.
	DevicesOfTPM(ctx context.Context, tenant TenantID, ekHash [32]byte, but string, now time.Time, most int) ([]string, error)

	// AddTPMMakers adds those that the tenant does not have yet, and tells how many
	// these were. TooLarge, and nothing is written, if it would have more than most.
	AddTPMMakers(ctx context.Context, tenant TenantID, makers []TPMMaker, most int, audit ...AuditRecord) (added int, err error)
	// TPMMakers lists in the order of fingerprints.
	TPMMakers(ctx context.Context, tenant TenantID) ([]TPMMaker, error)
	DeleteTPMMaker(ctx context.Context, tenant TenantID, fingerprint string, audit ...AuditRecord) error

	// PutTPMPin adds or replaces the pin of a device.
	PutTPMPin(ctx context.Context, p TPMPin, audit ...AuditRecord) error
	TPMPin(ctx context.Context, tenant TenantID, externalID string) (TPMPin, error)
	DeleteTPMPin(ctx context.Context, tenant TenantID, externalID string, audit ...AuditRecord) error
}
