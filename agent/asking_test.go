package agent_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mooring/server/servertest"
)

// How often the server is asked when to renew is for the server to say, within
// an hour and a fortnight.
func TestWhenTheServerIsAskedAgain(t *testing.T) {
	t.Parallel()
	const hour, day = time.Hour, 24 * time.Hour
	tests := []struct {
		name       string
		status     int
		retryAfter time.Duration
		want       time.Duration
	}{
		{"at once", 200, 0, hour},
		{"a second less than an hour", 200, hour - time.Second, hour},
		{"an hour", 200, hour, hour},
		{"a second more", 200, hour + time.Second, hour + time.Second},
		{"a second less than a fortnight", 200, 14*day - time.Second, 14*day - time.Second},
		{"a fortnight", 200, 14 * day, 14 * day},
		{"a minute more than a fortnight", 200, 14*day + time.Minute, 14 * day},
		{"out of order", 503, 0, 6 * hour},
		{"out of order for a day", 503, day, day},
		{"out of order for a year", 503, 365 * day, 14 * day},
		{"no such call", 404, 0, 7 * day},
		{"no such call, ask in a year", 404, 365 * day, 14 * day},
	}
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex // guards asked
		var asked []time.Time
		end := time.Now().AddDate(1, 0, 0)
		s := servertest.Start(t, servertest.Options{Easy: true, LookEvery: servertest.Daily, Intercept: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/mooring/renewal" {
					next.ServeHTTP(w, r)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				tt := tests[len(asked)%len(tests)]
				asked = append(asked, time.Now())
				w.Header().Set("Retry-After", fmt.Sprint(int(tt.retryAfter.Seconds())))
				w.WriteHeader(tt.status)
				fmt.Fprintf(w, `{"start":%q,"end":%q}`, end.Add(-time.Hour).Format(time.RFC3339), end.Format(time.RFC3339))
			})
		}})
		d := newRig(t, s, "dev1")
		s.Register(d.id, d.otp())
		d.start()
		d.enrol(d.otp())
		for range 100 {
			time.Sleep(24 * time.Hour)
		}
		if err := d.stop(); err != nil {
			t.Error(err)
		}
		if len(asked) <= len(tests) {
			t.Fatalf("asked %d times, want more than %d", len(asked), len(tests))
		}
		for i, tt := range tests {
			if got := asked[i+1].Sub(asked[i]); got < tt.want || got > tt.want+2*time.Second {
				t.Errorf("%s: asked again after %v, want %v", tt.name, got, tt.want)
			}
		}
	})
}
