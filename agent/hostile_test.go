package agent_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"io"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mooring/agent"
	"mooring/agent/config"
	"mooring/internal/cms"
	"mooring/internal/est"
	"mooring/internal/pki"
	"mooring/server/servertest"
)

// hostile answers renewals in place of the server while answer is set.
type hostile struct {
	mu     sync.Mutex
	answer func(w http.ResponseWriter, csr *x509.CertificateRequest)
	asked  int
}

func (h *hostile) intercept(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		answer := h.answer
		if answer != nil {
			h.asked++
		}
		h.mu.Unlock()
		if answer == nil || !strings.HasSuffix(r.URL.Path, "/simplereenroll") {
			next.ServeHTTP(w, r)
			return
		}
		body, _ := io.ReadAll(r.Body)
		der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(string(body)), ""))
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		csr, err := x509.ParseCertificateRequest(der)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/pkcs7-mime; smime-type=certs-only")
		answer(w, csr)
	})
}

func (h *hostile) set(answer func(http.ResponseWriter, *x509.CertificateRequest)) (asked int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answer = answer
	asked, h.asked = h.asked, 0
	return asked
}

func forge(t *testing.T, cn string, public crypto.PublicKey, from, to time.Time, edits ...func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62))
	c := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: cn}, NotBefore: from, NotAfter: to}
	for _, edit := range edits {
		edit(c)
	}
	parent := &x509.Certificate{Subject: pkix.Name{CommonName: "forger"}}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, public, k)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func sends(certs ...*x509.Certificate) func(http.ResponseWriter, *x509.CertificateRequest) {
	return func(w http.ResponseWriter, _ *x509.CertificateRequest) { send(w, certs) }
}

// send writes any number of certificates; our own encoder would refuse too many.
func send(w http.ResponseWriter, certs []*x509.Certificate) {
	first, err := cms.EncodeCertsOnly(certs[0])
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	if len(certs) > 1 {
		first = degenerate(certs)
	}
	_, _ = w.Write(est.EncodeCertificates(first))
}

// degenerate is a certs-only SignedData (RFC 5652 §5.1).
func degenerate(certs []*x509.Certificate) []byte {
	var raw []byte
	for _, c := range certs {
		raw = append(raw, c.Raw...)
	}
	type contentInfo struct{ Type asn1.ObjectIdentifier }
	type signedData struct {
		Version    int
		Algorithms []asn1.RawValue `asn1:"set"`
		Content    contentInfo
		Certs      asn1.RawValue
		Signers    []asn1.RawValue `asn1:"set"`
	}
	type outer struct {
		Type asn1.ObjectIdentifier
		Data signedData `asn1:"explicit,tag:0"`
	}
	der, err := asn1.Marshal(outer{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}, signedData{Version: 1, Content: contentInfo{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}},
		Certs: asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: raw}}})
	if err != nil {
		return nil
	}
	return der
}

// TestHostileAnswers: whatever a server answers a renewal with, the working
// identity stays and connects, and the next good answer is taken.
func TestHostileAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hostile{}
		s := servertest.Start(t, servertest.Options{Easy: true, Intercept: h.intercept})
		d := newRig(t, s, "dev1")
		d.edit = func(c *config.Config) { c.Rekey = false } // old certificates are then for the same key
		s.Register("dev1", "the-right-password")
		d.start()
		d.enrol("the-right-password")
		d.until("valid", valid)
		first := d.leaf(t)
		d.renew()
		current := d.until("valid", valid)
		now := time.Now()
		other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		text := func(status int, body string) func(http.ResponseWriter, *x509.CertificateRequest) {
			return func(w http.ResponseWriter, _ *x509.CertificateRequest) {
				w.WriteHeader(status)
				_, _ = io.WriteString(w, body)
			}
		}
		forged := func(cn string, from, to time.Time, edits ...func(*x509.Certificate)) func(http.ResponseWriter, *x509.CertificateRequest) {
			return func(w http.ResponseWriter, csr *x509.CertificateRequest) {
				send(w, []*x509.Certificate{forge(t, cn, csr.PublicKey, from, to, edits...)})
			}
		}
		tests := []struct {
			name   string
			answer func(http.ResponseWriter, *x509.CertificateRequest)
			says   string // in last_error
		}{
			{"HTML", text(200, "<!DOCTYPE html><html>login"), "HTML"},
			{"garbage", text(200, "TUlJQg=="), ""},
			{"endless", text(200, strings.Repeat("A", est.MaxBodyBytes+1)), ""},
			{"huge chain", func(w http.ResponseWriter, csr *x509.CertificateRequest) {
				chain := []*x509.Certificate{forge(t, "dev1", csr.PublicKey, now, now.AddDate(1, 0, 0))}
				for range pki.MaxChainCertificates {
					chain = append(chain, forge(t, "CA", other.Public(), now, now.AddDate(1, 0, 0)))
				}
				send(w, chain)
			}, ""},
			{"wrong key", sends(forge(t, "dev1", other.Public(), now, now.AddDate(1, 0, 0))), "another key"},
			{"another device", forged("dev2", now, now.AddDate(1, 0, 0)), "another device"},
			{"older certificate", sends(first), "older certificate"},
			{"present certificate", func(w http.ResponseWriter, _ *x509.CertificateRequest) { send(w, []*x509.Certificate{d.leaf(t)}) }, "already"},
			{"of next year", forged("dev1", now.AddDate(1, 0, 0), now.AddDate(2, 0, 0)), "begins at"},
			{"over", forged("dev1", now.Add(-time.Hour), now.Add(-time.Minute)), "ended at"},
			{"authority", forged("dev1", now, now.AddDate(1, 0, 0), func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true }), "of an authority"},
			{"for servers", forged("dev1", now, now.AddDate(1, 0, 0), func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }), "not for TLS clients"},
			{"of nobody", forged("dev1", now.Add(time.Minute), now.AddDate(1, 0, 0)), ""},
			{"fault", text(500, "panic: x"), "500"},
			{"nothing", text(200, ""), ""},
		}
		for _, tt := range tests {
			h.set(tt.answer)
			why := make(chan error, 1)
			go func() {
				ctx, cancel := context.WithTimeout(t.Context(), 50*time.Second)
				defer cancel()
				_, err := d.agent.Renew(ctx) // it never succeeds
				why <- err
			}()
			said := d.until("asked for "+tt.name, func(s agent.Status) bool {
				h.mu.Lock()
				defer h.mu.Unlock()
				return h.asked > 0 && s.LastError != nil && strings.Contains(s.LastError.Detail, tt.says)
			})
			time.Sleep(time.Minute)
			if err := <-why; err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%s: who asked hears %v, want %q", tt.name, err, tt.says)
			}
			if got := d.until("valid with the old one", func(s agent.Status) bool { return s.Connected }); got.Serial != current.Serial || got.Generation != current.Generation {
				t.Errorf("%s: %+v, want serial %s; said %+v", tt.name, got, current.Serial, said.LastError)
			}
			h.set(nil)
			good := d.renew()
			current = d.until("valid", valid)
			if good.Serial != current.Serial {
				t.Errorf("%s: renewed to %s, connected with %s", tt.name, good.Serial, current.Serial)
			}
		}
		if n := len(d.keys()); n != 1 {
			t.Errorf("%d keys are left", n)
		}
		if err := d.stop(); err != nil {
			t.Error(err)
		}
	})
}

// leaf reads the present certificate from the disk.
func (d *rig) leaf(t *testing.T) *x509.Certificate {
	t.Helper()
	text, err := d.disk.ReadFile(state + "/current/chain.pem")
	if err != nil {
		t.Fatal(err)
	}
	chain, err := pki.ParsePEMChain(text)
	if err != nil {
		t.Fatal(err)
	}
	return chain.Leaf()
}
