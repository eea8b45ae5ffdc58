package mqttapi_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mooring/server/mqttapi"
	"mooring/server/platform"
)

// TestConnackCodes: every way to be refused, with the code of mqtt.md §1.8 and in
// the form of MQTT 3.1.1. Rows named "trap n" are those of §10.
func TestConnackCodes(t *testing.T) {
	tests := []struct {
		name       string
		options    options
		want       byte
		wantReason platform.Reason
	}{
		{name: "password", options: dev("dev1"), want: 0},
		{name: "connection type", options: options{id: "d:dev1", user: "t1000/device_dev1", password: "right"}, want: 0},
		{name: "default template", options: options{id: "d:dev1:tpl", user: "t1000/device_dev1", password: "right"}, want: 0},
		{name: "a person", options: options{id: "dev1", user: "t1000/admin", password: "right"}, want: 0},
		{name: "clean session 0", options: options{id: "dev1", user: "t1000/device_dev1", password: "right", dirty: true}, want: 0},
		{name: "MQTT 3.1", options: options{id: "dev1", user: "t1000/device_dev1", password: "right", protocol: 3, name: "MQIsdp"}, want: 0},
		{name: "trap 1: wrong password", options: options{id: "dev1", user: "t1000/device_dev1", password: "wrong"}, want: 4, wantReason: platform.ReasonBadCredentials},
		{name: "trap 1: on MQTT 3.1", options: options{id: "dev1", user: "t1000/device_dev1", password: "wrong", protocol: 3, name: "MQIsdp"}, want: 4, wantReason: platform.ReasonBadCredentials},
		{name: "unknown tenant", options: options{id: "dev1", user: "t9/device_dev1", password: "right"}, want: 4, wantReason: platform.ReasonBadCredentials},
		{name: "user without slash", options: options{id: "dev1", user: "device_dev1", password: "right"}, want: 4, wantReason: platform.ReasonBadCredentials},
		{name: "trap 2: empty password", options: options{id: "dev1", user: "t1000/device_dev1"}, want: 5, wantReason: platform.ReasonBadCredentials},
		{name: "no password", options: options{id: "dev1", user: "t1000/device_dev1", noPassword: true}, want: 5, wantReason: platform.ReasonBadCredentials},
		{name: "no credentials", options: options{id: "dev1", noUser: true, noPassword: true}, want: 5, wantReason: platform.ReasonNoCertificate},
		{name: "disabled user", options: options{id: "dev1", user: "t1000/disabled", password: "right"}, want: 5, wantReason: platform.ReasonUserDisabled},
		{name: "another device's user", options: options{id: "dev1", user: "t1000/device_dev2", password: "right"}, want: 5, wantReason: platform.ReasonNameMismatch},
		{name: "a person without the right", options: options{id: "dev1", user: "t1000/reader", password: "right"}, want: 5, wantReason: platform.ReasonNameMismatch},
		{name: "trap 3: MQTT 5", options: options{id: "dev1", user: "t1000/device_dev1", password: "right", protocol: 5}, want: 1, wantReason: platform.ReasonProtocol},
		{name: "level 6", options: options{id: "dev1", user: "t1000/device_dev1", password: "right", protocol: 6}, want: 1, wantReason: platform.ReasonProtocol},
		{name: "level 3 with the new name", options: options{id: "dev1", user: "t1000/device_dev1", password: "right", protocol: 3}, want: 1, wantReason: platform.ReasonProtocol},
		{name: "level 4 with the old name", options: options{id: "dev1", user: "t1000/device_dev1", password: "right", name: "MQIsdp"}, want: 1, wantReason: platform.ReasonProtocol},
		{name: "empty client ID", options: options{user: "t1000/device_dev1", password: "right"}, want: 2, wantReason: platform.ReasonBadClientID},
		{name: "empty client ID, clean session 0", options: options{user: "t1000/device_dev1", password: "right", dirty: true}, want: 2, wantReason: platform.ReasonBadClientID},
		{name: "two parts without d", options: options{id: "1234:tpl", user: "t1000/device_1234", password: "right"}, want: 2, wantReason: platform.ReasonBadClientID},
		{name: "23 characters on MQTT 3.1", options: options{id: strings.Repeat("x", 23), user: "t1000/device_" + strings.Repeat("x", 23), password: "right", protocol: 3, name: "MQIsdp"}, want: 0},
		{name: "24 characters on MQTT 3.1", options: options{id: strings.Repeat("x", 24), user: "t1000/device_" + strings.Repeat("x", 24), password: "right", protocol: 3, name: "MQIsdp"}, want: 5, wantReason: platform.ReasonBadClientID},
		{name: "24 characters on MQTT 3.1.1", options: dev(strings.Repeat("x", 24)), want: 0},
		{name: "trap 20: empty will", options: options{id: "dev1", user: "t1000/device_dev1", password: "right", will: &will{topic: "s/us"}}, want: 0},
		{name: "trap 9: retained will", options: options{id: "dev1", user: "t1000/device_dev1", password: "right", will: &will{topic: "s/us", payload: "125", retain: true, qos: 2}}, want: 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, mqttapi.Limits{})
				c := r.dial(t)
				if tt.options.protocol == 5 {
					c.sendMQTT5(tt.options)
				} else {
					c.send(tt.options.packet())
				}
				var got [4]byte
				if _, err := io.ReadFull(c, got[:]); err != nil {
					t.Fatal(err)
				}
				if want := []byte{0x20, 2, 0, tt.want}; !bytes.Equal(got[:], want) {
					t.Fatalf("got % x, want % x", got, want)
				}
				if reason := r.refusals.last().Reason; reason != tt.wantReason {
					t.Errorf("recorded reason %q, want %q", reason, tt.wantReason)
				}
				if tt.want != 0 {
					c.wantClosed()
				}
			})
		})
	}
}

// sendMQTT5 writes a CONNECT of level 5 with its empty properties.
func (c *client) sendMQTT5(o options) {
	var b bytes.Buffer
	_ = o.packet().Write(&b)
	p := b.Bytes()
	p[1]++ // remaining length
	p = bytes.Join([][]byte{p[:12], {0}, p[12:]}, nil)
	if _, err := c.Write(p); err != nil {
		c.Fatal(err)
	}
}

func TestConnectCannotDecide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, mqttapi.Limits{})
		r.auth.err = errors.New("disk on fire")
		if code := r.dial(t).connect(dev("dev1")); code != 3 {
			t.Errorf("CONNACK %d, want 3", code)
		}
	})
}

// TestCertificates: a certificate that was sent decides alone (mqtt.md §1.2).
func TestCertificates(t *testing.T) {
	tests := []struct {
		name       string
		cn         string // empty: no certificate
		verdict    *platform.Verdict
		admit      platform.Reason
		options    options
		want       byte
		wantReason platform.Reason
	}{
		{name: "trusted", cn: "dev1", options: options{id: "dev1", noUser: true, noPassword: true}},
		{name: "structured client ID", cn: "dev1", options: options{id: "d:dev1:tpl", noUser: true, noPassword: true}},
		{name: "password is not looked at", cn: "dev1", options: options{id: "dev1", user: "t1000/device_dev1", password: "wrong"}},
		{name: "none, but a password", options: dev("dev1")},
		{name: "none, and no password", options: options{id: "dev1", noUser: true, noPassword: true}, want: 5, wantReason: platform.ReasonNoCertificate},
		{name: "trap 14: unknown issuer", cn: "dev1", verdict: &platform.Verdict{Reason: platform.ReasonUnknownIssuer, Device: "dev1"},
			options: options{id: "dev1", noUser: true, noPassword: true}, want: 5, wantReason: platform.ReasonUnknownIssuer},
		{name: "bad certificate wins over good password", cn: "dev1", verdict: &platform.Verdict{Reason: platform.ReasonExpired, Device: "dev1"},
			options: dev("dev1"), want: 5, wantReason: platform.ReasonExpired},
		{name: "expired, in its grace window", cn: "dev1", verdict: &platform.Verdict{Scope: platform.ReEnrolOnly, Reason: platform.ReasonExpired, Tenant: tenant, Device: "dev1"},
			options: options{id: "dev1", noUser: true, noPassword: true}, want: 5, wantReason: platform.ReasonExpired},
		{name: "a verdict that says nothing", cn: "dev1", verdict: &platform.Verdict{}, options: options{id: "dev1", noUser: true, noPassword: true}, want: 5, wantReason: platform.ReasonInternal},
		{name: "client ID of another", cn: "dev1", options: options{id: "dev2", noUser: true, noPassword: true}, want: 5, wantReason: platform.ReasonNameMismatch},
		{name: "device user refused", cn: "dev1", admit: platform.ReasonNotRegistered, options: options{id: "dev1", noUser: true, noPassword: true}, want: 5, wantReason: platform.ReasonNotRegistered},
		{name: "never code 4", cn: "dev1", admit: platform.ReasonBadCredentials, options: options{id: "dev1", noUser: true, noPassword: true}, want: 5, wantReason: platform.ReasonBadCredentials},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, mqttapi.Limits{})
				r.trust("dev1")
				if tt.verdict != nil {
					r.auth.verdicts["dev1"] = *tt.verdict
				}
				r.auth.admit = tt.admit
				var certificates []tls.Certificate
				if tt.cn != "" {
					certificates = append(certificates, newCertificate(t, tt.cn))
				}
				c := r.dialTLS(t, certificates...)
				defer c.Close()
				if code := c.connect(tt.options); code != tt.want {
					t.Errorf("CONNACK %d, want %d", code, tt.want)
				}
				got := r.refusals.last()
				if got.Reason != tt.wantReason {
					t.Errorf("recorded reason %q, want %q", got.Reason, tt.wantReason)
				}
				if tt.wantReason != "" && (got.Door != "mqtts" || got.Address != "192.0.2.1" || got.Tenant == "" || got.CN == "") {
					t.Errorf("recorded %+v", got)
				}
			})
		})
	}
}

// TestHandshakeDeadline: TLS and CONNECT have ten seconds together, however slowly
// the bytes come.
func TestHandshakeDeadline(t *testing.T) {
	for name, feed := range map[string][]byte{"silence": nil, "slow CONNECT": {0x10, 0x20, 0, 4, 'M', 'Q', 'T', 'T', 4}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, mqttapi.Limits{})
				c, start := r.dial(t), time.Now()
				for _, b := range feed {
					if _, err := c.Write([]byte{b}); err != nil {
						t.Fatal(err)
					}
					time.Sleep(time.Second)
				}
				c.wantClosed()
				if got := time.Since(start); got != 10*time.Second {
					t.Errorf("closed after %v, want 10s", got)
				}
			})
		})
	}
}

// TestGate: one address cannot take all places before CONNECT.
func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, mqttapi.Limits{Handshakes: 8, HandshakesPerAddress: 2})
		a, b := r.dial(t), r.dial(t)
		r.dial(t).wantClosed()
		if got := r.Stats().TurnedAway; got != 1 {
			t.Errorf("turned away %d, want 1", got)
		}
		if code := a.connect(dev("a")); code != 0 {
			t.Fatalf("CONNACK %d", code)
		}
		if code := r.dial(t).connect(dev("c")); code != 0 {
			t.Errorf("CONNACK %d after a place became free", code)
		}
		b.Close()
	})
}

// TestKeepAlive: one and a half times what the client says, also where mochi's
// 16 bits overflow (43,691 s), and not at all for 0.
func TestKeepAlive(t *testing.T) {
	tests := []struct {
		keepAlive uint16
		want      time.Duration
	}{
		{1, 1500 * time.Millisecond}, {5, 7500 * time.Millisecond}, {60, 90 * time.Second},
		{43690, 65535 * time.Second}, {43691, 65536500 * time.Millisecond}, {65535, 98302500 * time.Millisecond},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, mqttapi.Limits{})
			o := dev("dev1")
			o.keepAlive = tt.keepAlive
			c, start := r.connect(t, o), time.Now()
			c.wantClosed()
			if got := time.Since(start); got != tt.want {
				t.Errorf("keep-alive %d: closed after %v, want %v", tt.keepAlive, got, tt.want)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, mqttapi.Limits{})
		c := r.connect(t, dev("dev1"))
		time.Sleep(365 * 24 * time.Hour)
		c.sync()
	})
}
