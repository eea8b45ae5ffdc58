package operation

import (
	"context"
	"errors"
	"slices"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// timeFormat is how the platform writes times (rest.md §0.6).
const timeFormat = "2006-01-02T15:04:05.000Z"

// before lists the states from which one may go to a state. A state that is
// reported again stays: what a device sends at QoS 1 may come twice.
var before = map[platform.OperationStatus][]platform.OperationStatus{
	platform.OperationPending:    {platform.OperationPending},
	platform.OperationExecuting:  {platform.OperationPending, platform.OperationExecuting},
	platform.OperationSuccessful: {platform.OperationPending, platform.OperationExecuting, platform.OperationSuccessful},
	platform.OperationFailed:     {platform.OperationPending, platform.OperationExecuting, platform.OperationFailed},
}

// Change is what a client wants changed of an operation.
type Change struct {
	Status        platform.OperationStatus
	FailureReason string
	Set           platform.Fragments
	Merge         map[string]platform.Fragments // see platform.UpdateOperation
	Remove        []string
}

// Update moves an operation on. Failing one that is pending cancels it.
//
// Errors: problem.NotFound, problem.Unprocessable if its state does not allow it.
func (s *Service) Update(ctx context.Context, actor platform.Principal, id platform.ID, ch Change) (platform.Operation, error) {
	o, err := s.Operation(ctx, actor.Tenant, id)
	if err != nil {
		return o, err
	}
	return s.change(ctx, actor, o, ch)
}

// change moves o on, as it was read, in one command.
func (s *Service) change(ctx context.Context, actor platform.Principal, o platform.Operation, ch Change) (platform.Operation, error) {
	if !slices.Contains(before[ch.Status], o.Status) {
		return o, problem.WithCode(problem.Unprocessable, "devicecontrol/Invalid Data",
			"Operation "+o.ID.String()+" is "+string(o.Status)+" and cannot become "+string(ch.Status)+".", nil)
	}
	if err := checkGrowth(o, ch); err != nil {
		return o, err
	}
	next := o
	next.Status, next.Updated = ch.Status, platform.Millis(s.Now())
	cmd := platform.UpdateOperation{ID: o.ID, At: next.Updated, From: []platform.OperationStatus{o.Status}, Status: ch.Status,
		Set: ch.Set, Merge: ch.Merge, Remove: ch.Remove}
	var audit []platform.AuditRecord
	if o.Status != ch.Status {
		if ch.Status == platform.OperationFailed {
			cmd.FailureReason = cutTo(ch.FailureReason, MaxReasonBytes)
			next.FailureReason = cmd.FailureReason
		}
		audit = append(audit, changedAudit(next, actor.User))
	} else if len(ch.Set)+len(ch.Merge)+len(ch.Remove) == 0 {
		return o, nil
	}
	changed, err := s.told(ctx, o, platform.NoticeUpdate, func() (platform.Operation, error) {
		return s.Store.UpdateOperation(ctx, o.Tenant, cmd, audit...)
	})
	if errors.Is(err, problem.Conflict) {
		return o, problem.WithCode(problem.Conflict, "devicecontrol/Conflict", "Operation "+o.ID.String()+" was changed by somebody else at the same time.", err)
	}
	return changed, notFound(o.ID, err)
}

// checkGrowth keeps an operation from growing without bound by many changes.
func checkGrowth(o platform.Operation, ch Change) error {
	if len(ch.Set)+len(ch.Merge) == 0 {
		return nil
	}
	grown := platform.Fragments{}
	for name, value := range o.Fragments {
		grown[name] = value
	}
	for name, value := range ch.Set {
		grown[name] = value
	}
	for name, members := range ch.Merge {
		if err := checkFragments(members); err != nil {
			return err
		}
		for member, value := range members {
			grown[name+"."+member] = value // counted apart: it errs on the safe side
		}
	}
	for _, name := range ch.Remove {
		delete(grown, name)
	}
	return checkFragments(grown)
}
