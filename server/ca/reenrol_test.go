package ca_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"mooring/internal/pki"
	"mooring/internal/problem"
	"mooring/internal/secret"
	"mooring/server/ca"
	"mooring/server/platform"
)

func TestReEnrol(t *testing.T) {
	tests := []struct {
		name      string
		principal platform.Principal
		cn        string
		wantErr   error
	}{
		{name: "device", principal: device("dev1"), cn: "dev1"},
		{name: "another device's CN", principal: device("dev1"), cn: "dev2", wantErr: problem.Unprocessable},
		{name: "a person", principal: admin, cn: "dev1", wantErr: problem.Forbidden},
		{name: "a device of a tenant without authority", principal: platform.Principal{Tenant: "t2000", Device: "dev1", User: "device_dev1"},
			cn: "dev1", wantErr: problem.NotFound},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, setup{})
			r.create()
			der, err := r.ReEnrol(t.Context(), ca.ReEnrolment{Principal: tt.principal, CSR: newCSR(t, newKey(t), tt.cn)})
			if !errors.Is(err, tt.wantErr) {
				t.Fatalf("error = %v, want %v", err, tt.wantErr)
			}
			if err != nil {
				return
			}
			audits := r.audits()
			last := audits[len(audits)-1]
			if want := "Tenant certificate authority(CA) re-signed certificate for device: dev1."; last.Activity != want {
				t.Errorf("audit = %q, want %q", last.Activity, want)
			}
			if want := "Certificate serial number hex: '" + pki.SerialHex(parse(t, der).SerialNumber) + "'"; last.Text != want {
				t.Errorf("audit text = %q, want %q", last.Text, want)
			}
		})
	}
}

func TestReEnrolKeepsOrChangesTheKey(t *testing.T) {
	r := newRig(t, setup{})
	r.create()
	k := newKey(t)
	var serials [][]byte
	for _, key := range []int{0, 0, 1} {
		if key == 1 {
			k = newKey(t)
		}
		der, err := r.ReEnrol(t.Context(), ca.ReEnrolment{Principal: device("dev1"), CSR: newCSR(t, k, "dev1")})
		if err != nil {
			t.Fatal(err)
		}
		leaf := parse(t, der)
		if !k.PublicKey.Equal(leaf.PublicKey) {
			t.Error("the leaf has another key than the request")
		}
		for _, s := range serials {
			if bytes.Equal(s, leaf.SerialNumber.Bytes()) {
				t.Error("two leaves have one serial")
			}
		}
		serials = append(serials, leaf.SerialNumber.Bytes())
	}
}

func TestReEnrolConvertsADeviceUser(t *testing.T) {
	tests := []struct {
		name    string
		convert bool
		want    platform.CredentialKind
	}{
		{name: "by password", convert: true, want: platform.CredentialCertificate},
		{name: "by anything else", want: platform.CredentialPassword},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, setup{})
			r.create()
			mac, err := r.vault.MAC(t.Context(), tenant, "device_dev1", secret.New("password"))
			if err != nil {
				t.Fatal(err)
			}
			user := platform.DeviceUser{Tenant: tenant, ExternalID: "dev1", Credential: platform.CredentialPassword, Password: mac, Enabled: true, Created: r.clock()}
			if err := r.store.CreateDeviceUser(t.Context(), user); err != nil {
				t.Fatal(err)
			}
			if _, err := r.ReEnrol(t.Context(), ca.ReEnrolment{Principal: device("dev1"), CSR: newCSR(t, newKey(t), "dev1"), Convert: tt.convert}); err != nil {
				t.Fatal(err)
			}
			got, err := r.store.DeviceUser(t.Context(), tenant, "dev1")
			if err != nil || got.Credential != tt.want {
				t.Errorf("credential = %q, %v, want %q", got.Credential, err, tt.want)
			}
		})
	}
}

func TestReEnrolIsBounded(t *testing.T) {
	r := newRig(t, setup{limits: ca.Limits{ReEnrol: ca.Rate{Burst: 2, Every: time.Minute}}})
	r.create()
	csr := newCSR(t, newKey(t), "dev1")
	ask := func() error {
		_, err := r.ReEnrol(t.Context(), ca.ReEnrolment{Principal: device("dev1"), CSR: csr})
		return err
	}
	for _, want := range []error{nil, nil, problem.TooMany} {
		if err := ask(); !errors.Is(err, want) {
			t.Fatalf("error = %v, want %v", err, want)
		}
	}
	if _, err := r.ReEnrol(t.Context(), ca.ReEnrolment{Principal: device("dev2"), CSR: newCSR(t, newKey(t), "dev2")}); err != nil {
		t.Errorf("another device: %v", err)
	}
	r.advance(time.Minute)
	if err := ask(); err != nil {
		t.Errorf("a minute later: %v", err)
	}
}
