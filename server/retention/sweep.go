package retention

import (
	"context"
	"errors"
	"time"

	"mooring/server/platform"
)

const day = 24 * time.Hour

// Sweep carries out the rules of all tenants once and tells how many rows it
// removed. What fails for one tenant does not keep it from the others. Several
// nodes may sweep at once: a row that is gone is no error.
func (s *Service) Sweep(ctx context.Context) (removed int, err error) {
	now := platform.Millis(s.Now())
	tenants, err := s.Tenants.Tenants(ctx)
	if err != nil {
		return 0, err
	}
	var errs []error
	count := func(n int, err error) {
		removed += n
		errs = append(errs, err)
	}
	for _, t := range tenants {
		rules, err := s.Rules.RetentionRules(ctx, t.ID)
		count(0, err)
		for _, r := range rules {
			count(s.apply(ctx, t.ID, r, now))
		}
	}
	count(s.repeat(ctx, func() (int, error) { return s.Old.DropRefusals(ctx, now.Add(-RefusalDays*day)) }))
	count(s.changes(ctx))
	return removed, errors.Join(errs...)
}

// apply carries out one rule.
func (s *Service) apply(ctx context.Context, tenant platform.TenantID, r platform.RetentionRule, now time.Time) (removed int, err error) {
	before := now.Add(-time.Duration(r.MaximumAge) * day)
	var errs []error
	for _, kind := range []platform.TelemetryKind{platform.Measurements, platform.Events, platform.Alarms} {
		if r.DataType == platform.Any || r.DataType == string(kind) {
			n, err := s.telemetry(ctx, tenant, kind, r, before)
			removed += n
			errs = append(errs, err)
		}
	}
	if r.DataType == platform.Any || r.DataType == "AUDIT" {
		f := platform.AuditFilter{Type: anyIsEmpty(r.Type), Source: anyIsEmpty(r.Source), To: before}
		n, err := s.repeat(ctx, func() (int, error) { return s.Old.DropAudits(ctx, tenant, f) })
		removed += n
		errs = append(errs, err)
	}
	if r.DataType == platform.Any || r.DataType == "OPERATION" {
		n, err := s.operations(ctx, tenant, r, before)
		removed += n
		errs = append(errs, err)
	}
	return removed, errors.Join(errs...)
}

func anyIsEmpty(s string) string {
	if s == platform.Any {
		return ""
	}
	return s
}

// source reads the source of a rule; zero is any. ok is false for one that no
// telemetry can have.
func source(r platform.RetentionRule) (id platform.ID, ok bool) {
	if r.Source == platform.Any {
		return 0, true
	}
	return platform.ParseID(r.Source)
}

func (s *Service) telemetry(ctx context.Context, tenant platform.TenantID, kind platform.TelemetryKind, r platform.RetentionRule, before time.Time) (removed int, err error) {
	id, ok := source(r)
	if !ok {
		return 0, nil
	}
	f := platform.TelemetryFilter{Source: id, Type: anyIsEmpty(r.Type), To: before}
	switch kind {
	case platform.Alarms: // one that was cleared of late is kept, however old it is
		f.Statuses, f.UpdatedTo = []platform.AlarmStatus{platform.Cleared}, before
	default:
		f.Fragment = anyIsEmpty(r.FragmentType)
	}
	for {
		page, err := s.Telemetry.TelemetryIDs(ctx, tenant, kind, f)
		if err != nil {
			return removed, err
		}
		if len(page.IDs) > 0 {
			began := time.Now()
			n, err := s.Telemetry.DeleteTelemetry(ctx, tenant, kind, page.IDs)
			if err != nil {
				return removed, err
			}
			removed += n
			if err := s.pause(ctx, time.Since(began)); err != nil {
				return removed, err
			}
		}
		if page.Next == nil {
			return removed, nil
		}
		f.After = page.Next
	}
}

// operations removes those that have ended.
func (s *Service) operations(ctx context.Context, tenant platform.TenantID, r platform.RetentionRule, before time.Time) (removed int, err error) {
	id, ok := source(r)
	if !ok {
		return 0, nil
	}
	for _, status := range []platform.OperationStatus{platform.OperationSuccessful, platform.OperationFailed} {
		f := platform.OperationFilter{Device: id, Status: status, Fragment: anyIsEmpty(r.FragmentType), Before: before}
		n, err := s.repeat(ctx, func() (int, error) {
			gone, err := s.Operations.DeleteOperations(ctx, tenant, f, platform.MaxDeleted)
			return len(gone), err
		})
		removed += n
		if err != nil {
			return removed, err
		}
	}
	return removed, nil
}

// changes removes what was in the change log at the sweep before: an hour later
// every node that lives has read it, and one that slept longer finds that the
// log has gone on without it.
func (s *Service) changes(ctx context.Context) (removed int, err error) {
	last, err := s.Changes.LastChange(ctx)
	if err != nil {
		return 0, err
	}
	upTo := max(s.lastChange, last-KeptChanges)
	s.lastChange = last
	if upTo <= 0 {
		return 0, nil
	}
	return s.repeat(ctx, func() (int, error) { return s.Old.DropChanges(ctx, upTo) })
}

// repeat calls drop until it removes less than a full part.
func (s *Service) repeat(ctx context.Context, drop func() (int, error)) (removed int, err error) {
	for {
		began := time.Now()
		n, err := drop()
		removed += n
		if err != nil || n < platform.MaxDeleted {
			return removed, err
		}
		if err := s.pause(ctx, time.Since(began)); err != nil {
			return removed, err
		}
	}
}

// pause leaves the writer to others for as long as the last command took.
func (s *Service) pause(ctx context.Context, took time.Duration) error {
	t := time.NewTimer(min(took, maxPause))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
