package uplink_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mooring/agent/spool"
	"mooring/agent/uplink"
	"mooring/internal/durable"
	"mooring/internal/durable/durabletest"
	"mooring/internal/problem"
)

func newSpool(t testing.TB, fsys durable.FS) *spool.Spool {
	t.Helper()
	s, err := spool.Open(spool.Config{FS: fsys, Dir: "/spool", MaxBytes: 4 << 20, MaxAge: 24 * time.Hour,
		Now: func() (time.Time, bool) { return time.Now(), true }})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// received lists what came on s/us beside hello and questions.
func (b *broker) received() (got []string) {
	for _, p := range get(b, func() []string { return slices.Clone(b.published) }) {
		if p, ok := strings.CutPrefix(p, "s/us "); ok && !strings.HasPrefix(p, "100,") && !strings.HasPrefix(p, "500") {
			got = append(got, p)
		}
	}
	return got
}

func publish(t testing.TB, l *link, payload string) uint64 {
	t.Helper()
	seq, err := l.Publish("s/us", []byte(payload), 1)
	if err != nil {
		t.Fatal(err)
	}
	return seq
}

func TestPublishLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		l := b.link(t, nil)
		l.Use(credential(t, 1))
		// 8 bytes of header and the topic with them make 16,184.
		room := 16184 - 8 - len("s/us")
		long := func(n int) string { return "113," + strings.Repeat("x", n-4) }
		for _, tt := range []struct {
			topic, payload string
			qos            byte
			want           error
			parts          int
		}{
			{"s/us", long(room - 1), 1, nil, 1},
			{"s/us", long(room), 1, nil, 1},
			{"s/us", long(room + 1), 1, problem.TooLarge, 0},
			{"s/us", long(room/2) + "\n" + long(room-room/2-1), 1, nil, 1},
			{"s/us", long(room/2) + "\n" + long(room-room/2), 0, nil, 2},
			{"s/uc/mine", long(9000) + "\n" + long(9000), 1, nil, 2},
			{"event/events/create", long(9000) + "\n" + long(9000), 1, problem.TooLarge, 0},
			{"s/us", strings.Repeat("125\n", 32<<10), 1, nil, 33}, // 1000 lines each
			{"s/us", strings.Repeat("125\n", 32<<10) + "1", 1, problem.TooLarge, 0},
			{"s/us", "125", 2, problem.Invalid, 0},
			{"", "125", 1, problem.Invalid, 0},
			{"s/#", "125", 1, problem.Invalid, 0},
			{strings.Repeat("t", 513), "125", 1, problem.Invalid, 0},
			{strings.Repeat("t", 512), "125", 1, nil, 1},
		} {
			before := len(get(b, func() []string { return b.published }))
			_, err := l.Publish(tt.topic, []byte(tt.payload), tt.qos)
			time.Sleep(time.Second)
			if n := len(get(b, func() []string { return b.published })) - before; !errors.Is(err, tt.want) || n != tt.parts && before > 0 {
				t.Errorf("%.20s, %d bytes: got %d messages, %v; want %d, %v", tt.topic, len(tt.payload), n, err, tt.parts, tt.want)
			}
		}
		l.stop()
	})
}

// Not acknowledged, thrown out, sent again: only then delivered. Without a network
// nobody waits for ever, and the message comes later.
func TestDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		l := b.link(t, nil)
		l.Use(credential(t, 1))
		b.set(func() { b.ackPublish = false })
		done := make(chan error, 1)
		seq := publish(t, l, "200,a,b,1")
		go func() { done <- l.Delivered(t.Context(), seq) }()
		time.Sleep(time.Second)
		select {
		case err := <-done:
			t.Fatalf("reported before the acknowledgement: %v", err)
		default:
		}
		b.set(func() { b.ackPublish = true })
		b.kick()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if got := b.received(); len(got) != 2 {
			t.Errorf("got %q, want it twice", got)
		}
		b.network.SetDown(true)
		b.kick()
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := l.Delivered(ctx, publish(t, l, "400,a,b")); !errors.Is(err, problem.Unavailable) {
			t.Errorf("without a network: got %v", err)
		}
		at := time.Now().Add(-time.Minute).UTC().Format("2006-01-02T15:04:05.000Z")
		b.network.SetDown(false)
		time.Sleep(10 * time.Minute)
		if got := b.received(); len(got) != 3 || got[2] != "400,a,b,"+at {
			t.Errorf("got %q, want the last with its time %s", got, at)
		}
		l.stop()
	})
}

// A server that takes a message and never acknowledges it is left, and the
// message sent again.
func TestNoAcknowledgement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		b.ackPublish = false
		l := b.link(t, nil)
		l.Use(credential(t, 1))
		publish(t, l, "125")
		publish(t, l, "125")
		time.Sleep(119 * time.Second)
		if n := len(b.received()); n != 1 {
			t.Errorf("%d sent before the first acknowledgement, want 1", n)
		}
		time.Sleep(time.Hour)
		if n := len(get(b, func() []time.Time { return b.connects })); n < 10 {
			t.Errorf("%d connections", n)
		}
		b.set(func() { b.ackPublish = true })
		time.Sleep(10 * time.Minute)
		if st := l.spool.Stats(); st.Messages != 0 || st.Dropped != (spool.Dropped{}) {
			t.Errorf("got %+v, want both delivered", st)
		}
		l.stop()
	})
}

// Connections that end at any moment, and a device that is restarted on its disk:
// everything arrives in order, and what comes twice is bounded by the window.
func TestOrderOverConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		disk, cred := durabletest.New(), credential(t, 1)
		const n, kicks, restarts = 2000, 20, 4
		sent := 0
		for range restarts {
			l := b.link(t, func(c *uplink.Config) { c.Spool = newSpool(t, disk) })
			l.Use(cred)
			for range kicks / restarts {
				for range n / kicks {
					publish(t, l, fmt.Sprintf("999,%d", sent))
					sent++
				}
				time.Sleep(time.Duration(sent%3) * time.Second)
				b.kick()
			}
			l.stop()
			_ = l.spool.Close()
			disk = disk.Restart()
		}
		l := b.link(t, func(c *uplink.Config) { c.Spool = newSpool(t, disk) })
		l.Use(cred)
		time.Sleep(time.Hour)
		next, repeated := 0, 0
		for _, p := range b.received() {
			var i int
			if _, err := fmt.Sscanf(p, "999,%d", &i); err != nil {
				t.Fatal(p)
			}
			switch {
			case i == next:
				next++
			case i < next && i >= next-32:
				repeated++
			default:
				t.Fatalf("got %d, want %d", i, next)
			}
		}
		if next != n || repeated > kicks*32 {
			t.Errorf("%d of %d arrived, %d twice", next, n, repeated)
		}
		t.Logf("%d messages over %d connections and %d restarts, %d came twice", n, len(b.connects), restarts, repeated)
		l.stop()
	})
}

// A message that ends every connection is given up after ten, and counted.
func TestPoison(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		b.refuses = []byte("poison")
		l := b.link(t, nil)
		l.Use(credential(t, 1))
		for _, p := range []string{"999,a", "999,poison", "999,b"} {
			publish(t, l, p)
		}
		time.Sleep(2 * time.Hour)
		if n := b.count("s/us 999,poison"); n != 11 { // the first time it was not alone
			t.Errorf("tried %d times, want 11", n)
		}
		if b.count("s/us 999,a") != 1 || b.count("s/us 999,b") < 1 {
			t.Errorf("got %q", b.received())
		}
		if st := l.spool.Stats(); st.Messages != 0 || st.Dropped.Refused != 1 {
			t.Errorf("got %+v", st)
		}
		l.stop()
	})
}

func TestExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		l := b.link(t, nil)
		publish(t, l, "999,old")
		time.Sleep(23 * time.Hour)
		publish(t, l, "999,young")
		time.Sleep(time.Hour + time.Second)
		l.Use(credential(t, 1))
		time.Sleep(time.Second)
		if got := b.received(); len(got) != 1 || got[0] != "999,young" {
			t.Errorf("got %q", got)
		}
		if st := l.spool.Stats(); st.Messages != 0 || st.Dropped.Expired != 1 {
			t.Errorf("got %+v", st)
		}
		l.stop()
	})
}

func TestWill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		down := "102,dev1:device:main:service:mooring-agent,service,mooring-agent,down"
		l := b.link(t, func(c *uplink.Config) { c.Will = []string{down} })
		l.Use(credential(t, 1))
		time.Sleep(time.Second)
		if will := get(b, func() []byte { return b.will }); !bytes.Equal(will, []byte(down+"\n")) {
			t.Errorf("will: got %q", will)
		}
		l.Use(credential(t, 2))
		time.Sleep(time.Minute)
		if n := b.count("s/us " + down); n != 0 {
			t.Error("a new certificate is no farewell")
		}
		l.stop()
		if n := b.count("s/us " + down); n != 1 {
			t.Errorf("said farewell %d times", n)
		}
	})
}
