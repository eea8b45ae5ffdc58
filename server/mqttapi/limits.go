package mqttapi

import "time"

// Bounds that are not settings.
const (
	// maxPacket is the documented size of a whole PUBLISH packet, header included
	// (vendor quotas; mqtt.md §1.9).
	maxPacket = 16184
	// maxSubscriptions bounds the filters of one session; ours. thin-edge.io has
	// seven and two for each template collection.
	maxSubscriptions = 128
	// maxFilters bounds the filters of one SUBSCRIBE; ours, as many as a session holds.
	maxFilters = maxSubscriptions
	// maxUnproven bounds the operations of one session that were sent with QoS 0
	// since the client sent something, and maxSent those it is remembered of that
	// they were sent; ours. Beyond them an operation may be sent twice.
	maxUnproven, maxSent = 1000, 4000
	// maxOrdered bounds how many new operations of a session are looked at one by
	// one; beyond, all that are pending are looked through. Ours.
	maxOrdered = 256
	// maxErrorLines is how many bad lines of one publish are reported on s/e; ours.
	// They are for a developer's eye.
	maxErrorLines = 16
	// maxAncestors bounds how far up the hierarchy a device's claim to an object it
	// does not own is looked for; ours.
	maxAncestors = 8
	// mqtt31ClientID is the longest client ID of MQTT 3.1; the platform answers
	// longer ones with code 5 there (mqtt.md §1.3).
	mqtt31ClientID = 23
)

// Limits are the settings of the front end. A zero field means its default.
type Limits struct {
	// Handshake is how long TLS and CONNECT may take together. Default 10 s (design §3b).
	Handshake time.Duration
	// Connections is how many connections may be open at once; the next are closed.
	// Default 100,000.
	Connections int
	// Handshakes is how many connections may be between accept and CONNECT.
	// Default 512.
	Handshakes int
	// HandshakesPerAddress is how many of them one address may have; the next are
	// closed. Default seven eighths of Handshakes: a whole fleet may sit behind one
	// address, but a stranger cannot take all places.
	HandshakesPerAddress int
	// Window is how many publishes of one connection may be on their way to the
	// store. Default 64 (design §3b).
	Window int
	// WindowWait is how long a connection may stand still because its window, its
	// rate or InflightBytes is used up, before it is closed. Default 5 s (design §3b).
	WindowWait time.Duration
	// InflightBytes bounds the payloads on their way to the store, of all
	// connections together. Default 64 MiB.
	InflightBytes int
	// Rate is how many publishes a second one device may send in the long run, and
	// Burst how many at once; faster ones are delayed. A tenant may set others
	// (platform.OptionPublishRate). Defaults 5,000 and 10,000.
	Rate, Burst int
	// OutboundMessages and OutboundBytes bound what waits to be written to one
	// connection; beyond, it is closed. Defaults 64 and 64 KiB (design decision 13).
	OutboundMessages, OutboundBytes int
	// Write is how long one write to a connection may take. Default 10 s.
	Write time.Duration
	// Service is how long one call to a service may take. Default 5 s.
	Service time.Duration
	// Finish is how long a session that ended may take to carry out what it had
	// received, and its will. A new session of the device waits for it. Default 5 s.
	Finish time.Duration
}

func (l Limits) withDefaults() Limits {
	orDuration(&l.Handshake, 10*time.Second)
	orInt(&l.Connections, 100_000)
	orInt(&l.Handshakes, 512)
	orInt(&l.HandshakesPerAddress, max(l.Handshakes*7/8, 1))
	orInt(&l.Window, 64)
	orDuration(&l.WindowWait, 5*time.Second)
	orInt(&l.InflightBytes, 64<<20)
	orInt(&l.Rate, 5000)
	orInt(&l.Burst, 2*l.Rate)
	orInt(&l.OutboundMessages, 64)
	orInt(&l.OutboundBytes, 64<<10)
	orDuration(&l.Write, 10*time.Second)
	orDuration(&l.Service, 5*time.Second)
	orDuration(&l.Finish, 5*time.Second)
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
