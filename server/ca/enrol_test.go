package ca_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mooring/internal/cms"
	"mooring/internal/est"
	"mooring/internal/pki"
	"mooring/internal/problem"
	"mooring/internal/secret"
	"mooring/server/ca"
	"mooring/server/platform"
)

func TestEnrolIssuesALeaf(t *testing.T) {
	r := newRig(t, setup{profile: ca.ProfileConfig{CRLBase: "https://t1000.example.com/"}})
	authority := parse(t, r.create().Certificate)
	r.register("dev1", "otp-1")
	k := newKey(t)
	csr := newCSR(t, k, "dev1")
	der, err := r.enrol("dev1", "otp-1", csr)
	if err != nil {
		t.Fatal(err)
	}
	leaf := parse(t, der)

	request, err := pki.ParseCSR(csr)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(leaf.RawSubject, request.RawSubject) {
		t.Errorf("subject = %x, want that of the request %x", leaf.RawSubject, request.RawSubject)
	}
	if !k.PublicKey.Equal(leaf.PublicKey) {
		t.Error("the leaf has another key than the request")
	}
	if want := r.clock().Add(-5 * time.Minute); !leaf.NotBefore.Equal(want) {
		t.Errorf("notBefore = %v, want %v", leaf.NotBefore, want)
	}
	if got, want := leaf.NotAfter.Sub(leaf.NotBefore), 365*24*time.Hour; got != want {
		t.Errorf("validity = %v, want %v", got, want)
	}
	if leaf.IsCA || !leaf.BasicConstraintsValid {
		t.Errorf("basic constraints: valid %v, CA %v", leaf.BasicConstraintsValid, leaf.IsCA)
	}
	if leaf.KeyUsage != x509.KeyUsageDigitalSignature || !slices.Equal(leaf.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}) {
		t.Errorf("key usage = %b, %v", leaf.KeyUsage, leaf.ExtKeyUsage)
	}
	if !bytes.Equal(leaf.AuthorityKeyId, authority.SubjectKeyId) || len(leaf.SubjectKeyId) != 20 {
		t.Errorf("key identifiers: subject %x, authority %x of %x", leaf.SubjectKeyId, leaf.AuthorityKeyId, authority.SubjectKeyId)
	}
	if want := []string{"https://t1000.example.com/crl/t1000.crl"}; !slices.Equal(leaf.CRLDistributionPoints, want) {
		t.Errorf("distribution points = %v, want %v", leaf.CRLDistributionPoints, want)
	}
	if n := leaf.SerialNumber; n.Sign() <= 0 || n.BitLen() > 127 || n.BitLen() < 64 {
		t.Errorf("serial has %d bits", n.BitLen())
	}
	critical := map[string]bool{}
	for _, e := range leaf.Extensions {
		critical[e.Id.String()] = e.Critical
	}
	if !critical["2.5.29.19"] || !critical["2.5.29.15"] {
		t.Errorf("critical extensions = %v, want basic constraints and key usage", critical)
	}
	pool := x509.NewCertPool()
	pool.AddCert(authority)
	_, err = leaf.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: r.clock(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	if err != nil {
		t.Errorf("the leaf does not verify: %v", err)
	}
	object, err := cms.EncodeCertsOnly(leaf)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(est.EncodeCertificates(object)); n > 1000 {
		t.Errorf("the EST answer has %d characters, want at most 1,000", n)
	}
	want := platform.AuditRecord{
		Type: "TenantCertificateAuthority", User: "device_dev1", Source: "dev1", Severity: "information",
		Activity: "Tenant certificate authority(CA) signed certificate for device: dev1.",
		Text:     "Certificate serial number hex: '" + pki.SerialHex(leaf.SerialNumber) + "'",
	}
	audits := r.audits()
	got := audits[len(audits)-1]
	got.ID, got.At, got.Tenant = 0, time.Time{}, ""
	if got.Severity == "" {
		got.Severity = "information"
	}
	if got != want {
		t.Errorf("audit = %+v, want %+v", got, want)
	}
}

func TestEnrolOTP(t *testing.T) {
	tests := []struct {
		name    string
		id, otp string
		setup   func(*rig)
		wantErr error
		reason  string // in the refusal for operators
	}{
		{name: "right", id: "dev1", otp: "otp-1"},
		{name: "wrong", id: "dev1", otp: "otp-2", wantErr: problem.Unauthenticated, reason: "wrong"},
		{name: "empty", id: "dev1", otp: "", wantErr: problem.Unauthenticated, reason: "wrong"},
		{name: "unknown device", id: "dev2", otp: "otp-1", wantErr: problem.Unauthenticated, reason: "not registered"},
		{name: "other case", id: "DEV1", otp: "otp-1", wantErr: problem.Unauthenticated, reason: "not registered"},
		{name: "registered again with another", id: "dev1", otp: "otp-1", wantErr: problem.Unauthenticated, reason: "wrong",
			setup: func(r *rig) { r.register("dev1", "otp-2") }},
		{name: "registration deleted", id: "dev1", otp: "otp-1", wantErr: problem.Unauthenticated, reason: "not registered",
			setup: func(r *rig) {
				if err := r.store.DeleteRegistration(r.t.Context(), tenant, "dev1"); err != nil {
					r.t.Fatal(err)
				}
			}},
		{name: "registered without OTP", id: "dev3", otp: "", wantErr: problem.Unauthenticated, reason: "no one-time password",
			setup: func(r *rig) {
				reg := platform.Registration{Tenant: tenant, ExternalID: "dev3", Status: platform.StatusAccepted, Created: r.clock()}
				if _, err := r.store.Register(r.t.Context(), platform.RegisterDevice{Registration: reg}); err != nil {
					r.t.Fatal(err)
				}
			}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, setup{})
			r.create()
			r.register("dev1", "otp-1")
			if tt.setup != nil {
				tt.setup(r)
			}
			_, err := r.enrol(tt.id, tt.otp, newCSR(t, newKey(t), tt.id))
			if !errors.Is(err, tt.wantErr) {
				t.Fatalf("error = %v, want %v", err, tt.wantErr)
			}
			if tt.wantErr == nil {
				return
			}
			p, _ := errors.AsType[*problem.Error](err)
			const want = "No newDeviceRequest found for this ID. It may already be registered, check the audit logs for details."
			if p.Detail != want {
				t.Errorf("public text = %q, want %q", p.Detail, want)
			}
			if reason, ok := ca.RefusalOf(err); !ok || !strings.Contains(reason.Detail, tt.reason) {
				t.Errorf("refusal = %+v, %v, want %q in it", reason, ok, tt.reason)
			}
		})
	}
}

func TestEnrolAnotherTenantsOTP(t *testing.T) {
	r := newRig(t, setup{})
	r.create()
	r.register("dev1", "otp-1")
	_, err := r.Enrol(t.Context(), ca.Enrolment{Tenant: "t2000", ExternalID: "dev1", CSR: newCSR(t, newKey(t), "dev1"), OTP: secret.New("otp-1")})
	if !errors.Is(err, problem.Unauthenticated) {
		t.Errorf("error = %v, want Unauthenticated", err)
	}
}

func TestRepeatedEnrolment(t *testing.T) {
	k, other := newKey(t), newKey(t)
	tests := []struct {
		name    string
		between func(*rig, *x509.Certificate)
		key     crypto.Signer
		wantErr error
		new     bool // another leaf than the first
		audited string
	}{
		{name: "same key at once", key: k},
		{name: "same key just in time", key: k, between: func(r *rig, _ *x509.Certificate) { r.advance(10*time.Minute - time.Millisecond) }},
		{name: "same key too late", key: k, between: func(r *rig, _ *x509.Certificate) { r.advance(10 * time.Minute) },
			wantErr: problem.Unauthenticated, audited: "too late"},
		{name: "another key", key: other, wantErr: problem.Unauthenticated, audited: "another key"},
		{name: "registered again", key: other, between: func(r *rig, _ *x509.Certificate) { r.register("dev1", "otp-1") }, new: true},
		{name: "leaf revoked", key: k, wantErr: problem.Unauthenticated, audited: "revoked",
			between: func(r *rig, leaf *x509.Certificate) {
				revoked := []platform.Revocation{{Serial: leaf.SerialNumber, At: r.clock()}}
				if _, err := r.store.AddRevocations(r.t.Context(), tenant, revoked); err != nil {
					r.t.Fatal(err)
				}
			}},
		{name: "authority replaced", key: k, wantErr: problem.Unauthenticated, audited: "replaced",
			between: func(r *rig, _ *x509.Certificate) {
				list, err := r.store.TrustedCertificates(r.t.Context(), tenant, true, platform.Page{Number: 1, Size: 5})
				if err != nil {
					r.t.Fatal(err)
				}
				if err := r.store.DeleteTrustedCertificate(r.t.Context(), tenant, list.Items[0].Fingerprint); err != nil {
					r.t.Fatal(err)
				}
				r.create()
			}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, setup{})
			r.create()
			r.register("dev1", "otp-1")
			first, err := r.enrol("dev1", "otp-1", newCSR(t, k, "dev1"))
			if err != nil {
				t.Fatal(err)
			}
			if tt.between != nil {
				tt.between(r, parse(t, first))
			}
			again, err := r.enrol("dev1", "otp-1", newCSR(t, tt.key, "dev1"))
			if !errors.Is(err, tt.wantErr) {
				t.Fatalf("error = %v, want %v", err, tt.wantErr)
			}
			if err == nil && bytes.Equal(first, again) == tt.new {
				t.Errorf("same leaf: %v, want new: %v", bytes.Equal(first, again), tt.new)
			}
			audits := r.audits()
			if last := audits[len(audits)-1]; tt.audited != "" && !strings.Contains(last.Text, tt.audited) {
				t.Errorf("last audit record = %+v, want %q in its text", last, tt.audited)
			}
		})
	}
}

func TestOneOTPBuysOneLeaf(t *testing.T) {
	const racers = 8
	r := newRig(t, setup{})
	r.create()
	r.register("dev1", "otp-1")
	csrs := make([][]byte, racers) // two for each key
	for i := range csrs {
		if i%2 == 0 {
			k := newKey(t)
			csrs[i], csrs[i+1] = newCSR(t, k, "dev1"), newCSR(t, k, "dev1")
		}
	}
	leaves := make([][]byte, racers)
	var wg sync.WaitGroup
	for i := range csrs {
		wg.Go(func() {
			leaf, err := r.enrol("dev1", "otp-1", csrs[i])
			if err != nil && !errors.Is(err, problem.Unauthenticated) {
				t.Errorf("error = %v, want Unauthenticated", err)
			}
			leaves[i] = leaf
		})
	}
	wg.Wait()
	var won [][]byte
	for i, leaf := range leaves {
		if leaf == nil {
			continue
		}
		won = append(won, leaf)
		if !bytes.Equal(leaves[i^1], leaf) {
			t.Errorf("the same key got another answer")
		}
	}
	if len(won) != 2 || !bytes.Equal(won[0], won[1]) {
		t.Errorf("%d of %d got a leaf, want the two with one key", len(won), racers)
	}
	issued, err := r.store.IssuedCertificates(t.Context(), tenant, "dev1", platform.Page{Number: 1, Size: 10})
	if err != nil || len(issued.Items) != 1 {
		t.Errorf("%d leaves recorded (%v), want 1", len(issued.Items), err)
	}
}
