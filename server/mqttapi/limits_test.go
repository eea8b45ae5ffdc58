package mqttapi_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang/packets"

	"mooring/server/mqttapi"
)

// TestWindow: with n publishes on their way the connection is read no further, and
// closed when that lasts.
func TestWindow(t *testing.T) {
	const window = 4
	for _, n := range []int{window - 1, window, window + 1} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, mqttapi.Limits{Window: window, WindowWait: 5 * time.Second})
			c := r.connect(t, dev("dev1"))
			r.telemetry.setHold(true)
			for i := range n {
				c.send(publish(uint16(i+1), 1, "s/us", "211,1"))
			}
			c.send(simple(mqtt.Pingreq))
			start := time.Now()
			if n <= window {
				if p := c.read(); header(p) != mqtt.Pingresp {
					t.Errorf("got %v", p)
				}
			} else if packets := c.wantClosed(); packets != 0 || time.Since(start) != 5*time.Second {
				t.Errorf("%d packets, closed after %v", packets, time.Since(start))
			}
			r.telemetry.setHold(false)
			for i := range min(n, window) {
				r.telemetry.release(i, nil)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		// Room in time, and the connection goes on.
		r := newRig(t, mqttapi.Limits{Window: window, WindowWait: 5 * time.Second})
		c := r.connect(t, dev("dev1"))
		r.telemetry.setHold(true)
		for i := range window + 1 {
			c.send(publish(uint16(i+1), 1, "s/us", "211,1"))
		}
		time.Sleep(4 * time.Second)
		r.telemetry.setHold(false)
		for i := range window {
			r.telemetry.release(i, nil)
		}
		for i := range window + 1 {
			c.want(mqtt.Puback, uint16(i+1))
		}
	})
}

// TestInflightBytes: the bytes of all connections together are bounded.
func TestInflightBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, mqttapi.Limits{InflightBytes: 32000, WindowWait: 5 * time.Second})
		one, two := r.connect(t, dev("dev1")), r.connect(t, dev("dev2"))
		r.telemetry.setHold(true)
		big := "400,t," + strings.Repeat("x", 15994)
		one.send(publish(1, 1, "s/us", big), publish(2, 1, "s/us", big))
		synctest.Wait()
		two.send(publish(1, 1, "s/us", "211,1"))
		synctest.Wait()
		if got := len(r.telemetry.lines()); got != 2 {
			t.Errorf("%d submitted, want 2", got)
		}
		r.telemetry.release(0, nil)
		one.want(mqtt.Puback, 1)
		synctest.Wait()
		r.telemetry.setHold(false)
		r.telemetry.release(1, nil)
		r.telemetry.release(2, nil)
		two.want(mqtt.Puback, 1)
		one.want(mqtt.Puback, 2)
	})
}

// TestRate: Burst at once, then one every 1/Rate, and the end for who would have
// to wait too long.
func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, mqttapi.Limits{Rate: 10, Burst: 20, WindowWait: 5 * time.Second})
		c, start := r.connect(t, dev("dev1")), time.Now()
		at := func(n int, want time.Duration) {
			t.Helper()
			for range n {
				c.send(publish(0, 0, "s/us", "125"))
			}
			c.sync()
			if got := time.Since(start); got != want {
				t.Errorf("carried out after %v, want %v", got, want)
			}
		}
		at(20, 0)
		at(10, time.Second)
		time.Sleep(time.Hour)
		start = time.Now()
		at(20, 0)
	})
}

// TestOverflow: a client that asks and does not read is cut off; so is one that
// does not acknowledge.
func TestOverflow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, mqttapi.Limits{OutboundMessages: 8})
		c := r.connect(t, dev("dev1"))
		c.send(publish(0, 0, "s/us", "100"), subscribe(1, 1, "s/ds"))
		c.want(mqtt.Suback, 1)
		for range 9 {
			c.send(publish(0, 0, "s/us", "123"))
		}
		if n := c.wantClosed(); n != 8 {
			t.Errorf("%d packets before the end, want 8", n)
		}
		if r.Stats().Overflows != 1 {
			t.Errorf("stats %+v", r.Stats())
		}
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, mqttapi.Limits{OutboundMessages: 8})
		c := r.connect(t, dev("dev1"))
		c.send(publish(0, 0, "s/us", "100"), subscribe(1, 1, "s/ds"))
		c.want(mqtt.Suback, 1)
		for range 100 {
			c.send(publish(0, 0, "s/us", "123"))
			m := c.wantMessage("s/ds", "124,101")
			ack := mqtt.NewControlPacket(mqtt.Puback).(*mqtt.PubackPacket)
			ack.MessageID = m.MessageID
			c.send(ack)
		}
	})
}

// TestUnreadable: a peer that takes no bytes is gone after the write time.
func TestUnreadable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, mqttapi.Limits{})
		o := dev("dev1")
		o.keepAlive = 0
		c := r.connect(t, o)
		c.send(publish(0, 0, "s/us", "100"), subscribe(1, 0, "s/ds"))
		c.want(mqtt.Suback, 1)
		c.Conn.(*end).in.stuff()
		c.send(publish(0, 0, "s/us", "123"))
		time.Sleep(10*time.Second - time.Millisecond)
		if !r.Connected(tenant, "dev1") {
			t.Error("gone too early")
		}
		time.Sleep(2 * time.Millisecond)
		if r.Connected(tenant, "dev1") {
			t.Error("still there after the write time")
		}
	})
}

// stuff fills the buffer, so that the next write waits.
func (h *half) stuff() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.buf = append(h.buf, make([]byte, h.limit)...)
}

// TestShutdown: what was received is durable and acknowledged before the end, and
// nothing new is taken.
func TestShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, mqttapi.Limits{})
		o := dev("dev2")
		o.will = &will{topic: "s/us", payload: "400,will,gone"}
		busy, idle, early := r.connect(t, dev("dev1")), r.connect(t, o), r.dial(t)
		r.telemetry.setHold(true)
		busy.send(publish(1, 1, "s/us", "211,1"))
		synctest.Wait()
		r.telemetry.setHold(false)
		stopped := make(chan error, 1)
		go func() { stopped <- r.Shutdown(context.Background()) }()
		early.wantClosed()
		if n := idle.wantClosed(); n != 0 {
			t.Errorf("%d packets on the idle connection", n)
		}
		busy.send(publish(2, 1, "s/us", "211,2"))
		synctest.Wait()
		select {
		case err := <-stopped:
			t.Fatalf("stopped before the commit: %v", err)
		default:
		}
		r.telemetry.release(0, nil)
		busy.want(mqtt.Puback, 1)
		if n := busy.wantClosed(); n != 0 {
			t.Errorf("%d packets after the acknowledgement", n)
		}
		if err := <-stopped; err != nil {
			t.Error(err)
		}
		if got := r.telemetry.lines(); len(got) != 2 {
			t.Errorf("stored %q, want the will and one measurement", got)
		}
		select {
		case <-r.plain.closed:
		default:
			t.Error("the listener is open")
		}
		if err := r.Serve(newPipeListener(), "mqtt", nil); !errors.Is(err, mqttapi.ErrStopped) {
			t.Errorf("Serve after Shutdown: %v", err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		// A store that never answers does not hold the process.
		r := newRig(t, mqttapi.Limits{})
		c := r.connect(t, dev("dev1"))
		r.telemetry.setHold(true)
		c.send(publish(1, 1, "s/us", "211,1"))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		if err := r.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if n := c.wantClosed(); n != 0 {
			t.Errorf("%d packets", n)
		}
		r.telemetry.release(0, nil)
	})
}
