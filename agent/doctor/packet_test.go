package doctor

import (
	"bufio"
	"bytes"
	"errors"
	"testing"
)

func FuzzPacket(f *testing.F) {
	for _, p := range []packet{connectPacket("dev1"), subscribePacket("s/dat"), publishPacket("s/uat"), {kind: typeDisconnect}, {typeConnack, []byte{0, 5}},
		{typePublish, append(appendText(nil, "s/dat"), "71,x"...)}, {typePublish, make([]byte, 300)}} {
		f.Add(p.encode())
	}
	f.Add([]byte{0x30, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := readPacket(bufio.NewReader(bytes.NewReader(b)))
		if err != nil {
			return
		}
		if _, text, ok := p.message(); ok {
			tokenOf(text)
		}
		again, err := readPacket(bufio.NewReader(bytes.NewReader(p.encode())))
		if err != nil || again.kind != p.kind || !bytes.Equal(again.body, p.body) {
			t.Errorf("%x became %x, %v", p, again, err)
		}
	})
}

func TestPacketLengths(t *testing.T) {
	for _, n := range []int{0, 1, 126, 127, 128, 16383, 16384, maxPacket - 1, maxPacket, maxPacket + 1} {
		p, err := readPacket(bufio.NewReader(bytes.NewReader(packet{typePublish, make([]byte, n)}.encode())))
		if n <= maxPacket && (err != nil || len(p.body) != n) || n > maxPacket && !errors.Is(err, errTooLong) {
			t.Errorf("%d bytes: %d, %v", n, len(p.body), err)
		}
	}
}
