// Package attest judges what devices show of their TPMs when they ask for
// certificates, by what each tenant wants (platform.OptionAttestation), and keeps
// which makers of TPMs, and which single TPMs, a tenant takes.
//
// A device asks a challenge for its endorsement key (EK) and attestation key (AK),
// opens it, has its TPM certify the new key along with what was in it, and puts that
// into its certificate request (internal/attestation). Nothing of a challenge is
// stored: its ticket comes back, so any node can judge it.
//
// What is false is refused under every policy but off. A TPM that nobody vouches for
// proves nothing: that is refused where proof must be given, which is where the
// tenant requires it, where it noted a TPM for the device, and at the renewal of a
// certificate whose key was proved. A renewal keeps the TPM: another one wants a new
// enrolment, or a note of the tenant.
package attest

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"mooring/internal/attestation"
	"mooring/internal/problem"
	"mooring/server/platform"
)

// Store is what is kept.
type Store interface {
	platform.Attestations
	IssuedCertificates(ctx context.Context, tenant platform.TenantID, externalID string, page platform.Page) (platform.List[platform.IssuedCertificate], error)
}

// Keys gives the key that challenges are made with; vault.Vault does.
type Keys interface {
	Current(ctx context.Context, tenant platform.TenantID, purpose string, makeKey func() ([]byte, error)) (keyID string, key []byte, err error)
}

// Options reads tenant options.
type Options interface {
	Option(ctx context.Context, tenant platform.TenantID, key platform.OptionKey) (value string, set bool, err error)
}

// Seal makes what only the TPM of an endorsement key and the key of that name opens;
// hsm.MakeCredential does.
type Seal func(ekPublic, name, secret []byte) (credential, encrypted []byte, err error)

// Config is what New needs.
type Config struct {
	Store   Store
	Keys    Keys
	Options Options
	Seal    Seal
	Now     func() time.Time // nil: time.Now
	Log     *slog.Logger     // nil discards
}

// Service judges. It may be used by several goroutines.
type Service struct {
	store   Store
	keys    Keys
	options Options
	seal    Seal
	now     func() time.Time
	log     *slog.Logger

	mu     sync.Mutex // guards parsed
	parsed map[string]*x509.Certificate
}

// New returns a service for every tenant of the instance.
func New(c Config) *Service {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{store: c.Store, keys: c.Keys, options: c.Options, seal: c.Seal, now: c.Now, log: c.Log, parsed: map[string]*x509.Certificate{}}
}

// Policy is what a tenant wants: one of platform.AttestationOff,
// platform.AttestationOptional and platform.AttestationRequired. A value that is none
// of them is required: a word misspelt must not open the door.
func (s *Service) Policy(ctx context.Context, tenant platform.TenantID) (string, error) {
	value, _, err := s.options.Option(ctx, tenant, platform.OptionAttestation)
	if err != nil {
		return "", fmt.Errorf("read what the tenant wants of attestation: %w", err)
	}
	switch strings.ToLower(strings.TrimSpace(value)) {
	case "", platform.AttestationOff:
		return platform.AttestationOff, nil
	case platform.AttestationOptional:
		return platform.AttestationOptional, nil
	}
	return platform.AttestationRequired, nil
}

// Flaws that a verifier without memory of devices does not know.
const (
	FlawNone     attestation.Flaw = "the certificate request has none, and this tenant wants one of this device: its key has to be in a TPM"
	FlawNoMore   attestation.Flaw = "the certificate request has none, and the certificate that it is to replace had one"
	FlawPinned   attestation.Flaw = "the TPM is not the one that the tenant noted for this device"
	FlawOtherTPM attestation.Flaw = "the TPM is not the one of the certificate that is to be replaced: register the device anew, or note its TPM"
	FlawSameTPM  attestation.Flaw = "the TPM holds the key of another device, which this tenant does not take"
)

// refused is a flaw as the problem that the device is told, and under whose cause
// front ends find it.
func refused(err error) error {
	flaw, ok := errors.AsType[attestation.Flaw](err)
	if !ok {
		return err
	}
	return problem.WithCode(problem.Unprocessable, platform.CodeAttestation, "Attestation: "+string(flaw)+".", flaw)
}
