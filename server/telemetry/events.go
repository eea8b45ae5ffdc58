package telemetry

import (
	"context"

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

// UpdateEvent replaces text and body of an event and returns it.
func (s *Service) UpdateEvent(ctx context.Context, tenant platform.TenantID, e platform.Event) (platform.Event, error) {
	if err := check(e.Type, e.Text, e.Body); err != nil {
		return e, err
	}
	e.Updated = platform.Millis(s.now())
	return e, notFound("event", s.store.UpdateEvent(ctx, tenant, e))
}

// DeleteEvent removes one event.
func (s *Service) DeleteEvent(ctx context.Context, tenant platform.TenantID, id platform.ID) error {
	return notFound("event", s.store.DeleteEvent(ctx, tenant, id))
}
