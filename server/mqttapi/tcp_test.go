package mqttapi_test

import (
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang/packets"

	"mooring/server/mqttapi"
)

// tcpRig is a rig with a TLS listener on a real socket, of which the poller takes
// the connections over.
type tcpRig struct {
	*rig
	addr string
}

func newTCPRig(t *testing.T, limits mqttapi.Limits) *tcpRig {
	r := newRig(t, limits)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		_ = r.Serve(l, "mqtts", &tls.Config{Certificates: []tls.Certificate{newCertificate(t, "server")}})
	})
	t.Cleanup(func() { _ = l.Close(); serving.Wait() }) // the server may have closed it
	return &tcpRig{r, l.Addr().String()}
}

// device connects over TLS and has its object; it has sent what makes the poller
// take its connection.
func (r *tcpRig) device(t *testing.T, o options) *client {
	t.Helper()
	conn, err := tls.Dial("tcp", r.addr, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() }) // the test may have done so
	c := &client{TB: t, Conn: conn}
	if code := c.connect(o); code != 0 {
		t.Fatalf("CONNACK %d", code)
	}
	c.send(publish(60000, 1, "s/us", "100"))
	c.want(mqtt.Puback, 60000)
	c.send(simple(mqtt.Pingreq))
	c.want(mqtt.Pingresp, 0)
	return c
}

// waitHeld returns when so many publishes wait for their commit.
func (f *fakeTelemetry) waitHeld(n int) []func(error) {
	for {
		f.mu.Lock()
		held := f.held
		f.mu.Unlock()
		if len(held) >= n {
			return held
		}
		time.Sleep(time.Millisecond)
	}
}

// TestCommitOfManyConnections: what one commit makes durable is acknowledged to
// all connections, in the order of their publishes, and not before; pings are
// answered meanwhile.
func TestCommitOfManyConnections(t *testing.T) {
	const devices, each = 40, 5
	r := newTCPRig(t, mqttapi.Limits{})
	var clients []*client
	for i := range devices {
		clients = append(clients, r.device(t, dev(fmt.Sprint("dev", i))))
	}
	for range 10 {
		r.telemetry.mu.Lock()
		r.telemetry.hold, r.telemetry.held = true, nil
		r.telemetry.mu.Unlock()
		for n := range each {
			for _, c := range clients {
				c.send(publish(uint16(n+1), 1, "s/us", "211,1"), simple(mqtt.Pingreq))
				c.want(mqtt.Pingresp, 0)
			}
		}
		held := r.telemetry.waitHeld(devices * each)
		for i := range held {
			held[len(held)-1-i](nil) // the last first
		}
		for _, c := range clients {
			for n := range each {
				c.want(mqtt.Puback, uint16(n+1))
			}
		}
	}
	if got := r.Stats(); got.Acknowledged != devices*(each*10+1) || got.Connections != devices {
		t.Errorf("%d acknowledged over %d connections", got.Acknowledged, got.Connections)
	}
}

// TestKeepAliveOverTCP: the poller's deadlines end a silent connection, and are
// pushed on by each packet.
func TestKeepAliveOverTCP(t *testing.T) {
	r := newTCPRig(t, mqttapi.Limits{})
	o := dev("dev1")
	o.keepAlive = 1
	c := r.device(t, o)
	var last time.Time
	for range 4 {
		time.Sleep(500 * time.Millisecond)
		last = time.Now()
		c.send(simple(mqtt.Pingreq))
		c.want(mqtt.Pingresp, 0)
	}
	c.wantClosed()
	if got := time.Since(last); got < 1500*time.Millisecond {
		t.Errorf("closed after %v, want 1.5 s", got)
	}
}

// TestPeerThatDoesNotRead: a client that asks and never reads delays nobody's
// acknowledgements and is cut off in the end.
func TestPeerThatDoesNotRead(t *testing.T) {
	r := newTCPRig(t, mqttapi.Limits{OutboundMessages: 1 << 20, Rate: 1_000_000, Write: 200 * time.Millisecond})
	deaf, calm := r.device(t, dev("deaf")), r.device(t, dev("calm"))
	deaf.subscribe("s/ds")
	flood := encodeFor(t, publish(1, 1, "s/us", "211,1"))
	flood = append(flood, encodeFor(t, simple(mqtt.Pingreq))...)
	for range 100 {
		flood = append(flood, encodeFor(t, publish(0, 0, "s/us", "602"))...)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			if _, err := deaf.Write(flood); err != nil {
				return
			}
		}
	}()
	for done := false; !done; {
		select {
		case <-ended:
			done = true
		default:
		}
		calm.send(publish(1, 1, "s/us", "211,1"))
		calm.want(mqtt.Puback, 1)
	}
}

// TestShutdownOverTCP: what was received is acknowledged before the connection
// ends.
func TestShutdownOverTCP(t *testing.T) {
	r := newTCPRig(t, mqttapi.Limits{})
	c := r.device(t, dev("dev1"))
	r.telemetry.mu.Lock()
	r.telemetry.hold = true
	r.telemetry.mu.Unlock()
	for n := range 10 {
		c.send(publish(uint16(n+1), 1, "s/us", "211,1"))
	}
	held := r.telemetry.waitHeld(10)
	stopped := make(chan error, 1)
	go func() { stopped <- r.Shutdown(t.Context()) }()
	for _, done := range held {
		done(nil)
	}
	for n := range 10 {
		c.want(mqtt.Puback, uint16(n+1))
	}
	c.wantClosed()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}
