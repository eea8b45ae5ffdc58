package ca_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"errors"
	"strings"
	"testing"
	"time"

	"mooring/internal/pki"
	"mooring/internal/problem"
	"mooring/server/ca"
	"mooring/server/platform"
)

func TestCreate(t *testing.T) {
	r := newRig(t, setup{})
	got := r.create()
	cert := parse(t, got.Certificate)
	if !got.Enabled || !got.AutoRegistration || !got.IsTenantCA || got.Name != "t1000" || got.Fingerprint != pki.Fingerprint(cert) {
		t.Errorf("trusted certificate = %+v", got)
	}
	if !pki.IsCA(cert) || !pki.SelfSigned(cert) || cert.MaxPathLen != 0 || !cert.MaxPathLenZero {
		t.Errorf("CA %v, self-signed %v, path length %d", pki.IsCA(cert), pki.SelfSigned(cert), cert.MaxPathLen)
	}
	if k, ok := cert.PublicKey.(*ecdsa.PublicKey); !ok || k.Curve != elliptic.P256() {
		t.Errorf("key = %T", cert.PublicKey)
	}
	if name := pki.JavaName(cert.RawSubject); !strings.Contains(name, "CN=t1000") {
		t.Errorf("subject = %q", name)
	}
	if got, want := cert.NotAfter.Sub(cert.NotBefore), 1095*24*time.Hour; got != want {
		t.Errorf("validity = %v, want %v", got, want)
	}
	if der, err := r.Certificate(t.Context(), tenant); err != nil || string(der) != string(got.Certificate) {
		t.Errorf("Certificate = %d bytes, %v", len(der), err)
	}
	stored, err := r.store.TrustedCertificate(t.Context(), tenant, got.Fingerprint)
	if err != nil || !stored.IsTenantCA {
		t.Errorf("stored = %+v, %v", stored, err)
	}
	audit := r.audits()[0]
	if audit.Activity != "Tenant certificate authority(CA) created on 't1000'." || audit.User != "admin" ||
		!strings.Contains(audit.Text, "Certificate fingerprint: '"+got.Fingerprint+"'.") {
		t.Errorf("audit = %+v", audit)
	}
}

func TestCreateTwice(t *testing.T) {
	r := newRig(t, setup{})
	r.create()
	if _, err := r.Create(t.Context(), tenant, admin); !errors.Is(err, problem.Conflict) {
		t.Errorf("error = %v, want Conflict", err)
	}
	if _, err := r.Create(t.Context(), "t2000", admin); err != nil {
		t.Errorf("another tenant: %v", err)
	}
}

func TestKeysOfIssuersAreSealed(t *testing.T) {
	r := newRig(t, setup{})
	r.create()
	issuer, err := r.store.Issuer(t.Context(), tenant)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := r.store.SealedKey(t.Context(), tenant, vaultPurpose, issuer.KeyID)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := r.vault.Open(t.Context(), sealed)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(sealed.Sealed), string(plain)) {
		t.Error("the stored key holds its plaintext")
	}
}

const vaultPurpose = "tenant-ca"

func TestDeletedAuthorityIssuesNothing(t *testing.T) {
	r := newRig(t, setup{})
	c := r.create()
	r.register("dev1", "otp-1")
	r.register("dev2", "otp-2")
	if _, err := r.enrol("dev1", "otp-1", newCSR(t, newKey(t), "dev1")); err != nil {
		t.Fatal(err)
	}
	if err := r.store.DeleteTrustedCertificate(t.Context(), tenant, c.Fingerprint); err != nil {
		t.Fatal(err)
	}
	if _, err := r.enrol("dev2", "otp-2", newCSR(t, newKey(t), "dev2")); !errors.Is(err, problem.NotFound) {
		t.Errorf("error = %v, want NotFound", err)
	}
	if _, err := r.Certificate(t.Context(), tenant); !errors.Is(err, problem.NotFound) {
		t.Errorf("Certificate: error = %v, want NotFound", err)
	}
}

// features says yes or no.
type features bool

func (f features) Feature(context.Context, platform.TenantID, string) (bool, error) {
	return bool(f), nil
}

func TestFeature(t *testing.T) {
	for _, tt := range []struct {
		on      bool
		wantErr error
	}{{on: true}, {on: false, wantErr: problem.Forbidden}} {
		r := newRig(t, setup{features: features(tt.on)})
		if _, err := r.Create(t.Context(), tenant, admin); !errors.Is(err, tt.wantErr) {
			t.Errorf("feature %v: error = %v, want %v", tt.on, err, tt.wantErr)
		}
	}
}

func TestNewProfile(t *testing.T) {
	longest := "https://" + strings.Repeat("x", 55) // with /crl/, 32 bytes of tenant and .crl, less one
	tests := []struct {
		name string
		in   ca.ProfileConfig
		ok   bool
	}{
		{name: "zero", ok: true},
		{name: "a year", in: ca.ProfileConfig{Validity: 365 * 24 * time.Hour}, ok: true},
		{name: "more than a year", in: ca.ProfileConfig{Validity: 365*24*time.Hour + 1}},
		{name: "an hour", in: ca.ProfileConfig{Validity: time.Hour}, ok: true},
		{name: "less than an hour", in: ca.ProfileConfig{Validity: time.Hour - 1}},
		{name: "backdated by a day", in: ca.ProfileConfig{Backdate: 24 * time.Hour}, ok: true},
		{name: "backdated by more", in: ca.ProfileConfig{Backdate: 24*time.Hour + 1}},
		{name: "backdated beyond its end", in: ca.ProfileConfig{Validity: time.Hour, Backdate: time.Hour}},
		{name: "negative", in: ca.ProfileConfig{Backdate: -1}},
		{name: "with list", in: ca.ProfileConfig{CRLBase: "http://example.com:8080/x"}, ok: true},
		{name: "base just short enough", in: ca.ProfileConfig{CRLBase: longest[:59]}, ok: true},
		{name: "base too long", in: ca.ProfileConfig{CRLBase: longest[:60]}},
		{name: "no scheme", in: ca.ProfileConfig{CRLBase: "example.com"}},
		{name: "other scheme", in: ca.ProfileConfig{CRLBase: "ldap://example.com"}},
		{name: "with query", in: ca.ProfileConfig{CRLBase: "https://example.com/?a=b"}},
		{name: "with user", in: ca.ProfileConfig{CRLBase: "https://u@example.com/"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := ca.NewProfile(tt.in); (err == nil) != tt.ok {
				t.Errorf("error = %v, want ok: %v", err, tt.ok)
			}
		})
	}
}
