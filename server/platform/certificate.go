package platform

import (
	"context"
	"math/big"
	"time"
)

// TrustedCertificate is a tenant's record of a CA certificate whose devices
// may connect (rest.md §3.1).
type TrustedCertificate struct {
	Tenant           TenantID
	Fingerprint      string // SHA-1 over the DER, 40 lower-case hex digits; unique over the instance
	Certificate      []byte // DER
	Name             string
	Enabled          bool
	AutoRegistration bool
	IsTenantCA       bool // issued by us; its key lies in Issuer
	Proven           bool // proof of possession completed
	// ProofCode is what the tenant must sign to prove possession, and ProofUntil
	// until when it may; empty and zero before the first code was made.
	ProofCode  string
	ProofUntil time.Time
	Created    time.Time
	Subject    []byte   // raw DER of the subject, for look-up
	KeyHash    [32]byte // SHA-256 of SubjectPublicKeyInfo, for look-up
	NotAfter   time.Time
}

// TrustedCertificates keeps trust anchors. Change: ChangeTrust, key = fingerprint.
type TrustedCertificates interface {
	// AddTrustedCertificates adds all or none; Conflict if a fingerprint exists in any tenant.
	AddTrustedCertificates(ctx context.Context, certs []TrustedCertificate, audit ...AuditRecord) error
	TrustedCertificate(ctx context.Context, tenant TenantID, fingerprint string) (TrustedCertificate, error)
	// TrustedCertificates lists in the order of creation; onlyCA keeps only the tenant CA.
	TrustedCertificates(ctx context.Context, tenant TenantID, onlyCA bool, page Page) (List[TrustedCertificate], error)
	// UpdateTrustedCertificate replaces Name, Enabled and AutoRegistration.
	UpdateTrustedCertificate(ctx context.Context, c TrustedCertificate, audit ...AuditRecord) error
	// SetProofCode replaces ProofCode and ProofUntil. It changes nobody's trust and reports no change.
	SetProofCode(ctx context.Context, tenant TenantID, fingerprint, code string, until time.Time, audit ...AuditRecord) error
	// SetProven sets Proven if code is the current ProofCode, Conflict if it is
	// another; whatever the code is if it is empty.
	SetProven(ctx context.Context, tenant TenantID, fingerprint, code string, audit ...AuditRecord) error
	// DeleteTrustedCertificate also destroys the Issuer if it is the tenant CA.
	DeleteTrustedCertificate(ctx context.Context, tenant TenantID, fingerprint string, audit ...AuditRecord) error
	// AllTrustedCertificates calls f for each anchor of every tenant, in order of creation.
	AllTrustedCertificates(ctx context.Context, f func(TrustedCertificate) error) error
}

// Revocation is one entry of a tenant's offline revocation list. A serial is
// matched alone, for any issuer of the tenant (rest.md §3.5).
type Revocation struct {
	Serial *big.Int // not negative
	At     time.Time
}

// Revocations keeps offline revocation lists. Entries are never removed.
// Change: ChangeRevocation, key = serial in hex, or empty if there were many.
type Revocations interface {
	// AddRevocations adds entries; for a serial that is listed already the old entry stays. added counts new ones.
	AddRevocations(ctx context.Context, tenant TenantID, entries []Revocation, audit ...AuditRecord) (added int, err error)
	Revocations(ctx context.Context, tenant TenantID) ([]Revocation, error)
	// AllRevocations calls f for each entry of every tenant.
	AllRevocations(ctx context.Context, f func(TenantID, Revocation) error) error
}

// Issuer is a tenant CA: our key, sealed, and its certificate.
type Issuer struct {
	Tenant      TenantID
	KeyID       string // names the sealed key in SealedKeys
	Certificate []byte // DER
	Created     time.Time
}

// IssuedCertificate is the record of a leaf that we signed.
type IssuedCertificate struct {
	Tenant      TenantID
	Serial      string // lower-case hex; unique within the tenant
	ExternalID  string
	KeyHash     [32]byte
	Certificate []byte // DER
	NotBefore   time.Time
	NotAfter    time.Time
	IssuedAt    time.Time
}

// Issue is the command that makes a signed leaf count.
type Issue struct {
	Certificate IssuedCertificate
	// Enrolment is set for a first enrolment by OTP: the OTP of that registration
	// is spent in the same transaction, if its Epoch is the one given and it is
	// unspent; otherwise Conflict and nothing is written.
	Enrolment *OTPSpending
	// Convert turns a device user that has a password into a certificate user in
	// the same transaction.
	Convert bool
	// Attestation is kept with the certificate; nil: its key was not attested. Its
	// Tenant, Serial and ExternalID are those of Certificate.
	Attestation *Attestation
}

// OTPSpending names the registration whose OTP an Issue spends.
type OTPSpending struct {
	ExternalID string
	Epoch      int64
}

// Issuers keeps tenant CAs and what they signed.
type Issuers interface {
	// CreateIssuer adds the tenant CA, its sealed key and its trusted certificate together; Conflict if the tenant has one.
	CreateIssuer(ctx context.Context, i Issuer, k SealedKey, c TrustedCertificate, audit ...AuditRecord) error
	Issuer(ctx context.Context, tenant TenantID) (Issuer, error)
	Issue(ctx context.Context, cmd Issue, audit ...AuditRecord) error
	IssuedCertificates(ctx context.Context, tenant TenantID, externalID string, page Page) (List[IssuedCertificate], error)
}

// SealedKey is a secret of the server, sealed under the key-encryption key
// with (tenant, purpose, key ID) as associated data (design decision 15).
type SealedKey struct {
	Tenant  TenantID // Management for keys of the instance
	Purpose string   // "tenant-ca", "tenant-ca-note", "secret-mac", "token-signing", "session-ticket", "attestation-challenge"
	KeyID   string
	Sealed  []byte
	Created time.Time
}

// SealedKeys keeps sealed keys.
type SealedKeys interface {
	// PutSealedKey adds a key; Conflict if (tenant, purpose, key ID) exists.
	PutSealedKey(ctx context.Context, k SealedKey, audit ...AuditRecord) error
	// SealedKeys lists the keys of a purpose, newest first.
	SealedKeys(ctx context.Context, tenant TenantID, purpose string) ([]SealedKey, error)
	SealedKey(ctx context.Context, tenant TenantID, purpose, keyID string) (SealedKey, error)
	DeleteSealedKey(ctx context.Context, tenant TenantID, purpose, keyID string) error
}
