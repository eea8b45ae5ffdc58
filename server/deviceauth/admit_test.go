package deviceauth_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"mooring/internal/problem"
	"mooring/server/deviceauth"
	"mooring/server/platform"
)

func TestAdmit(t *testing.T) {
	disabledUser := certificateUser("dev1")
	disabledUser.Enabled = false
	auto := func(v *platform.Verdict) { v.AutoRegistration = true }
	refused := func(v *platform.Verdict) {
		v.Scope, v.Reason, v.Detail = platform.ExplainOnly, platform.ReasonExpired, "yesterday"
	}
	tests := []struct {
		name    string
		users   []platform.DeviceUser
		verdict func(*platform.Verdict)
		want    platform.Reason
		wantErr error
		text    string
	}{
		{name: "certificate user", users: []platform.DeviceUser{certificateUser("dev1")}},
		{name: "unknown, auto-registration on", verdict: auto},
		{name: "unknown, auto-registration off", want: platform.ReasonNotRegistered, wantErr: problem.Forbidden, text: "Not authorized to perform this operation."},
		{name: "another device's user", users: []platform.DeviceUser{certificateUser("dev2")}, want: platform.ReasonNotRegistered, wantErr: problem.Forbidden},
		{name: "disabled", users: []platform.DeviceUser{disabledUser}, want: platform.ReasonUserDisabled, wantErr: problem.Forbidden},
		{name: "disabled, auto-registration on", users: []platform.DeviceUser{disabledUser}, verdict: auto, want: platform.ReasonUserDisabled, wantErr: problem.Forbidden},
		{name: "password user", users: []platform.DeviceUser{passwordUser("dev1", "x")}, verdict: auto, want: platform.ReasonPasswordDevice, wantErr: problem.Forbidden},
		{name: "refused certificate", users: []platform.DeviceUser{certificateUser("dev1")}, verdict: refused, want: platform.ReasonExpired, wantErr: problem.Unauthenticated, text: "Invalid certificate chain!"},
		{name: "re-enrolment only", users: []platform.DeviceUser{certificateUser("dev1")}, verdict: func(v *platform.Verdict) { refused(v); v.Scope = platform.ReEnrolOnly },
			want: platform.ReasonExpired, wantErr: problem.Unauthenticated},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(tt.users...)
			v := full()
			if tt.verdict != nil {
				tt.verdict(&v)
			}
			for range 2 {
				p, err := r.auth.Admit(t.Context(), v, "mqtts")
				checkRefusal(t, err, tt.want, tt.wantErr, tt.text)
				want := platform.Principal{Tenant: "t1", User: "device_dev1", Device: "dev1", Roles: platform.DeviceRoles, Method: platform.ByCertificate, Serial: "ab01"}
				if tt.want != platform.Accepted {
					want = platform.Principal{}
				}
				if tt.want == platform.Accepted && (p.Origin == nil || p.Origin.AnchorKey != v.AnchorKey || !slices.Equal(p.Origin.Serials, v.Serials)) {
					t.Errorf("origin %+v of %+v", p.Origin, v)
				}
				p.Origin = nil
				if fmt.Sprint(p) != fmt.Sprint(want) {
					t.Errorf("principal %+v, want %+v", p, want)
				}
			}
		})
	}
}

func checkRefusal(tb testing.TB, err error, reason platform.Reason, kind error, text string) {
	tb.Helper()
	if deviceauth.ReasonOf(err) != reason {
		tb.Fatalf("reason %q (%v), want %q", deviceauth.ReasonOf(err), err, reason)
	}
	if kind == nil {
		return
	}
	p, ok := errors.AsType[*problem.Error](err)
	if !ok || !errors.Is(err, kind) || !strings.HasPrefix(p.Detail, text) {
		tb.Errorf("error %v, want kind %v and text %q", err, kind, text)
	}
	if ok && strings.Contains(p.Detail, string(reason)) {
		tb.Errorf("the peer is told the reason: %q", p.Detail)
	}
}

func TestAdmitRegistersOnce(t *testing.T) {
	r := newRig()
	v := full()
	v.AutoRegistration = true
	for range 3 {
		if _, err := r.auth.Admit(t.Context(), v, "mqtts"); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, a := range r.users.audit {
		got = append(got, a.Activity+" | "+a.Text)
	}
	want := []string{
		"User created | Device user 'device_dev1' created by auto-registration (mqtts). Trusted certificate fingerprint: '00112233445566778899aabbccddeeff00112233'.",
		"Provisioned certificate stored in user object: 'device_dev1' | Certificate serial number: 'ab01'.\n NotAfter='2027-03-01T12:00:00.000Z'",
	}
	if !slices.Equal(got, want) {
		t.Errorf("audit %q, want %q", got, want)
	}
	if u := r.users.users["t1/dev1"]; u.Credential != platform.CredentialCertificate || !u.Enabled || len(u.Provisioned) != 1 {
		t.Errorf("user %+v", u)
	}
	if r.users.reads != 2 { // absent, then registered
		t.Errorf("%d reads, want 2", r.users.reads)
	}
}

func TestAdmitRecordsProvisioned(t *testing.T) {
	// Six certificates take turns; the store keeps the five that began last.
	r := newRig(certificateUser("dev1"))
	for round := range 3 {
		for i := range platform.MaxProvisioned + 1 {
			v := full()
			v.Leaf.Serial = fmt.Sprintf("ab%02d", i)
			v.Leaf.NotBefore = epoch.Add(time.Duration(i) * time.Hour)
			if _, err := r.auth.Admit(t.Context(), v, "mqtts"); err != nil {
				t.Fatal(err)
			}
			if round == 1 {
				r.told() // another node changed the user
			}
		}
	}
	if n := len(r.users.audit); n != platform.MaxProvisioned+1 {
		t.Errorf("%d audit records, want one for each certificate", n)
	}
	if u := r.users.users["t1/dev1"]; len(u.Provisioned) != platform.MaxProvisioned || u.Provisioned[0].Serial != "ab05" {
		t.Errorf("provisioned %+v", u.Provisioned)
	}
}

func TestAdmitStoreFails(t *testing.T) {
	broken := errors.New("disk on fire")
	v := full()
	r := newRig(certificateUser("dev1"))
	r.users.err = broken
	_, err := r.auth.Admit(t.Context(), v, "mqtts")
	checkRefusal(t, err, platform.ReasonInternal, problem.Unavailable, "")
	r.users.err = nil
	if err := r.auth.CheckDevice(t.Context(), platform.Principal{Tenant: "t1", Device: "dev1"}); err != nil {
		t.Errorf("the failure was cached: %v", err)
	}
	r.users.err = broken // reads come from the cache, the record cannot be written
	if _, err := r.auth.Admit(t.Context(), v, "mqtts"); err != nil {
		t.Errorf("kept out because the certificate could not be recorded: %v", err)
	}
	r.users.err = nil
	if _, err := r.auth.Admit(t.Context(), v, "mqtts"); err != nil || len(r.users.users["t1/dev1"].Provisioned) != 1 {
		t.Errorf("not recorded later: %v", err)
	}
	auto := newRig()
	v.AutoRegistration = true
	if err := auto.auth.CheckDevice(t.Context(), platform.Principal{Tenant: "t1", Device: "dev1"}); deviceauth.ReasonOf(err) != platform.ReasonNotRegistered {
		t.Fatal(err)
	}
	auto.users.err = broken
	_, err = auto.auth.Admit(t.Context(), v, "mqtts")
	checkRefusal(t, err, platform.ReasonInternal, problem.Unavailable, "")
}

func TestCheckDeviceAndStillValid(t *testing.T) {
	r := newRig(certificateUser("dev1"))
	v := full()
	p, err := r.auth.Admit(t.Context(), v, "mqtts")
	if err != nil {
		t.Fatal(err)
	}
	byPassword := platform.Principal{Tenant: "t1", Device: "dev1", Method: platform.ByPassword}
	steps := []struct {
		name                         string
		do                           func()
		check, certificate, password platform.Reason
	}{
		{"as admitted", func() {}, "", "", platform.ReasonBadCredentials},
		{"disabled", func() { r.users.change("t1", "dev1", func(u *platform.DeviceUser) { u.Enabled = false }) },
			platform.ReasonUserDisabled, platform.ReasonUserDisabled, platform.ReasonUserDisabled},
		{"enabled", func() { r.users.change("t1", "dev1", func(u *platform.DeviceUser) { u.Enabled = true }) }, "", "", platform.ReasonBadCredentials},
		{"set up with a password", func() {
			r.users.change("t1", "dev1", func(u *platform.DeviceUser) { u.Credential = platform.CredentialPassword })
		},
			"", platform.ReasonPasswordDevice, ""},
		{"back", func() {
			r.users.change("t1", "dev1", func(u *platform.DeviceUser) { u.Credential = platform.CredentialCertificate })
		}, "", "", platform.ReasonBadCredentials},
		{"revoked", func() { r.judge.still = platform.ReasonRevoked }, "", platform.ReasonRevoked, platform.ReasonBadCredentials},
		{"deleted", func() { r.judge.still = ""; delete(r.users.users, "t1/dev1") },
			platform.ReasonNotRegistered, platform.ReasonNotRegistered, platform.ReasonNotRegistered},
		{"store broken", func() { r.users.err = errors.New("x") }, platform.ReasonInternal, platform.ReasonInternal, platform.ReasonInternal},
	}
	for _, step := range steps {
		step.do()
		r.told()
		if got := deviceauth.ReasonOf(r.auth.CheckDevice(t.Context(), platform.Principal{Tenant: "t1", Device: "dev1"})); got != step.check {
			t.Errorf("%s: CheckDevice %q, want %q", step.name, got, step.check)
		}
		ofToken := p
		ofToken.Method = platform.ByToken
		wantToken := step.check
		if wantToken == "" {
			wantToken = r.judge.still
		}
		if got := deviceauth.ReasonOf(r.auth.CheckDevice(t.Context(), ofToken)); got != wantToken {
			t.Errorf("%s: token of the certificate %q, want %q", step.name, got, wantToken)
		}
		if got := r.auth.StillValid(t.Context(), v, p); got != step.certificate {
			t.Errorf("%s: session by certificate %q, want %q", step.name, got, step.certificate)
		}
		if got := r.auth.StillValid(t.Context(), platform.Verdict{}, byPassword); got != step.password {
			t.Errorf("%s: session by password %q, want %q", step.name, got, step.password)
		}
	}
}

// TestLateRead holds that what was read before a change is not remembered
// after it.
func TestLateRead(t *testing.T) {
	r := newRig(certificateUser("dev1"))
	r.users.onRead = func() {
		r.users.change("t1", "dev1", func(u *platform.DeviceUser) { u.Enabled = false })
		r.told()
	}
	if err := r.auth.CheckDevice(t.Context(), platform.Principal{Tenant: "t1", Device: "dev1"}); err != nil {
		t.Fatal(err) // it was enabled when it was read
	}
	if got := deviceauth.ReasonOf(r.auth.CheckDevice(t.Context(), platform.Principal{Tenant: "t1", Device: "dev1"})); got != platform.ReasonUserDisabled {
		t.Errorf("reason %q, want %q", got, platform.ReasonUserDisabled)
	}
}

func TestReasonOf(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want platform.Reason
	}{{nil, platform.Accepted}, {context.Canceled, platform.ReasonInternal}} {
		if got := deviceauth.ReasonOf(tt.err); got != tt.want {
			t.Errorf("ReasonOf(%v) = %q, want %q", tt.err, got, tt.want)
		}
	}
	r := newRig()
	v := full()
	v.Scope, v.Reason, v.Detail = platform.ExplainOnly, platform.ReasonRevoked, "serial ab01"
	_, err := r.auth.Admit(t.Context(), v, "mtls")
	if got := deviceauth.DetailOf(fmt.Errorf("wrapped: %w", err)); got != "serial ab01" {
		t.Errorf("detail %q", got)
	}
}
