package mqttservice_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/mochi-mqtt/server/v2/packets"

	"mooring/server/mqttservice"
	"mooring/server/platform"
)

// TestConnect: who is let in, and with which code who is not, where the service is
// as narrow as the vendor's (mqtt.md §1.3, §1.8, §1.9).
func TestConnect(t *testing.T) {
	no := func(pk *packets.Packet) {}
	tests := []struct {
		name     string
		id, user string
		change   func(*packets.Packet)
		v3, v5   byte // code for MQTT 3.1 and 3.1.1, and for 5
		only     byte // version; 0: 4 and 5
		reason   platform.Reason
	}{
		{name: "a person", id: "x", user: "t1/admin", change: no},
		{name: "a person without roles", id: "x", user: "t1/somebody", change: no},
		{name: "a device", id: "dev1", user: "t1/device_dev1", change: no},
		{name: "a device with connection type", id: "d:dev1", user: "t1/device_dev1", change: no},
		{name: "a device under another name", id: "dev2", user: "t1/device_dev1", change: no, v3: 5, v5: 0x87, reason: platform.ReasonNameMismatch},
		{name: "MQTT 3.1", id: "x", user: "t1/admin", change: no, only: 3},
		{name: "23 characters on MQTT 3.1", id: strings.Repeat("x", 23), user: "t1/admin", change: no, only: 3},
		{name: "24 characters on MQTT 3.1", id: strings.Repeat("x", 24), user: "t1/admin", change: no, only: 3, v3: 2, reason: platform.ReasonBadClientID},
		{name: "128 bytes", id: strings.Repeat("x", 128), user: "t1/admin", change: no},
		{name: "127 bytes", id: strings.Repeat("x", 127), user: "t1/admin", change: no},
		{name: "129 bytes", id: strings.Repeat("x", 129), user: "t1/admin", change: no, v3: 2, v5: 0x85, reason: platform.ReasonBadClientID},
		{name: "no client ID", user: "t1/admin", change: no},
		{name: "no client ID on MQTT 3.1", user: "t1/admin", change: no, only: 3, v3: 2, reason: platform.ReasonBadClientID},
		{name: "no client ID and no clean session", user: "t1/admin", only: 4, change: func(pk *packets.Packet) { pk.Connect.Clean = false }, v3: 2, reason: platform.ReasonBadClientID},
		{name: "no client ID and no clean start", user: "t1/admin", only: 5, change: func(pk *packets.Packet) { pk.Connect.Clean = false }, v5: 0x83, reason: platform.ReasonProtocol},
		{name: "no clean session", id: "x", user: "t1/admin", change: func(pk *packets.Packet) { pk.Connect.Clean = false }, v3: 5, v5: 0x83, reason: platform.ReasonProtocol},
		{name: "level 6", id: "x", user: "t1/admin", change: func(pk *packets.Packet) { pk.ProtocolVersion = 6 }, v3: 1, only: 4, reason: platform.ReasonProtocol},
		{name: "another protocol", id: "x", user: "t1/admin", change: func(pk *packets.Packet) { pk.Connect.ProtocolName = []byte("HTTP") }, v3: 1, v5: 0x84, reason: platform.ReasonProtocol},
		{name: "wrong password", id: "x", user: "t1/admin", change: func(pk *packets.Packet) { pk.Connect.Password = []byte("x") }, v3: 5, v5: 0x86, reason: platform.ReasonBadCredentials},
		{name: "empty password", id: "x", user: "t1/admin", change: func(pk *packets.Packet) { pk.Connect.Password = nil }, v3: 5, v5: 0x87, reason: platform.ReasonBadCredentials},
		{name: "no credentials", id: "x", change: no, v3: 5, v5: 0x87, reason: platform.ReasonNoCertificate},
		{name: "user without tenant", id: "x", user: "admin", change: no, v3: 5, v5: 0x86, reason: platform.ReasonBadCredentials},
		{name: "bootstrap", id: "x", user: "management/devicebootstrap", change: no, v3: 5, v5: 0x87, reason: platform.ReasonBadCredentials},
		{name: "no store", id: "x", user: "t1/broken", change: no, v3: 3, v5: 0x88, reason: platform.ReasonInternal},
		{name: "will", id: "x", user: "t1/admin", change: withWill("a/b", "")},
		{name: "retained will", id: "x", user: "t1/admin", change: func(pk *packets.Packet) { withWill("a", "b")(pk); pk.Connect.WillRetain = true }, v3: 5, v5: 0x9a, reason: platform.ReasonProtocol},
		{name: "will of QoS 1", id: "x", user: "t1/admin", change: func(pk *packets.Packet) { withWill("a", "b")(pk); pk.Connect.WillQos = 1 }},
		{name: "will of QoS 2", id: "x", user: "t1/admin", change: func(pk *packets.Packet) { withWill("a", "b")(pk); pk.Connect.WillQos = 2 }, v3: 5, v5: 0x9b, reason: platform.ReasonProtocol},
		{name: "will to a Core topic", id: "x", user: "t1/admin", change: withWill("s/us", "b"), v3: 5, v5: 0x87, reason: platform.ReasonProtocol},
		{name: "will to a filter", id: "x", user: "t1/admin", change: withWill("a/#", "b"), v3: 5, v5: 0x90, reason: platform.ReasonProtocol},
	}
	for _, tt := range tests {
		versions := []byte{4, 5}
		if tt.only != 0 {
			versions = []byte{tt.only}
		}
		for _, version := range versions {
			t.Run(tt.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t, restricted)
					c, pk := r.dial(t, version), login(version, tt.id, tt.user)
					tt.change(&pk)
					b := encodeConnect(t, pk)
					if _, err := c.Write(b); err != nil {
						t.Fatal(err)
					}
					want := tt.v3
					if version == 5 {
						want = tt.v5
					}
					answer := c.want(packets.Connack)
					if answer.ReasonCode != want || answer.SessionPresent {
						t.Errorf("CONNACK %#x of version %d, want %#x", answer.ReasonCode, version, want)
					}
					if got := r.last().Reason; got != tt.reason {
						t.Errorf("recorded reason %q, want %q", got, tt.reason)
					}
					if want != 0 {
						c.wantEnd()
					} else {
						c.silent()
					}
				})
			})
		}
	}
}

// encodeConnect keeps the version of the packet.
func encodeConnect(t *testing.T, pk packets.Packet) []byte { return encode(t, pk.ProtocolVersion, pk) }

// TestCertificate: the client ID is the common name, and the user name the tenant
// or nothing.
func TestCertificate(t *testing.T) {
	tests := []struct {
		name, cn, id, user, password string
		oneWay                       bool
		beside                       string
		want                         byte
	}{
		{name: "tenant as user", cn: "dev1", id: "dev1", user: "t1"},
		{name: "no user", cn: "dev1", id: "dev1"},
		{name: "another tenant", cn: "dev1", id: "dev1", user: "t2", want: 0x87},
		{name: "tenant and user", cn: "dev1", id: "dev1", user: "t1/device_dev1", password: "right", want: 0x87},
		{name: "another client ID", cn: "dev1", id: "dev2", user: "t1", want: 0x87},
		{name: "connection type", cn: "dev1", id: "d:dev1", user: "t1", want: 0x87},
		{name: "unknown issuer", cn: "stranger", id: "stranger", user: "t1", want: 0x87},
		{name: "unknown issuer and a password", cn: "stranger", id: "stranger", user: "t1/device_stranger", password: "right", want: 0x87},
		{name: "the same where it may", cn: "stranger", id: "stranger", user: "t1/device_stranger", password: "right", beside: "true"},
		{name: "a wrong password where it may", cn: "stranger", id: "stranger", user: "t1/device_stranger", password: "wrong", beside: "true", want: 0x86},
		{name: "no certificate, no password, one-way TLS", id: "dev1", user: "t1", oneWay: true, want: 0x87},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			certificate := newCertificate(t, tt.cn)
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, func(c *mqttservice.Config, f *fakes) {
					c.OneWay = tt.oneWay
					f.options[platform.OptionPasswordBesideCertificate] = tt.beside
					f.verdicts["dev1"] = platform.Verdict{Scope: platform.Full, Tenant: "t1", Device: "dev1"}
				})
				c := r.dialTLS(t, 5)
				if tt.cn != "" {
					c = r.dialTLS(t, 5, certificate)
				}
				pk := login(5, tt.id, tt.user)
				pk.Connect.PasswordFlag, pk.Connect.Password = tt.password != "", []byte(tt.password)
				c.send(pk)
				if got := c.want(packets.Connack).ReasonCode; got != tt.want {
					t.Errorf("CONNACK %#x, want %#x", got, tt.want)
				}
				if tt.oneWay && r.last().Reason != platform.ReasonOneWay {
					t.Errorf("reason %q", r.last().Reason)
				}
			})
		})
	}
}

// TestAcceptance: MQTT 5 is told what there is not, and its assigned name.
func TestAcceptance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, restricted)
		c, pk := r.dial(t, 5), login(5, "", "t1/admin")
		pk.Properties.SessionExpiryInterval, pk.Properties.SessionExpiryIntervalFlag = 3600, true
		c.send(pk)
		p := c.want(packets.Connack).Properties
		if p.MaximumQos != 1 || !p.MaximumQosFlag || !p.RetainAvailableFlag || p.RetainAvailable != 0 || p.MaximumPacketSize != 131072 ||
			!p.SharedSubAvailableFlag || p.SharedSubAvailable != 0 || !p.SubIDAvailableFlag || p.SubIDAvailable != 0 ||
			!p.SessionExpiryIntervalFlag || p.SessionExpiryInterval != 0 || p.AssignedClientID == "" {
			t.Errorf("%+v", p)
		}
	})
}

// TestTakeover: one session a client; the old one hears why, and only the same
// user or an administrator takes over.
func TestTakeover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		first := r.connect(t, 5, "x", "t1/somebody")
		other := r.dial(t, 5)
		other.send(login(5, "x", "t1/else"))
		if got := other.want(packets.Connack).ReasonCode; got != 0x85 {
			t.Errorf("another user: CONNACK %#x, want 0x85", got)
		}
		r.connect(t, 4, "x", "t2/else") // another tenant's x is another client
		first.silent()
		second := r.connect(t, 4, "x", "t1/somebody")
		if got := first.wantEnd(); got != 0x8e {
			t.Errorf("taken over: DISCONNECT %#x, want 0x8e", got)
		}
		r.connect(t, 4, "x", "t1/admin")
		if got := second.wantEnd(); got != 0 {
			t.Errorf("DISCONNECT %#x to MQTT 3.1.1", got)
		}
		if got := r.Stats(); got.Takeovers != 2 || got.Connections != 2 {
			t.Errorf("%+v", got)
		}
	})
}

// TestClientsPerTenant: a full tenant keeps nobody else out.
func TestClientsPerTenant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *mqttservice.Config, _ *fakes) { c.Limits.ClientsPerTenant = 2 })
		r.connect(t, 4, "a", "t1/admin")
		b := r.connect(t, 4, "b", "t1/admin")
		third := r.dial(t, 5)
		third.send(login(5, "c", "t1/admin"))
		if got := third.want(packets.Connack).ReasonCode; got != 0x97 {
			t.Errorf("third client: %#x, want 0x97", got)
		}
		if got := r.raised(); len(got) != 1 || got[0] != "t1 c8y_MqttService_TenantConnectionsLimitExceeded" {
			t.Errorf("alarms %q", got)
		}
		r.connect(t, 4, "a", "t2/admin")
		b.Close()
		synctest.Wait()
		r.connect(t, 4, "c", "t1/admin")
	})
}
