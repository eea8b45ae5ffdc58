package attest_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"testing"

	"mooring/hsm/tpmkey/attesttest"
	"mooring/internal/problem"
	"mooring/server/attest"
	"mooring/server/platform"
)

func TestAddMakers(t *testing.T) {
	r := newRig(t)
	a, b := attesttest.NewMaker(t), attesttest.NewMaker(t)
	both := append(a.PEM(), b.PEM()...)
	tests := []struct {
		name string
		text []byte
		want int
		err  error
	}{
		{"one in DER", a.Cert.Raw, 1, nil},
		{"again and another in PEM", both, 1, nil},
		{"again", both, 0, nil},
		{"nothing", nil, 0, problem.Unprocessable},
		{"text", []byte("hello"), 0, problem.Unprocessable},
		{"PEM of something else", []byte("-----BEGIN X-----\nAAAA\n-----END X-----\n"), 0, problem.Unprocessable},
		{"no authority", a.Endorse(t, attesttest.NewMaker(t).Cert.PublicKey).Raw, 0, problem.Unprocessable},
		{"too long", make([]byte, attest.MaxMakersBytes+1), 0, problem.TooLarge},
		{"of the longest", make([]byte, attest.MaxMakersBytes), 0, problem.Unprocessable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			added, err := r.AddMakers(t.Context(), admin, tt.text)
			if added != tt.want || !errors.Is(err, tt.err) && err != tt.err {
				t.Errorf("added %d, %v; want %d, %v", added, err, tt.want, tt.err)
			}
		})
	}
	sum := sha256.Sum256(a.Cert.Raw)
	stranger := platform.Principal{Tenant: other, User: "admin"}
	if err := r.DeleteMaker(t.Context(), stranger, hex.EncodeToString(sum[:])); !errors.Is(err, problem.NotFound) {
		t.Errorf("another tenant deletes: %v", err)
	}
	if err := r.DeleteMaker(t.Context(), admin, hex.EncodeToString(sum[:])); err != nil {
		t.Error(err)
	}
	if left, err := r.Makers(t.Context(), tenant); err != nil || len(left) != 1 || !bytes.Equal(left[0].Certificate, b.Cert.Raw) {
		t.Errorf("left %d, %v", len(left), err)
	}
}

func TestMostMakers(t *testing.T) {
	r := newRig(t)
	var text []byte
	for range attest.MaxMakers - 1 {
		text = append(text, attesttest.NewMaker(t).PEM()...)
	}
	for n, want := range []error{nil, nil, problem.TooLarge} {
		if _, err := r.AddMakers(t.Context(), admin, text); !errors.Is(err, want) && err != want {
			t.Errorf("%d: %v, want %v", attest.MaxMakers-1+n, err, want)
		}
		text = attesttest.NewMaker(t).PEM()
	}
	if all, err := r.Makers(t.Context(), tenant); err != nil || len(all) != attest.MaxMakers {
		t.Errorf("%d, %v", len(all), err)
	}
}

func TestDeviceTPM(t *testing.T) {
	r := newRig(t)
	if d, err := r.Device(t.Context(), tenant, "dev1"); err != nil || d.Pin != nil || d.Last != nil {
		t.Errorf("%+v, %v", d, err)
	}
	if err := r.Pin(t.Context(), admin, "dev1", [32]byte{1}); err != nil {
		t.Fatal(err)
	}
	r.issue("dev1", platform.TPMJudgement{Attestation: &platform.Attestation{EKHash: [32]byte{1}, Model: "a"}})
	r.issue("dev1", platform.TPMJudgement{Attestation: &platform.Attestation{EKHash: [32]byte{1}, Model: "b"}})
	if d, err := r.Device(t.Context(), tenant, "dev1"); err != nil || d.Pin.EKHash != [32]byte{1} || d.Last.Model != "b" {
		t.Errorf("%+v, %v", d, err)
	}
	stranger := platform.Principal{Tenant: other, User: "admin"}
	if err := r.Unpin(t.Context(), stranger, "dev1"); !errors.Is(err, problem.NotFound) {
		t.Errorf("another tenant forgets it: %v", err)
	}
	for _, id := range []string{"", "a:b", "a\x00b", string(make([]byte, 300))} {
		if err := r.Pin(t.Context(), admin, id, [32]byte{1}); !errors.Is(err, problem.Unprocessable) {
			t.Errorf("%q: %v", id, err)
		}
	}
}
