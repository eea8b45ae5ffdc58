package lifecycle

import (
	"encoding/binary"
	"hash/crc32"
	"time"

	"mooring/internal/problem"
)

// EncodedSize is the length of an encoded State.
const EncodedSize = headerSize + bodySize + crc32.Size

// The layout, big-endian:
//
//	0   4  magic "MLC" and the version, 3
//	4   2  RenewLeftPermille
//	6   8  MinSpacing, milliseconds
//	14  8  Seed
//	22  1  Phase
//	23  1  Task
//	24  1  Auth
//	25  2  flags, bit by bit as flagPointers has them
//	27  4  Highest
//	31  2  Attempt
//	33  3  Failures, Refusals, Rounds
//	36  8  RetryAt
//	44  8  LastIssued
//	52  56 Current: Number 4, Key 4, Fingerprint 32, NotBefore 8, NotAfter 8
//	108 56 Next
//	164 16 Window: Start 8, End 8
//	180 3  Rung, RungTries, Spurned
//	183 20 Maintenance: four times Days 1, Start 2, Length 2
//	203 4  CRC-32 (IEEE) of all before
const (
	magic          = "MLC\x03"
	headerSize     = len(magic)
	generationSize = 4 + 4 + 32 + 8 + 8
	bodySize       = 2 + 8 + 8 + 3 + 2 + 4 + 2 + 3 + 8 + 8 + 2*generationSize + 8 + 8 + 3 + MaxMaintenance*5
	maxSpacing     = 10 * 365 * 24 * time.Hour
)

// MaxNumber bounds generation numbers: at one a second, 68 years.
const MaxNumber = 1<<31 - 1

const flagCount = 16 // all that two bytes hold

// flagPointers gives the booleans of s in the order of their bits.
func flagPointers(s *State) [flagCount]*bool {
	return [flagCount]*bool{&s.TimeTrusted, &s.Online, &s.HasOTP, &s.Asked, &s.Proven, &s.Discard, &s.Comparing, &s.Sweep,
		&s.Policy.KeepKey, &s.Current.Proven, &s.Next.Proven, &s.Policy.NoGrace, &s.Policy.Bootstrap, &s.Policy.StoredOTP, &s.Refresh, &s.Connecting}
}

// Encode writes s in EncodedSize bytes.
func (s State) Encode() []byte {
	be := binary.BigEndian
	b := make([]byte, 0, EncodedSize)
	b = append(b, magic...)
	b = be.AppendUint16(b, s.Policy.RenewLeftPermille)
	b = be.AppendUint64(b, uint64(s.Policy.MinSpacing.Milliseconds()))
	b = be.AppendUint64(b, s.Seed)
	b = append(b, byte(s.Phase), byte(s.Task), byte(s.Auth))
	b = be.AppendUint16(b, flags(s))
	b = be.AppendUint32(b, s.Highest)
	b = be.AppendUint16(b, s.Attempt)
	b = append(b, s.Failures, s.Refusals, s.Rounds)
	b = be.AppendUint64(b, uint64(s.RetryAt))
	b = be.AppendUint64(b, uint64(s.LastIssued))
	b = appendGeneration(b, s.Current)
	b = appendGeneration(b, s.Next)
	b = be.AppendUint64(b, uint64(s.Window.Start))
	b = be.AppendUint64(b, uint64(s.Window.End))
	b = append(b, byte(s.Rung), s.RungTries, s.Spurned)
	for _, w := range s.Policy.Maintenance {
		b = append(b, w.Days)
		b = be.AppendUint16(b, w.Start)
		b = be.AppendUint16(b, w.Length)
	}
	return be.AppendUint32(b, crc32.ChecksumIEEE(b))
}

func flags(s State) uint16 {
	var f uint16
	for i, p := range flagPointers(&s) {
		if *p {
			f |= 1 << i
		}
	}
	return f
}

func appendGeneration(b []byte, g Generation) []byte {
	be := binary.BigEndian
	b = be.AppendUint32(b, g.Number)
	b = be.AppendUint32(b, g.Key)
	b = append(b, g.Leaf.Fingerprint[:]...)
	b = be.AppendUint64(b, uint64(g.Leaf.NotBefore))
	return be.AppendUint64(b, uint64(g.Leaf.NotAfter))
}

// Decode reads what Encode wrote. The error is problem.Invalid: wrong length,
// version or checksum, or values no machine can have.
func Decode(b []byte) (State, error) {
	if len(b) != EncodedSize || string(b[:headerSize]) != magic {
		return State{}, problem.New(problem.Invalid, "not a lifecycle state of this version", nil)
	}
	body, sum := b[:EncodedSize-crc32.Size], b[EncodedSize-crc32.Size:]
	if crc32.ChecksumIEEE(body) != binary.BigEndian.Uint32(sum) {
		return State{}, problem.New(problem.Invalid, "damaged lifecycle state", nil)
	}
	s, ok := decodeBody(&reader{b: body[headerSize:]})
	if !ok || !s.plausible() {
		return State{}, problem.New(problem.Invalid, "lifecycle state out of range", nil)
	}
	return s, nil
}

func decodeBody(r *reader) (State, bool) {
	var s State
	s.Policy.RenewLeftPermille = r.uint16()
	spacing := int64(r.uint64())
	s.Policy.MinSpacing = time.Duration(spacing) * time.Millisecond
	s.Seed = r.uint64()
	s.Phase, s.Task, s.Auth = Phase(r.uint8()), Task(r.uint8()), Auth(r.uint8())
	f := r.uint16()
	s.Highest = r.uint32()
	s.Attempt = r.uint16()
	s.Failures, s.Refusals, s.Rounds = r.uint8(), r.uint8(), r.uint8()
	s.RetryAt, s.LastIssued = Instant(r.uint64()), Instant(r.uint64())
	s.Current, s.Next = r.generation(), r.generation()
	s.Window = Window{Start: Instant(r.uint64()), End: Instant(r.uint64())}
	s.Rung, s.RungTries, s.Spurned = Rung(r.uint8()), r.uint8(), r.uint8()
	for i := range s.Policy.Maintenance {
		s.Policy.Maintenance[i] = MaintenanceWindow{Days: r.uint8(), Start: r.uint16(), Length: r.uint16()}
	}
	for i, p := range flagPointers(&s) {
		*p = f&(1<<i) != 0
	}
	return s, spacing >= 0 && spacing <= maxSpacing.Milliseconds()
}

// plausible refuses what no sequence of steps leads to.
func (s State) plausible() bool {
	return s.Highest <= MaxNumber && s.Phase < phases && s.Task < tasks && s.Auth < auths && s.Policy.RenewLeftPermille <= 1000 &&
		s.Current.Number <= s.Highest && s.Next.Number <= s.Highest &&
		s.Current.Key <= s.Current.Number && s.Next.Key <= s.Next.Number &&
		s.Window == s.Window.sane() &&
		s.Rung < rungs && s.Spurned < uint8(rungs.bit()) && s.Policy.maintainable() &&
		(s.Next.Number == 0 || s.Next.Number != s.Current.Number)
}

func (p Policy) maintainable() bool {
	for _, w := range p.Maintenance {
		if !w.Valid() {
			return false
		}
	}
	return true
}

// reader reads a body whose length was checked.
type reader struct{ b []byte }

func (r *reader) take(n int) []byte {
	head := r.b[:n]
	r.b = r.b[n:]
	return head
}

func (r *reader) uint8() uint8   { return r.take(1)[0] }
func (r *reader) uint16() uint16 { return binary.BigEndian.Uint16(r.take(2)) }
func (r *reader) uint32() uint32 { return binary.BigEndian.Uint32(r.take(4)) }
func (r *reader) uint64() uint64 { return binary.BigEndian.Uint64(r.take(8)) }

func (r *reader) generation() Generation {
	g := Generation{Number: r.uint32(), Key: r.uint32()}
	copy(g.Leaf.Fingerprint[:], r.take(32))
	g.Leaf.NotBefore, g.Leaf.NotAfter = Instant(r.uint64()), Instant(r.uint64())
	return g
}
