package doctor

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
)

// The packets of MQTT 3.1.1 that the doctor speaks (§2.2.1), with their flags.
const (
	typeConnect    = 0x10
	typeConnack    = 0x20
	typePublish    = 0x30
	typeSubscribe  = 0x82
	typeSuback     = 0x90
	typeDisconnect = 0xe0
)

// maxPacket bounds a packet from the server, as the uplink does.
const maxPacket = 256 << 10

var (
	errNotMQTT = errors.New("what came is no MQTT packet")
	errTooLong = errors.New("the server announced a packet longer than 256 KiB")
)

// packet is
//
//	byte 0     type and flags
//	byte 1–4   length of the body, 7 bits each, least significant first, high bit: more follow
//	…          body
type packet struct {
	kind byte // type and flags
	body []byte
}

func (p packet) encode() []byte {
	b := []byte{p.kind}
	n := len(p.body)
	for n > 0x7f {
		b = append(b, byte(n)|0x80)
		n >>= 7
	}
	return append(append(b, byte(n)), p.body...)
}

func readPacket(r *bufio.Reader) (packet, error) {
	kind, err := r.ReadByte()
	if err != nil {
		return packet{}, err
	}
	n := 0
	for shift := 0; ; shift += 7 {
		b, err := r.ReadByte()
		if err != nil {
			return packet{}, err
		}
		if n |= int(b&0x7f) << shift; n > maxPacket {
			return packet{}, errTooLong
		}
		if b&0x80 == 0 {
			break
		}
		if shift == 21 {
			return packet{}, errNotMQTT
		}
	}
	p := packet{kind: kind, body: make([]byte, n)}
	_, err = io.ReadFull(r, p.body)
	return p, err
}

// appendText appends 2 bytes of length and the text.
func appendText(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

// connectPacket opens a clean session without will.
func connectPacket(clientID string) packet {
	b := appendText(nil, "MQTT")
	b = append(b, 4, 2, 0, 60) // version, clean session, keep-alive
	return packet{typeConnect, appendText(b, clientID)}
}

func subscribePacket(topic string) packet {
	return packet{typeSubscribe, append(appendText([]byte{0, 1}, topic), 0)}
}

func publishPacket(topic string) packet { return packet{typePublish, appendText(nil, topic)} }

// message returns topic and payload of a publish with QoS 0.
func (p packet) message() (topic, payload string, ok bool) {
	if p.kind&^1 != typePublish || len(p.body) < 2 {
		return "", "", false
	}
	n := int(binary.BigEndian.Uint16(p.body)) + 2
	if n > len(p.body) {
		return "", "", false
	}
	return string(p.body[2:n]), string(p.body[n:]), true
}
