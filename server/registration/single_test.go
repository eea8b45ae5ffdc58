package registration_test

import (
	"errors"
	"strings"
	"testing"

	"mooring/internal/problem"
	"mooring/internal/secret"
	"mooring/server/platform"
	"mooring/server/registration"
)

func TestCreate(t *testing.T) {
	tests := []struct {
		name    string
		in      registration.NewRequest
		actor   platform.Principal
		want    platform.RegistrationStatus
		wantErr error
		text    string
	}{
		{name: "without OTP", in: registration.NewRequest{ExternalID: "d1"}, want: platform.StatusWaiting},
		{name: "with OTP", in: registration.NewRequest{ExternalID: "d1", OTP: secret.New("otp")}, want: platform.StatusAccepted},
		{name: "longest OTP", in: registration.NewRequest{ExternalID: "d1", OTP: secret.New(strings.Repeat("ö", 32))}, want: platform.StatusAccepted},
		{name: "OTP too long", in: registration.NewRequest{ExternalID: "d1", OTP: secret.New(strings.Repeat("o", 33))}, wantErr: problem.Unprocessable},
		{name: "longest type", in: registration.NewRequest{ExternalID: "d1", Type: strings.Repeat("t", 254)}, want: platform.StatusWaiting},
		{name: "type too long", in: registration.NewRequest{ExternalID: "d1", Type: strings.Repeat("t", 255)}, wantErr: problem.Unprocessable},
		{name: "no ID", wantErr: problem.Unprocessable, text: "Following mandatory fields should be included: id"},
		{name: "space", in: registration.NewRequest{ExternalID: "d 1"}, wantErr: problem.Unprocessable,
			text: "Device id 'd 1' contains ' ' character which is not permitted."},
		{name: "colon", in: registration.NewRequest{ExternalID: "d:1"}, wantErr: problem.Unprocessable,
			text: "Device id 'd:1' contains ':' character which is not permitted."},
		{name: "longest ID", in: registration.NewRequest{ExternalID: strings.Repeat("d", 254)}, want: platform.StatusWaiting},
		{name: "ID too long", in: registration.NewRequest{ExternalID: strings.Repeat("d", 255)}, wantErr: problem.Unprocessable},
		{name: "own tenant named", in: registration.NewRequest{ExternalID: "d1", Tenant: tenant}, want: platform.StatusWaiting},
		{name: "another tenant", in: registration.NewRequest{ExternalID: "d1", Tenant: "t2000"}, wantErr: problem.Forbidden},
		{name: "another tenant by the operator", actor: operator, in: registration.NewRequest{ExternalID: "d1", Tenant: "t2000"}, want: platform.StatusWaiting},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			actor := tt.actor
			if actor.User == "" {
				actor = admin
			}
			got, err := r.Create(t.Context(), actor, tt.in)
			if !errors.Is(err, tt.wantErr) {
				t.Fatalf("error = %v, want %v", err, tt.wantErr)
			}
			if err != nil {
				if p, _ := errors.AsType[*problem.Error](err); tt.text != "" && p.Detail != tt.text {
					t.Errorf("text = %q, want %q", p.Detail, tt.text)
				}
				return
			}
			if got.Status != tt.want || got.Owner != actor.User || got.ExternalID != tt.in.ExternalID {
				t.Errorf("registration = %+v, want status %s", got, tt.want)
			}
			if !tt.in.OTP.IsZero() && !r.hasOTP(got.Tenant, got.ExternalID, tt.in.OTP.Reveal()) {
				t.Error("the OTP does not count")
			}
		})
	}
}

// spend makes the OTP of a registration one that was used.
func (r *rig) spend(id string) {
	r.t.Helper()
	reg, err := r.store.Registration(r.t.Context(), tenant, id)
	if err != nil {
		r.t.Fatal(err)
	}
	err = r.store.Issue(r.t.Context(), platform.Issue{
		Certificate: platform.IssuedCertificate{Tenant: tenant, Serial: "1f", ExternalID: id, Certificate: []byte{0x30}, NotBefore: epoch, NotAfter: epoch, IssuedAt: epoch},
		Enrolment:   &platform.OTPSpending{ExternalID: id, Epoch: reg.Epoch},
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

func TestCreateAgain(t *testing.T) {
	again := registration.NewRequest{ExternalID: "d1", OTP: secret.New("new")}
	tests := []struct {
		name    string
		first   registration.NewRequest
		between func(*rig)
		wantErr error
	}{
		{name: "waiting", first: registration.NewRequest{ExternalID: "d1"}, wantErr: problem.Unprocessable},
		{name: "OTP unspent", first: registration.NewRequest{ExternalID: "d1", OTP: secret.New("old")}, wantErr: problem.Unprocessable},
		{name: "OTP spent", first: registration.NewRequest{ExternalID: "d1", OTP: secret.New("old")}, between: func(r *rig) { r.spend("d1") }},
		{name: "deleted", first: registration.NewRequest{ExternalID: "d1"}, between: func(r *rig) {
			if err := r.Delete(r.t.Context(), admin, "d1"); err != nil {
				r.t.Fatal(err)
			}
		}},
		{name: "accepted", first: registration.NewRequest{ExternalID: "d1"}, wantErr: problem.Unprocessable, between: func(r *rig) {
			r.asks("d1", "")
			if _, err := r.Accept(r.t.Context(), admin, "d1", secret.String{}); err != nil {
				r.t.Fatal(err)
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			if _, err := r.Create(t.Context(), admin, tt.first); err != nil {
				t.Fatal(err)
			}
			if tt.between != nil {
				tt.between(r)
			}
			_, err := r.Create(t.Context(), admin, again)
			if !errors.Is(err, tt.wantErr) {
				t.Fatalf("error = %v, want %v", err, tt.wantErr)
			}
			if err != nil {
				p, _ := errors.AsType[*problem.Error](err)
				if p.Code != "devicecontrol/Non Unique Result" || p.Detail != "NewDeviceRequest for id = d1 already exists." {
					t.Errorf("problem = %q %q", p.Code, p.Detail)
				}
				return
			}
			if !r.hasOTP(tenant, "d1", "new") {
				t.Error("the new OTP does not count")
			}
		})
	}
}

func TestLifeCycle(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	for _, id := range []string{"d1", "d2"} {
		if _, err := r.Create(ctx, admin, registration.NewRequest{ExternalID: id}); err != nil {
			t.Fatal(err)
		}
	}
	list, err := r.List(ctx, tenant, platform.Page{Number: 1, Size: 5})
	if err != nil || len(list.Items) != 2 {
		t.Errorf("list = %+v, %v", list.Items, err)
	}
	r.asks("d1", "")
	got, err := r.Accept(ctx, admin, "d1", secret.String{})
	if err != nil || got.Status != platform.StatusAccepted {
		t.Errorf("accepted = %+v, %v", got, err)
	}
	_, err = r.Accept(ctx, admin, "d1", secret.String{})
	if p, ok := errors.AsType[*problem.Error](err); !ok || p.Kind != problem.Unprocessable ||
		p.Detail != "NewDeviceRequest for device id d1 is in state ACCEPTED, not PENDING_ACCEPTANCE." {
		t.Errorf("accepted twice: %v", err)
	}
	if err := r.Delete(ctx, admin, "d1"); err != nil {
		t.Error(err)
	}
	if reg, err := r.Get(ctx, tenant, "d2"); err != nil || reg.Status != platform.StatusWaiting {
		t.Errorf("d2 = %+v, %v", reg, err)
	}
	gone := map[string]error{}
	_, gone["get"] = r.Get(ctx, tenant, "d1")
	_, gone["accept"] = r.Accept(ctx, admin, "d1", secret.String{})
	gone["delete"] = r.Delete(ctx, admin, "d1")
	_, gone["another tenant"] = r.Get(ctx, "t2000", "d2")
	for name, err := range gone {
		p, ok := errors.AsType[*problem.Error](err)
		if !ok || p.Kind != problem.NotFound || !strings.HasPrefix(p.Detail, "Could not find newDeviceRequest by ID d") {
			t.Errorf("%s: error = %v, want NotFound", name, err)
		}
	}
	audits, err := r.store.AuditRecords(ctx, tenant, platform.AuditFilter{Type: "DeviceRegistration", OldestFirst: true}, platform.Page{Number: 1, Size: 10})
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, a := range audits.Items {
		texts = append(texts, a.Activity+" "+a.Source)
	}
	if got, want := strings.Join(texts, ", "), "Device registered d1, Device registered d2, Device accepted d1, Device registration deleted d1"; got != want {
		t.Errorf("audit = %s, want %s", got, want)
	}
}
