// Package presence knows which devices are alive: when each was last heard, and
// which have a connection. It keeps c8y_Availability and c8y_Connection of their
// objects, and raises and clears the alarm on a device that is missed.
//
// News costs a map access where it is told; nothing is written for a message. Run
// writes what is news in batches: a change of status within UrgentEvery, the time
// of a last message within WriteEvery. Who reads an object in between is shown what
// is in memory (Overlay). A crash loses WriteEvery of last messages, no status.
//
// Devices that have c8y_RequiredAvailability are monitored: their entries stay in
// memory, some 200 bytes each. Entries of others are dropped when they are written
// and nothing comes any more.
package presence

import (
	"context"
	"hash/maphash"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"mooring/server/platform"
)

// Store keeps presence; Objects finds devices.
type Store interface {
	ReportPresence(ctx context.Context, tenant platform.TenantID, reports []platform.PresenceReport, now time.Time) ([]platform.PresenceChange, error)
	DisconnectAll(ctx context.Context) error
	Objects(ctx context.Context, tenant platform.TenantID, filter platform.ObjectFilter, page platform.Page) (platform.List[platform.ManagedObject], error)
	Tenants(ctx context.Context) ([]platform.Tenant, error)
}

// Names resolves the external ID under which a device connects; NotFound if it has
// no object.
type Names interface {
	Device(ctx context.Context, tenant platform.TenantID, externalID string) (platform.ID, error)
}

// Alarms raises and clears alarms.
type Alarms interface {
	RaiseAlarm(ctx context.Context, tenant platform.TenantID, a platform.Alarm) (platform.Alarm, error)
	Submit(b platform.Batch, done func(error))
}

// Config says what a Service works on.
type Config struct {
	Store  Store
	Names  Names
	Alarms Alarms
	// Alone says that no other server works on the store: at the start nobody is
	// connected.
	Alone bool
	// UrgentEvery and WriteEvery: see the package. Defaults 1 s and 30 s.
	UrgentEvery, WriteEvery time.Duration
	Log                     *slog.Logger // nil discards
}

// alarmText is the vendor's.
const alarmText = "No data received from device within required interval."

// shards spreads the locks of the entries.
const shards = 16

// Service is the presence of the devices of an instance.
type Service struct {
	cfg  Config
	log  *slog.Logger
	seed maphash.Seed

	shards [shards]shard

	// Run sleeps while there is nothing to do, so that a server without devices
	// costs nothing. What is set says that a pass is on its way.
	soon, later      chan struct{}
	hurried, stirred atomic.Bool

	mu      sync.Mutex       // guards the fields below
	online  map[session]news // of devices
	waiting map[session]struct{}
	counts  Stats
}

// shard is a part of the entries.
type shard struct {
	mu      sync.Mutex // guards the fields below
	entries map[key]*entry
	urgent  map[key]struct{}
}

type key struct {
	tenant platform.TenantID
	id     platform.ID
}

// session is a device by its name: it may connect before it has an object.
type session struct {
	tenant platform.TenantID
	device string
}

// entry is what is known of a device beyond the store.
type entry struct {
	known   platform.Presence // as the store had it last
	since   time.Time         // when the entry was made
	heard   time.Time         // zero: nothing new
	online  *bool             // nil: not known on this server
	look    bool              // the object changed: the store is to be asked
	changed bool              // online is news
}

// Stats are counters, but for Devices, Monitored and Waiting, which are now.
type Stats struct {
	Devices   int // entries in memory
	Monitored int
	Waiting   int   // connected devices that have no object yet
	Written   int64 // reports to the store
	Missed    int64 // devices that became unavailable
	Returned  int64 // devices that became available again
	Failures  int64 // batches that could not be written; they are tried again
}

// New returns a Service that does nothing until Run.
func New(c Config) *Service {
	if c.UrgentEvery <= 0 {
		c.UrgentEvery = time.Second
	}
	if c.WriteEvery <= 0 {
		c.WriteEvery = 30 * time.Second
	}
	s := &Service{cfg: c, log: c.Log, seed: maphash.MakeSeed(), online: map[session]news{}, waiting: map[session]struct{}{},
		soon: make(chan struct{}, 1), later: make(chan struct{}, 1)}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	for i := range s.shards {
		s.shards[i].entries, s.shards[i].urgent = map[key]*entry{}, map[key]struct{}{}
	}
	return s
}

func (s *Service) shardOf(k key) *shard { return &s.shards[maphash.Comparable(s.seed, k)%shards] }

// at calls f with the entry of a device, which is made if there is none and make
// is set, under its lock. f reports whether the entry is to be written soon.
func (s *Service) at(k key, create bool, now time.Time, f func(e *entry, fresh bool) (urgent bool)) {
	sh := s.shardOf(k)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e := sh.entries[k]
	fresh := e == nil
	if fresh {
		if !create {
			return
		}
		e = &entry{since: now}
		sh.entries[k] = e
	}
	urgent := f(e, fresh)
	if urgent {
		sh.urgent[k] = struct{}{}
	}
	s.stir(urgent)
}

// stir has Run look at all entries within WriteEvery, and if it is urgent at those
// that are within UrgentEvery.
func (s *Service) stir(urgent bool) {
	if urgent && s.hurried.CompareAndSwap(false, true) {
		s.soon <- struct{}{} // there is room: Run takes it before it resets hurried
	}
	if !s.stirred.Load() && s.stirred.CompareAndSwap(false, true) {
		s.later <- struct{}{}
	}
}

// Heard notes that a device sent something. It neither blocks nor fails.
func (s *Service) Heard(tenant platform.TenantID, id platform.ID, at time.Time) {
	s.at(key{tenant, id}, true, at, func(e *entry, fresh bool) bool {
		if at.After(e.heard) {
			e.heard = at
		}
		return fresh || e.known.Data == platform.Unavailable || e.known.Data == ""
	})
}

// Online notes that a device, by the name it connects under, has a session on this
// server now, or has none any more. It neither blocks nor fails.
func (s *Service) Online(tenant platform.TenantID, device string, online bool) {
	n := offline
	if online {
		n = connected
	}
	s.note(session{tenant, device}, n)
}

// Elsewhere notes that a device has its session on another server now: what this
// one knew of it counts no more. It neither blocks nor fails.
func (s *Service) Elsewhere(tenant platform.TenantID, device string) {
	s.note(session{tenant, device}, elsewhere)
}

func (s *Service) note(at session, n news) {
	s.mu.Lock()
	s.online[at] = n
	s.mu.Unlock()
	s.stir(true)
}

// news of a device's session.
type news byte

const (
	offline news = iota
	connected
	elsewhere
)

// Look asks the store for a device again: its object changed in a way that matters,
// or may have. It neither blocks nor fails.
func (s *Service) Look(tenant platform.TenantID, id platform.ID) { s.look(tenant, id, true) }

func (s *Service) look(tenant platform.TenantID, id platform.ID, create bool) {
	s.at(key{tenant, id}, create, time.Now(), func(e *entry, _ bool) bool {
		e.look = true
		return true
	})
}

// Apply looks again at devices that it knows and that changed. Where other servers
// change objects too, it looks at all that changed: they may be asked to be
// available now. It is an applier of changes.
func (s *Service) Apply(_ context.Context, c platform.Change) error {
	if c.Kind != platform.ChangeObject {
		return nil
	}
	if id, ok := platform.ParseID(c.Key); ok {
		s.look(c.Tenant, id, !s.cfg.Alone)
	}
	return nil
}

// Overlay puts into the fragments of an object what is not written yet.
func (s *Service) Overlay(tenant platform.TenantID, id platform.ID, f platform.Fragments) {
	s.at(key{tenant, id}, false, time.Time{}, func(e *entry, _ bool) bool {
		p, ok := platform.ReadPresence(f)
		if !ok || e.heard.IsZero() && !e.changed {
			return false
		}
		for name, value := range p.Next(e.report(id), time.Now()).Fragments() {
			f[name] = value
		}
		return false
	})
}

func (e *entry) report(id platform.ID) platform.PresenceReport {
	return platform.PresenceReport{Object: id, Heard: e.heard, Connected: e.online}
}

// Stats returns the counters.
func (s *Service) Stats() Stats {
	s.mu.Lock()
	st := s.counts
	st.Waiting = len(s.waiting)
	s.mu.Unlock()
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		st.Devices += len(sh.entries)
		for _, e := range sh.entries {
			if e.known.Monitored {
				st.Monitored++
			}
		}
		sh.mu.Unlock()
	}
	return st
}
