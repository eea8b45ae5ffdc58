package uplink_test

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mooring/agent/uplink"
)

// deafConn is a connection whose writes wait for its end, once it is deaf: the
// other side is gone, and the buffers are full.
type deafConn struct {
	net.Conn
	deaf   *atomic.Bool
	closed chan struct{}
	once   sync.Once
}

func (c *deafConn) Write(p []byte) (int, error) {
	if c.deaf.Load() {
		<-c.closed
		return 0, net.ErrClosed
	}
	return c.Conn.Write(p)
}

func (c *deafConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// TestStopWhileWriting stops an uplink that is writing to a server that reads no
// more; services are killed that do not end in time.
func TestStopWhileWriting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		var deaf atomic.Bool
		l := b.link(t, func(c *uplink.Config) {
			c.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
				raw, err := b.network.DialContext(ctx, network, addr)
				if err != nil {
					return nil, err
				}
				return &deafConn{Conn: raw, deaf: &deaf, closed: make(chan struct{})}, nil
			}
			c.Will = []string{"102"}
		})
		l.Use(credential(t, 1))
		time.Sleep(time.Second)
		publish(t, l, "200,a,b,0")
		time.Sleep(time.Second) // the window opens
		deaf.Store(true)
		for range 5 {
			publish(t, l, "200,a,b,1")
		}
		time.Sleep(time.Second)
		begin := time.Now()
		l.stop()
		if took := time.Since(begin); took > 2*time.Second {
			t.Errorf("it took %v to stop, want 2 s at most", took)
		}
		time.Sleep(time.Minute) // the library gives up what it had begun
	})
}
