package presence

import (
	"context"
	"time"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// Load learns which devices are monitored and, on a server that is alone, notes
// that nobody is connected. It is called before devices may connect.
func (s *Service) Load(ctx context.Context) error {
	if s.cfg.Alone {
		if err := s.cfg.Store.DisconnectAll(ctx); err != nil {
			s.log.Error("devices stay noted as connected", "err", err) // a full disk: no reason not to serve
		}
	}
	tenants, err := s.cfg.Store.Tenants(ctx)
	if err != nil {
		return err
	}
	for _, t := range tenants {
		if err := s.loadTenant(ctx, t.ID); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) loadTenant(ctx context.Context, tenant platform.TenantID) error {
	now := time.Now()
	for page := 1; ; page++ {
		list, err := s.cfg.Store.Objects(ctx, tenant, platform.ObjectFilter{FragmentType: platform.FragmentRequiredAvailability},
			platform.Page{Number: page, Size: platform.MaxPageSize})
		if err != nil {
			return err
		}
		for _, o := range list.Items {
			p, _ := platform.ReadPresence(o.Fragments)
			s.at(key{tenant, o.ID}, true, now, func(e *entry, _ bool) bool {
				e.known = p
				return p.Data == "" || p.Connection == ""
			})
		}
		if !list.More {
			return nil
		}
	}
}

// Run writes what is news until ctx ends, and the rest then.
func (s *Service) Run(ctx context.Context) {
	s.stir(false) // for what Load found
	var urgent, all <-chan time.Time
	for {
		select {
		case <-s.soon:
			urgent = time.After(s.cfg.UrgentEvery)
		case <-s.later:
			all = time.After(s.cfg.WriteEvery)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWrite)
			defer cancel()
			s.resolve(last, true)
			list, _ := s.all(time.Now())
			s.write(last, list)
			return
		case <-all:
			all = nil
			s.stirred.Store(false)
			s.resolve(ctx, true)
			list, more := s.all(time.Now())
			s.write(ctx, list)
			if more {
				s.stir(false)
			}
		case <-urgent:
			urgent = nil
			s.hurried.Store(false)
			s.resolve(ctx, false)
			s.write(ctx, s.urgent(time.Now()))
		}
	}
}

// lastWrite bounds what is written when the server stops.
const lastWrite = 5 * time.Second

// waitingAtOnce bounds the look-ups for connected devices without object; ours. The
// front end tells again of one whose object is made over its own connection.
const waitingAtOnce = 200

// resolve finds the objects of devices that connected or disconnected. Those that
// have none yet are looked for again with everything else.
func (s *Service) resolve(ctx context.Context, again bool) {
	s.mu.Lock()
	list := s.online
	s.online = map[session]news{}
	if again {
		looked := 0
		for w := range s.waiting { // any of them: the order of maps is random
			if looked++; looked > waitingAtOnce {
				break
			}
			if _, newer := list[w]; !newer {
				list[w] = connected
			}
		}
	}
	s.mu.Unlock()
	for at, n := range list {
		id, err := s.cfg.Names.Device(ctx, at.tenant, at.device)
		s.mu.Lock()
		switch {
		case err == nil || n != connected:
			delete(s.waiting, at)
		case problem.KindOf(err) == problem.NotFound:
			s.waiting[at] = struct{}{}
			s.stir(false)
		default: // the store does not answer
			if _, newer := s.online[at]; !newer {
				s.online[at] = n
			}
			s.stir(true)
		}
		s.mu.Unlock()
		if err != nil {
			continue
		}
		s.at(key{at.tenant, id}, true, time.Now(), func(e *entry, _ bool) bool {
			if n == elsewhere {
				e.online, e.changed = nil, false
				return false
			}
			online := n == connected
			e.online, e.changed = &online, true
			return true
		})
	}
}

// reports are those for the store, by tenant.
type reports map[platform.TenantID][]platform.PresenceReport

// urgent takes the entries whose status may be another, and those that are overdue
// are found by all.
func (s *Service) urgent(now time.Time) reports {
	list := reports{}
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		for k := range sh.urgent {
			if e := sh.entries[k]; e != nil {
				list[k.tenant] = append(list[k.tenant], e.take(k.id, now))
			}
		}
		clear(sh.urgent)
		sh.mu.Unlock()
	}
	return list
}

// all takes every entry with news and every monitored one that is overdue, and
// drops those that hold nothing. more tells that time alone may bring something: a
// device may be missed, or an entry that was written may have to go.
func (s *Service) all(now time.Time) (list reports, more bool) {
	list = reports{}
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		for k, e := range sh.entries {
			due, monitored := e.known.Overdue(e.since)
			switch {
			case !e.heard.IsZero() || e.changed || e.look || monitored && !now.Before(due):
				list[k.tenant] = append(list[k.tenant], e.take(k.id, now))
				more = true
			case !e.known.Monitored && (e.online == nil || !*e.online):
				delete(sh.entries, k)
			}
			more = more || e.known.Monitored
		}
		clear(sh.urgent)
		sh.mu.Unlock()
	}
	return list, more
}

// take makes the report of an entry, whose news it is from now on.
func (e *entry) take(id platform.ID, now time.Time) platform.PresenceReport {
	r := e.report(id)
	due, ok := e.known.Overdue(e.since)
	r.Missed = ok && !now.Before(due)
	e.heard, e.changed, e.look = time.Time{}, false, false
	return r
}

// write hands reports to the store. What cannot be written is news again.
func (s *Service) write(ctx context.Context, list reports) {
	for tenant, reports := range list {
		changes, err := s.cfg.Store.ReportPresence(ctx, tenant, reports, time.Now())
		s.mu.Lock()
		s.counts.Written += int64(len(changes))
		if err != nil {
			s.counts.Failures++
		}
		s.mu.Unlock()
		for _, c := range changes {
			s.learn(ctx, tenant, c)
		}
		if err == nil {
			continue
		}
		s.log.Error("presence not written", "tenant", tenant, "devices", len(reports)-len(changes), "err", err)
		for _, r := range reports[len(changes):] {
			s.giveBack(tenant, r)
		}
	}
}

// learn takes over what the store has now, and tells of a device that is missed or
// back.
func (s *Service) learn(ctx context.Context, tenant platform.TenantID, c platform.PresenceChange) {
	k := key{tenant, c.Object}
	if c.NoDevice {
		sh := s.shardOf(k)
		sh.mu.Lock()
		delete(sh.entries, k)
		sh.mu.Unlock()
		return
	}
	s.at(k, true, time.Now(), func(e *entry, _ bool) bool {
		e.known = c.Is
		return false
	})
	switch {
	case c.Is.Data == platform.Unavailable && c.Was.Data != platform.Unavailable:
		s.count(func(st *Stats) { st.Missed++ })
		s.raise(ctx, k)
	case c.Was.Data == platform.Unavailable && c.Is.Data != platform.Unavailable:
		s.count(func(st *Stats) { st.Returned++ })
		s.clear(k)
	}
}

func (s *Service) giveBack(tenant platform.TenantID, r platform.PresenceReport) {
	s.at(key{tenant, r.Object}, true, time.Now(), func(e *entry, _ bool) bool {
		if r.Heard.After(e.heard) {
			e.heard = r.Heard
		}
		e.look, e.changed = true, e.changed || e.online != nil
		return false // with everything else: the store has trouble
	})
}

func (s *Service) raise(ctx context.Context, k key) {
	_, err := s.cfg.Alarms.RaiseAlarm(ctx, k.tenant, platform.Alarm{
		Source: k.id, Type: platform.UnavailabilityAlarm, Text: alarmText, Severity: platform.Major,
	})
	if err != nil {
		s.log.Error("alarm of a missed device was not raised", "tenant", k.tenant, "device", k.id, "err", err)
	}
}

func (s *Service) clear(k key) {
	s.cfg.Alarms.Submit(platform.Batch{Tenant: k.tenant, AlarmChanges: []platform.AlarmChange{{
		Source: k.id, Type: platform.UnavailabilityAlarm, At: platform.Millis(time.Now()), Status: platform.Cleared,
	}}}, func(err error) {
		if err != nil {
			s.log.Error("alarm of a device that is back was not cleared", "tenant", k.tenant, "device", k.id, "err", err)
		}
	})
}

func (s *Service) count(f func(*Stats)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.counts)
}
