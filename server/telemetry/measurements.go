package telemetry

import (
	"context"
	"fmt"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// CreateMeasurements stores measurements together and returns them with their
// IDs. A measurement without time is of now.
func (s *Service) CreateMeasurements(ctx context.Context, tenant platform.TenantID, ms []platform.Measurement) ([]platform.Measurement, error) {
	if len(ms) > MaxBatch {
		return nil, problem.New(problem.Unprocessable, fmt.Sprintf("At most %d measurements at once.", MaxBatch), nil)
	}
	stored := make([]platform.Measurement, len(ms))
	now := platform.Millis(s.now())
	for i, m := range ms {
		if err := check(m.Type, "", m.Body); err != nil {
			return nil, err
		}
		if m.Body == nil {
			m.Body = []byte("{}")
		}
		if m.Time.IsZero() {
			m.Time = now
		}
		var err error
		if m.ID, err = s.ids.NewID(ctx); err != nil {
			return nil, err
		}
		stored[i] = m
	}
	return stored, s.submit(ctx, platform.Batch{Tenant: tenant, Measurements: stored})
}

// Measurement returns one measurement.
func (s *Service) Measurement(ctx context.Context, tenant platform.TenantID, id platform.ID) (platform.Measurement, error) {
	m, err := s.store.Measurement(ctx, tenant, id)
	return m, notFound("measurement", err)
}

// Measurements lists measurements.
func (s *Service) Measurements(ctx context.Context, tenant platform.TenantID, f platform.TelemetryFilter, page platform.Page) (platform.List[platform.Measurement], error) {
	return s.store.Measurements(ctx, tenant, f, page)
}

// DeleteMeasurement removes one measurement.
func (s *Service) DeleteMeasurement(ctx context.Context, tenant platform.TenantID, id platform.ID) error {
	n := platform.Notice{Tenant: tenant, API: platform.NoticeMeasurements, Action: platform.NoticeDelete, ID: id}
	wanted := s.wanted(tenant)
	if wanted {
		m, err := s.Measurement(ctx, tenant, id)
		if err != nil {
			return err
		}
		n.Source, n.Type = m.Source, m.Type
	}
	if err := s.store.DeleteMeasurement(ctx, tenant, id); err != nil || !wanted {
		return notFound("measurement", err)
	}
	return s.tell(ctx, n)
}

// DeleteMeasurements removes every measurement that f selects.
func (s *Service) DeleteMeasurements(ctx context.Context, tenant platform.TenantID, f platform.TelemetryFilter) error {
	return s.deleteAll(ctx, tenant, platform.Measurements, f)
}
