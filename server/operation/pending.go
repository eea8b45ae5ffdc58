package operation

import (
	"context"
	"slices"
	"time"

	"mooring/internal/problem"
	"mooring/server/platform"
)

const (
	// pendingPage is how many operations are read at once for delivery; ours.
	pendingPage = 32
	// maxDeliveries is how many deliveries wait to be noted. Beyond it one is
	// forgotten, and its operation sent again at the next subscription.
	maxDeliveries = 10_000
	// maxNoted is how many are noted in one transaction.
	maxNoted = 500
)

// Pending lists the next operations that an agent has to carry out, those after
// one ID; more tells that there are further ones. An operation whose device is
// gone is passed over: next, which is where to go on, counts it.
func (s *Service) Pending(ctx context.Context, tenant platform.TenantID, agent, after platform.ID) (ops []platform.AddressedOperation, next platform.ID, more bool, err error) {
	f := platform.OperationFilter{Agent: agent, Status: platform.OperationPending, After: after}
	list, err := s.Store.Operations(ctx, tenant, f, platform.Page{Number: 1, Size: pendingPage})
	if err != nil {
		return nil, after, false, err
	}
	next = after
	for _, o := range list.Items {
		next = o.ID
		a, err := s.address(ctx, o)
		if problem.KindOf(err) == problem.NotFound {
			continue
		}
		if err != nil {
			return nil, after, false, err
		}
		ops = append(ops, a)
	}
	return ops, next, list.More, nil
}

// PendingOperation is Pending for one operation; found is false if it is no
// longer pending or not the agent's.
func (s *Service) PendingOperation(ctx context.Context, tenant platform.TenantID, agent, id platform.ID) (a platform.AddressedOperation, found bool, err error) {
	o, err := s.Store.Operation(ctx, tenant, id)
	if err == nil && (o.Status != platform.OperationPending || o.Agent != agent) {
		return a, false, nil
	}
	if err == nil {
		a, err = s.address(ctx, o)
	}
	if problem.KindOf(err) == problem.NotFound {
		return a, false, nil
	}
	return a, err == nil, err
}

// address finds how the device of o is called. NotFound: the device is gone.
func (s *Service) address(ctx context.Context, o platform.Operation) (platform.AddressedOperation, error) {
	a := platform.AddressedOperation{Operation: o}
	xids, err := s.Objects.ExternalIDs(ctx, o.Tenant, o.Device)
	if err != nil {
		return a, err
	}
	if i := slices.IndexFunc(xids, func(x platform.ExternalID) bool { return x.Type == platform.SerialType }); i >= 0 {
		a.Target = xids[i]
	} else if len(xids) > 0 {
		a.Target = xids[0]
	}
	if o.Fragments["c8y_SoftwareUpdate"] == nil {
		return a, nil
	}
	object, err := s.Objects.Object(ctx, o.Tenant, o.Device)
	if err != nil {
		return a, err
	}
	_, a.SoftwareTypes = object.Fragments["c8y_SupportedSoftwareTypes"]
	return a, nil
}

// Forwarded reports whether o has reached its agent in an earlier session, one
// that ended before begun, so that a new subscription need not bring it again.
// What was forwarded before this server started counts as not forwarded: sending
// twice is better than not at all.
func (s *Service) Forwarded(o *platform.Operation, begun time.Time) bool {
	at := o.Forwarded()
	return at.After(s.started) && at.Before(platform.Millis(begun))
}

// Delivered notes that operations have reached their agent. It does not block.
func (s *Service) Delivered(tenant platform.TenantID, ids ...platform.ID) {
	now := platform.Millis(s.Now())
	for _, id := range ids {
		select {
		case s.deliveries <- platform.OperationDelivery{Tenant: tenant, ID: id, At: now}:
		default:
		}
	}
}

// Run notes what was delivered until ctx ends, and then what is left.
func (s *Service) Run(ctx context.Context) {
	for {
		select {
		case d := <-s.deliveries:
			s.note(ctx, d)
		case <-ctx.Done():
			for len(s.deliveries) > 0 {
				s.note(ctx, <-s.deliveries)
			}
			return
		}
	}
}

// note writes a delivery down with those that wait behind it.
func (s *Service) note(ctx context.Context, d platform.OperationDelivery) {
	list := []platform.OperationDelivery{d}
	for len(list) < maxNoted && len(s.deliveries) > 0 {
		list = append(list, <-s.deliveries)
	}
	if err := s.Store.RecordDeliveries(context.WithoutCancel(ctx), list); err != nil {
		s.Log.Warn("deliveries of operations not noted: they are sent again", "operations", len(list), "err", err)
	}
}
