package minisign

import (
	"bytes"
	"testing"

	"golang.org/x/crypto/blake2b"
)

// TestBLAKE2b compares with the library at every length around the ends of
// blocks, written in pieces.
func TestBLAKE2b(t *testing.T) {
	text := make([]byte, 1000)
	for i := range text {
		text[i] = byte(i * 7)
	}
	for n := range text {
		want := blake2b.Sum512(text[:n])
		for _, piece := range []int{1, 127, 128, 129, 1000} {
			b := newBLAKE2b()
			for rest := text[:n]; len(rest) > 0; rest = rest[min(piece, len(rest)):] {
				_, _ = b.Write(rest[:min(piece, len(rest))]) // never fails
			}
			if got := b.Sum(nil); !bytes.Equal(got, want[:]) {
				t.Fatalf("%d bytes in pieces of %d: got %x, want %x", n, piece, got, want)
			}
		}
	}
}

func BenchmarkBLAKE2b(b *testing.B) {
	b.SetBytes(64 << 10)
	h, block := newBLAKE2b(), make([]byte, 64<<10)
	for b.Loop() {
		_, _ = h.Write(block) // never fails
	}
}
