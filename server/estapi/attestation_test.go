package estapi_test

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"mooring/hsm/tpmkey/attesttest"
	"mooring/internal/attestation"
	"mooring/internal/est"
	"mooring/internal/pki"
	"mooring/server/attest"
	"mooring/server/ca"
	"mooring/server/estapi"
	"mooring/server/platform"
)

// attested is the rig with a tenant that takes the makers of one TPM.
func attested(t *testing.T, limits ca.Limits) (*rig, *attesttest.Device) {
	t.Helper()
	r := newRig(t, limits)
	r.options[platform.OptionAttestation] = platform.AttestationRequired
	m := attesttest.NewMaker(t)
	if _, err := r.attests.AddMakers(t.Context(), platform.Principal{Tenant: tenant, User: "admin"}, m.PEM()); err != nil {
		t.Fatal(err)
	}
	return r, attesttest.New(t, m.Start(t))
}

// keys is the body that asks for a challenge.
func keys(t *testing.T, d *attesttest.Device) []byte {
	t.Helper()
	text, err := json.Marshal(map[string][]byte{"ek_public": d.EKPublic, "ak_public": d.AKPublic})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// challenge asks as a says.
func (r *rig) challenge(d *attesttest.Device, a ask) attesttest.Challenge {
	r.t.Helper()
	if a.path == "" {
		a.path = estapi.AttestationPath
	}
	a.body = keys(r.t.(*testing.T), d)
	answered := r.do(a)
	var c attesttest.Challenge
	if err := json.Unmarshal(answered.body, &c); err != nil || answered.StatusCode != http.StatusOK {
		r.t.Fatalf("status %d: %s", answered.StatusCode, answered.body)
	}
	return c
}

// bearer is a token of the device.
func (r *rig) bearer(device string) string {
	r.t.Helper()
	token, err := r.tokens.Issue(r.t.Context(), platform.Principal{Tenant: tenant, Device: device}, "t1000.example.com")
	if err != nil {
		r.t.Fatal(err)
	}
	return token
}

func encoded(der []byte) []byte { return []byte(base64.StdEncoding.EncodeToString(der)) }

// A device enrols and renews with proof, and the proof is kept.
func TestAttestedLife(t *testing.T) {
	r, d := attested(t, ca.Limits{})
	r.register(tenant, "dev1", "right-one-time")
	c := r.challenge(d, ask{basic: "dev1:right-one-time"})
	leaf := r.do(ask{path: "simpleenroll", basic: "dev1:right-one-time", body: encoded(d.Request("dev1", c))}).leaf(t)

	first, err := r.store.Attestation(t.Context(), tenant, pki.SerialHex(leaf.SerialNumber))
	if err != nil || first.ExternalID != "dev1" || first.Model != "swtpm" {
		t.Errorf("%+v, %v", first, err)
	}
	r.addUser("dev1", "device-password")
	bearer := r.bearer("dev1")
	mine := &tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: d.Key}
	for name, tt := range map[string]struct {
		ask  ask
		want int
	}{
		"the tenant's host":             {ask{}, http.StatusOK},
		"nobody's host":                 {ask{host: "nowhere.example.com"}, http.StatusNoContent},
		"nobody's host and certificate": {ask{host: "nowhere.example.com", server: r.mtls, client: mine}, http.StatusOK},
	} {
		tt.ask.method, tt.ask.path = http.MethodGet, "csrattrs"
		if got := r.do(tt.ask).StatusCode; got != tt.want {
			t.Errorf("csrattrs at %s: %d, want %d", name, got, tt.want)
		}
	}
	d.Rekey()
	for name, who := range map[string]ask{
		"by token":       {bearer: bearer},
		"by label":       {bearer: bearer, path: estapi.AttestationPath + "/" + string(tenant)},
		"by certificate": {server: r.mtls, client: mine},
		"by password":    {basic: "t1000/device_dev1:device-password"},
	} {
		t.Run(name, func(t *testing.T) {
			r.t = t
			c := r.challenge(d, who)
			who.path, who.body = "simplereenroll", encoded(d.Request("dev1", c))
			next := r.do(who).leaf(t)
			if a, err := r.store.Attestation(t.Context(), tenant, pki.SerialHex(next.SerialNumber)); err != nil || a.EKHash != first.EKHash {
				t.Errorf("%+v, %v", a, err)
			}
		})
	}
	r.t = t
	records, err := r.store.AuditRecords(t.Context(), tenant, platform.AuditFilter{Source: "dev1", OldestFirst: true}, platform.Page{Number: 1, Size: 100})
	if err != nil {
		t.Fatal(err)
	}
	told := 0
	for _, a := range records.Items {
		if strings.Contains(a.Text, "model 'swtpm'") && strings.Contains(a.Text, "its maker vouches for it") {
			told++
		}
	}
	if told != 5 {
		t.Errorf("%d audit records tell of the TPM, want 5: %+v", told, records.Items)
	}
}

// The device and the operator hear why.
func TestAttestationRefused(t *testing.T) {
	r, d := attested(t, ca.Limits{})
	r.register(tenant, "dev1", "right-one-time")
	plain := csr(t, d.Key, "dev1")
	refused := r.do(ask{path: "simpleenroll", basic: "dev1:right-one-time", body: plain})
	if refused.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(string(refused.body), string(attest.FlawNone)) || !strings.Contains(string(refused.body), platform.CodeAttestation) {
		t.Errorf("status %d: %s", refused.StatusCode, refused.body)
	}
	if last := r.refusals.last(); last.Tenant != tenant || last.CN != "dev1" || last.Reason != platform.ReasonAttestation || !strings.Contains(last.Detail, string(attest.FlawNone)) {
		t.Errorf("kept %+v", last)
	}
	c := r.challenge(d, ask{basic: "dev1:right-one-time"})
	r.register(tenant, "dev2", "another-one-time")
	e := d.Evidence(c)
	refused = r.do(ask{path: "simpleenroll", basic: "dev2:another-one-time", body: encoded(attesttest.Request(t, d.Key, "dev2", e))})
	if refused.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(string(refused.body), string(attestation.FlawNonce)) {
		t.Errorf("status %d: %s", refused.StatusCode, refused.body)
	}
	// The one-time password is unspent.
	r.do(ask{path: "simpleenroll", basic: "dev1:right-one-time", body: encoded(attesttest.Request(t, d.Key, "dev1", e))}).leaf(t)

	// A renewal that is refused is told to who has the certificate.
	r.addUser("dev1", "")
	r.do(ask{path: "simplereenroll", bearer: r.bearer("dev1"), body: plain})
	if last := r.refusals.last(); !strings.Contains(last.Detail, string(attest.FlawNoMore)) {
		t.Errorf("kept %+v", last)
	}
}

func TestChallengeRefused(t *testing.T) {
	r, d := attested(t, ca.Limits{Guess: ca.Rate{Burst: 3, Every: 1 << 40}, ReEnrol: ca.Rate{Burst: 2, Every: 1 << 40}})
	r.register(tenant, "dev1", "right-one-time")
	r.addUser("dev1", "")
	body := keys(t, d)
	bearer := r.bearer("dev1")
	tests := []struct {
		name string
		ask  ask
		want int
	}{
		{"nobody", ask{body: body}, http.StatusUnauthorized},
		{"an administrator", ask{bearer: "x.y.z", body: body}, http.StatusUnauthorized},
		{"wrong OTP", ask{basic: "dev1:wrong-one-time", body: body}, http.StatusUnauthorized},
		{"wrong OTP and no keys", ask{basic: "dev1:wrong-one-time", body: []byte("{")}, http.StatusUnauthorized},
		{"right OTP", ask{basic: "dev1:right-one-time", body: body}, http.StatusOK},
		{"no keys", ask{basic: "dev1:right-one-time", body: []byte("{}")}, http.StatusUnprocessableEntity},
		{"guessed too often", ask{basic: "dev1:right-one-time", body: body}, http.StatusTooManyRequests},
		{"other host", ask{basic: "dev1:right-one-time", body: body, host: "t2000.example.com"}, http.StatusUnauthorized},
		{"other label", ask{bearer: bearer, body: body, path: estapi.AttestationPath + "/t2000"}, http.StatusUnauthorized},
		{"no label", ask{bearer: bearer, body: body, path: estapi.AttestationPath + "/nowhere"}, http.StatusNotFound},
		{"too long a body", ask{bearer: bearer, body: make([]byte, 16<<10+1)}, http.StatusRequestEntityTooLarge},
		{"a body of the longest", ask{bearer: bearer, body: make([]byte, 16<<10)}, http.StatusUnprocessableEntity},
		{"token", ask{bearer: bearer, body: body}, http.StatusOK},
		{"too often", ask{bearer: bearer, body: body}, http.StatusTooManyRequests},
		{"method", ask{method: http.MethodGet, bearer: bearer}, http.StatusMethodNotAllowed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r.t = t
			if tt.ask.path == "" {
				tt.ask.path = estapi.AttestationPath
			}
			if got := r.do(tt.ask); got.StatusCode != tt.want {
				t.Errorf("status %d, want %d: %s", got.StatusCode, tt.want, got.body)
			}
		})
	}
}

// Only a tenant that wants attestation asks for it, and answers otherwise as ever.
func TestAttestationOff(t *testing.T) {
	r, d := attested(t, ca.Limits{})
	r.register(tenant, "dev1", "right-one-time")
	asked := func() bool {
		t.Helper()
		a := r.do(ask{method: http.MethodGet, path: "csrattrs"})
		switch a.StatusCode {
		case http.StatusNoContent:
			if len(a.body) > 0 || len(a.Header) > 1 { // Date
				t.Errorf("204 with %q, %v", a.body, a.Header)
			}
			return false
		case http.StatusOK:
			if a.Header.Get("Content-Type") != est.CSRAttrsType || a.Header.Get("Content-Length") == "" {
				t.Errorf("%v", a.Header)
			}
			return est.AsksFor(a.body, attestation.Attribute)
		}
		t.Fatalf("status %d", a.StatusCode)
		return false
	}
	if !asked() {
		t.Error("not asked for")
	}
	c := r.challenge(d, ask{basic: "dev1:right-one-time"})
	delete(r.options, platform.OptionAttestation)
	if asked() {
		t.Error("asked for while off")
	}
	if a := r.do(ask{path: estapi.AttestationPath, basic: "dev1:right-one-time", body: keys(t, d)}); a.StatusCode != http.StatusNotFound {
		t.Errorf("a challenge while off: %d", a.StatusCode)
	}
	e := d.Evidence(c)
	e.Ticket = []byte("not judged")
	leaf := r.do(ask{path: "simpleenroll", basic: "dev1:right-one-time", body: encoded(attesttest.Request(t, d.Key, "dev1", e))}).leaf(t)
	if a, err := r.store.Attestation(t.Context(), tenant, pki.SerialHex(leaf.SerialNumber)); err == nil {
		t.Errorf("kept %+v", a)
	}
}
