package notify_test

import (
	"context"
	"testing"

	"mooring/server/notify"
	"mooring/server/platform"
	"mooring/server/sqlstore"
)

// BenchmarkPost is what a measurement costs besides being stored: where nobody
// listens, where somebody does in real time, and where a consumer of a persistent
// topic does.
func BenchmarkPost(b *testing.B) {
	open := func(b *testing.B) (*notify.Service, *sqlstore.Store) {
		b.Helper()
		store, err := sqlstore.OpenSQLite(b.Context(), b.TempDir(), sqlstore.Options{})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = store.Close() })
		if err := store.CreateTenant(b.Context(), platform.Tenant{ID: acme}, platform.User{Tenant: acme, Name: "admin"}); err != nil {
			b.Fatal(err)
		}
		body := make([]byte, 200)
		copy(body, `{"id":"1"}`)
		return notify.New(notify.Config{Store: store, IDs: store, Objects: family{}, Encode: func(context.Context, platform.Notice) []byte { return body }}), store
	}
	n := platform.Notice{Tenant: acme, API: platform.NoticeMeasurements, Action: platform.NoticeCreate, Source: 5, ID: 1, Type: "t", Object: 1}
	const together = 64 // posts that wait, as of a busy connection
	run := func(b *testing.B, s *notify.Service) {
		b.Helper()
		done := make(chan error, together)
		for range together {
			done <- nil
		}
		for b.Loop() {
			if err := <-done; err != nil {
				b.Fatal(err)
			}
			if !s.Wanted(acme) {
				done <- nil
				continue
			}
			s.Post([]platform.Notice{n}, func(err error) { done <- err })
		}
		for range together {
			<-done
		}
	}
	b.Run("nobody", func(b *testing.B) {
		s, _ := open(b)
		run(b, s)
	})
	b.Run("real-time", func(b *testing.B) {
		s, _ := open(b)
		var heard deaf
		s.Listen(acme, notify.Channel{API: platform.NoticeMeasurements}, &heard)
		run(b, s)
	})
	b.Run("persistent", func(b *testing.B) {
		s, store := open(b)
		sub, err := s.Subscribe(b.Context(), platform.NotificationSubscription{Tenant: acme, Context: platform.ContextObject, Source: 5,
			Topic: platform.NotificationTopic{Name: "news"}, APIs: []string{"measurements"}})
		if err != nil {
			b.Fatal(err)
		}
		change := platform.Change{Tenant: acme, Kind: platform.ChangeSubscription, Key: sub.ID.String()}
		if err := s.Apply(b.Context(), change); err != nil {
			b.Fatal(err)
		}
		c, err := s.Connect(b.Context(), notify.Grant{Tenant: acme, Topic: sub.Topic, Subscriber: "me"}, "")
		if err != nil {
			b.Fatal(err)
		}
		go func() {
			for {
				m, err := c.Next(context.Background())
				if err != nil {
					return
				}
				_ = c.Ack(m.Ack())
			}
		}()
		run(b, s)
		c.Close()
		_ = store
	})
}

// deaf hears and forgets.
type deaf struct{}

func (*deaf) Hear(notify.Channel, platform.Notice, []byte) {}
