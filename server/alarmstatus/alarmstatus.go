// Package alarmstatus keeps c8y_ActiveAlarmsStatus of managed objects: how many
// alarms of each severity an object has that are not cleared. Lists of devices
// show it, and queries ask for it ("c8y_ActiveAlarmsStatus.critical gt 0").
//
// News costs a map access where it is told. Run counts within Every and writes
// what is different; at its start it looks at every object that has the fragment
// or alarms, for a server that was killed in between.
package alarmstatus

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// Alarms counts and lists alarms.
type Alarms interface {
	CountAlarms(ctx context.Context, tenant platform.TenantID, f platform.TelemetryFilter) (int64, error)
	Alarms(ctx context.Context, tenant platform.TenantID, f platform.TelemetryFilter, page platform.Page) (platform.List[platform.Alarm], error)
}

// Objects reads and changes managed objects.
type Objects interface {
	Object(ctx context.Context, tenant platform.TenantID, id platform.ID) (platform.ManagedObject, error)
	Objects(ctx context.Context, tenant platform.TenantID, f platform.ObjectFilter, page platform.Page) (platform.List[platform.ManagedObject], error)
	Update(ctx context.Context, tenant platform.TenantID, cmd platform.UpdateObject) (platform.ManagedObject, error)
}

// Tenants lists the tenants of an instance.
type Tenants interface {
	Tenants(ctx context.Context) ([]platform.Tenant, error)
}

// Config says what a Service works on.
type Config struct {
	Alarms  Alarms
	Objects Objects
	Tenants Tenants
	// Every is how late the fragment may be. Zero: 1 s.
	Every time.Duration
	Log   *slog.Logger // nil discards
}

// Service keeps the fragment of the objects of an instance.
type Service struct {
	cfg  Config
	news chan struct{} // holds a token while there is something in dirty

	mu    sync.Mutex // guards dirty
	dirty map[source]struct{}
}

type source struct {
	tenant platform.TenantID
	object platform.ID
}

// New returns a Service that does nothing until Run.
func New(c Config) *Service {
	if c.Every <= 0 {
		c.Every = time.Second
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{cfg: c, news: make(chan struct{}, 1), dirty: map[source]struct{}{}}
}

// Changed notes that alarms of an object changed. It neither blocks nor fails.
func (s *Service) Changed(tenant platform.TenantID, object platform.ID) {
	s.mu.Lock()
	s.dirty[source{tenant, object}] = struct{}{}
	s.mu.Unlock()
	select {
	case s.news <- struct{}{}:
	default: // Run knows already
	}
}

// Run writes what is news until ctx ends.
func (s *Service) Run(ctx context.Context) {
	if err := s.lookAtAll(ctx); err != nil && ctx.Err() == nil {
		s.cfg.Log.Error("the alarms of objects could not be counted at the start", "err", err)
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.news:
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(s.cfg.Every):
		}
		s.mu.Lock()
		dirty := s.dirty
		s.dirty = map[source]struct{}{}
		s.mu.Unlock()
		for d := range dirty {
			if ctx.Err() != nil {
				return
			}
			if err := s.write(ctx, d); err != nil && ctx.Err() == nil {
				s.cfg.Log.Error("the alarms of an object could not be counted and will be again", "tenant", d.tenant, "object", d.object, "err", err)
				s.Changed(d.tenant, d.object)
			}
		}
	}
}

// write counts the alarms of an object and notes them, if they are not noted so.
// Who changed something is looked at again, because another server may have done
// so at the same time.
func (s *Service) write(ctx context.Context, d source) error {
	o, err := s.cfg.Objects.Object(ctx, d.tenant, d.object)
	if problem.KindOf(err) == problem.NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	value, open, err := s.count(ctx, d)
	if err != nil {
		return err
	}
	noted, has := o.Fragments[platform.FragmentActiveAlarms]
	if !has && !open || has && same(noted, value) {
		return nil
	}
	_, err = s.cfg.Objects.Update(ctx, d.tenant, platform.UpdateObject{ID: d.object, Set: platform.Fragments{platform.FragmentActiveAlarms: value}})
	if problem.KindOf(err) == problem.NotFound {
		return nil
	}
	if err == nil {
		s.Changed(d.tenant, d.object)
	}
	return err
}

func same(a, b json.RawMessage) bool {
	var compact bytes.Buffer
	return json.Compact(&compact, a) == nil && bytes.Equal(compact.Bytes(), b)
}

// status is c8y_ActiveAlarmsStatus.
type status struct {
	Critical int64 `json:"critical"`
	Major    int64 `json:"major"`
	Minor    int64 `json:"minor"`
	Warning  int64 `json:"warning"`
}

// notCleared are the statuses that count (vendor's fragment library).
var notCleared = []platform.AlarmStatus{platform.Active, platform.Acknowledged}

func (s *Service) count(ctx context.Context, d source) (value json.RawMessage, open bool, err error) {
	var n status
	for severity, into := range map[platform.Severity]*int64{platform.Critical: &n.Critical, platform.Major: &n.Major, platform.Minor: &n.Minor, platform.Warning: &n.Warning} {
		f := platform.TelemetryFilter{Source: d.object, Statuses: notCleared, Severities: []platform.Severity{severity}}
		if *into, err = s.cfg.Alarms.CountAlarms(ctx, d.tenant, f); err != nil {
			return nil, false, err
		}
	}
	value, err = json.Marshal(n)
	return value, n != status{}, err
}

// lookAtAll has Run count for every object that has the fragment or alarms that are
// not cleared.
func (s *Service) lookAtAll(ctx context.Context) error {
	tenants, err := s.cfg.Tenants.Tenants(ctx)
	if err != nil {
		return err
	}
	for _, t := range tenants {
		for page := 1; ; page++ {
			l, err := s.cfg.Objects.Objects(ctx, t.ID, platform.ObjectFilter{FragmentType: platform.FragmentActiveAlarms}, platform.Page{Number: page, Size: platform.MaxPageSize})
			if err != nil {
				return err
			}
			for i := range l.Items {
				s.Changed(t.ID, l.Items[i].ID)
			}
			if !l.More {
				break
			}
		}
		f := platform.TelemetryFilter{Statuses: notCleared}
		for {
			l, err := s.cfg.Alarms.Alarms(ctx, t.ID, f, platform.Page{Number: 1, Size: platform.MaxPageSize})
			if err != nil {
				return err
			}
			for i := range l.Items {
				s.Changed(t.ID, l.Items[i].Source)
			}
			if !l.More {
				break
			}
			last := l.Items[len(l.Items)-1]
			f.After = &platform.Cursor{Time: last.Time, Type: last.Type, ID: last.ID}
		}
	}
	return nil
}
