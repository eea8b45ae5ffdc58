package mqttapi

import (
	"log/slog"
	"math"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// Settings of mochi (mqtt.md §10).
const (
	// mochiMaxPacket is compared with the remaining length plus one; a packet of
	// 16,184 bytes has three bytes of header, so its remaining length is 16,181.
	mochiMaxPacket = maxPacket - 2
	// mochiWritesPending sizes a channel of each connection that nothing is ever
	// put in; the default makes it 64 KiB.
	mochiWritesPending = 16
	readBuffer         = 1024
)

// newBroker returns mochi with nothing switched on. Its logger is discarded
// because it logs packets, passwords included; what matters is logged by us.
func newBroker(s *Server) *mochi.Server {
	capabilities := mochi.NewDefaultServerCapabilities()
	capabilities.MaximumPacketSize = mochiMaxPacket
	capabilities.MaximumClientWritesPending = mochiWritesPending
	capabilities.TopicAliasMaximum = 0
	broker := mochi.New(&mochi.Options{
		Capabilities:            capabilities,
		Logger:                  slog.New(slog.DiscardHandler),
		ClientNetReadBufferSize: readBuffer,
		SysTopicResendInterval:  math.MaxInt32,
	})
	if err := broker.AddHook(&hook{server: s}, nil); err != nil {
		panic("mochi refused its hook: " + err.Error()) // Init of HookBase cannot fail
	}
	return broker
}

// hook takes every packet that means something out of mochi's hands.
type hook struct {
	mochi.HookBase
	server *Server
}

// ID names the hook.
func (*hook) ID() string { return "mooring" }

// Provides lists the methods below.
func (*hook) Provides(b byte) bool {
	return b == mochi.OnPacketRead || b == mochi.OnConnectAuthenticate
}

// OnConnectAuthenticate lets in whom OnPacketRead has let in.
func (*hook) OnConnectAuthenticate(cl *mochi.Client, _ packets.Packet) bool {
	c, ok := cl.Net.Conn.(*conn)
	return ok && c.accepted.Load()
}

// nothing is a packet that mochi reads and does nothing about: the
// acknowledgement of a message it never sent.
var nothing = packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Puback}}

// connect decides on a CONNECT.
func (h *hook) connect(c *conn, pk packets.Packet) (_ packets.Packet, err error) {
	h.server.deep.do(func() {
		if !h.server.connect(c, &pk) {
			err = packets.ErrRejectPacket
		}
	})
	return pk, err
}

// OnPacketRead sees each packet before mochi does. It returns ErrRejectPacket to
// end the connection (mochi ignores any other error), the packet itself to let
// mochi act, or nothing.
func (h *hook) OnPacketRead(cl *mochi.Client, pk packets.Packet) (packets.Packet, error) {
	c, ok := cl.Net.Conn.(*conn)
	if !ok {
		return pk, packets.ErrRejectPacket
	}
	sess := c.session.Load()
	if sess == nil {
		if pk.FixedHeader.Type != packets.Connect {
			return pk, packets.ErrRejectPacket
		}
		return h.connect(c, pk)
	}
	if sess.unproven.Load() && pk.FixedHeader.Type != packets.Disconnect {
		sess.proven()
	}
	switch pk.FixedHeader.Type {
	case packets.Pingreq:
		return pk, nil
	case packets.Disconnect:
		sess.dropWill()
		return pk, nil
	case packets.Publish:
		ok = pk.PublishValidate(0) == packets.CodeSuccess && sess.publish(pk)
	case packets.Pubrel:
		ok = sess.enqueue(item{kind: itemRelease, packetID: pk.PacketID})
	case packets.Subscribe:
		ok = pk.SubscribeValidate() == packets.CodeSuccess && sess.subscribe(pk)
	case packets.Unsubscribe:
		ok = pk.UnsubscribeValidate() == packets.CodeSuccess && sess.unsubscribe(pk)
	case packets.Puback, packets.Pubcomp:
		sess.acknowledged(pk.PacketID)
	case packets.Pubrec:
		sess.received(pk.PacketID)
	default: // a second CONNECT, or what only a server sends
		ok = false
	}
	if !ok {
		return pk, packets.ErrRejectPacket
	}
	return nothing, nil
}
