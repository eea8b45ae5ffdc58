package ca

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// renewalTurn names the yearly renewal among the turns.
const renewalTurn = "ca-renewal"

// RenewalDay is the last 2 October 02:00 UTC that is not after now: the yearly
// renewal (rest.md §2.1).
func RenewalDay(now time.Time) time.Time {
	day := time.Date(now.UTC().Year(), time.October, 2, 2, 0, 0, 0, time.UTC)
	if day.After(now) {
		day = day.AddDate(-1, 0, 0)
	}
	return day
}

// RenewDue carries out the last yearly renewal for every tenant for which
// nobody has done so yet: it renews what may be renewed and audits what needs
// no renewal yet. It is called now and then, on every node; one of them does
// the work. What failed is tried again at the next call.
func (s *Service) RenewDue(ctx context.Context) error {
	now := s.now()
	day := RenewalDay(now)
	if s.renewed.Load() == day.Unix() {
		return nil
	}
	tenants, err := s.store.Tenants(ctx)
	if err != nil {
		return fmt.Errorf("list tenants: %w", err)
	}
	var failed error
	for _, t := range tenants {
		if err := s.renewYearly(ctx, t.ID, day, now); err != nil {
			failed = errors.Join(failed, fmt.Errorf("tenant %s: %w", t.ID, err))
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if failed == nil {
		s.renewed.Store(day.Unix())
	}
	return failed
}

func (s *Service) renewYearly(ctx context.Context, tenant platform.TenantID, day, now time.Time) error {
	record, err := s.store.Issuer(ctx, tenant)
	if errors.Is(err, problem.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	cert, err := x509.ParseCertificate(record.Certificate)
	if err != nil {
		return s.failYearly(ctx, tenant, now, err)
	}
	if !cert.NotBefore.Before(day.Add(-defaultBackdate)) {
		return nil // made or renewed since
	}
	turn := platform.Turn{Name: renewalTurn, On: day.Format(time.DateOnly)}
	if StateOf(cert.NotAfter, now).Renewable {
		_, err = s.renew(ctx, tenant, platform.Principal{}, now, turn)
	} else {
		err = s.store.TakeTurn(ctx, tenant, turn, renewalAudit(tenant, platform.Principal{}, now,
			fmt.Sprintf("Tenant certificate authority(CA) renewal for Tenant: '%s' is not yet required", tenant),
			"NotAfter='"+cert.NotAfter.UTC().Format(auditTime)+"'"))
	}
	switch {
	case errors.Is(err, problem.Conflict), errors.Is(err, errNotEligible):
		return nil // another node was faster
	case err != nil:
		return s.failYearly(ctx, tenant, now, err)
	}
	return nil
}

func (s *Service) failYearly(ctx context.Context, tenant platform.TenantID, now time.Time, cause error) error {
	if ctx.Err() == nil {
		s.renewalFailed(ctx, tenant, platform.Principal{}, now, cause)
	}
	return cause
}
