package agent

import (
	"crypto/x509"
	"testing"
	"testing/synctest"
	"time"

	"mooring/agent/config"
)

// A certificate may begin a day in the future, and no later.
func TestAheadIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := New(Options{Config: config.Default()})
		for _, tt := range []struct {
			ahead time.Duration
			want  bool
		}{{maxAhead - time.Second, true}, {maxAhead, true}, {maxAhead + time.Second, false}} {
			leaf := &x509.Certificate{Raw: []byte{1}, NotBefore: time.Now().Add(tt.ahead), NotAfter: time.Now().AddDate(1, 0, 0)}
			if err := a.acceptable(leaf); (err == nil) != tt.want {
				t.Errorf("%v ahead: %v", tt.ahead, err)
			}
		}
	})
}
