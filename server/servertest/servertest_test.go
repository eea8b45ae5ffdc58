package servertest_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"mooring/server/servertest"
)

// The server lives in simulated time: it starts, waits a year, stops, starts
// again with its data, and leaves no goroutine behind.
func TestServerLivesInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := servertest.Start(t, servertest.Options{Easy: true})
		began := time.Now()
		s.Register("dev1", "password-of-dev1")
		time.Sleep(365 * 24 * time.Hour)
		s.Stop()
		s.Start()
		var identity struct{ ExternalID string }
		s.Call(http.MethodGet, "/identity/externalIds/c8y_Serial/dev1", nil, &identity)
		if identity.ExternalID != "dev1" {
			t.Errorf("identity after a year and a restart: %+v", identity)
		}
		if passed := time.Since(began); passed < 365*24*time.Hour {
			t.Errorf("%v passed, want a year", passed)
		}
	})
}
