package mqttservice

import "time"

// Bounds that are not settings, with their sources.
const (
	// maxPacket is the size of a whole packet, header included (vendor quotas:
	// 128 KiB; mqtt.md §1.9).
	maxPacket = 128 << 10
	// maxTopic and maxClientID are in bytes (vendor quotas; mqtt.md §1.9).
	maxTopic    = 256
	maxClientID = 128
	// mqtt31ClientID is the longest client ID of MQTT 3.1 (its §3.1).
	mqtt31ClientID = 23
	// maxQoS is what the service grants, and restrictedQoS what it does if it is as
	// narrow as the vendor's (mqtt.md §1.9).
	maxQoS        = 2
	restrictedQoS = 1
	// maxAliases is how many topic aliases a connection has, in each direction; ours.
	maxAliases = 32
)

// Limits are the settings of the front end. A zero field means its default.
type Limits struct {
	// Handshake is how long TLS and CONNECT may take together. Default 10 s.
	Handshake time.Duration
	// Handshakes is how many connections may be between accept and CONNECT, and
	// HandshakesPerAddress how many of them of one address. Defaults 512, and seven
	// eighths of it.
	Handshakes, HandshakesPerAddress int
	// Connections is how many connections may be open at once; the next are closed.
	// Default 100,000. ClientsPerTenant of them may be one tenant's. Default 20,000.
	Connections, ClientsPerTenant int
	// Rate is how many publishes a second one client may send in the long run, and
	// Burst how many at once; faster ones are delayed, for Wait at most. A tenant
	// may set others (platform.OptionPublishRate). Defaults 5,000, 10,000 and 5 s.
	Rate, Burst int
	Wait        time.Duration
	// Subscriptions is how many filters one client may have. Default 256.
	Subscriptions int
	// OutboundMessages and OutboundBytes bound what waits to be written to one
	// client: beyond, messages of QoS 0 are dropped and a client that wants QoS 1 is
	// closed. Defaults 256 and 1 MiB.
	OutboundMessages, OutboundBytes int
	// QueuedBytes bounds what waits for all clients together. Default 64 MiB.
	QueuedBytes int
	// Window is how many messages of QoS 1 and 2 may wait for a client's
	// acknowledgement, and how many of a client for ours; a client of MQTT 5 may ask
	// for fewer. Default 64.
	Window int
	// SessionExpiry is how long a session waits for its client at most. Default 7
	// days. SessionsPerTenant may do so; the next end with their connections. Default
	// 10,000.
	SessionExpiry     time.Duration
	SessionsPerTenant int
	// SessionMessages and SessionBytes bound what waits in the store for one session:
	// beyond, it gets nothing new, and its tenant an alarm. Defaults 1,000 and 4 MiB.
	SessionMessages, SessionBytes int
	// RetainedMessages and RetainedBytes bound what a tenant retains: beyond, a
	// publish that is to be retained is refused. Defaults 10,000 and 16 MiB.
	RetainedMessages, RetainedBytes int
	// Write is how long one write to a connection may take. Default 10 s.
	Write time.Duration
}

func (l Limits) withDefaults() Limits {
	orDuration(&l.Handshake, 10*time.Second)
	orInt(&l.Handshakes, 512)
	orInt(&l.HandshakesPerAddress, max(l.Handshakes*7/8, 1))
	orInt(&l.Connections, 100_000)
	orInt(&l.ClientsPerTenant, 20_000)
	orInt(&l.Rate, 5000)
	orInt(&l.Burst, 2*l.Rate)
	orDuration(&l.Wait, 5*time.Second)
	orInt(&l.Subscriptions, 256)
	orInt(&l.OutboundMessages, 256)
	orInt(&l.OutboundBytes, 1<<20)
	orInt(&l.QueuedBytes, 64<<20)
	orInt(&l.Window, 64)
	orDuration(&l.SessionExpiry, 7*24*time.Hour)
	orInt(&l.SessionsPerTenant, 10_000)
	orInt(&l.SessionMessages, 1000)
	orInt(&l.SessionBytes, 4<<20)
	orInt(&l.RetainedMessages, 10_000)
	orInt(&l.RetainedBytes, 16<<20)
	orDuration(&l.Write, 10*time.Second)
	return l
}

func orInt(v *int, byDefault int) {
	if *v <= 0 {
		*v = byDefault
	}
}

func orDuration(v *time.Duration, byDefault time.Duration) {
	if *v <= 0 {
		*v = byDefault
	}
}
