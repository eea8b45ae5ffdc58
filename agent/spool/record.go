package spool

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"time"
)

// A segment is a file of records, the first of them a state. Whatever follows a
// record that is not whole was never reported as written.
//
//	record  = length (u32, of body) | CRC-32 (u32, of body) | body
//	body    = 'M' | seq | at | flags | topic length | topic | payload
//	        | 'S' | next | done | full | expired | refused
//	at      = milliseconds since 1970 (signed); all numbers of a body are varints,
//	          flags is one byte: bits 0–1 quality of service, bit 2 at is trusted
const (
	kindMessage = 'M'
	kindState   = 'S'

	recordHeader = 4 + 4
	// MaxMessage bounds topic and payload together: more fits into no packet of
	// the platform (16,184 bytes; contract mqtt.md §1.9).
	MaxMessage = 16 << 10
	// maxBody leaves room for the numbers of a message.
	maxBody = MaxMessage + 1 + 3*binary.MaxVarintLen64 + 1
	// stateBytes is what a state takes at most.
	stateBytes = recordHeader + 1 + 5*binary.MaxVarintLen64

	flagQoS     = 3
	flagTrusted = 4
)

var (
	// errTorn says that a record ends after the data does, as after a power cut.
	errTorn = errors.New("the record is not whole")
	// errDamaged says that the bytes are not what was written.
	errDamaged = errors.New("the record is damaged")
)

// Message is what waits to be sent.
type Message struct {
	Topic   string
	Payload []byte
	QoS     byte // 0 or 1
}

// Entry is a message in the spool.
type Entry struct {
	Message
	Seq     uint64    // from 1, in the order of Put
	At      time.Time // when it was put, in milliseconds
	Trusted bool      // the clock was known to be right then
	Expired bool      // too old to be sent
}

// state is what a restart must know beside the messages.
type state struct {
	next    uint64 // of the next message
	done    uint64 // all messages up to this one are dealt with
	dropped Dropped
}

// Dropped counts messages that were given up, since the spool was made.
type Dropped struct {
	Full    uint64 `json:"full"`    // there was no room
	Expired uint64 `json:"expired"` // they were too old
	Refused uint64 `json:"refused"` // the server would not take them
}

func (d Dropped) total() uint64 { return d.Full + d.Expired + d.Refused }

func appendRecord(b []byte, body func([]byte) []byte) []byte {
	start := len(b)
	b = body(append(b, 0, 0, 0, 0, 0, 0, 0, 0))
	whole := b[start+recordHeader:]
	binary.BigEndian.PutUint32(b[start:], uint32(len(whole)))
	binary.BigEndian.PutUint32(b[start+4:], crc32.ChecksumIEEE(whole))
	return b
}

func appendMessage(b []byte, e Entry) []byte {
	return appendRecord(b, func(b []byte) []byte {
		b = append(b, kindMessage)
		b = binary.AppendUvarint(b, e.Seq)
		b = binary.AppendVarint(b, e.At.UnixMilli())
		flags := e.QoS & flagQoS
		if e.Trusted {
			flags |= flagTrusted
		}
		b = append(b, flags)
		b = binary.AppendUvarint(b, uint64(len(e.Topic)))
		return append(append(b, e.Topic...), e.Payload...)
	})
}

func appendState(b []byte, s state) []byte {
	return appendRecord(b, func(b []byte) []byte {
		b = append(b, kindState)
		for _, n := range []uint64{s.next, s.done, s.dropped.Full, s.dropped.Expired, s.dropped.Refused} {
			b = binary.AppendUvarint(b, n)
		}
		return b
	})
}

// record is one of both kinds.
type record struct {
	isState bool
	state   state
	entry   Entry // its payload is part of the data
}

// next takes the first record off data.
func next(data []byte) (r record, rest []byte, err error) {
	if len(data) < recordHeader || isZero(data) {
		return r, nil, errTorn
	}
	n := binary.BigEndian.Uint32(data)
	if n == 0 || n > maxBody {
		return r, nil, errDamaged
	}
	if uint64(len(data)-recordHeader) < uint64(n) {
		return r, nil, errTorn
	}
	body, rest := data[recordHeader:recordHeader+n], data[recordHeader+n:]
	if crc32.ChecksumIEEE(body) != binary.BigEndian.Uint32(data[4:]) {
		if isZero(rest) { // the length was written, the rest never was
			return r, nil, errTorn
		}
		return r, nil, errDamaged
	}
	r, ok := parse(body)
	if !ok {
		return r, nil, errDamaged
	}
	return r, rest, nil
}

// isZero recognises what some file systems leave where nothing was written
// before a power cut.
func isZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

func parse(body []byte) (r record, ok bool) {
	p := parser{body[1:], true}
	switch body[0] {
	case kindState:
		r.isState = true
		r.state = state{p.uvarint(), p.uvarint(), Dropped{p.uvarint(), p.uvarint(), p.uvarint()}}
		return r, p.ok && len(p.rest) == 0 && r.state.done < r.state.next
	case kindMessage:
		e := &r.entry
		e.Seq, e.At = p.uvarint(), time.UnixMilli(p.varint())
		flags := p.take(1)
		e.Topic = string(p.take(p.uvarint()))
		if !p.ok {
			return r, false
		}
		e.QoS, e.Trusted, e.Payload = flags[0]&flagQoS, flags[0]&flagTrusted != 0, p.rest
		return r, e.QoS <= 1 && len(e.Topic)+len(e.Payload) <= MaxMessage
	}
	return r, false
}

// parser takes numbers and bytes off rest; ok turns false if there is too little.
type parser struct {
	rest []byte
	ok   bool
}

func (p *parser) uvarint() uint64 {
	v, n := binary.Uvarint(p.rest)
	p.take(uint64(max(n, 0)))
	p.ok = p.ok && n > 0
	return v
}

func (p *parser) varint() int64 {
	v, n := binary.Varint(p.rest)
	p.take(uint64(max(n, 0)))
	p.ok = p.ok && n > 0
	return v
}

func (p *parser) take(n uint64) []byte {
	if !p.ok || n > uint64(len(p.rest)) {
		p.ok = false
		return nil
	}
	taken := p.rest[:n]
	p.rest = p.rest[n:]
	return taken
}
