package ca_test

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"math/big"
	"slices"
	"testing"
	"time"

	"mooring/internal/pki"
	"mooring/internal/problem"
	"mooring/server/ca"
	"mooring/server/platform"
)

func (r *rig) crl() *x509.RevocationList {
	r.t.Helper()
	der, err := r.CRL(r.t.Context(), tenant)
	if err != nil {
		r.t.Fatal(err)
	}
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		r.t.Fatal(err)
	}
	return list
}

func (r *rig) revoke(serials ...*big.Int) {
	r.t.Helper()
	var entries []platform.Revocation
	for _, s := range serials {
		entries = append(entries, platform.Revocation{Serial: s, At: r.clock()})
	}
	if _, err := r.store.AddRevocations(r.t.Context(), tenant, entries); err != nil {
		r.t.Fatal(err)
	}
}

func serialsOf(list *x509.RevocationList) map[string]bool {
	serials := map[string]bool{}
	for _, e := range list.RevokedCertificateEntries {
		serials[pki.SerialHex(e.SerialNumber)] = true
	}
	return serials
}

func TestCRL(t *testing.T) {
	r := newRig(t, setup{profile: ca.ProfileConfig{CRLBase: "https://h"}})
	if _, err := r.CRL(t.Context(), tenant); !errors.Is(err, problem.NotFound) {
		t.Fatalf("without authority: error = %v, want NotFound", err)
	}
	authority := parse(t, r.create().Certificate)
	r.register("dev1", "otp-1")
	der, err := r.enrol("dev1", "otp-1", newCSR(t, newKey(t), "dev1"))
	if err != nil {
		t.Fatal(err)
	}
	ours := parse(t, der).SerialNumber

	empty := r.crl()
	if err := empty.CheckSignatureFrom(authority); err != nil {
		t.Errorf("signature: %v", err)
	}
	if len(empty.RevokedCertificateEntries) != 0 {
		t.Errorf("%d entries before any revocation", len(empty.RevokedCertificateEntries))
	}
	if !bytes.Equal(empty.AuthorityKeyId, authority.SubjectKeyId) || !empty.NextUpdate.After(empty.ThisUpdate) {
		t.Errorf("authority key %x, next update %v after %v", empty.AuthorityKeyId, empty.NextUpdate, empty.ThisUpdate)
	}

	r.advance(time.Second)
	r.revoke(ours, big.NewInt(0x198f0bf5167)) // the other one is of another issuer
	list := r.crl()
	if got := serialsOf(list); len(got) != 1 || !got[pki.SerialHex(ours)] {
		t.Errorf("entries = %v, want %x alone", got, ours)
	}
	if list.Number.Cmp(empty.Number) <= 0 {
		t.Errorf("number %v does not grow from %v", list.Number, empty.Number)
	}
}

func TestCRLOfAReplacedAuthority(t *testing.T) {
	r := newRig(t, setup{})
	c := r.create()
	r.register("dev1", "otp-1")
	der, err := r.enrol("dev1", "otp-1", newCSR(t, newKey(t), "dev1"))
	if err != nil {
		t.Fatal(err)
	}
	r.revoke(parse(t, der).SerialNumber)
	if n := len(r.crl().RevokedCertificateEntries); n != 1 {
		t.Fatalf("%d entries, want 1", n)
	}
	if err := r.store.DeleteTrustedCertificate(t.Context(), tenant, c.Fingerprint); err != nil {
		t.Fatal(err)
	}
	r.create()
	if n := len(r.crl().RevokedCertificateEntries); n != 0 {
		t.Errorf("the list of the new authority has %d entries of the old one", n)
	}
}

func TestCRLIsSignedAgainDaily(t *testing.T) {
	r := newRig(t, setup{})
	r.create()
	first := r.crl()
	tests := []struct {
		name string
		wait time.Duration
		same bool
	}{
		{name: "at once", same: true},
		{name: "just under a day", wait: 24*time.Hour - time.Millisecond, same: true},
		{name: "a day", wait: time.Millisecond},
	}
	for _, tt := range tests {
		r.advance(tt.wait)
		list := r.crl()
		if bytes.Equal(first.Raw, list.Raw) != tt.same {
			t.Errorf("%s: same list = %v, want %v", tt.name, !tt.same, tt.same)
		}
	}
}

func TestIssuingDistributionPoint(t *testing.T) {
	tests := []struct {
		name, base, want string
	}{
		// SEQUENCE { [0] { [0] { [6] "https://h/crl/t1000.crl" } } [1] TRUE }
		{name: "with base", base: "https://h", want: "3020" + "a01b" + "a019" + "8617" + hex.EncodeToString([]byte("https://h/crl/t1000.crl")) + "8101ff"},
		{name: "without", want: "3003" + "8101ff"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, setup{profile: ca.ProfileConfig{CRLBase: tt.base}})
			r.create()
			for _, e := range r.crl().Extensions {
				if e.Id.String() != "2.5.29.28" {
					continue
				}
				if got := hex.EncodeToString(e.Value); got != tt.want || !e.Critical {
					t.Errorf("extension = %s, critical %v, want %s", got, e.Critical, tt.want)
				}
				return
			}
			t.Error("the list has no issuing distribution point")
		})
	}
}

func TestOfflineList(t *testing.T) {
	entries := []platform.Revocation{{Serial: big.NewInt(0x1000), At: time.Date(2023, 1, 11, 16, 12, 36, 0, time.UTC)}}
	for _, tt := range []struct {
		withAuthority bool
		base, scope   string
	}{
		{true, "", "urn:mooring:offline-list:t1000"},
		{false, "", "urn:mooring:offline-list:t1000"},
		{false, "https://h", "https://h/tenant/trusted-certificates/settings/crl"},
	} {
		withAuthority := tt.withAuthority
		r := newRig(t, setup{profile: ca.ProfileConfig{CRLBase: tt.base}})
		if withAuthority {
			r.create()
		}
		var lists []*x509.RevocationList
		for range 2 {
			der, err := r.OfflineList(t.Context(), tenant, entries)
			if err != nil {
				t.Fatal(err)
			}
			list, err := x509.ParseRevocationList(der)
			if err != nil {
				t.Fatal(err)
			}
			lists = append(lists, list)
		}
		if got := serialsOf(lists[0]); len(got) != 1 || !got["1000"] {
			t.Errorf("entries = %v, want 1000", got)
		}
		point := slices.IndexFunc(lists[0].Extensions, func(e pkix.Extension) bool { return e.Id.String() == "2.5.29.28" })
		// Nothing restricts it to leaves: a CA certificate may be on it.
		want := append([]byte{0x30, byte(len(tt.scope) + 6), 0xa0, byte(len(tt.scope) + 4), 0xa0, byte(len(tt.scope) + 2), 0x86, byte(len(tt.scope))}, tt.scope...)
		if point < 0 || !lists[0].Extensions[point].Critical || !bytes.Equal(lists[0].Extensions[point].Value, want) {
			t.Errorf("issuing distribution point of %+v: %d of %+v", tt, point, lists[0].Extensions)
		}
		if !bytes.Equal(lists[0].AuthorityKeyId, lists[1].AuthorityKeyId) {
			t.Error("two lists are signed by two keys")
		}
	}
}
