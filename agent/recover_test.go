package agent_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"mooring/agent"
	"mooring/agent/config"
	"mooring/agent/identity"
	"mooring/hsm/filekey"
	"mooring/internal/durable"
	"mooring/internal/pki"
	"mooring/internal/secret"
	"mooring/server/servertest"
)

func grace(s *servertest.Server, days string) {
	s.Call(http.MethodPut, "/tenant/options/certificate-authority/re-enrolment.grace.days", map[string]string{"value": days}, nil)
}

func onRung(rung string) func(agent.Status) bool {
	return func(s agent.Status) bool { return s.State == "recovering" && s.Rung == rung }
}

// TestRecovery leaves devices switched off until their certificates have
// expired, and lets each come back by another way.
func TestRecovery(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := servertest.Start(t, servertest.Options{Seed: 3, LookEvery: servertest.Daily}) // answers get lost
		f := newFactory(t)
		f.trust(s)
		devices := []struct {
			id     string
			grace  string // the server's, in days
			edit   func(*config.Config)
			before func(d *rig)
			rung   string
		}{
			{"within-grace", "30", func(*config.Config) {}, func(*rig) {}, "expired-certificate"},
			{"grace-forbidden", "30", func(c *config.Config) { c.Recovery.Expired = false }, func(*rig) {}, "new-otp"},
			{"beyond-grace", "0", func(*config.Config) {}, func(*rig) {}, "new-otp"},
			{"stored-otp", "0", func(*config.Config) {}, storeOTP, "stored-otp"},
			{"stored-otp-forbidden", "0", func(c *config.Config) { c.Recovery.StoredOTP = false }, storeOTP, "new-otp"},
			{"stored-otp-spent", "0", func(*config.Config) {}, func(d *rig) { d.keepOTP("of-another-time") }, "new-otp"},
			{"factory", "0", withFactory, f.equip, "bootstrap-certificate"},
			{"factory-key-gone", "0", withFactory, func(*rig) {}, "new-otp"},
		}
		rigs, first := map[string]*rig{}, map[string]agent.Status{}
		for _, dev := range devices {
			d := newRig(t, s, dev.id)
			s.Register(dev.id, "the-right-password")
			d.start()
			d.enrol("the-right-password")
			first[dev.id] = d.until("valid", valid)
			_ = d.stop()
			rigs[dev.id] = d
		}
		time.Sleep(366 * 24 * time.Hour)
		for i, dev := range devices {
			grace(s, dev.grace)
			d, old := rigs[dev.id], first[dev.id]
			d.edit = dev.edit
			dev.before(d)
			s.Network.SetDown(dev.rung == "expired-certificate") // else nobody sees the rung
			d.start()
			got := d.until("on rung "+dev.rung, onRung(dev.rung))
			s.Network.SetDown(false)
			if (got.Hint != "") != (dev.rung == "new-otp") {
				t.Errorf("%s: hint %q", dev.id, got.Hint)
			}
			if dev.rung == "new-otp" {
				time.Sleep(24 * time.Hour)
				if got := d.status(); got.Serial != old.Serial || got.Connected {
					t.Errorf("%s: came back by itself: %+v", dev.id, got)
				}
				s.Register(dev.id, "another-password")
				d.enrol("another-password")
			}
			if got = d.until("valid", valid); got.Serial == old.Serial || got.Rung != "certificate" || got.Hint != "" {
				t.Errorf("%s: got %+v after %+v", dev.id, got, old)
			}
			if keys := d.keys(); len(keys) != 1 {
				t.Errorf("%s: keys %v, want one", dev.id, keys)
			}
			time.Sleep(time.Minute)
			if n := s.Count("/event/events?type=mooring_Recovered&pageSize=1&withTotalElements=true"); n != i+1 {
				t.Errorf("%s: %d events about recoveries, want %d", dev.id, n, i+1)
			}
			c := d.config()
			if _, err := d.disk.Lstat(c.SecondOTPPath()); dev.id == "stored-otp" && err == nil {
				t.Errorf("%s: the spent password is still there", dev.id)
			}
			_ = d.stop()
		}
	})
}

// keepOTP puts a one-time password on the device.
func (d *rig) keepOTP(otp string) {
	d.t.Helper()
	c := d.config()
	if err := c.SaveSecondOTP(d.disk, secret.New(otp)); err != nil {
		d.t.Fatal(err)
	}
}

// storeOTP does so with one that the server knows.
func storeOTP(d *rig) {
	d.keepOTP("the-second-password")
	d.server.Register(d.id, "the-second-password")
}

// factory is a maker of devices with its own authority.
type factory struct {
	t    *testing.T
	cert *x509.Certificate
	key  crypto.Signer
}

func newFactory(t *testing.T) *factory {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Factory"}, IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now(), NotAfter: time.Now().AddDate(30, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &factory{t: t, cert: cert, key: k}
}

// trust uploads the authority, whose devices are registered by their first
// connection.
func (f *factory) trust(s *servertest.Server) {
	f.t.Helper()
	s.Call(http.MethodPost, "/tenant/tenants/"+servertest.Tenant+"/trusted-certificates", map[string]any{
		"name": "Factory", "status": "ENABLED", "autoRegistrationEnabled": true,
		"certInPemFormat": base64.StdEncoding.EncodeToString(f.cert.Raw)}, nil)
}

// issue signs a certificate of 20 years.
func (f *factory) issue(id string, public crypto.PublicKey) pki.Chain {
	f.t.Helper()
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: id},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		NotBefore: time.Now(), NotAfter: time.Now().AddDate(20, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, f.cert, public, f.key)
	if err != nil {
		f.t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		f.t.Fatal(err)
	}
	return pki.Chain{leaf, f.cert}
}

// equip puts a certificate of the factory with its key on a disk.
func (f *factory) equip(d *rig) {
	f.t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		f.t.Fatal(err)
	}
	for path, text := range map[string][]byte{
		state + "/factory.pem": pki.EncodePEM(f.issue(d.id, k.Public())...),
		state + "/factory.key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
	} {
		if err := durable.WriteFile(d.disk, path, text, 0o600); err != nil {
			f.t.Fatal(err)
		}
	}
}

func withFactory(c *config.Config) {
	c.Recovery.BootstrapCertificate, c.Recovery.BootstrapKey = state+"/factory.pem", state+"/factory.key"
}

// A device that has never been enrolled begins with it, too.
func TestBootstrapOfANewDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := servertest.Start(t, servertest.Options{Easy: true})
		f := newFactory(t)
		d := newRig(t, s, "dev1")
		f.equip(d)
		d.edit = withFactory
		d.start()
		d.until("refused: nobody trusts the factory", func(s agent.Status) bool { return s.LastError != nil && s.Rung == "new-otp" })
		f.trust(s)
		if got := d.until("valid", valid); got.Generation == 0 {
			t.Errorf("got %+v", got)
		}
		_ = d.stop()
	})
}

// adopt makes a chain of the factory the identity of a device.
func (d *rig) adopt(chain func(crypto.PublicKey) pki.Chain) {
	d.t.Helper()
	keys, err := filekey.Open(d.disk, state+"/keys")
	if err != nil {
		d.t.Fatal(err)
	}
	id, err := identity.Open(d.disk, state, keys)
	if err != nil {
		d.t.Fatal(err)
	}
	next, err := id.Prepare(d.t.Context(), 1, 1, time.Now())
	if err != nil {
		d.t.Fatal(err)
	}
	err = id.Adopt(d.t.Context(), 1, next.KeyRef, chain(next.Signer.Public()), time.Now())
	if err := errors.Join(err, id.Commit(d.t.Context(), 1)); err != nil {
		d.t.Fatal(err)
	}
}

// A device that brought its certificate with it connects, and renews it by the
// tenant's authority; its own key stays.
func TestPreProvisioned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := servertest.Start(t, servertest.Options{Easy: true})
		f := newFactory(t)
		f.trust(s)
		d := newRig(t, s, "dev1")
		d.adopt(func(public crypto.PublicKey) pki.Chain { return f.issue("dev1", public) })
		d.start()
		first := d.until("valid", valid)
		if first.Issuer != "CN=Factory" {
			t.Errorf("issuer %q", first.Issuer)
		}
		if second := d.renew(); second.Issuer == first.Issuer {
			t.Errorf("got %+v", second)
		}
		if keys := d.keys(); len(keys) != 2 {
			t.Errorf("keys %v, want that of the factory and the new one", keys)
		}
		_ = d.stop()
	})
}

func (d *rig) chain(generation uint32) pki.Chain {
	d.t.Helper()
	keys, err := d.openKeys(d.disk)
	if err != nil {
		d.t.Fatal(err)
	}
	ids, err := identity.Open(d.disk, state, keys)
	if err != nil {
		d.t.Fatal(err)
	}
	id, err := ids.Load(d.t.Context(), generation)
	if err != nil {
		d.t.Fatal(err)
	}
	return id.Chain
}

// addAuthority puts the tenant's authority behind the leaf on disk.
func (d *rig) addAuthority(s *servertest.Server) *x509.Certificate {
	d.t.Helper()
	ca := authority(d.t, s)
	keys, err := d.openKeys(d.disk)
	if err != nil {
		d.t.Fatal(err)
	}
	ids, err := identity.Open(d.disk, state, keys)
	if err != nil {
		d.t.Fatal(err)
	}
	if err := ids.SaveChain(context.Background(), 1, append(d.chain(1), ca)); err != nil {
		d.t.Fatal(err)
	}
	return ca
}
