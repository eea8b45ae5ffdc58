package uplink

import (
	"errors"
	"net"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// maxPacket bounds a packet from the server. The platform's own limit is
// 16,184 bytes (contract mqtt.md §1.9); what the MQTT Service may send is
// 128 KiB. The library itself would allocate whatever a header announces.
const maxPacket = 256 << 10

// subackLength is that of an answer to one topic, which is what we ask for at a
// time: packet ID and code. The library panics at an answer to more.
const subackLength = 3

var (
	errTooLong = errors.New("the server announced an MQTT packet longer than 256 KiB")
	errSuback  = errors.New("the server answered a subscription to one topic with a SUBACK for another number of them")
)

// limitConn follows the packets in what is read and fails before a packet that
// the library cannot bear reaches it.
//
//	byte 0     type and flags
//	byte 1–4   remaining length, 7 bits each, least significant first, high bit: more follow
//	…          that many bytes
type limitConn struct {
	net.Conn
	kind   byte // of the packet
	header int  // bytes of the header seen; 0: a packet begins
	length int
	rest   int // bytes of the body still to come
}

func newLimitConn(c net.Conn) *limitConn { return &limitConn{Conn: c} }

// Read implements net.Conn.
func (c *limitConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if bad := c.follow(p[:n]); bad != nil {
		return 0, bad
	}
	return n, err
}

func (c *limitConn) follow(p []byte) error {
	for len(p) > 0 {
		if c.rest > 0 {
			skip := min(c.rest, len(p))
			c.rest -= skip
			p = p[skip:]
			continue
		}
		b := p[0]
		p = p[1:]
		c.header++
		if c.header == 1 {
			c.kind, c.length = b>>4, 0
			continue
		}
		c.length |= int(b&0x7f) << (7 * (c.header - 2))
		if c.length > maxPacket || c.header == 5 && b&0x80 != 0 {
			return errTooLong
		}
		if b&0x80 != 0 {
			continue
		}
		if c.kind == packets.Suback && c.length != subackLength {
			return errSuback
		}
		c.rest, c.header = c.length, 0
	}
	return nil
}
