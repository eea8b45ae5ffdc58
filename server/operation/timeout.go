package operation

import (
	"context"
	"strconv"
	"time"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// timeouts are the states that do not last for ever, where the tenant says so.
var timeouts = []struct {
	status platform.OperationStatus
	option platform.OptionKey
	reason string
}{
	{platform.OperationPending, platform.OptionPendingTimeout, "Timed out: the device did not start the operation within "},
	{platform.OperationExecuting, platform.OptionExecutingTimeout, "Timed out: the device did not finish the operation within "},
}

// maxTimeoutMinutes bounds the two options: ten years.
const maxTimeoutMinutes = 10 * 365 * 24 * 60

// FailOverdue fails the operations of all tenants that took too long. timing tells
// that there is a tenant whose operations may.
func (s *Service) FailOverdue(ctx context.Context) (timing bool, err error) {
	if s.Options == nil {
		return false, nil
	}
	tenants, err := s.Options.Tenants(ctx)
	if err != nil {
		return false, err
	}
	for _, t := range tenants {
		for _, limit := range timeouts {
			text, _, err := s.Options.Option(ctx, t.ID, limit.option)
			if err != nil {
				return timing, err
			}
			minutes, err := strconv.Atoi(text)
			if err != nil || minutes <= 0 || minutes > maxTimeoutMinutes {
				continue // not set, or no number: nothing times out
			}
			timing = true
			after := time.Duration(minutes) * time.Minute
			if err := s.failOlder(ctx, t.ID, limit.status, after, limit.reason+text+" minutes."); err != nil {
				return timing, err
			}
		}
	}
	return timing, nil
}

// failOlder fails operations that have been in a state for longer than a while.
func (s *Service) failOlder(ctx context.Context, tenant platform.TenantID, status platform.OperationStatus, after time.Duration, reason string) error {
	f := platform.OperationFilter{Status: status, Before: platform.Millis(s.Now().Add(-after))}
	for {
		list, err := s.Store.Operations(ctx, tenant, f, platform.Page{Number: 1, Size: pendingPage})
		if err != nil {
			return err
		}
		for _, o := range list.Items {
			f.After = o.ID
			_, err := s.change(ctx, platform.Principal{Tenant: tenant}, o, Change{Status: platform.OperationFailed, FailureReason: reason})
			if err != nil && problem.KindOf(err) != problem.Conflict && problem.KindOf(err) != problem.NotFound {
				return err
			}
		}
		if !list.More {
			return nil
		}
	}
}
