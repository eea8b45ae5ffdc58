package attest_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509/pkix"
	"slices"
	"strings"
	"testing"
	"time"

	"mooring/hsm/tpmkey/attesttest"
	"mooring/hsm/tpmkey/swtpmtest"
	"mooring/internal/attestation"
	"mooring/internal/pki"
	"mooring/server/attest"
	"mooring/server/platform"
)

// What a device proves, and what liars try with the proof of another.
func TestJudge(t *testing.T) {
	r := newRig(t)
	d := r.device()
	stranger := attesttest.New(t, swtpmtest.Start(t)) // without certificate
	foreignMaker := attesttest.NewMaker(t)
	foreign := attesttest.New(t, foreignMaker.Start(t))
	r.trust(other, foreignMaker.PEM())

	soft, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := pki.CreateCSR(rand.Reader, soft, pkix.Name{CommonName: "dev1"})
	if err != nil {
		t.Fatal(err)
	}
	c := r.challenge(tenant, "dev1", d)
	good := d.Evidence(c)
	request := func(change func(e *attestation.Evidence)) []byte {
		e := *good
		change(&e)
		return attesttest.Request(t, d.Key, "dev1", &e)
	}
	tests := []struct {
		name   string
		tenant platform.TenantID
		device string
		der    []byte
		want   error
	}{
		{"good", tenant, "dev1", attesttest.Request(t, d.Key, "dev1", good), nil},
		{"nothing", tenant, "dev1", plain, attest.FlawNone},
		{"a software key with the evidence of another's", tenant, "dev1", attesttest.Request(t, soft, "dev1", good), attestation.FlawOtherKey},
		{"the ticket of another device", tenant, "dev2", attesttest.Request(t, d.Key, "dev2", good), attestation.FlawNonce},
		{"the ticket of another tenant", other, "dev1", attesttest.Request(t, d.Key, "dev1", good), attestation.FlawNonce},
		{"a ticket made up", tenant, "dev1", request(func(e *attestation.Evidence) { e.Ticket = make([]byte, len(e.Ticket)) }), attestation.FlawNonce},
		{"a ticket that lives longer", tenant, "dev1", request(func(e *attestation.Evidence) {
			e.Ticket = slices.Clone(e.Ticket)
			e.Ticket[8]++
		}), attestation.FlawNonce},
		{"a ticket cut off", tenant, "dev1", request(func(e *attestation.Evidence) { e.Ticket = e.Ticket[:len(e.Ticket)-1] }), attestation.FlawNonce},
		{"no EK certificate", tenant, "dev1", request(func(e *attestation.Evidence) { e.Certificates = nil }), attestation.FlawNoEK},
		{"the EK certificate of another TPM", tenant, "dev1", request(func(e *attestation.Evidence) {
			e.Certificates = [][]byte{foreign.Evidence(r.challenge(tenant, "dev1", foreign)).Certificates[0]}
		}), attestation.FlawEKMismatch},
		{"a maker of another tenant", tenant, "dev1", foreign.Request("dev1", r.challenge(tenant, "dev1", foreign)), attestation.FlawEKUntrusted},
		{"a maker of that tenant", other, "dev1", foreign.Request("dev1", r.challenge(other, "dev1", foreign)), nil},
		{"a TPM without certificate", tenant, "dev1", stranger.Request("dev1", r.challenge(tenant, "dev1", stranger)), attestation.FlawNoEK},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r.t = t
			j := r.want(r.claim(tt.tenant, tt.device, tt.der), tt.want)
			if tt.want == nil && (j.Attestation.Model != "swtpm" || j.Attestation.ExternalID != tt.device || j.Attestation.Pinned) {
				t.Errorf("%+v", j.Attestation)
			}
		})
	}
}

// A challenge is good for ten minutes, on every node.
func TestTicketEnds(t *testing.T) {
	r := newRig(t)
	d := r.device()
	r.now = r.now.Truncate(time.Second)
	claim := r.prove("dev1", d)
	for _, tt := range []struct {
		after time.Duration
		want  error
	}{{10*time.Minute - time.Second, nil}, {10 * time.Minute, attestation.FlawStale}, {10*time.Minute + time.Second, attestation.FlawStale}} {
		claim.Now = r.now.Add(tt.after)
		r.Service = r.node()
		r.want(claim, tt.want)
	}
}

func TestPolicies(t *testing.T) {
	r := newRig(t)
	stranger := attesttest.New(t, swtpmtest.Start(t))
	soft, err := pki.CreateCSR(rand.Reader, stranger.Key, pkix.Name{CommonName: "dev1"})
	if err != nil {
		t.Fatal(err)
	}
	unproved := stranger.Evidence(r.challenge(tenant, "dev1", stranger))
	false_ := *unproved
	false_.Ticket = []byte("made up")
	requests := map[string][]byte{"none": soft, "unproved": attesttest.Request(t, stranger.Key, "dev1", unproved), "false": attesttest.Request(t, stranger.Key, "dev1", &false_)}
	for _, tt := range []struct {
		option, request string
		want            error
	}{
		{"", "none", nil}, {"", "unproved", nil}, {"", "false", nil}, {"off", "false", nil}, {"OFF ", "false", nil},
		{"optional", "none", nil}, {"optional", "unproved", nil}, {"optional", "false", attestation.FlawNonce},
		{"required", "none", attest.FlawNone}, {"required", "unproved", attestation.FlawNoEK}, {"required", "false", attestation.FlawNonce},
		{"requird", "none", attest.FlawNone},
	} {
		t.Run(tt.option+" "+tt.request, func(t *testing.T) {
			r.t = t
			r.options[platform.OptionAttestation] = tt.option
			if tt.want != nil {
				r.want(r.claim(tenant, "dev1", requests[tt.request]), tt.want)
				return
			}
			j, err := r.Judge(t.Context(), r.claim(tenant, "dev1", requests[tt.request]))
			if err != nil || j.Attestation != nil || (j.Unproved != "") != (tt.option == "optional" && tt.request == "unproved") {
				t.Errorf("%+v, %v", j, err)
			}
		})
	}
}

// The TPM that was noted for a device is good without a maker, and no other is.
func TestPins(t *testing.T) {
	r := newRig(t)
	r.options[platform.OptionAttestation] = platform.AttestationOptional
	mine, second := attesttest.New(t, swtpmtest.Start(t)), r.device()
	soft, err := pki.CreateCSR(rand.Reader, mine.Key, pkix.Name{CommonName: "dev1"})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Pin(t.Context(), admin, "dev1", ekHash(t, mine)); err != nil {
		t.Fatal(err)
	}
	j := r.want(r.prove("dev1", mine), nil)
	if !j.Attestation.Pinned || j.Attestation.EKHash != ekHash(t, mine) {
		t.Errorf("%+v", j.Attestation)
	}
	r.want(r.prove("dev1", second), attest.FlawPinned)
	r.want(r.claim(tenant, "dev1", soft), attest.FlawNone)
	r.want(r.prove("dev2", second), nil)
	if err := r.Unpin(t.Context(), admin, "dev1"); err != nil {
		t.Fatal(err)
	}
	r.want(r.prove("dev1", second), nil)
}

func ekHash(t *testing.T, d *attesttest.Device) [sha256.Size]byte {
	t.Helper()
	public, err := attestation.ParsePublic(d.EKPublic)
	if err != nil {
		t.Fatal(err)
	}
	hash, err := public.KeyHash()
	if err != nil {
		t.Fatal(err)
	}
	return hash
}

// A renewal proves as much as what it replaces, by the same TPM.
func TestRenewal(t *testing.T) {
	r := newRig(t)
	r.options[platform.OptionAttestation] = platform.AttestationOptional
	mine, second := r.device(), r.device()
	soft, err := pki.CreateCSR(rand.Reader, mine.Key, pkix.Name{CommonName: "dev1"})
	if err != nil {
		t.Fatal(err)
	}
	renewal := func(c platform.TPMClaim) platform.TPMClaim {
		c.Renewal = true
		return c
	}
	bare := r.claim(tenant, "dev1", soft)
	r.issue("dev1", platform.TPMJudgement{})
	if _, err := r.Judge(t.Context(), renewal(bare)); err != nil {
		t.Errorf("a key that never was in a TPM: %v", err)
	}
	r.issue("dev1", r.want(renewal(r.prove("dev1", mine)), nil))
	r.want(renewal(bare), attest.FlawNoMore)
	r.want(renewal(r.prove("dev1", second)), attest.FlawOtherTPM)
	r.want(r.prove("dev1", second), nil) // an enrolment
	mine.Rekey()
	r.want(renewal(r.prove("dev1", mine)), nil)

	// The certificates of TPM and maker end: who was there before stays.
	r.now = r.now.AddDate(10, 0, 0)
	r.want(renewal(r.prove("dev1", mine)), nil)
	r.options[platform.OptionAttestation] = platform.AttestationRequired
	r.want(r.prove("dev3", mine), attestation.FlawEKExpired)

	if err := r.Pin(t.Context(), admin, "dev1", ekHash(t, second)); err != nil {
		t.Fatal(err)
	}
	r.want(renewal(r.prove("dev1", second)), nil)
}

func TestSameTPM(t *testing.T) {
	r := newRig(t)
	d := r.device()
	r.issue("dev1", r.want(r.prove("dev1", d), nil))
	if j := r.want(r.prove("dev1", d), nil); len(j.Others) > 0 {
		t.Errorf("others: %q", j.Others)
	}
	if j := r.want(r.prove("dev2", d), nil); !slices.Equal(j.Others, []string{"dev1"}) {
		t.Errorf("others: %q", j.Others)
	}
	r.options[platform.OptionSameTPM] = "refuse"
	r.want(r.prove("dev2", d), attest.FlawSameTPM)
	r.want(r.prove("dev1", d), nil)
	_, err := r.Judge(t.Context(), r.prove("dev2", d))
	if err == nil || strings.Contains(err.Error(), "dev1") {
		t.Errorf("the device is told of another: %v", err)
	}
	if err := r.Pin(t.Context(), admin, "dev2", ekHash(t, d)); err != nil {
		t.Fatal(err)
	}
	r.want(r.prove("dev2", d), nil)
}
