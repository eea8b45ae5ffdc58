package platformtest

import (
	"context"
	"fmt"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// subscription is the n-th of acme.
func (f *fixture) subscription(n int) platform.NotificationSubscription {
	return platform.NotificationSubscription{
		ID: platform.ID(8000 + n), Tenant: acme, Context: platform.ContextObject, Source: platform.ID(7000 + n),
		Topic: platform.NotificationTopic{Name: "news"}, APIs: []string{"alarms", "events"}, TypeFilter: "'a' or 'b'",
		Fragments: []string{"c8y_A", `"odd", name`}, Created: at(n),
	}
}

// queue appends n messages to a topic of acme.
func (f *fixture) queue(topic string, n int, maxBytes int64) {
	f.Helper()
	cmd := platform.AppendNotifications{Tenant: acme, MaxBytes: maxBytes}
	for i := range n {
		cmd.Messages = append(cmd.Messages, platform.TopicNotification{Topic: topic, QueuedNotification: platform.QueuedNotification{
			API: platform.NoticeAlarms, Source: source1, Action: platform.NoticeCreate, At: at(i), Payload: fmt.Appendf(nil, `{"n":%d}`, i)}})
	}
	got[int](f)(f.AppendNotifications(f.Context(), cmd))
}

func (f *fixture) numbers(tenant platform.TenantID, topic string, after int64) []int64 {
	f.Helper()
	return collect(got[[]platform.QueuedNotification](f)(f.QueuedNotifications(f.Context(), tenant, topic, after, 1000)),
		func(n platform.QueuedNotification) int64 { return n.Number })
}

func (f *fixture) consumer(topic, name string) {
	f.Helper()
	f.must(f.CreateConsumer(f.Context(), platform.NotificationConsumer{Tenant: acme, Topic: topic, Subscriber: name, Created: at(1)}))
}

var notificationChecks = []check{
	{"notification subscriptions are kept, listed and removed", func(f *fixture) {
		f.tenants()
		a, b := f.subscription(1), f.subscription(2)
		c := platform.NotificationSubscription{ID: 8003, Tenant: acme, Context: platform.ContextTenant, Topic: platform.NotificationTopic{Name: "all", NonPersistent: true}, Created: at(3)}
		d := platform.NotificationSubscription{ID: 8004, Tenant: other, Context: platform.ContextTenant, Topic: platform.NotificationTopic{Name: "all"}, Created: at(4)}
		for _, n := range []platform.NotificationSubscription{a, b, c, d} {
			f.must(f.CreateSubscription(f.Context(), n))
		}
		equal(f, "one", got[platform.NotificationSubscription](f)(f.Subscription(f.Context(), acme, a.ID)), a)
		_, err := f.Subscription(f.Context(), other, a.ID)
		f.kind(err, problem.NotFound)
		equal(f, "of every tenant", got[[]platform.NotificationSubscription](f)(f.AllSubscriptions(f.Context(), a.ID, 10)), []platform.NotificationSubscription{b, c, d})
		equal(f, "bounded", len(got[[]platform.NotificationSubscription](f)(f.AllSubscriptions(f.Context(), 0, 3))), 3)
		for _, tt := range []struct {
			name   string
			filter platform.NotificationFilter
			want   []platform.ID
		}{
			{"all", platform.NotificationFilter{}, []platform.ID{a.ID, b.ID, c.ID}},
			{"context", platform.NotificationFilter{Context: platform.ContextTenant}, []platform.ID{c.ID}},
			{"source", platform.NotificationFilter{Source: b.Source}, []platform.ID{b.ID}},
			{"name", platform.NotificationFilter{Name: "news"}, []platform.ID{a.ID, b.ID}},
			{"type filter", platform.NotificationFilter{TypeFilter: "'a' or 'b'"}, []platform.ID{a.ID, b.ID}},
			{"none", platform.NotificationFilter{Name: "new"}, nil},
		} {
			l := got[platform.List[platform.NotificationSubscription]](f)(f.Subscriptions(f.Context(), acme, tt.filter, everything))
			equal(f, tt.name, collect(l.Items, func(n platform.NotificationSubscription) platform.ID { return n.ID }), tt.want)
		}
		again := a
		again.ID = 8009
		f.kind(f.CreateSubscription(f.Context(), again), problem.Conflict)
		again.Topic.NonPersistent = true
		f.must(f.CreateSubscription(f.Context(), again))

		f.kind(f.DeleteSubscription(f.Context(), other, a.ID), problem.NotFound)
		f.must(f.DeleteSubscription(f.Context(), acme, a.ID))
		f.kind(f.DeleteSubscription(f.Context(), acme, a.ID), problem.NotFound)
		equal(f, "removed", got[int](f)(f.DeleteSubscriptions(f.Context(), acme, platform.NotificationFilter{Context: platform.ContextObject})), 2)
		equal(f, "left", got[[]platform.NotificationSubscription](f)(f.AllSubscriptions(f.Context(), 0, 10)), []platform.NotificationSubscription{c, d})
	}},
	{"an object takes the notification subscriptions to it along", func(f *fixture) {
		f.tenants()
		a, b := f.subscription(1), f.subscription(2)
		mine := f.subscription(3)
		mine.Tenant, mine.Source = other, a.Source
		for _, n := range []platform.NotificationSubscription{a, b, mine} {
			f.must(f.CreateSubscription(f.Context(), n))
		}
		f.must(f.CreateObject(f.Context(), acme, platform.CreateObject{Object: platform.ManagedObject{ID: a.Source, Tenant: acme}}))
		f.must(f.DeleteObjects(f.Context(), acme, []platform.ID{a.Source}))
		left := got[[]platform.NotificationSubscription](f)(f.AllSubscriptions(f.Context(), 0, 10))
		equal(f, "left", collect(left, func(n platform.NotificationSubscription) platform.ID { return n.ID }), []platform.ID{b.ID, mine.ID})
	}},
	{"a reader gets what comes after it registered, until it has passed it", func(f *fixture) {
		f.tenants()
		f.consumer("news", "early")
		f.queue("news", 3, 0)
		f.consumer("news", "late")
		f.consumer("news", "early") // again: stays as it is
		f.queue("news", 2, 0)
		position := func(name string) int64 { return got[int64](f)(f.Position(f.Context(), acme, "news", name)) }
		equal(f, "positions", []int64{position("early"), position("late")}, []int64{0, 3})
		equal(f, "messages", f.numbers(acme, "news", 0), []int64{1, 2, 3, 4, 5})
		equal(f, "of another tenant", len(f.numbers(other, "news", 0)), 0)
		equal(f, "of another topic", len(f.numbers(acme, "new", 0)), 0)
		first := got[[]platform.QueuedNotification](f)(f.QueuedNotifications(f.Context(), acme, "news", 1, 1))
		equal(f, "a message", first, []platform.QueuedNotification{{Number: 2, API: platform.NoticeAlarms, Source: source1,
			Action: platform.NoticeCreate, At: at(1), Payload: []byte(`{"n":1}`)}})
		f.must(f.SetPosition(f.Context(), acme, "news", "early", 4))
		equal(f, "passed by both", f.numbers(acme, "news", 0), []int64{4, 5})
		f.must(f.SetPosition(f.Context(), acme, "news", "early", 2))
		equal(f, "never back", position("early"), 4)
		f.must(f.SetPosition(f.Context(), acme, "news", "late", 99))
		equal(f, "never beyond the last", position("late"), 5)
		f.must(f.DeleteConsumer(f.Context(), acme, "news", "early"))
		equal(f, "nobody left to read", len(f.numbers(acme, "news", 0)), 0)
		_, err := f.Position(f.Context(), acme, "news", "early")
		f.kind(err, problem.NotFound)
		f.kind(f.DeleteConsumer(f.Context(), acme, "news", "early"), problem.NotFound)
		f.kind(f.DeleteConsumer(f.Context(), other, "news", "late"), problem.NotFound)
		equal(f, "is there", []bool{got[bool](f)(f.HasConsumer(f.Context(), acme, "news", "late")), got[bool](f)(f.HasConsumer(f.Context(), other, "news", "late")),
			got[bool](f)(f.HasConsumer(f.Context(), acme, "news", "early"))}, []bool{true, false, false})
		equal(f, "readers", got[[]platform.NotificationConsumer](f)(f.AllConsumers(f.Context())),
			[]platform.NotificationConsumer{{Tenant: acme, Topic: "news", Subscriber: "late", Created: at(1)}})
	}},
	{"a topic beyond its quota lets go of the oldest", func(f *fixture) {
		f.tenants()
		f.consumer("news", "slow")
		f.queue("news", 10, 0)
		const one = 200 + int64(len(`{"n":0}`))
		f.queue("news", 1, 11*one)
		equal(f, "at the quota", len(f.numbers(acme, "news", 0)), 11)
		f.queue("news", 1, 11*one)
		equal(f, "beyond it", f.numbers(acme, "news", 0)[0], int64(2))
		f.queue("news", 1, 5*one)
		dropped := got[int](f)(f.AppendNotifications(f.Context(), platform.AppendNotifications{Tenant: acme, MaxBytes: 5 * one, Messages: []platform.TopicNotification{
			{Topic: "news", QueuedNotification: platform.QueuedNotification{At: at(1), Payload: []byte(`{"n":0}`)}}}}))
		equal(f, "dropped", dropped, 1)
		equal(f, "a smaller one", f.numbers(acme, "news", 0), []int64{10, 11, 12, 13, 14})
	}},
	{"old messages expire, some at a time", func(f *fixture) {
		f.tenants()
		f.consumer("news", "slow")
		f.queue("news", 5, 0) // at 0 to 4
		expire := func(n, limit int) int { return got[int](f)(f.ExpireNotifications(f.Context(), at(n), limit)) }
		equal(f, "removed", []int{expire(0, 10), expire(3, 2), expire(3, 2), expire(3, 2)}, []int{0, 2, 1, 0})
		equal(f, "left", f.numbers(acme, "news", 0), []int64{4, 5})
		f.queue("news", 1, 3*(200+7)) // the bytes of what expired are free again
		equal(f, "room", f.numbers(acme, "news", 0), []int64{4, 5, 6})
	}},
	{"messages of several writers are numbered without gaps", func(f *fixture) {
		f.tenants()
		f.consumer("news", "reader")
		done := make(chan error)
		for range 8 {
			go func() {
				var err error
				for i := 0; i < 10 && err == nil; i++ {
					_, err = f.AppendNotifications(context.Background(), platform.AppendNotifications{Tenant: acme, Messages: []platform.TopicNotification{
						{Topic: "news", QueuedNotification: platform.QueuedNotification{At: at(i), Payload: []byte("{}")}},
						{Topic: "all", QueuedNotification: platform.QueuedNotification{At: at(i), Payload: []byte("{}")}}}})
				}
				done <- err
			}()
		}
		for range 8 {
			f.must(<-done)
		}
		numbers := f.numbers(acme, "news", 0)
		equal(f, "last", []int64{numbers[0], numbers[len(numbers)-1], int64(len(numbers))}, []int64{1, 80, 80})
	}},
}
