// Package notify passes on what happens to those who listen (rest.md §6.12): to
// the sessions of the real-time API while they last, and by Notification 2.0 to
// the topics that subscriptions forward to.
//
// A notice is posted after the commit. Messages of a persistent topic are stored
// before the poster is answered, if the topic has a registered consumer; each is
// kept until all its consumers have acknowledged it, the topic's quota is
// exceeded or it is too old. Notices of one tenant are passed on in the order in
// which they were posted.
//
// What is kept in memory: every subscription and consumer (some 300 bytes each,
// invalidated by ChangeSubscription and ChangeConsumer; another node's change
// is seen within 5 s).
package notify

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"mooring/server/platform"
)

// Limits bound what is kept for others. The platform documents the mechanism and
// states no figures (rest.md §6.12).
type Limits struct {
	TopicBytes int64         // of one persistent topic; zero: 256 MiB
	KeepFor    time.Duration // a message nobody has acknowledged; zero: 7 days
}

// Bounds of a connected consumer. The first is the platform's.
const (
	MaxUnacknowledged = 1000    // messages sent to one connection
	maxUnsentBytes    = 4 << 20 // messages that wait for one connection
	maxClients        = 64      // connections of one shared consumer
)

// Objects knows the hierarchy: server/inventory.
type Objects interface {
	Parents(ctx context.Context, tenant platform.TenantID, child platform.ID, kind platform.ChildKind) ([]platform.ManagedObject, error)
	Owner(ctx context.Context, tenant platform.TenantID, id platform.ID) (string, error)
}

// Config says what a Service works on.
type Config struct {
	Store   platform.Notifications
	IDs     platform.IDs
	Objects Objects
	// Encode writes the object of a notice as JSON; of one that is gone, its ID:
	// {"id":"12"}.
	Encode func(ctx context.Context, n platform.Notice) []byte
	Limits Limits
	// Relay tells other nodes; nil: there are none. With it Fetch reads the object of
	// a notice that came from another node, as it is now.
	Relay platform.Broadcasts
	Fetch func(ctx context.Context, n platform.Notice) (any, error)
	// Poll is how often a connected consumer looks for messages that other nodes
	// have stored; zero: there are no other nodes.
	Poll time.Duration
	Now  func() time.Time // nil is time.Now
	Log  *slog.Logger     // nil discards
}

// Service passes on the notices of an instance.
type Service struct {
	Config
	lanes [lanes]lane
	relay relay
	stats stats
	// active are the tenants somebody of whom listens; Wanted is asked for every
	// message that comes in.
	active atomic.Pointer[map[platform.TenantID]bool]

	mu      sync.RWMutex // guards what follows; taken before that of a reader
	tenants map[platform.TenantID]*tenant
}

var _ platform.Notices = (*Service)(nil)

// New returns a Service on the stores of c. Nothing is known before Load.
func New(c Config) *Service {
	if c.Limits.TopicBytes == 0 {
		c.Limits.TopicBytes = 256 << 20
	}
	if c.Limits.KeepFor == 0 {
		c.Limits.KeepFor = 7 * 24 * time.Hour
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	s := &Service{Config: c, tenants: map[platform.TenantID]*tenant{}, relay: newRelay()}
	for i := range s.lanes {
		s.lanes[i].s = s
	}
	return s
}

// loadPage is how many subscriptions Load reads at once.
const loadPage = 1000

// Load reads what is kept in memory.
func (s *Service) Load(ctx context.Context) error {
	for after := platform.ID(0); ; {
		page, err := s.Store.AllSubscriptions(ctx, after, loadPage)
		if err != nil {
			return err
		}
		for _, n := range page {
			s.put(n)
			after = n.ID
		}
		if len(page) < loadPage {
			break
		}
	}
	consumers, err := s.Store.AllConsumers(ctx)
	if err != nil {
		return err
	}
	for _, c := range consumers {
		s.register(c.Tenant, c.Topic, c.Subscriber, true)
	}
	return nil
}

// Wanted implements platform.Notices.
func (s *Service) Wanted(tenant platform.TenantID) bool {
	active := s.active.Load()
	return active != nil && (*active)[tenant]
}

// expireAtOnce is how many messages one turn of Expire removes.
const expireAtOnce = 500

// Expire removes messages that are too old. It is called now and then.
func (s *Service) Expire(ctx context.Context) error {
	for {
		n, err := s.Store.ExpireNotifications(ctx, platform.Millis(s.Now().Add(-s.Limits.KeepFor)), expireAtOnce)
		if err != nil || n < expireAtOnce {
			return err
		}
	}
}
