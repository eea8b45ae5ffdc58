package notify_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"mooring/internal/durable/durabletest"
	"mooring/internal/problem"
	"mooring/server/notify"
	"mooring/server/platform"
	"mooring/server/sqlstore"
)

// rig is a Service on a real store. Object 1 is above 2, which is above 3.
type rig struct {
	*testing.T
	*notify.Service
	store *sqlstore.Store
	told  atomic.Pointer[notify.Service] // hears of changes
}

const (
	acme  = platform.TenantID("t1")
	other = platform.TenantID("t2")
)

func newRig(t *testing.T, limits notify.Limits) *rig {
	t.Helper()
	r := &rig{T: t}
	var err error
	r.store, err = sqlstore.OpenSQLite(t.Context(), durabletest.Dir(t), sqlstore.Options{OnCommit: func(changes []platform.Change) {
		if s := r.told.Load(); s != nil {
			for _, c := range changes {
				if err := s.Apply(context.Background(), c); err != nil {
					t.Error(err)
				}
			}
		}
	}})
	r.must(err)
	t.Cleanup(func() { r.must(r.store.Close()) })
	for _, id := range []platform.TenantID{acme, other} {
		r.must(r.store.CreateTenant(t.Context(), platform.Tenant{ID: id}, platform.User{Tenant: id, Name: "admin"}))
	}
	r.start(limits)
	return r
}

// start makes a new Service on the store, as a restart does.
func (r *rig) start(limits notify.Limits) {
	r.Helper()
	r.Service = notify.New(notify.Config{Store: r.store, IDs: r.store, Objects: family{}, Limits: limits, Encode: encode})
	r.told.Store(r.Service)
	r.must(r.Load(r.Context()))
}

func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// family answers for objects 1 to 100 of acme.
type family struct{}

func (family) Parents(_ context.Context, tenant platform.TenantID, child platform.ID, kind platform.ChildKind) ([]platform.ManagedObject, error) {
	if tenant == acme && kind == platform.ChildDevices && (child == 2 || child == 3) {
		return []platform.ManagedObject{{ID: child - 1}}, nil
	}
	return nil, nil
}

func (family) Owner(_ context.Context, tenant platform.TenantID, id platform.ID) (string, error) {
	if tenant != acme || id > 100 {
		return "", problem.NotFound
	}
	return "", nil
}

func encode(_ context.Context, n platform.Notice) []byte {
	if n.Object == nil {
		return fmt.Appendf(nil, `{"id":"%d"}`, n.ID)
	}
	text, _ := json.Marshal(n.Object)
	return text
}

// subscribe makes a subscription of acme to an object, or with source zero to
// the tenant.
func (r *rig) subscribe(topic string, source platform.ID, change func(*platform.NotificationSubscription)) platform.NotificationSubscription {
	r.Helper()
	n := platform.NotificationSubscription{Tenant: acme, Context: platform.ContextTenant, Source: source, Topic: platform.NotificationTopic{Name: topic}}
	if source != 0 {
		n.Context = platform.ContextObject
	}
	if change != nil {
		change(&n)
	}
	n, err := r.Subscribe(r.Context(), n)
	r.must(err)
	return n
}

func (r *rig) connect(topic, subscriber string) *client {
	r.Helper()
	return r.connectAs(notify.Grant{Tenant: acme, Topic: platform.NotificationTopic{Name: topic}, Subscriber: subscriber}, "")
}

func (r *rig) connectAs(g notify.Grant, instance string) *client {
	r.Helper()
	c, err := r.Connect(r.Context(), g, instance)
	r.must(err)
	r.Cleanup(c.Close)
	return &client{r.T, c}
}

// post tells of things of acme and waits until it is answered.
func (r *rig) post(notices ...platform.Notice) {
	r.Helper()
	for i := range notices {
		if notices[i].Tenant == "" {
			notices[i].Tenant = acme
		}
	}
	r.must(platform.Tell(r.Context(), r, notices...))
}

// event is the n-th of an object.
func event(source platform.ID, n int) platform.Notice {
	return platform.Notice{API: platform.NoticeEvents, Action: platform.NoticeCreate, Source: source, ID: platform.ID(n), Type: "e",
		Object: map[string]any{"id": fmt.Sprint(n), "type": "e", "c8y_A": 1, "c8y_B": 2}}
}

func alarm(source platform.ID, n int, typ string) platform.Notice {
	return platform.Notice{API: platform.NoticeAlarms, Action: platform.NoticeCreate, Source: source, ID: platform.ID(n), Type: typ, Object: n}
}

type client struct {
	*testing.T
	*notify.Client
}

// within is far more than anything here takes.
const within = 10 * time.Second

// want reads messages, acknowledging them if ack, and compares "api/source payload".
func (c *client) want(ack bool, want ...string) []notify.Message {
	c.Helper()
	var list []notify.Message
	for _, w := range want {
		ctx, cancel := context.WithTimeout(c.Context(), within)
		m, err := c.Next(ctx)
		cancel()
		if err != nil {
			c.Fatalf("want %s: %v", w, err)
		}
		if got := fmt.Sprintf("%s/%d %s", m.API, m.Source, m.Payload); got != w {
			c.Fatalf("got %s, want %s", got, w)
		}
		if ack {
			if err := c.Ack(m.Ack()); err != nil {
				c.Fatal(err)
			}
		}
		list = append(list, m)
	}
	return list
}

// silent fails if there is a message at hand.
func (c *client) silent() {
	c.Helper()
	ctx, cancel := context.WithCancel(c.Context())
	cancel()
	if m, err := c.Next(ctx); err == nil {
		c.Fatalf("got %s/%d %s, want silence", m.API, m.Source, m.Payload)
	}
}
