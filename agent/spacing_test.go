package agent_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mooring/agent"
	"mooring/agent/config"
	"mooring/server/servertest"
)

// A server that gives certificates and then does not know them is not asked for
// more than one an hour, and the old one goes on connecting.
func TestSpacingOfIssuances(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex // guards issued
		var issued []time.Time
		s := servertest.Start(t, servertest.Options{Easy: true, Intercept: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				defer mu.Unlock()
				switch {
				case r.URL.Path == "/.well-known/est/simplereenroll":
					issued = append(issued, time.Now())
				case r.URL.Path == "/mooring/renewal":
					http.NotFound(w, r) // or it would be asked for much later
					return
				case r.URL.Path == "/mooring/whoami" && len(issued) > 0:
					fmt.Fprintf(w, `{"device":"dev1","fingerprint_sha256":"%064x"}`, 1)
					return
				}
				next.ServeHTTP(w, r)
			})
		}})
		d := newRig(t, s, "dev1")
		d.edit = func(c *config.Config) { c.Renewal.Left = 0.95 }
		s.Register(d.id, d.otp())
		d.start()
		d.enrol(d.otp())
		first := d.until("valid", valid)
		time.Sleep(time.Until(*first.RenewAt) + 12*time.Hour)
		d.until("connected by the first certificate", func(s agent.Status) bool { return s.Connected && s.Serial == first.Serial })
		if err := d.stop(); err != nil {
			t.Error(err)
		}
		if len(issued) < 4 {
			t.Fatalf("%d certificates asked for in half a day", len(issued))
		}
		for i, at := range issued[1:] {
			if apart := at.Sub(issued[i]); apart < time.Hour {
				t.Errorf("certificates asked for %v apart, want an hour at least", apart)
			}
		}
	})
}
