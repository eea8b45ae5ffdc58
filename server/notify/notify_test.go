package notify_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"mooring/internal/problem"
	"mooring/server/notify"
	"mooring/server/platform"
)

// TestConsumer follows one consumer from its first connection over a restart to
// the end of its registration.
func TestConsumer(t *testing.T) {
	r := newRig(t, notify.Limits{})
	r.subscribe("news", 2, nil)
	if r.Wanted(acme) {
		t.Error("somebody listens before a consumer has connected")
	}
	r.post(alarm(2, 1, "a")) // nobody has registered yet
	c := r.connect("news", "me")
	if !r.Wanted(acme) || r.Wanted(other) {
		t.Error("nobody listens, or in the wrong tenant")
	}
	r.post(alarm(2, 2, "a"), alarm(5, 9, "a"))
	first := c.want(false, "alarms/2 2", "alarmsWithChildren/2 2")
	if first[0].Tenant != acme || first[0].Action != platform.NoticeCreate {
		t.Errorf("got %+v", first[0])
	}
	r.post(alarm(2, 3, "a"))
	c.want(true, "alarms/2 3", "alarmsWithChildren/2 3")
	c.Close()
	if _, err := c.Next(t.Context()); !errors.Is(err, context.Canceled) {
		t.Errorf("a closed client answers %v", err)
	}
	r.post(alarm(2, 4, "a")) // kept while nobody is connected

	// What was not acknowledged comes again, and as nothing says otherwise so does
	// what was acknowledged after it, if the server went down at once.
	r.start(notify.Limits{})
	c = r.connect("news", "me")
	again := c.want(true, "alarms/2 2", "alarmsWithChildren/2 2", "alarms/2 3", "alarmsWithChildren/2 3", "alarms/2 4", "alarmsWithChildren/2 4")
	if again[0].Ack() != first[0].Ack() {
		t.Error("the same message has another acknowledgement")
	}
	c.Close()
	if known, err := r.Forget(t.Context(), notify.Grant{Tenant: other, Topic: platform.NotificationTopic{Name: "news"}, Subscriber: "me"}); known || err != nil {
		t.Errorf("another tenant's: %v, %v", known, err)
	}
	if known, err := r.Forget(t.Context(), notify.Grant{Tenant: acme, Topic: platform.NotificationTopic{Name: "news"}, Subscriber: "me"}); !known || err != nil {
		t.Errorf("got %v, %v", known, err)
	}
	if r.Wanted(acme) {
		t.Error("somebody listens after the last consumer is gone")
	}
}

// TestAcknowledgedStaysAcknowledged reads a topic in several connections.
func TestAcknowledgedStaysAcknowledged(t *testing.T) {
	r := newRig(t, notify.Limits{})
	r.subscribe("news", 5, func(n *platform.NotificationSubscription) { n.APIs = []string{"alarms"} })
	c := r.connect("news", "me")
	for i := range 1000 {
		r.post(alarm(5, i, "a"))
	}
	for i := range 10 {
		for j := range 100 {
			c.want(true, fmt.Sprintf("alarms/5 %d", 100*i+j))
		}
		c.Close()
		c = r.connect("news", "me")
	}
	c.silent()
	r.start(notify.Limits{})
	r.connect("news", "me").silent()
}

func TestConnect(t *testing.T) {
	r := newRig(t, notify.Limits{})
	exclusive := notify.Grant{Tenant: acme, Topic: platform.NotificationTopic{Name: "news"}, Subscriber: "x"}
	first := r.connectAs(exclusive, "a")
	if _, err := r.Connect(t.Context(), exclusive, "b"); !errors.Is(err, problem.Conflict) {
		t.Errorf("a second exclusive connection: %v", err)
	}
	r.connectAs(exclusive, "a")
	if _, err := first.Next(t.Context()); !notify.TakenOver(err) {
		t.Errorf("the one before: %v", err)
	}
	shared := exclusive
	shared.Shared = true
	if _, err := r.Connect(t.Context(), shared, "c"); !errors.Is(err, problem.Conflict) {
		t.Errorf("sharing with an exclusive one: %v", err)
	}
	shared.Subscriber = "y"
	for range 64 {
		r.connectAs(shared, "")
	}
	if _, err := r.Connect(t.Context(), shared, ""); !errors.Is(err, problem.TooMany) {
		t.Errorf("the 65th: %v", err)
	}
	if _, err := r.Connect(t.Context(), notify.Grant{Tenant: "nobody", Topic: exclusive.Topic, Subscriber: "z"}, ""); !errors.Is(err, problem.NotFound) {
		t.Errorf("unknown tenant: %v", err)
	}
}

// TestWindow sends one more than may be unacknowledged.
func TestWindow(t *testing.T) {
	r := newRig(t, notify.Limits{})
	r.subscribe("news", 5, func(n *platform.NotificationSubscription) { n.APIs = []string{"alarms"} })
	c := r.connect("news", "me")
	var all []platform.Notice
	for i := range notify.MaxUnacknowledged + 1 {
		all = append(all, alarm(5, i, "a"))
	}
	r.post(all...)
	var last notify.Message
	for i := range notify.MaxUnacknowledged {
		last = c.want(false, fmt.Sprintf("alarms/5 %d", i))[0]
	}
	c.silent()
	if err := c.Ack("AAAA"); !errors.Is(err, problem.Invalid) {
		t.Errorf("got %v", err)
	}
	r.must(c.Ack("AAAAAAAAAAA=")) // of no message
	c.silent()
	r.must(c.Ack(last.Ack()))
	c.want(true, fmt.Sprintf("alarms/5 %d", notify.MaxUnacknowledged))
	c.silent()
}

// TestShared has three read one topic: each message comes to one of them, those
// of a source to the same, and what one leaves comes to the others.
func TestShared(t *testing.T) {
	r := newRig(t, notify.Limits{})
	r.subscribe("news", 0, func(n *platform.NotificationSubscription) { n.APIs = []string{"alarms"} })
	g := notify.Grant{Tenant: acme, Topic: platform.NotificationTopic{Name: "news"}, Subscriber: "us", Shared: true}
	clients := map[string]*client{}
	for _, name := range []string{"a", "b", "c"} {
		clients[name] = r.connectAs(g, name)
	}
	const sources, each = 60, 5
	for n := range each {
		for source := range sources {
			r.post(alarm(platform.ID(source+1), n, "a"))
		}
	}
	read := func(ctx context.Context, c *client, seen map[platform.ID]int, ack bool) {
		for {
			m, err := c.Next(ctx)
			if err != nil {
				return
			}
			if got := fmt.Sprint(seen[m.Source]); got != string(m.Payload) {
				t.Errorf("source %d: got message %s, want %s", m.Source, m.Payload, got)
			}
			seen[m.Source]++
			if ack {
				r.must(c.Ack(m.Ack()))
			}
		}
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel() // read what is at hand
	owner, total := map[platform.ID]string{}, 0
	deadline, stop := context.WithTimeout(t.Context(), within)
	defer stop()
	seen := map[string]map[platform.ID]int{"a": {}, "b": {}, "c": {}}
	for total < sources*each && deadline.Err() == nil {
		total = 0
		for name, c := range clients {
			read(cancelled, c, seen[name], name != "c")
			for source, n := range seen[name] {
				if owner[source] == "" {
					owner[source] = name
				}
				if owner[source] != name {
					t.Fatalf("source %d came to %s and %s", source, owner[source], name)
				}
				total += n
			}
		}
	}
	for name := range clients {
		if n := len(seen[name]); n < 5 {
			t.Errorf("%s has %d of %d sources", name, n, sources)
		}
	}
	clients["c"].Close() // without having acknowledged anything
	again := map[platform.ID]int{}
	for left := len(seen["c"]) * each; left > 0 && deadline.Err() == nil; {
		before := count(again)
		read(cancelled, clients["a"], again, true)
		read(cancelled, clients["b"], again, true)
		left -= count(again) - before
	}
	if count(again) != len(seen["c"])*each {
		t.Errorf("%d came again, want %d", count(again), len(seen["c"])*each)
	}
}

func count(m map[platform.ID]int) (n int) {
	for _, v := range m {
		n += v
	}
	return n
}

func TestNonPersistent(t *testing.T) {
	r := newRig(t, notify.Limits{})
	r.subscribe("news", 5, func(n *platform.NotificationSubscription) { n.APIs, n.Topic.NonPersistent = []string{"alarms"}, true })
	g := notify.Grant{Tenant: acme, Topic: platform.NotificationTopic{Name: "news", NonPersistent: true}, Subscriber: "me"}
	r.post(alarm(5, 1, "a"))
	c := r.connectAs(g, "")
	r.post(alarm(5, 2, "a"))
	c.want(true, "alarms/5 2")
	persistent := r.connect("news", "me")
	for i := range 1001 {
		r.post(alarm(5, i, "a"))
	}
	c.want(false, "alarms/5 1", "alarms/5 2") // 0 made room for 1000
	persistent.silent()
	c.Close()
	r.post(alarm(5, 7, "a"))
	c = r.connectAs(g, "")
	c.silent()
	if known, err := r.Forget(t.Context(), g); !known || err != nil {
		t.Errorf("got %v, %v", known, err)
	}
	if _, err := c.Next(t.Context()); !notify.Unsubscribed(err) {
		t.Errorf("got %v", err)
	}
}

// TestQuota sees that a dead consumer does not keep more than the quota, and
// that it goes on with what is left.
func TestQuota(t *testing.T) {
	const one = 201 // bytes a message counts
	r := newRig(t, notify.Limits{TopicBytes: 5 * one})
	r.subscribe("news", 5, func(n *platform.NotificationSubscription) { n.APIs = []string{"alarms"} })
	r.connect("news", "me").Close()
	for i := range 9 {
		r.post(alarm(5, i, "a"))
	}
	r.connect("news", "me").want(true, "alarms/5 4", "alarms/5 5")
	if got := r.Stats(); got.Stored != 9 || got.Dropped != 4 || got.Posted != 9 || got.Consumers != 1 {
		t.Errorf("counted %+v", got)
	}
}

// TestUnsubscribeFromWithin ends a consumer by its own connection.
func TestUnsubscribeFromWithin(t *testing.T) {
	r := newRig(t, notify.Limits{})
	c := r.connect("news", "me")
	r.must(c.Unsubscribe(t.Context()))
	if _, err := c.Next(t.Context()); !notify.Unsubscribed(err) {
		t.Errorf("got %v", err)
	}
	if all, err := r.store.AllConsumers(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("left are %v, %v", all, err)
	}
	if r.Wanted(acme) {
		t.Error("somebody listens")
	}
}
