package minisign

import (
	"encoding/binary"
	"math/bits"
)

// state is that of BLAKE2b-512 (RFC 7693) without key, by the letter. The library of
// golang.org/x/crypto is four times as fast and 50 KB larger, in an agent that
// must be small and hashes a file in a while.
type state struct {
	h      [8]uint64
	length uint64 // bytes hashed; files are below 2^64
	block  [128]byte
	filled int // bytes in block; a full one waits, because the last is special
}

// iv are the constants of RFC 7693 §2.6.
var iv = [8]uint64{
	0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
	0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
}

// sigma are the permutations of RFC 7693 §2.7; rounds 10 and 11 begin again.
var sigma = [10][16]byte{
	{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
	{14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
	{11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
	{7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
	{9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
	{2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
	{12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
	{13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
	{6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
	{10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
}

func newBLAKE2b() *state {
	b := &state{h: iv}
	b.h[0] ^= 0x01010000 ^ 64 // no key, 64 bytes of hash, §2.5
	return b
}

// Write never fails.
func (b *state) Write(p []byte) (int, error) {
	total := len(p)
	for len(p) > 0 {
		if b.filled == len(b.block) {
			b.compress(false)
		}
		n := copy(b.block[b.filled:], p)
		b.filled += n
		b.length += uint64(n)
		p = p[n:]
	}
	return total, nil
}

// Sum appends the hash to in; more may be written afterwards.
func (b *state) Sum(in []byte) []byte {
	last := *b
	clear(last.block[last.filled:])
	last.compress(true)
	for _, word := range last.h {
		in = binary.LittleEndian.AppendUint64(in, word)
	}
	return in
}

// compress is F of RFC 7693 §3.2.
func (b *state) compress(last bool) {
	var m, v [16]uint64
	for i := range m {
		m[i] = binary.LittleEndian.Uint64(b.block[8*i:])
	}
	copy(v[:8], b.h[:])
	copy(v[8:], iv[:])
	v[12] ^= b.length
	if last {
		v[14] = ^v[14]
	}
	mix := func(a, b, c, d int, x, y uint64) { // G of §3.1
		v[a] += v[b] + x
		v[d] = bits.RotateLeft64(v[d]^v[a], -32)
		v[c] += v[d]
		v[b] = bits.RotateLeft64(v[b]^v[c], -24)
		v[a] += v[b] + y
		v[d] = bits.RotateLeft64(v[d]^v[a], -16)
		v[c] += v[d]
		v[b] = bits.RotateLeft64(v[b]^v[c], -63)
	}
	for round := range 12 {
		s := &sigma[round%10]
		for i := range 4 {
			mix(i, i+4, i+8, i+12, m[s[2*i]], m[s[2*i+1]])
		}
		for i := range 4 {
			mix(i, (i+1)%4+4, (i+2)%4+8, (i+3)%4+12, m[s[8+2*i]], m[s[9+2*i]])
		}
	}
	for i := range b.h {
		b.h[i] ^= v[i] ^ v[i+8]
	}
	b.filled = 0
}
