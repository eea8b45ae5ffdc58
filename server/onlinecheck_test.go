package server_test

import (
	"crypto/rand"
	"crypto/x509"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"mooring/server/config"
	"mooring/server/servertest"
)

// list is a's revocation list.
func (a anchor) list(t *testing.T, serials ...int64) []byte {
	t.Helper()
	template := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Now().Add(-time.Minute), NextUpdate: time.Now().Add(time.Hour)}
	for _, n := range serials {
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: big.NewInt(n), RevocationTime: time.Now()})
	}
	der, err := x509.CreateRevocationList(rand.Reader, template, a.cert, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// TestOnlineCheck: the list that an issuer publishes keeps devices out, once
// the tenant asks for it, and ends the sessions there are.
func TestOnlineCheck(t *testing.T) {
	a := newAnchor(t)
	list := a.list(t, 0x2002)
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/list" {
			http.Error(w, "gone", http.StatusGone)
			return
		}
		_, _ = w.Write(list)
	}))
	t.Cleanup(site.Close)
	s := servertest.Start(t, servertest.Options{Easy: true, Configure: func(c *config.Config) { c.Limits.CRLPrivateNetworks = true }})
	a.upload(s)
	option := func(key, value string) {
		s.Call(http.MethodPut, "/tenant/options/configuration/crl.online.check."+key, map[string]string{"value": value}, nil)
	}
	good := a.leaf(t, "good", 0x2001, site.URL+"/list")
	bad := a.leaf(t, "bad", 0x2002, site.URL+"/list")
	gone := a.leaf(t, "gone", 0x2003, site.URL+"/gone")

	session, code := connect(t, s, "bad", bad)
	if code != 0 {
		t.Fatalf("both checks are off at first: CONNACK %d", code)
	}
	option("enabled", "true")
	if _, code := connect(t, s, "good", good); code != 0 {
		t.Errorf("a certificate that is not listed: CONNACK %d", code)
	}
	ended(t, session) // the list has come for another device
	if _, code := connect(t, s, "bad", bad); code != 5 {
		t.Errorf("a listed certificate: CONNACK %d, want 5", code)
	}
	if _, code := connect(t, s, "gone", gone); code != 0 {
		t.Errorf("no list, accepted unless the tenant wants otherwise: CONNACK %d", code)
	}
	var audit struct {
		AuditRecords []struct{ Activity, Text, Severity string }
	}
	s.Call(http.MethodGet, "/audit/auditRecords?type=TrustedCertificates&pageSize=100", nil, &audit)
	warned := 0
	for _, r := range audit.AuditRecords {
		if strings.HasPrefix(r.Activity, "Certificate revocation list not available") && strings.Contains(r.Text, "410 Gone") {
			warned++
		}
	}
	if warned != 1 {
		t.Errorf("%d warnings in the audit log, want 1: %+v", warned, audit.AuditRecords)
	}
	option("failure", "refuse")
	if _, code := connect(t, s, "gone", gone); code != 5 {
		t.Errorf("no list, which the tenant refuses: CONNACK %d, want 5", code)
	}
	if _, code := connect(t, s, "good", good); code != 0 {
		t.Errorf("a certificate that is not listed: CONNACK %d", code)
	}
}
