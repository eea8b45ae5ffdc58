package uplink_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"mooring/agent/uplink"
)

// send writes a message to every connection.
func (b *broker) send(topic, payload string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.conns {
		p := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
		p.TopicName, p.Payload = topic, []byte(payload)
		_ = p.Write(c)
	}
}

func (b *broker) count(published string) int {
	n := 0
	for _, p := range get(b, func() []string { return b.published }) {
		if p == published {
			n++
		}
	}
	return n
}

func TestListeners(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		l := b.link(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		operations := l.Listen(ctx, uplink.TopicOperations)
		everything := l.Listen(t.Context(), uplink.TopicOperations, "s/e", "s/dc/#")
		l.Use(credential(t, 1))
		time.Sleep(time.Second)
		b.send("s/ds", "510,dev1")
		b.send("s/dc/mine", "999,dev1")
		b.send("s/e", "40,999,No static template for this message id")
		for _, c := range []struct {
			from <-chan uplink.Message
			want string
		}{{operations, "s/ds 510,dev1"}, {everything, "s/ds 510,dev1"}, {everything, "s/dc/mine 999,dev1"},
			{everything, "s/e 40,999,No static template for this message id"}} {
			if m := <-c.from; m.Topic+" "+string(m.Payload) != c.want {
				t.Errorf("got %s %s, want %s", m.Topic, m.Payload, c.want)
			}
		}
		if n := b.count("s/us 500"); n != 1 {
			t.Errorf("pending operations asked for %d times, want once", n)
		}
		if n := get(b, func() int { return b.tries["devicecontrol/notifications"] }); n != 0 {
			t.Error("subscribed to what nobody listens to")
		}
		later := l.Listen(t.Context(), uplink.TopicJSONOperations)
		time.Sleep(time.Second)
		b.send("devicecontrol/notifications", "{}")
		if m := <-later; string(m.Payload) != "{}" {
			t.Errorf("got %s", m.Payload)
		}
		l.Listen(t.Context(), uplink.TopicOperations)
		l.Listen(t.Context(), "s/e")
		time.Sleep(time.Second)
		if n := b.count("s/us 500"); n != 3 {
			t.Errorf("pending operations asked for %d times after a new topic and a new listener, want 3", n)
		}
		b.kick()
		time.Sleep(time.Minute)
		if n := b.count("s/us 500"); n != 4 {
			t.Errorf("pending operations asked for %d times after a reconnect, want 4", n)
		}
		b.send("s/ds", "510,dev1")
		<-operations
		cancel()
		if _, open := <-operations; open {
			t.Error("a listener that ended still hears")
		}
		l.stop()
	})
}

func TestSlowListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		l := b.link(t, nil)
		slow, fast := l.Listen(t.Context(), "s/ds"), l.Listen(t.Context(), "s/ds")
		l.Use(credential(t, 1))
		time.Sleep(time.Second)
		for i := range 65 {
			b.send("s/ds", fmt.Sprintf("511,dev1,%d", i))
			<-fast
		}
		for i := range 64 {
			if m := <-slow; string(m.Payload) != fmt.Sprintf("511,dev1,%d", i) {
				t.Fatalf("got %s at %d", m.Payload, i)
			}
		}
		if n := b.count("s/us 500"); n != 1 {
			t.Errorf("asked %d times at once, want once", n)
		}
		time.Sleep(time.Minute)
		if n := b.count("s/us 500"); n != 2 {
			t.Errorf("asked %d times, want again for what was lost", n)
		}
		if len(slow) != 0 {
			t.Error("the 65th message has a place")
		}
		l.stop()
	})
}

// A topic that nobody listens to any more is given back after a minute, and asked
// for again when somebody does. Programs that come and go within it cost nothing.
func TestUnheardTopics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		l := b.link(t, nil)
		l.Use(credential(t, 1))
		given := func() string { return strings.Join(get(b, func() []string { return b.given }), " ") }
		asked := func() int { return get(b, func() int { return b.tries["local/one"] }) }
		l.Listen(t.Context(), "kept/topic")
		for range 10 {
			ctx, cancel := context.WithCancel(t.Context())
			l.Listen(ctx, "local/one", "s/e")
			time.Sleep(30 * time.Second)
			cancel()
			time.Sleep(30 * time.Second)
		}
		if given() != "" || asked() != 1 {
			t.Errorf("programs that come and go: gave %q back, asked %d times", given(), asked())
		}
		time.Sleep(31 * time.Second)
		if given() != "local/one" {
			t.Errorf("gave %q back, want local/one", given())
		}
		heard := l.Listen(t.Context(), "local/one")
		time.Sleep(time.Second)
		b.send("local/one", "again")
		if m := <-heard; string(m.Payload) != "again" || asked() != 2 {
			t.Errorf("got %+v, asked %d times", m, asked())
		}
		b.kick()
		time.Sleep(10 * time.Minute)
		if given() != "local/one" {
			t.Errorf("gave %q back", given())
		}
	})
}
