package sockets_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"mooring/server/sockets"
)

// pair returns an adopted connection and its peer.
func pair(t testing.TB, p *sockets.Poller) (*sockets.Conn, *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	peer, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c := p.Wrap(accepted)
	t.Cleanup(func() { _, _ = c.Close(), peer.Close() }) // the test may have closed them
	return c, peer.(*net.TCPConn)
}

func adopted(t testing.TB, writeLimit time.Duration) (*sockets.Conn, *net.TCPConn) {
	t.Helper()
	p := sockets.New(writeLimit)
	t.Cleanup(p.Close)
	c, peer := pair(t, p)
	if !c.Adopt() || !c.Adopted() {
		t.Fatal("not adopted")
	}
	return c, peer
}

func TestReadAndWrite(t *testing.T) {
	c, peer := adopted(t, time.Minute)
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // 1 MiB: more than the buffers hold
	var group sync.WaitGroup
	group.Go(func() {
		for rest := sent; len(rest) > 0; {
			n := min(len(rest), 1+rand.IntN(20_000))
			if _, err := c.Write(rest[:n]); err != nil {
				t.Error(err)
				return
			}
			rest = rest[n:]
		}
	})
	group.Go(func() {
		if _, err := peer.Write(sent); err != nil {
			t.Error(err)
		}
		if err := peer.CloseWrite(); err != nil {
			t.Error(err)
		}
	})
	group.Go(func() {
		got := make([]byte, len(sent))
		if _, err := io.ReadFull(peer, got); err != nil || !bytes.Equal(got, sent) {
			t.Errorf("the peer read something else, %v", err)
		}
	})
	got, err := io.ReadAll(c)
	group.Wait()
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
}

func TestSentBeforeAdoption(t *testing.T) {
	p := sockets.New(time.Minute)
	defer p.Close()
	c, peer := pair(t, p)
	if _, err := peer.Write([]byte("early")); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 5)
	if _, err := io.ReadFull(c, got[:2]); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time changes nothing
		if !c.Adopt() {
			t.Fatal("not adopted")
		}
	}
	if err := peer.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, got[2:]); err != nil || string(got) != "early" {
		t.Errorf("read %q, %v", got, err)
	}
	if _, err := c.Read(got); err != io.EOF {
		t.Errorf("got %v, want the end", err)
	}
	if c.RemoteAddr().String() != peer.LocalAddr().String() {
		t.Errorf("address %v, want %v", c.RemoteAddr(), peer.LocalAddr())
	}
}

func TestNotAdopted(t *testing.T) {
	p := sockets.New(time.Minute)
	defer p.Close()
	a, b := net.Pipe()
	defer b.Close()
	if c := p.Wrap(a); c.Adopt() || c.Free() || c.Close() != nil || c.Adopt() {
		t.Error("a pipe was adopted")
	}
	closed, _ := pair(t, p)
	if closed.Close() != nil || closed.Adopt() {
		t.Error("a closed connection was adopted")
	}
	late, _ := pair(t, p)
	p.Close()
	if late.Adopt() {
		t.Error("a closed Poller adopts")
	}
}

// A Read that waits ends with the connection, whoever ends it.
func TestEnds(t *testing.T) {
	tests := []struct {
		name string
		end  func(c *sockets.Conn, peer *net.TCPConn) error
		want error // nil: any
	}{
		{"closed here", func(c *sockets.Conn, _ *net.TCPConn) error { return c.Close() }, net.ErrClosed},
		{"closed by the peer", func(_ *sockets.Conn, peer *net.TCPConn) error { return peer.Close() }, io.EOF},
		{"reset by the peer", func(_ *sockets.Conn, peer *net.TCPConn) error { return errors.Join(peer.SetLinger(0), peer.Close()) }, nil},
		{"deadline", func(c *sockets.Conn, _ *net.TCPConn) error {
			return c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		}, os.ErrDeadlineExceeded},
		{"deadline that has passed", func(c *sockets.Conn, _ *net.TCPConn) error { return c.SetReadDeadline(time.Unix(1, 0)) }, os.ErrDeadlineExceeded},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, peer := adopted(t, time.Minute)
			ended := make(chan error, 1)
			go func() {
				_, err := c.Read(make([]byte, 10))
				ended <- err
			}()
			if err := tt.end(c, peer); err != nil {
				t.Fatal(err)
			}
			if err := <-ended; err == nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

// A deadline that is pushed on does not come early; one that is taken back does
// not come.
func TestDeadlineMoves(t *testing.T) {
	c, peer := adopted(t, time.Minute)
	begun := time.Now()
	const limit = 60 * time.Millisecond
	for _, at := range []time.Time{begun.Add(limit / 6), begun.Add(limit / 2), begun.Add(limit)} {
		if err := c.SetDeadline(at); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begun) < limit {
		t.Errorf("%v after %v", err, time.Since(begun))
	}
	if err := c.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(5*time.Millisecond, func() { _, _ = peer.Write([]byte("x")) }) // Read tells if it failed
	if n, err := c.Read(make([]byte, 1)); n != 1 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
}

// A peer that does not read makes nobody wait but who writes more than MaxKept, and
// loses the connection.
func TestPeerDoesNotRead(t *testing.T) {
	c, _ := adopted(t, 50*time.Millisecond)
	block := make([]byte, sockets.MaxKept/4)
	for c.Free() { // until the buffers are full, and some of a block is left
		write(t, c, block)
	}
	for range 3 {
		write(t, c, block)
	}
	if err := c.SetWriteDeadline(time.Now().Add(time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(block); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v, want the deadline", err)
	}
	if _, err := c.Read(block); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v, want the end of the connection", err)
	}
	if _, err := c.Write(block); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("wrote to a connection that is lost: %v", err)
	}
}

// A peer that begins to read late gets everything in order.
func TestPeerReadsLate(t *testing.T) {
	c, peer := adopted(t, time.Minute)
	var sent []byte
	for n := byte(0); len(sent) < 3*sockets.MaxKept || c.Free(); n++ {
		b := bytes.Repeat([]byte{n}, 1000)
		write(t, c, b)
		sent = append(sent, b...)
		if len(sent) > 64<<20 {
			t.Fatal("the buffers are never full")
		}
	}
	got := make([]byte, len(sent))
	if _, err := io.ReadFull(peer, got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, sent) {
		t.Error("the peer read something else")
	}
	write(t, c, []byte("more"))
	if _, err := io.ReadFull(peer, got[:4]); err != nil || string(got[:4]) != "more" {
		t.Errorf("read %q, %v", got[:4], err)
	}
}

func write(t *testing.T, c *sockets.Conn, b []byte) {
	t.Helper()
	if n, err := c.Write(b); n != len(b) || err != nil {
		t.Fatalf("wrote %d, %v", n, err)
	}
}

// Closing while others read, write and connect never touches another connection's
// descriptor.
func TestCloseAmongOthers(t *testing.T) {
	p := sockets.New(time.Minute)
	defer p.Close()
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 50 {
				c, peer := pair(t, p)
				if !c.Adopt() {
					t.Error("not adopted")
					return
				}
				want := make([]byte, 8)
				for i := range want {
					want[i] = byte(rand.Uint32())
				}
				group.Go(func() { _ = c.Close() })
				_, _ = peer.Write(want) // it may be closed already
				got := make([]byte, 16)
				if n, err := c.Read(got); err == nil && !bytes.Equal(got[:n], want) {
					t.Errorf("read %x, sent %x", got[:n], want)
				}
				_, _ = c.Write(want)
				if n, err := peer.Read(got); err == nil && !bytes.Equal(got[:n], want) {
					t.Errorf("peer read %x, sent %x", got[:n], want)
				}
			}
		})
	}
	group.Wait()
}

// Many peers are all served while the Poller looks seldom.
func TestManyPeers(t *testing.T) {
	p := sockets.New(time.Minute)
	defer p.Close()
	var group sync.WaitGroup
	for range 200 {
		c, peer := pair(t, p)
		if !c.Adopt() {
			t.Fatal("not adopted")
		}
		group.Go(func() {
			b := make([]byte, 1)
			for range 5 {
				if _, err := peer.Write([]byte("x")); err != nil {
					t.Error(err)
				}
				if _, err := io.ReadFull(c, b); err != nil {
					t.Error(err)
				}
				time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond) // so that they come at all times
			}
		})
	}
	group.Wait()
}
