package telemetry

import (
	"context"
	"errors"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// CreateEvent stores an event and returns it with its ID. An event without
// time is of now.
func (s *Service) CreateEvent(ctx context.Context, tenant platform.TenantID, e platform.Event) (platform.Event, error) {
	if err := check(e.Type, e.Text, e.Body); err != nil {
		return e, err
	}
	e.Created = platform.Millis(s.now())
	e.Updated = e.Created
	if e.Time.IsZero() {
		e.Time = e.Created
	}
	var err error
	if e.ID, err = s.ids.NewID(ctx); err != nil {
		return e, err
	}
	return e, s.submit(ctx, platform.Batch{Tenant: tenant, Events: []platform.Event{e}})
}

// Event returns one event.
func (s *Service) Event(ctx context.Context, tenant platform.TenantID, id platform.ID) (platform.Event, error) {
	e, err := s.store.Event(ctx, tenant, id)
	return e, notFound("event", err)
}

// Events lists events.
func (s *Service) Events(ctx context.Context, tenant platform.TenantID, f platform.TelemetryFilter, page platform.Page) (platform.List[platform.Event], error) {
	return s.store.Events(ctx, tenant, f, page)
}

// UpdateEvent changes what u sets and returns the event as it is then.
func (s *Service) UpdateEvent(ctx context.Context, tenant platform.TenantID, u platform.EventUpdate) (platform.Event, error) {
	if err := checkUpdate(u.Text, u.Set); err != nil {
		return platform.Event{}, err
	}
	u.At = platform.Millis(s.now())
	h := s.herald(ctx, tenant)
	u.Committed = h.event
	e, err := s.store.UpdateEvent(ctx, tenant, u)
	if err != nil {
		return e, notFound("event", err)
	}
	return e, h.wait(ctx)
}

// DeleteEvents removes every event that f selects and tells of each.
func (s *Service) DeleteEvents(ctx context.Context, tenant platform.TenantID, f platform.TelemetryFilter) error {
	if !s.wanted(tenant) || platform.ModeOf(ctx) == platform.ModeQuiescent {
		return s.deleteAll(ctx, tenant, platform.Events, f)
	}
	return s.each(ctx, tenant, platform.Events, f, func(ids []platform.ID) error {
		notices := make([]platform.Notice, 0, len(ids))
		for _, id := range ids {
			e, err := s.store.Event(ctx, tenant, id)
			if errors.Is(err, problem.NotFound) {
				continue // somebody else was faster
			}
			if err != nil {
				return err
			}
			notices = append(notices, platform.Notice{Tenant: tenant, API: platform.NoticeEvents, Action: platform.NoticeDelete, Source: e.Source, ID: id, Type: e.Type})
		}
		if _, err := s.store.DeleteTelemetry(ctx, tenant, platform.Events, ids); err != nil {
			return err
		}
		return s.tell(ctx, notices...)
	})
}

// DeleteEvent removes one event.
func (s *Service) DeleteEvent(ctx context.Context, tenant platform.TenantID, id platform.ID) error {
	n := platform.Notice{Tenant: tenant, API: platform.NoticeEvents, Action: platform.NoticeDelete, ID: id}
	wanted := s.wanted(tenant)
	if wanted {
		e, err := s.Event(ctx, tenant, id)
		if err != nil {
			return err
		}
		n.Source, n.Type = e.Source, e.Type
	}
	if err := s.store.DeleteEvent(ctx, tenant, id); err != nil || !wanted {
		return notFound("event", err)
	}
	return s.tell(ctx, n)
}
