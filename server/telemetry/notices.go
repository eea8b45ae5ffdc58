package telemetry

import (
	"context"

	"mooring/server/platform"
)

// Submit takes in a batch as it is: who calls it has given the IDs and kept the
// bounds. done is called as platform.Telemetry says, but for a tenant of whom
// somebody listens only when they are told for sure; by b.Mode a batch is stored,
// told, both or neither.
func (s *Service) Submit(b platform.Batch, done func(error)) {
	if len(b.Alarms) > 0 {
		b.Alarms = s.mapped(b.Tenant, b.Alarms)
	}
	if b.Mode == platform.ModeTransient || b.Mode == platform.ModeCEP {
		s.pass(b, done)
		return
	}
	if b.Mode == platform.ModeQuiescent || !s.wanted(b.Tenant) {
		if s.watcher != nil && len(b.Alarms)+len(b.AlarmChanges) > 0 {
			s.store.Submit(b, func(err error) {
				s.watched(&b, err)
				done(err)
			})
			return
		}
		s.store.Submit(b, done)
		return
	}
	if b.Outcome == nil {
		b.Outcome = new(platform.Outcome)
	}
	s.store.Submit(b, func(err error) {
		s.watched(&b, err)
		if err != nil {
			done(err)
			return
		}
		s.notices.Post(noticesOf(&b, b.Outcome), done)
	})
}

// pass tells of a batch without storing it.
func (s *Service) pass(b platform.Batch, done func(error)) {
	tell := func(err error) {
		if err != nil || b.Mode == platform.ModeCEP || !s.wanted(b.Tenant) {
			done(err)
			return
		}
		s.notices.Post(noticesOf(&b, &platform.Outcome{Alarms: b.Alarms}), done)
	}
	if b.Release == nil {
		tell(nil)
		return
	}
	s.store.Submit(platform.Batch{Tenant: b.Tenant, Release: b.Release}, tell)
}

func (s *Service) wanted(tenant platform.TenantID) bool {
	return s.notices != nil && s.notices.Wanted(tenant)
}

// noticesOf lists what a batch tells.
func noticesOf(b *platform.Batch, outcome *platform.Outcome) []platform.Notice {
	alarms := outcome.Alarms
	list := make([]platform.Notice, 0, len(b.Measurements)+len(b.Events)+len(outcome.ChangedEvents)+len(alarms))
	notice := func(api platform.NoticeAPI, action platform.NoticeAction, source, id platform.ID, typ string, object any) {
		list = append(list, platform.Notice{Tenant: b.Tenant, API: api, Action: action, Source: source, ID: id, Type: typ,
			Object: object, Transient: b.Mode == platform.ModeTransient})
	}
	for _, m := range b.Measurements {
		notice(platform.NoticeMeasurements, platform.NoticeCreate, m.Source, m.ID, m.Type, m)
	}
	for _, e := range b.Events {
		notice(platform.NoticeEvents, platform.NoticeCreate, e.Source, e.ID, e.Type, e)
	}
	for _, e := range outcome.ChangedEvents {
		notice(platform.NoticeEvents, platform.NoticeUpdate, e.Source, e.ID, e.Type, e)
	}
	for i, a := range alarms {
		action := platform.NoticeUpdate
		if i < len(b.Alarms) && b.Alarms[i].ID == a.ID {
			action = platform.NoticeCreate
		}
		notice(platform.NoticeAlarms, action, a.Source, a.ID, a.Type, a)
	}
	return list
}

// tell waits until those who listen are told.
func (s *Service) tell(ctx context.Context, n ...platform.Notice) error {
	if len(n) == 0 || platform.ModeOf(ctx) == platform.ModeQuiescent || !s.wanted(n[0].Tenant) {
		return nil
	}
	return platform.Tell(ctx, s.notices, n...)
}

// herald posts what a command changes out of its commit, so that notices have the
// order of commits. Nil: nobody is to be told.
type herald struct {
	s      *Service
	tenant platform.TenantID
	done   chan error
}

func (s *Service) herald(ctx context.Context, tenant platform.TenantID) *herald {
	if platform.ModeOf(ctx) == platform.ModeQuiescent || !s.wanted(tenant) {
		return nil
	}
	return &herald{s: s, tenant: tenant, done: make(chan error, 1)}
}

// alarms posts alarms as they are now; once a herald.
func (h *herald) alarms(action platform.NoticeAction, alarms ...platform.Alarm) {
	if h == nil {
		return
	}
	notices := make([]platform.Notice, len(alarms))
	for i, a := range alarms {
		notices[i] = platform.Notice{Tenant: h.tenant, API: platform.NoticeAlarms, Action: action, Source: a.Source, ID: a.ID, Type: a.Type, Object: a}
	}
	h.post(notices)
}

// event posts an event as it is now; once a herald.
func (h *herald) event(e platform.Event) {
	if h == nil {
		return
	}
	h.post([]platform.Notice{{Tenant: h.tenant, API: platform.NoticeEvents, Action: platform.NoticeUpdate, Source: e.Source, ID: e.ID, Type: e.Type, Object: e}})
}

func (h *herald) post(notices []platform.Notice) {
	h.s.notices.Post(notices, func(err error) { h.done <- err })
}

// wait waits until those who listen are told of what was posted.
func (h *herald) wait(ctx context.Context) error {
	if h == nil {
		return nil
	}
	return platform.Await(ctx, h.done)
}
