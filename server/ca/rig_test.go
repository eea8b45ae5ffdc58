package ca_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"mooring/hsm/filekey"
	"mooring/hsm/key"
	"mooring/internal/durable"
	"mooring/internal/durable/durabletest"
	"mooring/internal/pki"
	"mooring/internal/secret"
	"mooring/server/ca"
	"mooring/server/platform"
	"mooring/server/sqlstore"
	"mooring/server/vault"
)

const tenant = platform.TenantID("t1000")

var admin = platform.Principal{Tenant: tenant, User: "admin", Roles: platform.AdminRoles, Method: platform.ByPassword}

// rig is a certificate authority on a real store, with a clock that tests turn.
type rig struct {
	*ca.Service
	t     testing.TB
	store *sqlstore.Store
	vault *vault.Vault

	mu  sync.Mutex
	now time.Time
}

type setup struct {
	limits   ca.Limits
	profile  ca.ProfileConfig
	features ca.Features
	alerts   ca.Alerts
	options  ca.Options
	keys     key.Store
}

// newRig has two tenants without certificate authority.
func newRig(t testing.TB, s setup) *rig {
	t.Helper()
	r := &rig{t: t, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	var apply func([]platform.Change)
	store, err := sqlstore.OpenSQLite(t.Context(), durabletest.Dir(t), sqlstore.Options{OnCommit: func(c []platform.Change) { apply(c) }})
	if err != nil {
		t.Fatal(err)
	}
	apply = func([]platform.Change) {}
	t.Cleanup(func() { _ = store.Close() })
	for _, id := range []platform.TenantID{platform.Management, tenant, "t2000"} {
		err := store.CreateTenant(t.Context(), platform.Tenant{ID: id, Domain: string(id) + ".example.com", Created: r.now},
			platform.User{Tenant: id, Name: "admin", Enabled: true, Created: r.now})
		if err != nil {
			t.Fatal(err)
		}
	}
	sealer, err := filekey.OpenSealer(durable.OS, filepath.Join(t.TempDir(), "kek"))
	if err != nil {
		t.Fatal(err)
	}
	profile, err := ca.NewProfile(s.profile)
	if err != nil {
		t.Fatal(err)
	}
	r.store, r.vault = store, vault.New(store, sealer, nil)
	r.Service = ca.New(ca.Config{
		Store: store, Keys: store, Vault: r.vault, KeyStore: s.keys, Features: s.features, Profile: profile, Limits: s.limits, Now: r.clock, Alerts: s.alerts, Options: s.options,
	})
	apply = func(changes []platform.Change) {
		for _, c := range changes {
			if err := r.Apply(context.Background(), c); err != nil {
				t.Error(err)
			}
		}
	}
	return r
}

func (r *rig) clock() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

func (r *rig) advance(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = r.now.Add(d)
}

// create makes the tenant's certificate authority.
func (r *rig) create() platform.TrustedCertificate {
	r.t.Helper()
	c, err := r.Create(r.t.Context(), tenant, admin)
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

// register lets a device enrol.
func (r *rig) register(id, otp string) {
	r.t.Helper()
	mac, err := r.vault.MAC(r.t.Context(), tenant, id, secret.New(otp))
	if err != nil {
		r.t.Fatal(err)
	}
	_, err = r.store.Register(r.t.Context(), platform.RegisterDevice{Registration: platform.Registration{
		Tenant: tenant, ExternalID: id, Status: platform.StatusAccepted, OTP: mac, Created: r.clock(),
	}})
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) enrol(id, otp string, csr []byte) ([]byte, error) {
	return r.Enrol(r.t.Context(), ca.Enrolment{Tenant: tenant, ExternalID: id, CSR: csr, OTP: secret.New(otp), Address: "192.0.2.1"})
}

// audits lists the texts of all audit records of a type, oldest first.
func (r *rig) audits() []platform.AuditRecord {
	r.t.Helper()
	list, err := r.store.AuditRecords(r.t.Context(), tenant, platform.AuditFilter{Type: "TenantCertificateAuthority", OldestFirst: true},
		platform.Page{Number: 1, Size: 100})
	if err != nil {
		r.t.Fatal(err)
	}
	return list.Items
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newCSR(t testing.TB, k crypto.Signer, cn string) []byte {
	t.Helper()
	der, err := pki.CreateCSR(rand.Reader, k, pkix.Name{CommonName: cn, Organization: []string{"Acme"}})
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func parse(t testing.TB, der []byte) *x509.Certificate {
	t.Helper()
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
