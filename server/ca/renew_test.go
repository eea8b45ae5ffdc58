package ca_test

import (
	"context"
	"crypto/x509"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"mooring/internal/pki"
	"mooring/internal/problem"
	"mooring/server/ca"
	"mooring/server/platform"
)

// alerts keeps what people were told.
type alerts struct {
	failed []ca.Alert
	done   []platform.TenantID
}

func (a *alerts) RenewalFailed(_ context.Context, _ platform.TenantID, alert ca.Alert) {
	a.failed = append(a.failed, alert)
}

func (a *alerts) RenewalDone(_ context.Context, tenant platform.TenantID) {
	a.done = append(a.done, tenant)
}

func (r *rig) to(t time.Time) { r.advance(t.Sub(r.clock())) }

// activities lists the activities of the tenant's audit log that hold text.
func (r *rig) activities(text string) []platform.AuditRecord {
	r.t.Helper()
	return slices.DeleteFunc(r.audits(), func(a platform.AuditRecord) bool { return !strings.Contains(a.Activity, text) })
}

const (
	renewed = "Tenant certificate authority(CA) was renewed for Tenant: 't1000'"
	notDue  = "Tenant certificate authority(CA) renewal for Tenant: 't1000' is not yet required"
	failed  = "Tenant certificate authority(CA) renewal for Tenant: 't1000' failed"
)

func TestRenew(t *testing.T) {
	a := &alerts{}
	r := newRig(t, setup{alerts: a})
	old := r.create()
	before := parse(t, old.Certificate)
	old.Name, old.Enabled, old.AutoRegistration = "our CA", false, false
	if err := r.store.UpdateTrustedCertificate(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	r.to(before.NotAfter.AddDate(0, -24, 0).Add(time.Second))
	got, err := r.Renew(t.Context(), tenant, admin)
	if err != nil {
		t.Fatal(err)
	}
	after := parse(t, got.Certificate)
	if string(after.RawSubject) != string(before.RawSubject) || string(after.RawSubjectPublicKeyInfo) != string(before.RawSubjectPublicKeyInfo) ||
		string(after.SubjectKeyId) != string(before.SubjectKeyId) || after.KeyUsage != before.KeyUsage || after.MaxPathLen != before.MaxPathLen || !after.IsCA {
		t.Errorf("renewed certificate differs in more than its dates: %+v", after)
	}
	if after.SerialNumber.Cmp(before.SerialNumber) == 0 {
		t.Error("the serial is the old one")
	}
	if want := r.clock().Add(-5 * time.Minute).Truncate(time.Second); !after.NotBefore.Equal(want) || after.NotAfter.Sub(after.NotBefore) != 1095*24*time.Hour {
		t.Errorf("valid from %v to %v", after.NotBefore, after.NotAfter)
	}
	if got.Fingerprint != pki.Fingerprint(after) || got.Name != "our CA" || got.Enabled || got.AutoRegistration || !got.IsTenantCA || !got.NotAfter.Equal(after.NotAfter) {
		t.Errorf("trusted certificate = %+v", got)
	}
	if der, err := r.Certificate(t.Context(), tenant); err != nil || string(der) != string(got.Certificate) {
		t.Errorf("Certificate is not the renewed one, %v", err)
	}
	if all := r.activities(renewed); len(all) != 1 || all[0].User != "admin" || !strings.Contains(all[0].Text, got.Fingerprint) || !strings.Contains(all[0].Text, old.Fingerprint) {
		t.Errorf("audit = %+v", all)
	}
	if len(a.failed) != 0 || !slices.Equal(a.done, []platform.TenantID{tenant}) {
		t.Errorf("alerts = %+v", a)
	}
	r.register("dev1", "otp-1")
	der, err := r.enrol("dev1", "otp-1", newCSR(t, newKey(t), "dev1"))
	if err != nil {
		t.Fatal(err)
	}
	for name, authority := range map[string]*x509.Certificate{"old": before, "new": after} {
		if err := parse(t, der).CheckSignatureFrom(authority); err != nil {
			t.Errorf("leaf below the %s certificate: %v", name, err)
		}
	}
}

func TestRenewEligibility(t *testing.T) {
	tests := []struct {
		name    string
		none    bool          // no certificate authority
		at      time.Duration // after exactly 24 months are left
		wantErr error
	}{
		{name: "none", none: true, wantErr: problem.NotFound},
		{name: "fresh", at: -200 * 24 * time.Hour, wantErr: problem.NotFound},
		{name: "a second more than 24 months", at: -time.Second, wantErr: problem.NotFound},
		{name: "24 months", wantErr: problem.NotFound},
		{name: "a second less", at: time.Second},
		{name: "expired", at: 900 * 24 * time.Hour},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := &alerts{}
			r := newRig(t, setup{alerts: a})
			if !tt.none {
				r.to(r.create().NotAfter.AddDate(0, -24, 0).Add(tt.at))
			}
			_, err := r.Renew(t.Context(), tenant, admin)
			if !errors.Is(err, tt.wantErr) {
				t.Fatalf("Renew = %v, want %v", err, tt.wantErr)
			}
			p, _ := errors.AsType[*problem.Error](err)
			if want := "Certificate Authority is not found or not eligible for renewal for tenant t1000"; tt.wantErr != nil && p.Detail != want {
				t.Errorf("text = %q, want %q", p.Detail, want)
			}
			if len(a.failed) != 0 || len(r.activities(failed)) != 0 {
				t.Error("a refusal was told as a failure")
			}
		})
	}
}

func TestStateOf(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	near := now.Add(365*24*time.Hour + 90*24*time.Hour)
	for _, tt := range []struct {
		name     string
		notAfter time.Time
		want     ca.State
	}{
		{"fresh", now.AddDate(3, 0, 0), ca.State{}},
		{"24 months", now.AddDate(2, 0, 0), ca.State{}},
		{"less", now.AddDate(2, 0, 0).Add(-time.Second), ca.State{Renewable: true}},
		{"a quarter before it stops issuing", near, ca.State{Renewable: true}},
		{"less than a quarter", near.Add(-time.Second), ca.State{Renewable: true, NearExpiry: true}},
		{"expired", now.Add(-time.Hour), ca.State{Renewable: true, NearExpiry: true}},
	} {
		if got := ca.StateOf(tt.notAfter, now); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

// A renewal that fails is audited and told once a day, and ends well when the
// key is back.
func TestRenewalFails(t *testing.T) {
	a := &alerts{}
	r := newRig(t, setup{alerts: a})
	old := r.create()
	issuer, err := r.store.Issuer(t.Context(), tenant)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := r.store.SealedKey(t.Context(), tenant, "tenant-ca", issuer.KeyID)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.store.DeleteSealedKey(t.Context(), tenant, "tenant-ca", issuer.KeyID); err != nil {
		t.Fatal(err)
	}
	r.to(time.Date(2027, time.October, 2, 2, 0, 0, 0, time.UTC)) // 17 months are left
	for range 3 {
		if err := r.RenewDue(t.Context()); err == nil {
			t.Fatal("no error")
		}
		r.advance(time.Hour)
	}
	if _, err := r.Renew(t.Context(), tenant, admin); !errors.Is(err, problem.NotFound) {
		t.Errorf("Renew = %v, want NotFound for the key", err)
	}
	all := r.activities(failed)
	if len(all) != 1 || len(a.failed) != 1 || all[0].Severity != "critical" {
		t.Fatalf("%d audit records, %d alerts, want one each: %+v", len(all), len(a.failed), all)
	}
	if got := a.failed[0]; got.Critical || !got.NotAfter.Equal(old.NotAfter) || !strings.Contains(got.Text, old.NotAfter.UTC().Format("2006-01-02")) {
		t.Errorf("alert = %+v", got)
	}
	r.advance(90 * 24 * time.Hour)
	if err := r.RenewDue(t.Context()); err == nil || len(a.failed) != 2 || !a.failed[1].Critical || !strings.Contains(a.failed[1].Text, "near its end") {
		t.Errorf("three months later: %v, %+v", err, a.failed)
	}
	if err := r.store.PutSealedKey(t.Context(), sealed); err != nil {
		t.Fatal(err)
	}
	if err := r.RenewDue(t.Context()); err != nil || len(a.done) != 1 || len(r.activities(renewed)) != 1 {
		t.Errorf("with the key back: %v, %+v", err, a.done)
	}
}

func TestRenewalDay(t *testing.T) {
	day := func(year int) time.Time { return time.Date(year, time.October, 2, 2, 0, 0, 0, time.UTC) }
	for _, tt := range []struct{ now, want time.Time }{
		{day(2027).Add(-time.Nanosecond), day(2026)},
		{day(2027), day(2027)},
		{day(2027).Add(time.Hour), day(2027)},
		{time.Date(2028, time.January, 1, 0, 0, 0, 0, time.UTC), day(2027)},
		{day(2027).In(time.FixedZone("", 14*3600)), day(2027)},
	} {
		if got := ca.RenewalDay(tt.now); !got.Equal(tt.want) {
			t.Errorf("RenewalDay(%v) = %v, want %v", tt.now, got, tt.want)
		}
	}
}

// Two nodes on one store look at the same day; every year one of them does the
// work, and an authority made since has nothing to do.
func TestRenewDue(t *testing.T) {
	r := newRig(t, setup{})
	r.create() // 1 March 2026
	other := ca.New(ca.Config{Store: r.store, Keys: r.store, Vault: r.vault, Now: r.clock})
	both := func() {
		t.Helper()
		for range 2 {
			for _, node := range []*ca.Service{r.Service, other} {
				if err := node.RenewDue(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	want := func(when string, notDues, renewals int) {
		t.Helper()
		if a, b := len(r.activities(notDue)), len(r.activities(renewed)); a != notDues || b != renewals {
			t.Errorf("%s: %d not due, %d renewed, want %d and %d", when, a, b, notDues, renewals)
		}
	}
	both()
	want("made after the last day", 0, 0)
	r.to(time.Date(2026, time.October, 2, 1, 59, 59, 0, time.UTC))
	both()
	want("a second before", 0, 0)
	r.advance(time.Second)
	both()
	want("2026", 1, 0)
	r.to(time.Date(2027, time.December, 24, 0, 0, 0, 0, time.UTC))
	both()
	want("2027, late", 1, 1)
	if all := r.activities(renewed); all[0].User != "" {
		t.Errorf("renewed by %q, want by the server", all[0].User)
	}
	r.to(time.Date(2028, time.October, 3, 0, 0, 0, 0, time.UTC))
	both()
	want("2028", 2, 1)
	r.to(time.Date(2029, time.October, 3, 0, 0, 0, 0, time.UTC))
	both()
	want("2029", 2, 2)
}

// Of two renewals at once one is done.
func TestRenewAtOnce(t *testing.T) {
	r := newRig(t, setup{})
	r.to(r.create().NotAfter.AddDate(-1, 0, 0))
	results := make(chan error, 4)
	for range cap(results) {
		go func() {
			_, err := r.Renew(context.Background(), tenant, admin)
			results <- err
		}()
	}
	done := 0
	for range cap(results) {
		if err := <-results; err == nil {
			done++
		} else if !errors.Is(err, problem.NotFound) {
			t.Errorf("error = %v, want NotFound", err)
		}
	}
	if done != 1 || len(r.activities(renewed)) != 1 || len(r.activities(failed)) != 0 {
		t.Errorf("%d renewals, %d audited, %d failures", done, len(r.activities(renewed)), len(r.activities(failed)))
	}
}
