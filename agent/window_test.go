package agent_test

import (
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"mooring/agent"
	"mooring/server/servertest"
)

// The agent asks when to renew, keeps to the answer, and remembers it without
// the server.
func TestServersWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := servertest.Start(t, servertest.Options{Easy: true})
		for _, id := range []string{"dev3", "dev2", "dev1"} {
			d := newRig(t, s, id)
			s.Register(id, "the-right-password")
			d.start()
			d.enrol("the-right-password")
			own := *d.until("valid", valid).RenewAt
			time.Sleep(2 * time.Hour)
			got := d.until("valid", valid)
			life := 365 * 24 * time.Hour
			if got.RenewAt.Equal(own) || got.RenewAt.Before(got.NotAfter.Add(-life/3-time.Hour)) || got.RenewAt.After(got.NotAfter.Add(-life/6)) {
				t.Errorf("%s: renewal at %v, its own point was %v; want a point in the server's window, a third to a sixth before %v", id, got.RenewAt, own, got.NotAfter)
			}
			if err := d.stop(); err != nil {
				t.Fatal(err)
			}
			s.Network.SetDown(true)
			d.start()
			time.Sleep(time.Minute)
			if again := d.status(); again.RenewAt == nil || !again.RenewAt.Equal(*got.RenewAt) {
				t.Errorf("%s: after a restart without network renewal at %v, want %v", id, again.RenewAt, got.RenewAt)
			}
			s.Network.SetDown(false)
			d.until("valid", valid)
			if id != "dev1" {
				if err := d.stop(); err != nil {
					t.Fatal(err)
				}
				continue
			}
			time.Sleep(time.Until(got.RenewAt.Add(-time.Minute)))
			if now := d.until("valid", valid); now.Serial != got.Serial {
				t.Errorf("%s: renewed before the server's time", id)
			}
			time.Sleep(2 * time.Minute)
			if now := d.until("renewed", func(s agent.Status) bool { return valid(s) && s.Serial != got.Serial }); now.Generation != got.Generation+1 {
				t.Errorf("%s: generation %d after %d", id, now.Generation, got.Generation)
			}
			if err := d.stop(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// The tenant's authority gets new dates on 2 October: the device keeps its
// leaf and connects with it, without having to do anything. It sends the leaf
// alone, so that there is nothing above it to refresh.
func TestAuthorityIsRedated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := servertest.Start(t, servertest.Options{Easy: true})
		authority := func() *x509.Certificate {
			var got struct{ CertInPemFormat string }
			s.Call(http.MethodGet, "/certificate-authority", nil, &got)
			der, err := base64.StdEncoding.DecodeString(got.CertInPemFormat)
			if err != nil {
				t.Fatal(err)
			}
			c, err := x509.ParseCertificate(der)
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		time.Sleep(time.Until(time.Date(2001, time.September, 1, 0, 0, 0, 0, time.UTC)))
		d := newRig(t, s, "dev1")
		s.Register("dev1", "the-right-password")
		d.start()
		d.enrol("the-right-password")
		before, old := d.until("valid", valid), authority()
		time.Sleep(time.Until(time.Date(2001, time.October, 3, 0, 0, 0, 0, time.UTC)))
		redated := authority()
		if redated.NotAfter.Equal(old.NotAfter) {
			t.Fatal("the authority has its old dates")
		}
		if got := d.until("valid", valid); got.Serial != before.Serial {
			t.Error("the leaf was replaced")
		}
		if err := d.stop(); err != nil {
			t.Fatal(err)
		}
		d.start() // a full handshake
		if got := d.until("valid after a restart", valid); got.Serial != before.Serial {
			t.Error("the leaf was replaced")
		}
		if got := d.renew(); got.Serial == before.Serial {
			t.Error("no new leaf")
		}
		d.until("valid", valid)
		if err := d.stop(); err != nil {
			t.Fatal(err)
		}
	})
}
