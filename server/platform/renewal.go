package platform

import "context"

// Turn is one occasion of something that is done now and then, and by one node
// only: "ca-renewal" on "2027-10-02".
type Turn struct {
	Name string // empty: no turn
	On   string // compared as text: later occasions sort after earlier ones
}

// Turns keeps which occasion came last.
type Turns interface {
	// TakeTurn is Conflict if that turn of the tenant, or a later one, was taken.
	TakeTurn(ctx context.Context, tenant TenantID, t Turn, audit ...AuditRecord) error
}

// RenewIssuer is the command that gives a tenant CA its next certificate: the
// same key and subject with new dates.
type RenewIssuer struct {
	Tenant TenantID
	// Old is the fingerprint of the certificate that is replaced.
	Old string
	// Next takes the place of the old one: Fingerprint, Certificate and NotAfter
	// are replaced, everything else stays as it is.
	Next TrustedCertificate
	// Turn, if it has a name, is taken in the same transaction.
	Turn Turn
}

// IssuerRenewals replaces the certificates of tenant CAs. Changes: ChangeTrust
// for the new fingerprint, then for the old one.
type IssuerRenewals interface {
	// RenewIssuer is Conflict if the tenant CA has another certificate than Old by
	// now or the turn was taken: then nothing is written.
	RenewIssuer(ctx context.Context, cmd RenewIssuer, audit ...AuditRecord) error
}

// Approvals lets devices wait for the operator's word before their first leaf
// (RFC 7030 §4.2.3).
type Approvals interface {
	// AwaitApproval notes the key that asks to enrol and makes the registration
	// StatusPending. Conflict if it has another epoch or its OTP is spent.
	AwaitApproval(ctx context.Context, tenant TenantID, externalID string, epoch int64, keyHash [32]byte, audit ...AuditRecord) error
}
