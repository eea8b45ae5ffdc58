package uplink_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"mooring/agent/spool"
	"mooring/agent/uplink"
)

// A candidate whose first question was in vain is confirmed by a later
// connection all the same: by a full handshake, which shows the certificate.
func TestNothingResumesUnconfirmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t) // tells nothing but by token
		l := b.link(t, nil)
		c := credential(t, 1)
		c.Confirm = true
		l.Use(c)
		time.Sleep(10 * time.Minute)
		if got := l.kinds(); len(got) < 2 || slices.Contains(got, uplink.Up) {
			t.Fatalf("without a token: got %v, want failures", got)
		}
		b.set(func() { b.token = func() string { return token(1) } })
		time.Sleep(10 * time.Minute)
		if e := l.last(); e.Kind != uplink.Up || e.Fingerprint != c.Fingerprint {
			t.Fatalf("with a token: got %+v", e)
		}
		if r := get(b, func() []bool { return slices.Clone(b.resumed) }); slices.Contains(r, true) {
			t.Errorf("resumed: got %v, want full handshakes", r)
		}
		for range 2 {
			b.kick()
			time.Sleep(time.Minute)
		}
		if r := get(b, func() []bool { return b.resumed }); !r[len(r)-1] {
			t.Errorf("resumed: got %v, want it once the certificate is confirmed", r)
		}
		l.stop()
	})
}

// A token goes with the certificate that it was given for.
func TestTokenOfEachCertificate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		given := 0
		b.token = func() string { given++; return token(given) }
		l := b.link(t, nil)
		for generation, want := range []string{"1", "2"} {
			l.Use(credential(t, uint32(generation+1)))
			time.Sleep(time.Second)
			for range 2 {
				if _, claims, err := l.Token(t.Context()); err != nil || claims.ID != want {
					t.Errorf("certificate %d: got token %q, %v; want %q", generation+1, claims.ID, err, want)
				}
			}
		}
		l.stop()
	})
}

// A message is not to blame for connections that this side ended.
func TestReplacedCertificatesDropNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		b.ackPublish = false
		l := b.link(t, nil)
		if _, err := l.spool.Put(spool.Message{Topic: "s/us", Payload: []byte("200,a,b,1"), QoS: 1}); err != nil {
			t.Fatal(err)
		}
		for generation := range uint32(12) { // two more than a message may end
			l.Use(credential(t, generation+1))
			time.Sleep(10 * time.Second)
		}
		b.set(func() { b.ackPublish = true })
		l.Use(credential(t, 13))
		time.Sleep(10 * time.Second)
		if s := l.spool.Stats(); s.Messages != 0 || s.Dropped != (spool.Dropped{}) {
			t.Errorf("got %+v, want the message acknowledged", s)
		}
		if n := len(get(b, func() []time.Time { return b.connects })); n != 13 {
			t.Errorf("%d connections, want 13", n)
		}
		l.stop()
	})
}
