package attest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"

	"mooring/internal/attestation"
	"mooring/internal/deviceid"
	"mooring/internal/pki"
	"mooring/internal/problem"
	"mooring/server/platform"
)

// Bounds of what a tenant may keep: all makers of TPMs together have a few hundred
// certificates.
const (
	MaxMakers      = 512
	MaxMakersBytes = 4 << 20 // of an upload
	// maxParsed bounds the certificates kept parsed. Key: their SHA-256, so that none
	// can grow stale.
	maxParsed = 4 * MaxMakers
)

const auditType = "TenantCertificateAuthority"

// AddMakers adds the certificates of makers in PEM, or one in DER. It tells how many
// are new.
//
// Errors: problem.Unprocessable if one is not that of a certificate authority, and
// nothing is added; problem.TooLarge.
func (s *Service) AddMakers(ctx context.Context, actor platform.Principal, text []byte) (int, error) {
	all, err := parseMakers(text)
	if err != nil {
		return 0, err
	}
	now := platform.Millis(s.now())
	makers := make([]platform.TPMMaker, len(all))
	for i, c := range all {
		sum := sha256.Sum256(c.Raw)
		makers[i] = platform.TPMMaker{Tenant: actor.Tenant, Fingerprint: hex.EncodeToString(sum[:]), Certificate: c.Raw, Created: now}
	}
	added, err := s.store.AddTPMMakers(ctx, actor.Tenant, makers, MaxMakers, s.audit(actor, "", "Certificates of TPM makers added.", fmt.Sprintf("%d certificates were uploaded", len(makers))))
	if errors.Is(err, problem.TooLarge) {
		return 0, problem.New(problem.TooLarge, fmt.Sprintf("a tenant keeps at most %d certificates of TPM makers", MaxMakers), err)
	}
	return added, err
}

func parseMakers(text []byte) (all []*x509.Certificate, err error) {
	if len(text) > MaxMakersBytes {
		return nil, problem.New(problem.TooLarge, "more than 4 MiB of certificates", nil)
	}
	blocks := [][]byte{text}
	if bytes.Contains(text, []byte("-----BEGIN")) {
		blocks = nil
		for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
			blocks = append(blocks, block.Bytes)
		}
	}
	for i, der := range blocks {
		c, err := x509.ParseCertificate(der)
		if err != nil || len(der) > attestation.MaxCertificate {
			return nil, problem.New(problem.Unprocessable, fmt.Sprintf("certificate %d cannot be read: PEM is expected, or one certificate in DER", i+1), err)
		}
		if !c.IsCA || pki.CheckKeyStrength(c.PublicKey) != nil {
			return nil, problem.New(problem.Unprocessable, fmt.Sprintf("certificate %d, of %q, is not one of a certificate authority with a strong key", i+1, c.Subject), nil)
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil, problem.New(problem.Unprocessable, "there is no certificate", nil)
	}
	return all, nil
}

// Makers lists the makers whose TPMs the tenant takes.
func (s *Service) Makers(ctx context.Context, tenant platform.TenantID) ([]platform.TPMMaker, error) {
	return s.store.TPMMakers(ctx, tenant)
}

// DeleteMaker forgets one. What it vouched for stays until it is renewed.
func (s *Service) DeleteMaker(ctx context.Context, actor platform.Principal, fingerprint string) error {
	err := s.store.DeleteTPMMaker(ctx, actor.Tenant, fingerprint, s.audit(actor, fingerprint, "Certificate of a TPM maker deleted.", "SHA-256: "+fingerprint))
	return named(err, "the tenant has no such certificate of a TPM maker")
}

// anchors are the makers of a tenant, parsed.
func (s *Service) anchors(ctx context.Context, tenant platform.TenantID) ([]*x509.Certificate, error) {
	makers, err := s.store.TPMMakers(ctx, tenant)
	if err != nil {
		return nil, fmt.Errorf("read the makers of TPMs: %w", err)
	}
	all := make([]*x509.Certificate, 0, len(makers))
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range makers {
		c := s.parsed[m.Fingerprint]
		if c == nil {
			if c, err = x509.ParseCertificate(m.Certificate); err != nil {
				return nil, fmt.Errorf("parse maker %s: %w", m.Fingerprint, err)
			}
			if len(s.parsed) >= maxParsed {
				clear(s.parsed)
			}
			s.parsed[m.Fingerprint] = c
		}
		all = append(all, c)
	}
	return all, nil
}

// Pin notes which TPM a device has, by the SHA-256 of its endorsement key's
// SubjectPublicKeyInfo. The device has to show that one from then on.
func (s *Service) Pin(ctx context.Context, actor platform.Principal, externalID string, ekHash [sha256.Size]byte) error {
	if err := deviceid.ValidExternalID(externalID); err != nil {
		return err
	}
	return s.store.PutTPMPin(ctx, platform.TPMPin{Tenant: actor.Tenant, ExternalID: externalID, EKHash: ekHash},
		s.audit(actor, externalID, "TPM noted for device: "+externalID+".", fmt.Sprintf("SHA-256 of its endorsement key: '%x'", ekHash)))
}

// Unpin forgets the TPM that was noted.
func (s *Service) Unpin(ctx context.Context, actor platform.Principal, externalID string) error {
	err := s.store.DeleteTPMPin(ctx, actor.Tenant, externalID, s.audit(actor, externalID, "TPM no longer noted for device: "+externalID+".", ""))
	return named(err, "no TPM is noted for that device")
}

// Device is what is known of the TPM of one device.
type Device struct {
	Pin  *platform.TPMPin      // nil: none is noted
	Last *platform.Attestation // nil: it never proved a key
}

// Device tells what is known of a device's TPM.
func (s *Service) Device(ctx context.Context, tenant platform.TenantID, externalID string) (d Device, err error) {
	pin, err := s.store.TPMPin(ctx, tenant, externalID)
	if err == nil {
		d.Pin = &pin
	} else if !errors.Is(err, problem.NotFound) {
		return d, err
	}
	list, err := s.List(ctx, tenant, externalID, platform.Page{Number: 1, Size: 1})
	if len(list.Items) > 0 {
		d.Last = &list.Items[0]
	}
	return d, err
}

// List lists what devices proved, the newest first; of all if externalID is empty.
func (s *Service) List(ctx context.Context, tenant platform.TenantID, externalID string, page platform.Page) (platform.List[platform.Attestation], error) {
	return s.store.Attestations(ctx, tenant, externalID, page)
}

func (s *Service) audit(actor platform.Principal, source, activity, text string) platform.AuditRecord {
	return platform.AuditRecord{Tenant: actor.Tenant, At: platform.Millis(s.now()), Type: auditType, User: actor.User, Source: source, Activity: activity, Text: text}
}

// named gives a NotFound of the store words.
func named(err error, text string) error {
	if errors.Is(err, problem.NotFound) {
		return problem.WithCode(problem.NotFound, "attestation/Not Found", text, err)
	}
	return err
}
