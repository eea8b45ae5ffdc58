package telemetry

import (
	"context"
	"errors"
	"time"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// RaiseAlarm raises an alarm and returns what is stored now: a new alarm, or
// the one of the same source and type that is not cleared, counted up
// (rest.md §6.6). by is the user who does so; empty: the server.
func (s *Service) RaiseAlarm(ctx context.Context, tenant platform.TenantID, by string, a platform.Alarm) (platform.Alarm, error) {
	if err := check(a.Type, a.Text, a.Body); err != nil {
		return a, err
	}
	a.Created = platform.Millis(s.now())
	a.Updated = a.Created
	if a.Time.IsZero() {
		a.Time = a.Created
	}
	if a.Status == "" {
		a.Status = platform.Active
	}
	a.Count, a.FirstOccurrence = 1, time.Time{}
	var err error
	if a.ID, err = s.ids.NewID(ctx); err != nil {
		return a, err
	}
	outcome := &platform.Outcome{}
	if err := s.submit(ctx, platform.Batch{Tenant: tenant, By: by, Alarms: []platform.Alarm{a}, Outcome: outcome}); err != nil {
		return a, err
	}
	if len(outcome.Alarms) == 0 {
		return a, nil // nothing was stored, as the mode wants it
	}
	return outcome.Alarms[0], nil
}

// Alarm returns one alarm.
func (s *Service) Alarm(ctx context.Context, tenant platform.TenantID, id platform.ID) (platform.Alarm, error) {
	a, err := s.store.Alarm(ctx, tenant, id)
	return a, notFound("alarm", err)
}

// Alarms lists alarms.
func (s *Service) Alarms(ctx context.Context, tenant platform.TenantID, f platform.TelemetryFilter, page platform.Page) (platform.List[platform.Alarm], error) {
	return s.store.Alarms(ctx, tenant, f, page)
}

// CountAlarms counts alarms.
func (s *Service) CountAlarms(ctx context.Context, tenant platform.TenantID, f platform.TelemetryFilter) (int64, error) {
	return s.store.CountAlarms(ctx, tenant, f)
}

// UpdateAlarm changes what u sets and returns the alarm as it is then.
func (s *Service) UpdateAlarm(ctx context.Context, tenant platform.TenantID, u platform.AlarmUpdate) (platform.Alarm, error) {
	if err := checkUpdate(u.Text, u.Set); err != nil {
		return platform.Alarm{}, err
	}
	u.At = platform.Millis(s.now())
	h := s.herald(ctx, tenant)
	u.Committed = func(a platform.Alarm) { h.alarms(platform.NoticeUpdate, a) }
	_, after, err := s.store.UpdateAlarm(ctx, tenant, u)
	if errors.Is(err, problem.Conflict) {
		return after, secondAlarm(err)
	}
	if err != nil {
		return after, notFound("alarm", err)
	}
	s.watchedAlarms(tenant, after)
	return after, h.wait(ctx)
}

func secondAlarm(err error) error {
	return problem.WithCode(problem.Conflict, "alarm/Duplicate", "There is another alarm of this source and type that is not cleared.", err)
}

// UpsertAlarm updates the alarm of that source and type that is not cleared, or
// raises a new one. before is nil if there was none.
func (s *Service) UpsertAlarm(ctx context.Context, tenant platform.TenantID, u platform.AlarmUpsert) (before *platform.Alarm, after platform.Alarm, err error) {
	if err := check(u.Alarm.Type, u.Alarm.Text, u.Alarm.Body); err != nil {
		return nil, after, err
	}
	now := platform.Millis(s.now())
	u.Update.At, u.Alarm.Created, u.Alarm.Updated, u.Alarm.Count = now, now, now, 1
	if u.Alarm.Time.IsZero() {
		u.Alarm.Time = now
	}
	if u.Alarm.ID, err = s.ids.NewID(ctx); err != nil {
		return nil, after, err
	}
	wanted := s.mapped(tenant, []platform.Alarm{u.Alarm})
	if len(wanted) == 0 {
		return nil, u.Alarm, nil // suppressed
	}
	if u.Update.Severity != "" {
		u.Update.Severity = wanted[0].Severity
	}
	if u.Update.Text != nil {
		u.Update.Text = &wanted[0].Text
	}
	u.Alarm = wanted[0]
	h := s.herald(ctx, tenant)
	u.Committed = func(a platform.Alarm, found bool) {
		if found {
			h.alarms(platform.NoticeUpdate, a)
		} else {
			h.alarms(platform.NoticeCreate, a)
		}
	}
	was, after, found, err := s.store.UpsertAlarm(ctx, tenant, u)
	if err != nil {
		return nil, after, err
	}
	s.watchedAlarms(tenant, after)
	if found {
		before = &was
	}
	return before, after, h.wait(ctx)
}

// SetAlarmStatus gives every alarm that f selects the status.
func (s *Service) SetAlarmStatus(ctx context.Context, tenant platform.TenantID, by string, f platform.TelemetryFilter, status platform.AlarmStatus) error {
	at := platform.Millis(s.now())
	return s.each(ctx, tenant, platform.Alarms, f, func(ids []platform.ID) error {
		h := s.herald(ctx, tenant)
		changed, err := s.store.SetAlarmStatus(ctx, tenant, ids, status, at, by, func(changed []platform.Alarm) { h.alarms(platform.NoticeUpdate, changed...) })
		if err != nil {
			return err
		}
		s.watchedAlarms(tenant, changed...)
		return h.wait(ctx)
	})
}

// DeleteAlarms removes every alarm that f selects.
func (s *Service) DeleteAlarms(ctx context.Context, tenant platform.TenantID, f platform.TelemetryFilter) error {
	return s.each(ctx, tenant, platform.Alarms, f, func(ids []platform.ID) error {
		gone := make([]platform.Alarm, 0, len(ids))
		for _, id := range ids {
			a, err := s.store.Alarm(ctx, tenant, id)
			if err != nil && !errors.Is(err, problem.NotFound) { // somebody else was faster
				return err
			}
			gone = append(gone, a)
		}
		_, err := s.store.DeleteTelemetry(ctx, tenant, platform.Alarms, ids)
		if err == nil {
			s.watchedAlarms(tenant, gone...)
		}
		return err
	})
}
