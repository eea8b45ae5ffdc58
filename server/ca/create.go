package ca

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"time"

	"mooring/internal/pki"
	"mooring/internal/problem"
	"mooring/server/platform"
)

// issuerValidity is that of a CA certificate (rest.md §2.1).
const issuerValidity = 1095 * 24 * time.Hour

// auditType marks the records of this package (rest.md §1.9).
const auditType = "TenantCertificateAuthority"

// Create makes the certificate authority of a tenant: key, certificate and the
// trusted certificate by which its devices connect. It is Conflict if the
// tenant has one.
func (s *Service) Create(ctx context.Context, tenant platform.TenantID, actor platform.Principal) (platform.TrustedCertificate, error) {
	if err := s.checkFeature(ctx, tenant); err != nil {
		return platform.TrustedCertificate{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, noteRest/2)
	defer cancel()
	now := s.now()
	k, sealed, undo, err := s.newKey(ctx, tenant)
	if err != nil {
		undo()
		return platform.TrustedCertificate{}, err
	}
	cert, err := selfSigned(tenant, k, now)
	if err != nil {
		undo()
		return platform.TrustedCertificate{}, err
	}
	record := trustedRecord(tenant, cert, now)
	err = s.store.CreateIssuer(ctx,
		platform.Issuer{Tenant: tenant, KeyID: sealed.KeyID, Certificate: cert.Raw, Created: platform.Millis(now)},
		sealed, record, createdAudit(tenant, actor, record, cert, now))
	if errors.Is(err, problem.Conflict) {
		undo() // after another error the issuer may be stored all the same
		return platform.TrustedCertificate{}, problem.WithCode(problem.Conflict, "Certificate Authority (CA)/Conflict",
			"Tenant Certificate Authority (CA) already exists for tenant "+string(tenant), err)
	}
	if err != nil {
		return platform.TrustedCertificate{}, fmt.Errorf("store issuer of tenant %s: %w", tenant, err)
	}
	s.issuers.forget(tenant)
	s.lists.forget(tenant)
	s.log.Info("tenant certificate authority created", "tenant", tenant, "fingerprint", record.Fingerprint, "not_after", cert.NotAfter)
	return record, nil
}

func selfSigned(tenant platform.TenantID, k crypto.Signer, now time.Time) (*x509.Certificate, error) {
	spki, err := x509.MarshalPKIXPublicKey(k.Public())
	if err != nil {
		return nil, fmt.Errorf("encode issuer key: %w", err)
	}
	notBefore := now.Add(-defaultBackdate).UTC().Truncate(time.Second)
	template := &x509.Certificate{
		SerialNumber:          newSerial(),
		Subject:               pkix.Name{CommonName: string(tenant), Organization: []string{"Mooring"}},
		NotBefore:             notBefore,
		NotAfter:              notBefore.Add(issuerValidity),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
		SubjectKeyId:          subjectKeyID(spki),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
	if err != nil {
		return nil, fmt.Errorf("sign issuer certificate: %w", err)
	}
	return x509.ParseCertificate(der)
}

func (s *Service) sealKey(ctx context.Context, tenant platform.TenantID, k *ecdsa.PrivateKey) (platform.SealedKey, error) {
	der, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		return platform.SealedKey{}, fmt.Errorf("encode issuer key: %w", err)
	}
	return s.vault.Seal(ctx, tenant, purpose, pki.SerialHex(newSerial()), der)
}

func trustedRecord(tenant platform.TenantID, cert *x509.Certificate, now time.Time) platform.TrustedCertificate {
	return platform.TrustedCertificate{
		Tenant: tenant, Fingerprint: pki.Fingerprint(cert), Certificate: cert.Raw, Name: string(tenant),
		Enabled: true, AutoRegistration: true, IsTenantCA: true, Created: platform.Millis(now),
		Subject: cert.RawSubject, KeyHash: pki.SPKIHash(cert), NotAfter: cert.NotAfter,
	}
}

func createdAudit(tenant platform.TenantID, actor platform.Principal, record platform.TrustedCertificate, cert *x509.Certificate, now time.Time) platform.AuditRecord {
	return platform.AuditRecord{
		Tenant: tenant, At: platform.Millis(now), Type: auditType, User: actor.User, Source: record.Fingerprint,
		Activity: fmt.Sprintf("Tenant certificate authority(CA) created on '%s'.", tenant),
		Text: fmt.Sprintf("Certificate fingerprint: '%s'.\n Certificate subject name: '%s'.\n NotAfter='%s'",
			record.Fingerprint, pki.JavaName(cert.RawSubject), cert.NotAfter.Format(auditTime)),
	}
}

// auditTime is the date of rest.md §0.6.
const auditTime = "2006-01-02T15:04:05.000Z"
