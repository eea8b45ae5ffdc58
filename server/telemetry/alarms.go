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
// (rest.md §6.6).
func (s *Service) RaiseAlarm(ctx context.Context, tenant platform.TenantID, a platform.Alarm) (platform.Alarm, error) {
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
	if err := s.submit(ctx, platform.Batch{Tenant: tenant, Alarms: []platform.Alarm{a}}); err != nil {
		return a, err
	}
	if mode := platform.ModeOf(ctx); mode == platform.ModeTransient || mode == platform.ModeCEP {
		return a, nil
	}
	stored, err := s.store.Alarm(ctx, tenant, a.ID)
	if errors.Is(err, problem.NotFound) {
		stored, err = s.store.OpenAlarm(ctx, tenant, a.Source, a.Type)
	}
	return stored, notFound("alarm", err)
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

// UpdateAlarm replaces text, severity, status and body of an alarm and returns
// it.
func (s *Service) UpdateAlarm(ctx context.Context, tenant platform.TenantID, a platform.Alarm) (platform.Alarm, error) {
	if err := check(a.Type, a.Text, a.Body); err != nil {
		return a, err
	}
	a.Updated = platform.Millis(s.now())
	if err := s.store.UpdateAlarm(ctx, tenant, a); err != nil {
		return a, notFound("alarm", err)
	}
	return a, s.tell(ctx, platform.Notice{Tenant: tenant, API: platform.NoticeAlarms, Action: platform.NoticeUpdate,
		Source: a.Source, ID: a.ID, Type: a.Type, Object: a})
}
