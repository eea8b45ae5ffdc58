package uplink_test

import (
	"crypto"
	"crypto/tls"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mooring/agent/uplink"
)

type brokenKey struct {
	crypto.Signer
	err error
}

// Sign implements crypto.Signer.
func (b brokenKey) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return nil, b.err }

// TestKeyFault: a key that does not sign is not said to be the network's doing.
func TestKeyFault(t *testing.T) {
	away := errors.New("no token is there")
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBroker(t)
				b.tls.MaxVersion = version
				l := b.link(t, nil)
				c := credential(t, 1)
				c.Certificate.PrivateKey = brokenKey{c.Certificate.PrivateKey.(crypto.Signer), away}
				l.Use(c)
				time.Sleep(time.Minute)
				l.mu.Lock()
				e := l.events[0]
				l.mu.Unlock()
				if e.Kind != uplink.Failed || e.Reason != "key store" || !strings.Contains(e.Detail, "no token is there") || !uplink.IsKeyFault(e.Err) || !errors.Is(e.Err, away) {
					t.Errorf("got %+v", e)
				}
				l.stop()
			})
		})
	}
}
