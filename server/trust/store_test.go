package trust_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"mooring/internal/pki"
	"mooring/internal/problem"
	"mooring/server/platform"
	"mooring/server/trust"
)

// store is a store in memory.
type store struct {
	mu      sync.Mutex
	rows    []platform.TrustedCertificate
	revoked map[platform.TenantID][]platform.Revocation
	options map[platform.TenantID]string
	tenants []platform.Tenant
	audit   []platform.AuditRecord
	broken  error
}

var (
	_ platform.TrustedCertificates = (*store)(nil)
	_ platform.Revocations         = (*store)(nil)
)

func newStore(tenants ...platform.TenantID) *store {
	s := &store{revoked: map[platform.TenantID][]platform.Revocation{}, options: map[platform.TenantID]string{}}
	for _, id := range tenants {
		s.tenants = append(s.tenants, platform.Tenant{ID: id})
	}
	return s
}

func (s *store) trust() *trust.Trust {
	return trust.New(trust.Config{Certificates: s, Revocations: s, Options: s, Tenants: s, Now: func() time.Time { return epoch }})
}

// load returns a Trust that has read s.
func (s *store) load(tb testing.TB) *trust.Trust {
	tb.Helper()
	t := s.trust()
	if err := t.Load(context.Background()); err != nil {
		tb.Fatal(err)
	}
	return t
}

// add puts an anchor into the store without asking trust.
func (s *store) add(tenant platform.TenantID, p *party, options ...func(*platform.TrustedCertificate)) {
	row := platform.TrustedCertificate{
		Tenant: tenant, Fingerprint: p.fingerprint(), Certificate: p.cert.Raw, Enabled: true,
		Created: epoch.Add(time.Duration(len(s.rows)) * time.Second),
		Subject: p.cert.RawSubject, KeyHash: pki.SPKIHash(p.cert), NotAfter: p.cert.NotAfter,
	}
	for _, o := range options {
		o(&row)
	}
	s.rows = append(s.rows, row)
}

func disabled(c *platform.TrustedCertificate) { c.Enabled = false }
func proven(c *platform.TrustedCertificate)   { c.Proven = true }

func (s *store) index(tenant platform.TenantID, fingerprint string) int {
	return slices.IndexFunc(s.rows, func(r platform.TrustedCertificate) bool { return r.Tenant == tenant && r.Fingerprint == fingerprint })
}

func (s *store) AddTrustedCertificates(_ context.Context, certs []platform.TrustedCertificate, audit ...platform.AuditRecord) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range certs {
		if slices.ContainsFunc(s.rows, func(r platform.TrustedCertificate) bool { return r.Fingerprint == c.Fingerprint }) {
			return problem.New(problem.Conflict, "", nil)
		}
	}
	s.rows = append(s.rows, certs...)
	s.audit = append(s.audit, audit...)
	return s.broken
}

func (s *store) TrustedCertificate(_ context.Context, tenant platform.TenantID, fingerprint string) (platform.TrustedCertificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return platform.TrustedCertificate{}, s.broken
	}
	if i := s.index(tenant, fingerprint); i >= 0 {
		return s.rows[i], nil
	}
	return platform.TrustedCertificate{}, problem.New(problem.NotFound, "", nil)
}

func (s *store) TrustedCertificates(_ context.Context, tenant platform.TenantID, _ bool, page platform.Page) (platform.List[platform.TrustedCertificate], error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all platform.List[platform.TrustedCertificate]
	for _, r := range s.rows {
		if r.Tenant == tenant && len(all.Items) < page.Size {
			all.Items = append(all.Items, r)
		}
	}
	return all, nil
}

func (s *store) UpdateTrustedCertificate(_ context.Context, c platform.TrustedCertificate, audit ...platform.AuditRecord) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.index(c.Tenant, c.Fingerprint)
	if i < 0 {
		return problem.New(problem.NotFound, "", nil)
	}
	s.rows[i] = c
	s.audit = append(s.audit, audit...)
	return nil
}

func (s *store) SetProofCode(_ context.Context, tenant platform.TenantID, fingerprint, code string, until time.Time, audit ...platform.AuditRecord) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.index(tenant, fingerprint)
	if i < 0 {
		return problem.New(problem.NotFound, "", nil)
	}
	s.rows[i].ProofCode, s.rows[i].ProofUntil = code, until
	s.audit = append(s.audit, audit...)
	return nil
}

func (s *store) SetProven(_ context.Context, tenant platform.TenantID, fingerprint, code string, audit ...platform.AuditRecord) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.index(tenant, fingerprint)
	switch {
	case i < 0:
		return problem.New(problem.NotFound, "", nil)
	case code != "" && code != s.rows[i].ProofCode:
		return problem.New(problem.Conflict, "", nil)
	}
	s.rows[i].Proven = true
	s.audit = append(s.audit, audit...)
	return nil
}

func (s *store) DeleteTrustedCertificate(_ context.Context, tenant platform.TenantID, fingerprint string, audit ...platform.AuditRecord) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.index(tenant, fingerprint)
	if i < 0 {
		return problem.New(problem.NotFound, "", nil)
	}
	s.rows = slices.Delete(s.rows, i, i+1)
	s.audit = append(s.audit, audit...)
	return nil
}

func (s *store) AllTrustedCertificates(_ context.Context, f func(platform.TrustedCertificate) error) error {
	for _, r := range s.rows {
		if err := f(r); err != nil {
			return err
		}
	}
	return s.broken
}

func (s *store) AddRevocations(_ context.Context, tenant platform.TenantID, entries []platform.Revocation, audit ...platform.AuditRecord) (added int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range entries {
		if !slices.ContainsFunc(s.revoked[tenant], func(r platform.Revocation) bool { return r.Serial.Cmp(e.Serial) == 0 }) {
			s.revoked[tenant] = append(s.revoked[tenant], e)
			added++
		}
	}
	s.audit = append(s.audit, audit...)
	return added, nil
}

func (s *store) Revocations(_ context.Context, tenant platform.TenantID) ([]platform.Revocation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.revoked[tenant]), nil
}

func (s *store) AllRevocations(_ context.Context, f func(platform.TenantID, platform.Revocation) error) error {
	for id, list := range s.revoked {
		for _, r := range list {
			if err := f(id, r); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *store) Option(_ context.Context, tenant platform.TenantID, k platform.OptionKey) (platform.Option, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v, ok := s.options[tenant]; ok && k == platform.OptionOfflineCheck {
		return platform.Option{OptionKey: k, Value: v}, nil
	}
	return platform.Option{}, problem.New(problem.NotFound, "", nil)
}

func (s *store) Tenants(context.Context) ([]platform.Tenant, error) { return s.tenants, nil }

var errBroken = errors.New("disk on fire")
