package notify_test

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mooring/internal/problem"
	"mooring/server/notify"
	"mooring/server/platform"
)

// bus carries broadcasts within the process.
type bus struct {
	t     *testing.T
	mu    sync.Mutex
	hears []func(string)
}

func (b *bus) Broadcast(_ context.Context, text string) error {
	if len(text) > platform.MaxBroadcast {
		b.t.Errorf("a broadcast of %d bytes", len(text))
	}
	b.mu.Lock()
	all := b.hears
	b.mu.Unlock()
	for _, hear := range all {
		hear(text)
	}
	return nil
}

func (b *bus) FollowBroadcasts(ctx context.Context, ready func(), hear func(string)) error {
	b.mu.Lock()
	b.hears = append(b.hears[:len(b.hears):len(b.hears)], hear)
	b.mu.Unlock()
	ready()
	hear("{not for us")
	<-ctx.Done()
	return ctx.Err()
}

// TestNodes has somebody listen on one node to what happens on another.
func TestNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		between := &bus{t: t}
		node := func() *notify.Service {
			s := notify.New(notify.Config{Objects: family{}, Encode: encode, Relay: between,
				Fetch: func(_ context.Context, n platform.Notice) (any, error) {
					if n.ID == 404 {
						return nil, problem.NotFound
					}
					return fmt.Sprint("fetched ", n.ID), nil
				}})
			running.Go(func() { s.Run(ctx) })
			return s
		}
		a, b := node(), node()
		synctest.Wait()
		if a.Wanted(acme) {
			t.Error("somebody listens from the start")
		}
		var e ears
		quit := b.Listen(acme, notify.Channel{API: platform.NoticeEvents}, &e)
		synctest.Wait()
		if !a.Wanted(acme) || a.Wanted(other) {
			t.Error("the other node does not know who listens")
		}
		gone, passing, large := event(5, 3), event(5, 4), event(5, 5)
		gone.Action, gone.Object = platform.NoticeDelete, nil
		passing.Transient, passing.Object = true, "passing"
		large.Transient, large.Object = true, strings.Repeat("x", platform.MaxBroadcast)
		notices := []platform.Notice{event(5, 1), event(5, 404), gone, passing, large, alarm(5, 6, "a")}
		for i := range notices {
			notices[i].Tenant = acme
		}
		if err := platform.Tell(t.Context(), a, notices...); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		want := []string{`events/0 CREATE "fetched 1"`, `events/0 DELETE {"id":"3"}`, `events/0 CREATE "passing"`}
		if !reflect.DeepEqual(e.list, want) {
			t.Errorf("heard\n got %q\nwant %q", e.list, want)
		}
		// Many at once take several broadcasts.
		e.list = nil
		var many []platform.Notice
		for i := range 300 {
			n := event(5, 1000+i)
			n.Tenant = acme
			many = append(many, n)
		}
		if err := platform.Tell(t.Context(), a, many...); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if len(e.list) != 300 || e.list[299] != `events/0 CREATE "fetched 1299"` {
			t.Errorf("heard %d, the last is %q", len(e.list), e.list[len(e.list)-1])
		}
		// As long as somebody listens the others know; after that they forget it.
		time.Sleep(5 * time.Minute)
		if !a.Wanted(acme) {
			t.Error("the other node has forgotten who listens")
		}
		quit()
		time.Sleep(45 * time.Second)
		synctest.Wait()
		if a.Wanted(acme) || b.Wanted(acme) {
			t.Error("a node takes somebody to listen")
		}
		stop()
		running.Wait()
	})
}
