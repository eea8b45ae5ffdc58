package uplink

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"unicode/utf8"
)

type bytesConn struct {
	net.Conn
	r io.Reader
}

func (c bytesConn) Read(p []byte) (int, error) { return c.r.Read(p) }

// header is a PUBLISH header that announces n bytes.
func header(n int) []byte {
	b := []byte{0x30}
	for {
		d := byte(n & 0x7f)
		if n >>= 7; n > 0 {
			b = append(b, d|0x80)
			continue
		}
		return append(b, d)
	}
}

func TestLimitConn(t *testing.T) {
	packet := func(n int) []byte { return append(header(n), make([]byte, n)...) }
	tests := []struct {
		name string
		in   []byte
		want error
	}{
		{"empty packet", packet(0), nil},
		{"127", packet(127), nil},
		{"128", packet(128), nil},
		{"16383", packet(16383), nil},
		{"16384", packet(16384), nil},
		{"limit - 1", packet(maxPacket - 1), nil},
		{"limit", packet(maxPacket), nil},
		{"limit + 1", header(maxPacket + 1), errTooLong},
		{"the longest MQTT knows", header(268435455), errTooLong},
		{"five length bytes", []byte{0x30, 0x80, 0x80, 0x80, 0x80, 0x01}, errTooLong},
		{"four length bytes of nothing, and more", []byte{0x30, 0x80, 0x80, 0x80, 0x80, 0x00}, errTooLong},
		{"second packet too long", append(packet(200), header(maxPacket+1)...), errTooLong},
		{"SUBACK for one topic", []byte{0x90, 3, 0, 1, 0}, nil},
		{"SUBACK for none", []byte{0x90, 2, 0, 1}, errSuback},
		{"SUBACK for two", []byte{0x90, 4, 0, 1, 0, 0}, errSuback},
		{"headers hidden in a body", append(header(4), 0xff, 0xff, 0xff, 0xff), nil},
	}
	for _, tt := range tests {
		for _, chunk := range []int{1, 3, 4096} {
			t.Run(tt.name, func(t *testing.T) {
				c := newLimitConn(bytesConn{r: bytes.NewReader(tt.in)})
				var got []byte
				buf := make([]byte, chunk)
				var err error
				for err == nil {
					var n int
					n, err = c.Read(buf)
					got = append(got, buf[:n]...)
				}
				if tt.want == nil && (err != io.EOF || !bytes.Equal(got, tt.in)) || tt.want != nil && !errors.Is(err, tt.want) {
					t.Errorf("chunks of %d: got %d bytes, %v; want %v", chunk, len(got), err, tt.want)
				}
			})
		}
	}
}

func FuzzLimitConn(f *testing.F) {
	f.Add([]byte{0x20, 2, 0, 0}, byte(1))
	f.Add(header(maxPacket+1), byte(2))
	f.Fuzz(func(t *testing.T, in []byte, chunk byte) {
		c := newLimitConn(bytesConn{r: bytes.NewReader(in)})
		buf := make([]byte, int(chunk)+1)
		for {
			if _, err := c.Read(buf); err != nil {
				return
			}
			if c.rest < 0 || c.rest > maxPacket {
				t.Fatalf("%d bytes to come", c.rest)
			}
		}
	})
}

func TestCut(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"short", "abc", "abc"},
		{"control characters", "a\nb\x1b[31mc", "a b [31mc"},
		{"300", strings.Repeat("x", 300), strings.Repeat("x", 300)},
		{"301", strings.Repeat("x", 301), strings.Repeat("x", 300)},
		{"within a rune", strings.Repeat("x", 299) + "é", strings.Repeat("x", 299)},
		{"no UTF-8", "a\xffb", "a\ufffdb"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := cut(tt.in); got != tt.want || !utf8.ValidString(got) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestSessionCaches(t *testing.T) {
	var s sessionCaches
	one, two := s.of(1), s.of(2)
	if one == two || s.of(1) != one {
		t.Error("a cache is shared between generations, or not kept")
	}
	s.keepTwo(3)
	if len(s) != 1 || s.of(2) != two {
		t.Errorf("got %d caches, want that of generation 2", len(s))
	}
}
