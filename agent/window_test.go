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
		s := servertest.Start(t, servertest.Options{Easy: true, LookEvery: servertest.Daily})
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

// The tenant's authority gets new dates on 2 October. A device that sends its
// leaf alone has nothing to do; one whose chain names the authority gets the
// new dates into its chain. Both keep leaf and key.
func TestAuthorityIsRedated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := servertest.Start(t, servertest.Options{Easy: true, LookEvery: servertest.Daily})
		time.Sleep(time.Until(time.Date(2001, time.September, 1, 0, 0, 0, 0, time.UTC)))
		bare, chained := newRig(t, s, "bare"), newRig(t, s, "chained")
		before := map[*rig]agent.Status{}
		for _, d := range []*rig{bare, chained} {
			s.Register(d.id, "the-right-password")
			d.start()
			d.enrol("the-right-password")
			before[d] = d.until("valid", valid)
			_ = d.stop()
		}
		old := chained.addAuthority(s)
		for d := range before {
			d.start()
		}
		time.Sleep(time.Until(time.Date(2001, time.October, 25, 0, 0, 0, 0, time.UTC)))
		if redated := authority(t, s); redated.NotAfter.Equal(old.NotAfter) {
			t.Fatal("the authority has its old dates")
		}
		for d, first := range before {
			d.until("valid", valid)
			if err := d.stop(); err != nil {
				t.Fatal(err)
			}
			d.start() // a full handshake
			got := d.until("valid after a restart", valid)
			if got.Serial != first.Serial || got.Generation != first.Generation && d == bare {
				t.Errorf("%s: got %+v after %+v", d.id, got, first)
			}
			if chain := d.chain(got.Generation); d == chained && (len(chain) != 2 || !chain[1].NotAfter.After(old.NotAfter)) {
				t.Errorf("the chain's issuer ends on %v, as before", chain[len(chain)-1].NotAfter)
			}
			if keys := d.keys(); len(keys) != 1 {
				t.Errorf("%s: keys %v, want one", d.id, keys)
			}
			if got := d.renew(); got.Serial == first.Serial {
				t.Errorf("%s: no new leaf", d.id)
			}
			d.until("valid", valid)
			if err := d.stop(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// authority is the tenant's.
func authority(t testing.TB, s *servertest.Server) *x509.Certificate {
	t.Helper()
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
