// Package ca is the certificate authority of a tenant: it creates the issuer,
// signs leaves at enrolment and re-enrolment, and signs revocation lists.
//
// An enrolment passes its gates in this order, the cheap ones first: rate
// limit, registration and one-time password, the request itself with what it
// shows of a TPM, issuing. The
// one-time password is spent in the transaction that records the leaf, so a
// request that fails any gate leaves it unspent.
package ca

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"mooring/hsm/key"
	"mooring/internal/problem"
	"mooring/internal/secret"
	"mooring/server/platform"
)

// Store is what the certificate authority keeps.
type Store interface {
	platform.Issuers
	platform.IssuerRenewals
	platform.Turns
	platform.Approvals
	Tenants(ctx context.Context) ([]platform.Tenant, error)
	TrustedCertificate(ctx context.Context, tenant platform.TenantID, fingerprint string) (platform.TrustedCertificate, error)
	Registration(ctx context.Context, tenant platform.TenantID, externalID string) (platform.Registration, error)
	Revocations(ctx context.Context, tenant platform.TenantID) ([]platform.Revocation, error)
	AppendAudit(ctx context.Context, records ...platform.AuditRecord) error
}

// Vault seals issuer keys and checks one-time passwords.
type Vault interface {
	Seal(ctx context.Context, tenant platform.TenantID, purpose, keyID string, plaintext []byte) (platform.SealedKey, error)
	Open(ctx context.Context, k platform.SealedKey) ([]byte, error)
	Current(ctx context.Context, tenant platform.TenantID, purpose string, makeKey func() ([]byte, error)) (keyID string, key []byte, err error)
	CheckMAC(ctx context.Context, tenant platform.TenantID, user string, s secret.String, mac platform.SecretMAC) (bool, error)
}

// SealedKeys finds the sealed keys of issuers, and keeps the notes of those in a
// key store.
type SealedKeys = platform.SealedKeys

// Features tells whether a tenant may use its certificate authority.
type Features interface {
	Feature(ctx context.Context, tenant platform.TenantID, key string) (bool, error)
}

// Options reads tenant options.
type Options interface {
	Option(ctx context.Context, tenant platform.TenantID, key platform.OptionKey) (value string, set bool, err error)
}

// Attestations judges what devices show of their TPMs.
type Attestations interface {
	// Policy is one of platform.AttestationOff and those beside it.
	Policy(ctx context.Context, tenant platform.TenantID) (string, error)
	Challenge(ctx context.Context, tenant platform.TenantID, device string, keys platform.TPMKeys) (platform.TPMChallenge, error)
	Judge(ctx context.Context, c platform.TPMClaim) (platform.TPMJudgement, error)
}

// Config is what New needs.
type Config struct {
	Store Store
	Keys  SealedKeys
	Vault Vault
	// KeyStore is where keys of new issuers are made; nil: they are made here and
	// sealed. Issuers that exist keep theirs where they are.
	KeyStore key.Store
	// Features is asked before anything is signed; nil: the feature is on.
	Features Features
	// Options are asked how strict a tenant is; nil: as if none were set.
	Options Options
	// Attestations are asked about each request; nil: no tenant wants any.
	Attestations Attestations
	// Alerts hears of renewals that fail; nil: they are logged and audited.
	Alerts Alerts
	// Profile is what leaves look like. Nil: the profile of a zero ProfileConfig.
	Profile *Profile
	// Limits slow those who guess one-time passwords and devices that re-enrol
	// without end. Zero fields mean the defaults.
	Limits Limits
	Now    func() time.Time // nil: time.Now
	Log    *slog.Logger     // nil discards
}

// Service is the certificate authority. It may be used by several goroutines.
type Service struct {
	store    Store
	keys     SealedKeys
	vault    Vault
	keyStore key.Store // nil: none
	features Features
	options  Options
	attests  Attestations
	alerts   Alerts
	profile  *Profile
	now      func() time.Time
	log      *slog.Logger

	guesses  *doorkeeper
	renewals *buckets
	asked    *buckets // challenges of those who renew
	issuers  *cache[*issuer]
	lists    *cache[*signedList]
	renewed  atomic.Int64 // the renewal day that needs no more work, Unix seconds
}

// New returns a certificate authority for every tenant of the instance.
func New(c Config) *Service {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Profile == nil {
		c.Profile = &Profile{validity: defaultValidity, backdate: defaultBackdate}
	}
	limits := c.Limits.withDefaults()
	return &Service{
		store: c.Store, keys: c.Keys, vault: c.Vault, keyStore: c.KeyStore, features: c.Features, options: c.Options, attests: c.Attestations, alerts: c.Alerts,
		profile: c.Profile, now: c.Now, log: c.Log,
		guesses:  newDoorkeeper(limits),
		renewals: newBuckets(limits.ReEnrol, limits.MaxTracked),
		asked:    newBuckets(limits.ReEnrol, limits.MaxTracked),
		issuers:  newCache[*issuer](maxCachedTenants),
		lists:    newCache[*signedList](maxCachedTenants),
	}
}

// Apply forgets what a change has made stale. It is idempotent.
func (s *Service) Apply(_ context.Context, c platform.Change) error {
	switch c.Kind {
	case platform.ChangeTrust, platform.ChangeTenant:
		s.issuers.forget(c.Tenant)
		s.lists.forget(c.Tenant)
	case platform.ChangeRevocation:
		s.lists.forget(c.Tenant)
	}
	return nil
}

// Certificate returns the current CA certificate of a tenant in DER, or a
// problem of kind NotFound.
func (s *Service) Certificate(ctx context.Context, tenant platform.TenantID) ([]byte, error) {
	i, err := s.issuer(ctx, tenant)
	if err != nil {
		return nil, err
	}
	return i.cert.Raw, nil
}

func (s *Service) checkFeature(ctx context.Context, tenant platform.TenantID) error {
	if s.features == nil {
		return nil
	}
	on, err := s.features.Feature(ctx, tenant, platform.FeatureCertificateAuthority)
	if err != nil {
		return err
	}
	if !on {
		return problem.New(problem.Forbidden, "The certificate authority feature is off for tenant "+string(tenant)+".", nil)
	}
	return nil
}

// option reads a tenant option, empty if it is not set.
func (s *Service) option(ctx context.Context, tenant platform.TenantID, key platform.OptionKey) (string, error) {
	if s.options == nil {
		return "", nil
	}
	value, _, err := s.options.Option(ctx, tenant, key)
	return value, err
}
