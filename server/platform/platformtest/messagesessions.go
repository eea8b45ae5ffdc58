package platformtest

import (
	"time"

	"mooring/internal/problem"
	"mooring/server/platform"
)

func messageKey(client string) platform.MessageKey {
	return platform.MessageKey{Tenant: acme, Client: client}
}

// carriedOut waits for a command of MessageSessions.
func (f *fixture) carriedOut(submit func(done func(error))) {
	f.Helper()
	done := make(chan error, 1)
	submit(func(err error) { done <- err })
	f.must(<-done)
}

func (f *fixture) saveSession(tenant platform.TenantID, client, state string) {
	f.Helper()
	f.carriedOut(func(done func(error)) {
		f.SaveMessageSession(platform.MessageSession{Tenant: tenant, Client: client, State: []byte(state)}, done)
	})
}

// submitMessage returns who had no room.
func (f *fixture) submitMessage(m platform.SubmitMessage) []string {
	f.Helper()
	if m.MaxMessages == 0 {
		m.MaxMessages, m.MaxBytes = 100, 1<<20
	}
	var full []string
	f.carriedOut(func(done func(error)) {
		f.SubmitMessage(m, func(who []string, err error) { full = who; done(err) })
	})
	return full
}

func messageFor(body string, clients ...string) platform.SubmitMessage {
	m := platform.SubmitMessage{Tenant: acme, Body: []byte(body)}
	for _, c := range clients {
		m.To = append(m.To, platform.Recipient{Client: c, QoS: 1})
	}
	return m
}

// waiting are the bodies that wait for a session.
func (f *fixture) waiting(client string) []string {
	f.Helper()
	return collect(got[[]platform.QueuedMessage](f)(f.QueuedMessages(f.Context(), messageKey(client), 0, 1000)), func(m platform.QueuedMessage) string { return string(m.Body) })
}

func (f *fixture) retained(tenant platform.TenantID) []string {
	f.Helper()
	return collect(got[[]platform.RetainedMessage](f)(f.RetainedMessages(f.Context(), tenant, "", 0, 1000)), func(m platform.RetainedMessage) string { return m.Topic + "=" + string(m.Body) })
}

var messageSessionChecks = []check{
	{"message sessions are saved, replaced, listed and ended", func(f *fixture) {
		f.tenants()
		f.saveSession(acme, "b", "1")
		f.saveSession(acme, "a", "1")
		f.saveSession(other, "a", "theirs")
		f.saveSession(acme, "b", "2")
		list := got[[]platform.MessageSession](f)(f.MessageSessions(f.Context(), acme, "", 9))
		equal(f, "sessions", list, []platform.MessageSession{{Tenant: acme, Client: "a", State: []byte("1")}, {Tenant: acme, Client: "b", State: []byte("2")}})
		equal(f, "one", got[platform.MessageSession](f)(f.MessageSession(f.Context(), messageKey("b"))), list[1])
		_, err := f.MessageSession(f.Context(), messageKey("c"))
		equal(f, "none", problem.KindOf(err), problem.NotFound)
		equal(f, "page", len(got[[]platform.MessageSession](f)(f.MessageSessions(f.Context(), acme, "", 1))), 1)
		equal(f, "after", len(got[[]platform.MessageSession](f)(f.MessageSessions(f.Context(), acme, "a", 9))), 1)
		f.submitMessage(messageFor("x", "a"))
		f.carriedOut(func(done func(error)) { f.EndMessageSession(messageKey("a"), done) })
		f.carriedOut(func(done func(error)) { f.EndMessageSession(messageKey("a"), done) })
		f.saveSession(acme, "a", "new")
		equal(f, "of the ended session", f.waiting("a"), nil)
		equal(f, "theirs", len(got[[]platform.MessageSession](f)(f.MessageSessions(f.Context(), other, "", 9))), 1)
	}},
	{"a message waits for each session that wants it, until it is acknowledged", func(f *fixture) {
		f.tenants()
		f.saveSession(acme, "a", "")
		f.saveSession(acme, "b", "")
		f.saveSession(other, "a", "")
		m := platform.SubmitMessage{Tenant: acme, Body: []byte("one"), Expires: at(7), To: []platform.Recipient{
			{Client: "b", QoS: 2, Identifiers: []int{3, 268435455}}, {Client: "nobody", QoS: 1}, {Client: "a", QoS: 1, Retained: true}}}
		equal(f, "full", f.submitMessage(m), nil)
		f.submitMessage(messageFor("two", "b"))
		equal(f, "a", got[[]platform.QueuedMessage](f)(f.QueuedMessages(f.Context(), messageKey("a"), 0, 9)),
			[]platform.QueuedMessage{{Number: 1, QoS: 1, Retained: true, Expires: at(7), Body: []byte("one")}})
		f.carriedOut(func(done func(error)) { f.ReleaseMessage(messageKey("b"), 1, done) })
		equal(f, "b", got[[]platform.QueuedMessage](f)(f.QueuedMessages(f.Context(), messageKey("b"), 0, 9)), []platform.QueuedMessage{
			{Number: 1, QoS: 2, Released: true, Identifiers: []int{3, 268435455}, Expires: at(7), Body: []byte("one")}, {Number: 2, QoS: 1, Body: []byte("two")}})
		equal(f, "after", len(got[[]platform.QueuedMessage](f)(f.QueuedMessages(f.Context(), messageKey("b"), 1, 9))), 1)
		f.carriedOut(func(done func(error)) { f.ForgetMessages(messageKey("b"), []int64{1, 1, 9}, done) })
		equal(f, "left", f.waiting("b"), []string{"two"})
		equal(f, "another's", f.waiting("a"), []string{"one"})
		equal(f, "another tenant's", len(got[[]platform.QueuedMessage](f)(f.QueuedMessages(f.Context(), platform.MessageKey{Tenant: other, Client: "a"}, 0, 9))), 0)
		f.saveSession(acme, "b", "changed")
		equal(f, "after a save", f.waiting("b"), []string{"two"})
	}},
	{"a session that is full gets nothing more, by number and by bytes", func(f *fixture) {
		f.tenants()
		f.saveSession(acme, "a", "")
		f.saveSession(acme, "b", "")
		for i, want := range [][]string{nil, nil, {"a"}} {
			m := messageFor("x", "a")
			m.MaxMessages, m.MaxBytes = 2, 1<<20
			equal(f, "full", f.submitMessage(m), want)
			equal(f, "waiting", len(f.waiting("a")), min(i+1, 2))
		}
		big := messageFor(string(make([]byte, 1000)), "b")
		big.MaxMessages, big.MaxBytes = 100, 10
		equal(f, "alone it fits", f.submitMessage(big), nil)
		equal(f, "not beside another", f.submitMessage(big), []string{"b"})
		f.carriedOut(func(done func(error)) { f.ForgetMessages(messageKey("b"), []int64{1}, done) })
		equal(f, "room again", f.submitMessage(big), nil)
	}},
	{"packet IDs of QoS 2 are noted with what was sent under them", func(f *fixture) {
		f.tenants()
		f.saveSession(acme, "a", "")
		for _, id := range []uint16{65535, 1, 1} {
			f.submitMessage(platform.SubmitMessage{Tenant: acme, Sender: "a", Received: id})
		}
		f.submitMessage(platform.SubmitMessage{Tenant: acme, Sender: "nobody", Received: 3})
		equal(f, "received", got[[]uint16](f)(f.ReceivedPackets(f.Context(), messageKey("a"))), []uint16{1, 65535})
		f.carriedOut(func(done func(error)) { f.ForgetReceived(messageKey("a"), 1, done) })
		f.carriedOut(func(done func(error)) { f.ForgetReceived(messageKey("a"), 7, done) })
		equal(f, "left", got[[]uint16](f)(f.ReceivedPackets(f.Context(), messageKey("a"))), []uint16{65535})
		equal(f, "another tenant's", len(got[[]uint16](f)(f.ReceivedPackets(f.Context(), platform.MessageKey{Tenant: other, Client: "a"}))), 0)
	}},
	{"a tenant retains one message a topic and lane", func(f *fixture) {
		f.tenants()
		keep := func(tenant platform.TenantID, topic string, lane byte, body string, expires time.Time) {
			f.submitMessage(platform.SubmitMessage{Tenant: tenant, Retain: true, Topic: topic, Lane: lane, Body: []byte(body), Expires: expires})
		}
		keep(acme, "b", 1, "1", time.Time{})
		keep(acme, "b", 0, "2", at(3))
		keep(acme, "a", 0, "3", time.Time{})
		keep(other, "a", 0, "theirs", time.Time{})
		keep(acme, "a", 0, "4", time.Time{})
		equal(f, "retained", f.retained(acme), []string{"a=4", "b=2", "b=1"})
		list := got[[]platform.RetainedMessage](f)(f.RetainedMessages(f.Context(), acme, "b", 0, 9))
		equal(f, "after", list, []platform.RetainedMessage{{Topic: "b", Lane: 1, Body: []byte("1")}})
		equal(f, "expiry", got[[]platform.RetainedMessage](f)(f.RetainedMessages(f.Context(), acme, "a", 9, 1))[0].Expires, at(3))
		keep(acme, "b", 0, "", time.Time{})
		equal(f, "removed", f.retained(acme), []string{"a=4", "b=1"})
		equal(f, "theirs", f.retained(other), []string{"a=theirs"})
	}},
}
