package ca_test

import (
	"context"
	"crypto/rand"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"mooring/internal/pki"
	"mooring/internal/problem"
	"mooring/internal/secret"
	"mooring/server/ca"
	"mooring/server/platform"
)

// chosen are the options of every tenant.
type chosen map[platform.OptionKey]string

func (c chosen) Option(_ context.Context, _ platform.TenantID, key platform.OptionKey) (string, bool, error) {
	value, ok := c[key]
	return value, ok, nil
}

// accept does what the operator's word does to a registration.
func (r *rig) accept(id string) {
	r.t.Helper()
	reg, err := r.store.Registration(r.t.Context(), tenant, id)
	if err != nil {
		r.t.Fatal(err)
	}
	reg.Status = platform.StatusAccepted
	if _, err := r.store.Register(r.t.Context(), platform.RegisterDevice{Registration: reg}); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) status(id string) platform.RegistrationStatus {
	r.t.Helper()
	reg, err := r.store.Registration(r.t.Context(), tenant, id)
	if err != nil {
		r.t.Fatal(err)
	}
	return reg.Status
}

const asked = "was asked for a certificate for device: dev1."

// A device waits for the operator: with the key that was accepted it gets its
// leaf, with another one it waits again; the OTP is spent by the leaf alone.
func TestApproval(t *testing.T) {
	r := newRig(t, setup{options: chosen{platform.OptionApproval: "manual"}})
	r.create()
	r.register("dev1", "otp-1")
	first, second := newCSR(t, newKey(t), "dev1"), newCSR(t, newKey(t), "dev1")
	waits := func(when string, csr []byte) {
		t.Helper()
		_, err := r.enrol("dev1", "otp-1", csr)
		if !errors.Is(err, problem.Pending) || problem.RetryAfter(err) != time.Minute {
			t.Fatalf("%s: error = %v, want Pending for a minute", when, err)
		}
		if got := r.status("dev1"); got != platform.StatusPending {
			t.Fatalf("%s: status %s", when, got)
		}
	}
	refused := func(when, otp string, csr []byte, want error) {
		t.Helper()
		if _, err := r.enrol("dev1", otp, csr); !errors.Is(err, want) {
			t.Fatalf("%s: error = %v, want %v", when, err, want)
		}
	}
	refused("wrong OTP", "otp-2", first, problem.Unauthenticated)
	refused("another CN", "otp-1", newCSR(t, newKey(t), "dev2"), problem.Unprocessable)
	if r.status("dev1") != platform.StatusAccepted || len(r.activities(asked)) != 0 {
		t.Fatal("a refused request waits for approval")
	}
	waits("first", first)
	waits("again", first)
	if n := len(r.activities(asked)); n != 1 {
		t.Errorf("%d audit records, want 1", n)
	}
	r.accept("dev1")
	waits("another key than accepted", second)
	waits("the key of before", first)
	if n := len(r.activities(asked)); n != 3 {
		t.Errorf("%d audit records, want 3", n)
	}
	r.accept("dev1")
	der, err := r.enrol("dev1", "otp-1", first)
	if err != nil {
		t.Fatal(err)
	}
	again, err := r.enrol("dev1", "otp-1", first)
	if err != nil || string(again) != string(der) {
		t.Errorf("the lost answer again: %v", err)
	}
	refused("spent", "otp-1", second, problem.Unauthenticated)
	r.register("dev1", "otp-3")
	if _, err := r.enrol("dev1", "otp-3", first); !errors.Is(err, problem.Pending) {
		t.Errorf("registered anew, the same key: %v, want Pending", err)
	}
}

// Waiting costs a device no tries, however long; changing keys does.
func TestApprovalIsPolled(t *testing.T) {
	r := newRig(t, setup{options: chosen{platform.OptionApproval: "manual"}, limits: ca.Limits{Guess: ca.Rate{Burst: 3, Every: time.Hour}}})
	r.create()
	r.register("dev1", "otp-1")
	csr := newCSR(t, newKey(t), "dev1")
	for n := range 20 {
		if _, err := r.enrol("dev1", "otp-1", csr); !errors.Is(err, problem.Pending) {
			t.Fatalf("poll %d: %v", n, err)
		}
	}
	var err error
	for range 3 {
		_, err = r.enrol("dev1", "otp-1", newCSR(t, newKey(t), "dev1"))
	}
	if !errors.Is(err, problem.TooMany) {
		t.Errorf("third new key: %v, want TooMany", err)
	}
}

func TestApprovalOffOrWithoutIssuer(t *testing.T) {
	options := chosen{platform.OptionApproval: "automatic"}
	r := newRig(t, setup{options: options})
	r.register("dev1", "otp-1")
	csr := newCSR(t, newKey(t), "dev1")
	options[platform.OptionApproval] = "manual"
	if _, err := r.enrol("dev1", "otp-1", csr); !errors.Is(err, problem.NotFound) || r.status("dev1") != platform.StatusAccepted {
		t.Errorf("without authority: %v, status %s", err, r.status("dev1"))
	}
	r.create()
	if _, err := r.enrol("dev1", "otp-1", csr); !errors.Is(err, problem.Pending) {
		t.Errorf("manual: %v, want Pending", err)
	}
	options[platform.OptionApproval] = "automatic"
	if _, err := r.enrol("dev1", "otp-1", csr); err != nil {
		t.Errorf("switched off while it waited: %v", err)
	}
}

func TestStrictSubject(t *testing.T) {
	csrOf := func(subject pkix.Name) []byte {
		der, err := pki.CreateCSR(rand.Reader, newKey(t), subject)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	same := csrOf(pkix.Name{CommonName: "dev1", Organization: []string{"Acme"}})
	differs := csrOf(pkix.Name{CommonName: "dev1", Organization: []string{"ACME"}})
	tests := []struct {
		name    string
		strict  string
		csr     []byte
		current bool // the certificate authenticated
		first   bool // none was issued before
		wantErr error
	}{
		{name: "off", csr: differs},
		{name: "neither true", strict: "yes", csr: differs},
		{name: "same by certificate", strict: "true", csr: same, current: true},
		{name: "differs by certificate", strict: "true", csr: differs, current: true, wantErr: problem.Unprocessable},
		{name: "same by token", strict: "true", csr: same},
		{name: "differs by token", strict: "true", csr: differs, wantErr: problem.Unprocessable},
		{name: "first leaf of a password device", strict: "true", csr: differs, first: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, setup{options: chosen{platform.OptionStrictSubject: tt.strict}})
			r.create()
			ask := ca.ReEnrolment{Principal: device("dev1"), CSR: tt.csr}
			if !tt.first {
				r.register("dev1", "otp-1")
				der, err := r.enrol("dev1", "otp-1", newCSR(t, newKey(t), "dev1"))
				if err != nil {
					t.Fatal(err)
				}
				if tt.current {
					ask.Current = der
				}
			}
			if _, err := r.ReEnrol(t.Context(), ask); !errors.Is(err, tt.wantErr) {
				t.Errorf("error = %v, want %v", err, tt.wantErr)
			}
		})
	}
}

func TestTLSUniqueRequired(t *testing.T) {
	unique := []byte("twelve bytes")
	linked := opensslCSR(t, base64.StdEncoding.EncodeToString(unique))
	plain := newCSR(t, newKey(t), "dev1")
	tests := []struct {
		name     string
		required string
		csr      []byte
		unique   []byte
		wantErr  error
		text     string
	}{
		{name: "off", required: "false", csr: plain, unique: unique},
		{name: "linked", required: "true", csr: linked, unique: unique},
		{name: "not linked", required: "true", csr: plain, unique: unique, wantErr: problem.Invalid, text: "has no challengePassword"},
		{name: "linked over TLS 1.3", required: "true", csr: linked, wantErr: problem.Invalid, text: "TLS 1.2"},
		{name: "not linked over TLS 1.3", required: "true", csr: plain, wantErr: problem.Invalid, text: "TLS 1.2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, setup{options: chosen{platform.OptionTLSUnique: tt.required}})
			r.create()
			r.register("dev1", "otp-1")
			_, first := r.Enrol(t.Context(), ca.Enrolment{Tenant: tenant, ExternalID: "dev1", CSR: tt.csr, OTP: secret.New("otp-1"), TLSUnique: tt.unique})
			_, next := r.ReEnrol(t.Context(), ca.ReEnrolment{Principal: device("dev1"), CSR: tt.csr, TLSUnique: tt.unique})
			for call, err := range map[string]error{"Enrol": first, "ReEnrol": next} {
				if !errors.Is(err, tt.wantErr) || tt.text != "" && !strings.Contains(err.Error(), tt.text) {
					t.Errorf("%s: error = %v, want %v with %q", call, err, tt.wantErr, tt.text)
				}
			}
		})
	}
}

func TestRenewalWindow(t *testing.T) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	leaf := platform.CertificateFacts{Serial: "0a", NotBefore: start, NotAfter: start.Add(360 * time.Hour)}
	open, shut := start.Add(240*time.Hour), start.Add(300*time.Hour)
	starts := map[time.Time]bool{}
	for n := range 200 {
		leaf.Serial = pki.SerialHex(big.NewInt(int64(n + 1)))
		w := ca.RenewalWindow(tenant, "dev1", leaf, start)
		if w.Start.Before(open) || w.End.After(shut) || w.End.Sub(w.Start) < 6*time.Hour-time.Second || w.End.Sub(w.Start) > 6*time.Hour+time.Second {
			t.Fatalf("window %v to %v, want a tenth of %v to %v", w.Start, w.End, open, shut)
		}
		starts[w.Start.Truncate(6*time.Hour)] = true
		if again := ca.RenewalWindow(tenant, "dev1", leaf, start.Add(time.Hour)); again.Start != w.Start || again.End != w.End {
			t.Fatal("the window moved")
		}
	}
	if len(starts) < 9 {
		t.Errorf("200 leaves fall into %d parts of the time, want all", len(starts))
	}
	w := ca.RenewalWindow(tenant, "dev1", leaf, start)
	const day = 24 * time.Hour
	for _, tt := range []struct {
		before time.Duration // the window's start
		want   time.Duration
	}{
		{29 * day, 14 * day}, {28 * day, 14 * day}, {27 * day, 27 * day / 2},
		{121 * time.Minute, 3630 * time.Second}, {2 * time.Hour, time.Hour}, {119 * time.Minute, time.Hour}, {-100 * time.Hour, time.Hour},
	} {
		if got := ca.RenewalWindow(tenant, "dev1", leaf, w.Start.Add(-tt.before)).AskAgain; got != tt.want {
			t.Errorf("%v before: ask again after %v, want %v", tt.before, got, tt.want)
		}
	}
	if ca.RenewalWindow(tenant, "dev2", leaf, start).Start == w.Start && ca.RenewalWindow("t2000", "dev1", leaf, start).Start == w.Start {
		t.Error("other devices have the same window")
	}
	leaf.NotAfter = leaf.NotBefore
	if w := ca.RenewalWindow(tenant, "dev1", leaf, start); w.End.Before(w.Start) {
		t.Errorf("a leaf without lifetime: %+v", w)
	}
}
