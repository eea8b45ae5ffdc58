package telemetry

import (
	"context"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// each calls f with the IDs of all that the filter selects, a part at a time, so
// that each command is short and others have their turn in between. What comes
// in meanwhile may be missed.
func (s *Service) each(ctx context.Context, tenant platform.TenantID, kind platform.TelemetryKind, f platform.TelemetryFilter,
	do func(ids []platform.ID) error,
) error {
	sources := f.Sources
	if len(sources) == 0 {
		return s.eachOf(ctx, tenant, kind, f, do)
	}
	f.Sources = nil
	for _, f.Source = range sources {
		if err := s.eachOf(ctx, tenant, kind, f, do); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) eachOf(ctx context.Context, tenant platform.TenantID, kind platform.TelemetryKind, f platform.TelemetryFilter,
	do func(ids []platform.ID) error,
) error {
	f.After = nil
	for {
		page, err := s.store.TelemetryIDs(ctx, tenant, kind, f)
		if err != nil {
			return err
		}
		if len(page.IDs) > 0 {
			if err := do(page.IDs); err != nil {
				return err
			}
		}
		if page.Next == nil {
			return nil
		}
		if ctx.Err() != nil {
			return problem.New(problem.Unavailable, "The request was given up before everything was done.", ctx.Err())
		}
		f.After = page.Next
	}
}

func (s *Service) deleteAll(ctx context.Context, tenant platform.TenantID, kind platform.TelemetryKind, f platform.TelemetryFilter) error {
	return s.each(ctx, tenant, kind, f, func(ids []platform.ID) error {
		_, err := s.store.DeleteTelemetry(ctx, tenant, kind, ids)
		return err
	})
}
