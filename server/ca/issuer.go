package ca

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"mooring/internal/pki"
	"mooring/internal/problem"
	"mooring/server/platform"
)

// Texts of rest.md §1.5.
const (
	noIssuer = "Tenant CA certificate is either missing, expired, or has a validity of less than one year"
	noKey    = "Failed to retrieve tenant keypair"
)

// errNoIssuer is the cause of the problem that a tenant has none.
var errNoIssuer = errors.New("the tenant has no issuer")

// minRemaining is how long a CA certificate must live on to issue: no leaf
// outlives its issuer (rest.md §1.5).
const minRemaining = 365 * 24 * time.Hour

// purpose of the sealed keys of issuers.
const purpose = "tenant-ca"

// issuer is a tenant's certificate authority, opened.
type issuer struct {
	cert   *x509.Certificate
	signer crypto.Signer
	signed atomic.Uint64 // leaves signed by signFast
}

// issuer returns the tenant's, from memory if it can.
func (s *Service) issuer(ctx context.Context, tenant platform.TenantID) (*issuer, error) {
	i, era, ok := s.issuers.get(tenant)
	if ok {
		return i, nil
	}
	i, err := s.openIssuer(ctx, tenant)
	if err != nil {
		return nil, err
	}
	s.issuers.put(tenant, i, era)
	return i, nil
}

func (s *Service) openIssuer(ctx context.Context, tenant platform.TenantID) (*issuer, error) {
	record, err := s.store.Issuer(ctx, tenant)
	if errors.Is(err, problem.NotFound) {
		return nil, problem.WithCode(problem.NotFound, "Certificate Authority (CA)/Not Found", noIssuer, errNoIssuer)
	}
	if err != nil {
		return nil, fmt.Errorf("read issuer of tenant %s: %w", tenant, err)
	}
	cert, err := x509.ParseCertificate(record.Certificate)
	if err != nil {
		return nil, fmt.Errorf("parse issuer certificate of tenant %s: %w", tenant, err)
	}
	signer, err := s.openKey(ctx, tenant, record.KeyID)
	if err != nil {
		return nil, err
	}
	if !pki.KeyMatches(cert, signer) {
		return nil, fmt.Errorf("issuer of tenant %s: key %s is not that of its certificate", tenant, record.KeyID)
	}
	return &issuer{cert: cert, signer: signer}, nil
}

func (s *Service) openKey(ctx context.Context, tenant platform.TenantID, keyID string) (crypto.Signer, error) {
	sealed, err := s.keys.SealedKey(ctx, tenant, purpose, keyID)
	if errors.Is(err, problem.NotFound) {
		return nil, problem.WithCode(problem.NotFound, "Certificate Authority (CA)/Not Found", noKey, err)
	}
	if err != nil {
		return nil, fmt.Errorf("read key of issuer of tenant %s: %w", tenant, err)
	}
	der, err := s.vault.Open(ctx, sealed)
	if err != nil {
		return nil, err
	}
	return s.keyFrom(ctx, der)
}

// parseKey reads an EC key in SEC 1 form, as marshalKey writes it.
func parseKey(der []byte) (*ecdsa.PrivateKey, error) {
	k, err := x509.ParseECPrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("parse issuer key: %w", err)
	}
	return k, nil
}

// ready reports whether the issuer may sign a leaf at now.
func (i *issuer) ready(now time.Time) error {
	if now.Before(i.cert.NotBefore) || i.cert.NotAfter.Before(now.Add(minRemaining)) {
		return problem.New(problem.Unprocessable, noIssuer, nil)
	}
	return nil
}

// sign issues template for a request's key. CreateCertificate verifies its own
// signature, which guards against a faulty signer.
func (i *issuer) sign(template *x509.Certificate, pub crypto.PublicKey) ([]byte, error) {
	if i.fast() {
		return i.signFast(template, pub)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, i.cert, pub, i.signer)
	if err != nil {
		return nil, fmt.Errorf("sign leaf: %w", err)
	}
	return der, nil
}

// subjectKeyID is the leftmost 160 bits of the SHA-256 of a
// SubjectPublicKeyInfo in DER (after RFC 7093 §2, methods 1 and 4).
func subjectKeyID(spki []byte) []byte {
	sum := sha256.Sum256(spki)
	return sum[:20]
}
