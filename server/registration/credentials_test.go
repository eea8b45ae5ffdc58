package registration_test

import (
	"encoding/json"
	"errors"
	"testing"

	"mooring/internal/problem"
	"mooring/internal/secret"
	"mooring/server/platform"
	"mooring/server/registration"
)

// asks is a device that asks for its password and gets none yet.
func (r *rig) asks(id, token string) {
	r.t.Helper()
	if _, err := r.Fetch(r.t.Context(), "", id, secretOf(token)); !errors.Is(err, problem.NotFound) {
		r.t.Fatalf("%s asks: %v, want NotFound", id, err)
	}
}

func secretOf(text string) secret.String {
	if text == "" {
		return secret.String{}
	}
	return secret.New(text)
}

func (r *rig) status(id string) platform.RegistrationStatus {
	r.t.Helper()
	reg, err := r.Get(r.t.Context(), tenant, id)
	if err != nil {
		r.t.Fatal(err)
	}
	return reg.Status
}

func TestFetch(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	r.asks("d1", "") // not registered
	if _, err := r.Create(ctx, admin, registration.NewRequest{ExternalID: "d1"}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Accept(ctx, admin, "d1", secret.String{}); !errors.Is(err, problem.Unprocessable) {
		t.Errorf("accepted before the device asked: %v", err)
	}
	r.asks("d1", "")
	r.asks("d1", "")
	if got := r.status("d1"); got != platform.StatusPending {
		t.Errorf("status = %s", got)
	}
	if _, err := r.Accept(ctx, admin, "d1", secret.String{}); err != nil {
		t.Fatal(err)
	}
	got, err := r.Fetch(ctx, "", "d1", secret.String{})
	if err != nil || got.Tenant != tenant || got.User != "device_d1" || !r.hasPassword("d1", got.Password.Reveal()) {
		t.Errorf("fetched = %+v, %v", got, err)
	}
	r.asks("d1", "") // once
	if _, err := r.Get(ctx, tenant, "d1"); !errors.Is(err, problem.NotFound) {
		t.Errorf("the request is still there: %v", err)
	}
	if _, err := r.store.ObjectByExternalID(ctx, tenant, platform.ExternalID{Type: platform.SerialType, Value: "d1"}); !errors.Is(err, problem.NotFound) {
		t.Errorf("an object nobody asked for: %v", err)
	}
}

// TestAnnounce: who only announces a device is given nothing.
func TestAnnounce(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	announce := func() {
		t.Helper()
		if err := r.Announce(ctx, "", "d1", secret.String{}); err != nil {
			t.Error(err)
		}
	}
	announce() // not registered
	if err := r.Announce(ctx, "", "a/b", secret.String{}); err != nil {
		t.Errorf("no name of a device: %v", err)
	}
	if _, err := r.Create(ctx, admin, registration.NewRequest{ExternalID: "d1"}); err != nil {
		t.Fatal(err)
	}
	announce()
	if got := r.status("d1"); got != platform.StatusPending {
		t.Errorf("status = %s", got)
	}
	if _, err := r.Accept(ctx, admin, "d1", secret.String{}); err != nil {
		t.Fatal(err)
	}
	announce()
	if got, err := r.Fetch(ctx, "", "d1", secret.String{}); err != nil || got.User != "device_d1" {
		t.Errorf("fetched = %+v, %v", got, err)
	}
}

// A device set up in bulk has its credentials: nobody fetches others for it.
func TestFetchOfBulk(t *testing.T) {
	r := newRig(t)
	if _, err := r.Bulk(t.Context(), admin, csv("ID;AUTH_TYPE;CREDENTIALS\nd1;BASIC;password1\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Create(t.Context(), admin, registration.NewRequest{ExternalID: "d2", OTP: secret.New("otp")}); err != nil {
		t.Fatal(err)
	}
	r.asks("d1", "")
	r.asks("d2", "")
	if !r.hasPassword("d1", "password1") {
		t.Error("the password changed")
	}
}

func TestFetchOfSeveralTenants(t *testing.T) {
	tests := []struct {
		name string
		hint platform.TenantID
		want platform.RegistrationStatus // of the request in t2000
	}{
		{"host of the tenant", "t2000", platform.StatusPending},
		{"host of the other", tenant, platform.StatusWaiting},
		{"host of none", "", platform.StatusWaiting},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			for _, id := range []platform.TenantID{tenant, "t2000"} {
				if _, err := r.Create(t.Context(), operator, registration.NewRequest{ExternalID: "d1", Tenant: id}); err != nil {
					t.Fatal(err)
				}
			}
			_, _ = r.Fetch(t.Context(), tt.hint, "d1", secret.String{})
			if reg, err := r.Get(t.Context(), "t2000", "d1"); err != nil || reg.Status != tt.want {
				t.Errorf("status = %s, %v, want %s", reg.Status, err, tt.want)
			}
		})
	}
}

func TestFetchWithGroup(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	group := platform.ManagedObject{ID: 1 << 40, Tenant: tenant, Name: "g", Created: epoch, Updated: epoch}
	if err := r.store.CreateObject(ctx, tenant, platform.CreateObject{Object: group}); err != nil {
		t.Fatal(err)
	}
	in := registration.NewRequest{ExternalID: "d1", Type: "ty", GroupID: group.ID, Custom: platform.Fragments{"room": json.RawMessage("7")}}
	if _, err := r.Create(ctx, admin, in); err != nil {
		t.Fatal(err)
	}
	r.asks("d1", "")
	if _, err := r.Accept(ctx, admin, "d1", secret.String{}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Fetch(ctx, "", "d1", secret.String{}); err != nil {
		t.Fatal(err)
	}
	o := r.object(platform.SerialType, "d1")
	if o.Type != "ty" || o.Owner != "device_d1" || string(o.Fragments["room"]) != "7" {
		t.Errorf("object = %+v", o)
	}
	list, err := r.store.Children(ctx, tenant, group.ID, platform.ChildAssets, platform.Page{Number: 1, Size: 5})
	if err != nil || len(list.Items) != 1 || list.Items[0].ID != o.ID {
		t.Errorf("in the group: %+v, %v", list.Items, err)
	}
	in.ExternalID, in.GroupID = "d2", group.ID+1
	if _, err := r.Create(ctx, admin, in); !errors.Is(err, problem.Unprocessable) {
		t.Errorf("a group that is not there: %v", err)
	}
}

func TestSecurityToken(t *testing.T) {
	const policy = "device-registration"
	tests := []struct {
		name     string
		policy   registration.TokenPolicy
		operator string // given beforehand
		device   string
		accept   string
		waits    bool // the device does not get to PENDING_ACCEPTANCE
		wantErr  error
	}{
		{name: "none, optional"},
		{name: "none, required", policy: registration.TokenRequired, wantErr: problem.Unprocessable},
		{name: "none, ignored", policy: registration.TokenIgnored},
		{name: "right, optional", device: "s3cret", accept: "s3cret"},
		{name: "right, required", policy: registration.TokenRequired, device: "s3cret", accept: "s3cret"},
		{name: "wrong, optional", device: "s3cret", accept: "s3creT", wantErr: problem.Unprocessable},
		{name: "wrong, ignored", policy: registration.TokenIgnored, device: "s3cret", accept: "s3creT"},
		{name: "of the device alone", device: "s3cret", wantErr: problem.Unprocessable},
		{name: "of the operator alone", accept: "s3cret", wantErr: problem.Unprocessable},
		{name: "beforehand, right", policy: registration.TokenRequired, operator: "s3cret", device: "s3cret"},
		{name: "beforehand, wrong", operator: "s3cret", device: "s3creT", waits: true},
		{name: "beforehand, none", operator: "s3cret", waits: true},
		{name: "beforehand, wrong, ignored", policy: registration.TokenIgnored, operator: "s3cret", device: "x"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			ctx := t.Context()
			r.options[platform.OptionKey{Category: policy, Key: "security-token.policy"}] = string(tt.policy)
			if _, err := r.Create(ctx, admin, registration.NewRequest{ExternalID: "d1", SecurityToken: secretOf(tt.operator)}); err != nil {
				t.Fatal(err)
			}
			r.asks("d1", tt.device)
			if waits := r.status("d1") == platform.StatusWaiting; waits != tt.waits {
				t.Fatalf("waits = %t, want %t", waits, tt.waits)
			}
			if tt.waits {
				return
			}
			if _, err := r.Accept(ctx, admin, "d1", secretOf(tt.accept)); !errors.Is(err, tt.wantErr) {
				t.Errorf("accepted: %v, want %v", err, tt.wantErr)
			}
		})
	}
}

func TestBlocked(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	if _, err := r.Create(ctx, admin, registration.NewRequest{ExternalID: "d1"}); err != nil {
		t.Fatal(err)
	}
	r.asks("d1", "right")
	for try := 1; try <= registration.MaxTokenTries; try++ {
		if got := r.status("d1"); got != platform.StatusPending {
			t.Fatalf("before try %d: %s", try, got)
		}
		if _, err := r.Accept(ctx, admin, "d1", secret.New("wrong")); !errors.Is(err, problem.Unprocessable) {
			t.Fatal(err)
		}
	}
	if got := r.status("d1"); got != platform.StatusBlocked {
		t.Errorf("status = %s", got)
	}
	_, err := r.Accept(ctx, admin, "d1", secret.New("right"))
	if p, _ := errors.AsType[*problem.Error](err); p == nil || p.Detail != "NewDeviceRequest for device id d1 is in state BLOCKED, not PENDING_ACCEPTANCE." {
		t.Errorf("blocked: %v", err)
	}
	r.asks("d1", "right")
}

func TestLimit(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	r.options[platform.OptionDeviceLimit] = "2"
	for id, want := range map[int]error{1: nil, 2: nil} {
		if _, err := r.Bulk(ctx, admin, csv("ID;CREDENTIALS\nd"+string(rune('0'+id))+";password1\n")); !errors.Is(err, want) {
			t.Fatal(err)
		}
	}
	l, err := r.Limit(ctx, tenant)
	if err != nil || l.Devices != 2 || l.Max != 2 || !l.Reached() {
		t.Errorf("limit = %+v, %v", l, err)
	}
	_, err = r.Create(ctx, admin, registration.NewRequest{ExternalID: "d3"})
	if p, _ := errors.AsType[*problem.Error](err); p == nil || p.Detail != "You have reached devices limit 2." {
		t.Errorf("third device: %v", err)
	}
	result, err := r.Bulk(ctx, admin, csv("ID;CREDENTIALS\nd3;password1\n"))
	if err != nil || len(result.Failed) != 1 {
		t.Errorf("third row: %+v, %v", result, err)
	}
	r.options[platform.OptionDeviceLimit] = "3"
	if _, err := r.Create(ctx, admin, registration.NewRequest{ExternalID: "d3"}); err != nil {
		t.Error(err)
	}
}

// TestTokenPolicyAndOTP: an enrolment that waits for the operator is proved by
// its one-time password; no policy asks for a security token besides, and one
// that is given does not matter.
func TestTokenPolicyAndOTP(t *testing.T) {
	for _, policy := range []registration.TokenPolicy{registration.TokenIgnored, registration.TokenOptional, registration.TokenRequired} {
		for _, token := range []string{"", "whatever"} {
			t.Run(string(policy)+" "+token, func(t *testing.T) {
				r := newRig(t)
				r.options[platform.OptionTokenPolicy] = string(policy)
				reg, err := r.Create(t.Context(), admin, registration.NewRequest{ExternalID: "d1", OTP: secret.New("otp"), SecurityToken: secretOf("beforehand")})
				if err != nil || reg.Status != platform.StatusAccepted {
					t.Fatalf("%+v, %v", reg, err)
				}
				if _, err := r.Accept(t.Context(), admin, "d1", secretOf(token)); !errors.Is(err, problem.Unprocessable) {
					t.Errorf("accepted before it asked: %v", err)
				}
				if err := r.store.AwaitApproval(t.Context(), tenant, "d1", reg.Epoch, [32]byte{1}); err != nil {
					t.Fatal(err)
				}
				if got, err := r.Accept(t.Context(), admin, "d1", secretOf(token)); err != nil || got.Status != platform.StatusAccepted || got.Tries != 0 {
					t.Errorf("accepted: %+v, %v", got, err)
				}
				if !r.hasOTP(tenant, "d1", "otp") {
					t.Error("the one-time password does not count any more")
				}
			})
		}
	}
}
