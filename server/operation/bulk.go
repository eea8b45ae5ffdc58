package operation

import (
	"context"
	"errors"
	"strconv"
	"time"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// Bounds of a bulk operation; ours.
const (
	MaxTargets = 10_000
	MaxRamp    = 24 * time.Hour
	maxGroups  = 1_000 // groups within a group
	// maxStep is how many of its operations are created at once, where the ramp
	// asks for that many.
	maxStep = 100
	// maxBehind is how late the operations of a bulk operation may come before the
	// ramp begins anew, so that what was missed does not come all at once.
	maxBehind = time.Second
)

// CreateBulk schedules a bulk operation: Group or Parent, Start, Ramp, Note and
// Prototype are the client's.
//
// Errors: problem.Unprocessable, problem.NotFound if there is no such group or
// parent.
func (s *Service) CreateBulk(ctx context.Context, actor platform.Principal, b platform.BulkOperation) (platform.BulkOperation, error) {
	if err := checkFragments(b.Prototype); err != nil {
		return b, err
	}
	if err := checkRamp(b.Ramp); err != nil {
		return b, err
	}
	if b.Group != 0 {
		if _, err := s.Objects.Object(ctx, actor.Tenant, b.Group); err != nil {
			return b, noDevice(b.Group, err)
		}
	} else if _, err := s.Bulk(ctx, actor.Tenant, b.Parent); err != nil {
		return b, err
	}
	var err error
	if b.ID, err = s.IDs.NewID(ctx); err != nil {
		return b, err
	}
	b.Status, b.Creator = platform.BulkScheduled, actor.User
	b.Start = platform.Millis(b.Start)
	b.Next = b.Start
	if err := s.Store.CreateBulkOperation(ctx, actor.Tenant, b, s.bulkAudit(actor, b, "Bulk operation created")); err != nil {
		return b, err
	}
	s.Wake()
	return b, nil
}

func checkRamp(ramp time.Duration) error {
	if ramp < 0 || ramp > MaxRamp {
		return problem.WithCode(problem.Unprocessable, "devicecontrol/Invalid Data", "'creationRamp' is 0 to 86400 seconds.", nil)
	}
	return nil
}

func (s *Service) bulkAudit(actor platform.Principal, b platform.BulkOperation, activity string) platform.AuditRecord {
	return platform.AuditRecord{Tenant: actor.Tenant, At: platform.Millis(s.Now()), Type: "BulkOperation", Activity: activity,
		Text: activity + ": status='" + string(b.Status) + "', devices=" + strconv.Itoa(len(b.Targets)), User: actor.User, Source: b.ID.String()}
}

// Bulk returns one bulk operation.
func (s *Service) Bulk(ctx context.Context, tenant platform.TenantID, id platform.ID) (platform.BulkOperation, error) {
	b, err := s.Store.BulkOperation(ctx, tenant, id)
	if errors.Is(err, problem.NotFound) {
		return b, problem.WithCode(problem.NotFound, "devicecontrol/Not Found",
			"Finding device data from database failed : No bulkOperation for gid '"+id.String()+"'!", err)
	}
	return b, err
}

// Bulks lists bulk operations in the order of IDs.
func (s *Service) Bulks(ctx context.Context, tenant platform.TenantID, page platform.Page) (platform.List[platform.BulkOperation], error) {
	return s.Store.BulkOperations(ctx, tenant, page)
}

// BulkProgress counts the operations of a bulk operation by status; those that
// are not created yet are not among them.
func (s *Service) BulkProgress(ctx context.Context, tenant platform.TenantID, id platform.ID) (map[platform.OperationStatus]int64, error) {
	return s.Store.CountOperations(ctx, tenant, id)
}

// BulkChange is what a client wants changed of a bulk operation; nil leaves it.
type BulkChange struct {
	Ramp      *time.Duration
	Start     *time.Time // only before it has begun
	Note      *string
	Prototype platform.Fragments
	Cancel    bool
}

// UpdateBulk changes a bulk operation that is not at its end. Operations that
// exist stay as they are.
func (s *Service) UpdateBulk(ctx context.Context, actor platform.Principal, id platform.ID, ch BulkChange) (platform.BulkOperation, error) {
	b, err := s.Bulk(ctx, actor.Tenant, id)
	if err != nil {
		return b, err
	}
	if b.Status == platform.BulkCanceled && ch.Cancel {
		return b, nil
	}
	ended := b.Status == platform.BulkCompleted || b.Status == platform.BulkCanceled
	if ended && !ch.Cancel || ch.Start != nil && b.Status != platform.BulkScheduled {
		return b, problem.WithCode(problem.Unprocessable, "devicecontrol/Invalid Data", "Bulk operation "+id.String()+" is "+string(b.Status)+" and cannot be changed so.", nil)
	}
	next := b
	if ch.Ramp != nil {
		if err := checkRamp(*ch.Ramp); err != nil {
			return b, err
		}
		next.Ramp = *ch.Ramp
	}
	if ch.Start != nil {
		next.Start = platform.Millis(*ch.Start)
		next.Next = next.Start
	}
	if ch.Note != nil {
		next.Note = cutTo(*ch.Note, MaxNameBytes)
	}
	if ch.Prototype != nil {
		if err := checkFragments(ch.Prototype); err != nil {
			return b, err
		}
		next.Prototype = ch.Prototype
	}
	activity := "Bulk operation updated"
	if ch.Cancel {
		next.Status, activity = platform.BulkCanceled, "Bulk operation canceled"
	}
	err = s.Store.UpdateBulkOperation(ctx, actor.Tenant, b, next, nil, s.bulkAudit(actor, next, activity))
	if errors.Is(err, problem.Conflict) {
		return b, problem.WithCode(problem.Conflict, "devicecontrol/Conflict", "Bulk operation "+id.String()+" has gone on at the same time, try again.", err)
	}
	s.Wake()
	return next, err
}

// stepBulk creates the operations of a bulk operation that are due.
func (s *Service) stepBulk(ctx context.Context, tenant platform.TenantID, id platform.ID) error {
	b, err := s.Store.BulkOperation(ctx, tenant, id)
	now := platform.Millis(s.Now())
	if err != nil || b.Next.After(now) || b.Status != platform.BulkScheduled && b.Status != platform.BulkExecuting {
		return err
	}
	next := b
	if b.Status == platform.BulkScheduled {
		next.Status = platform.BulkExecuting
		if next.Targets, err = s.targets(ctx, tenant, b); err != nil {
			return err
		}
	}
	if now.Sub(next.Next) > maxBehind {
		next.Next = now
	}
	var ops []platform.Operation
	var audit []platform.AuditRecord
	for len(ops) < maxStep && next.Done < len(next.Targets) && !next.Next.After(now) {
		device := next.Targets[next.Done]
		next.Done++
		o, err := s.prepare(ctx, tenant, device, b.Prototype)
		if problem.KindOf(err) == problem.NotFound {
			continue // the device is gone: the next one is not kept waiting
		}
		if err != nil {
			return err
		}
		next.Next = next.Next.Add(b.Ramp)
		o.Bulk, o.Creator = b.ID, b.Creator
		ops, audit = append(ops, o), append(audit, createdAudit(o))
	}
	if next.Done == len(next.Targets) {
		next.Status = platform.BulkCompleted
	}
	err = s.Store.UpdateBulkOperation(ctx, tenant, b, next, ops, audit...)
	if errors.Is(err, problem.Conflict) {
		return nil // another node does it, or it was cancelled
	}
	for i := 0; err == nil && i < len(ops); i++ {
		_, err = s.told(ctx, ops[i], platform.NoticeCreate, func() (platform.Operation, error) { return ops[i], nil })
	}
	return err
}

// targets lists the devices of a bulk operation: those of the group and of the
// groups within it, or those whose operation failed before.
func (s *Service) targets(ctx context.Context, tenant platform.TenantID, b platform.BulkOperation) ([]platform.ID, error) {
	if b.Group != 0 {
		return s.devicesOf(ctx, tenant, b.Group)
	}
	var ids []platform.ID
	f := platform.OperationFilter{Bulk: b.Parent, Status: platform.OperationFailed}
	for len(ids) < MaxTargets {
		list, err := s.Store.Operations(ctx, tenant, f, platform.Page{Number: 1, Size: 500})
		if err != nil {
			return nil, err
		}
		for _, o := range list.Items {
			ids, f.After = append(ids, o.Device), o.ID
		}
		if !list.More {
			break
		}
	}
	return ids, nil
}

func (s *Service) devicesOf(ctx context.Context, tenant platform.TenantID, group platform.ID) ([]platform.ID, error) {
	groups, seen := []platform.ID{group}, map[platform.ID]bool{group: true}
	var ids []platform.ID
	for i := 0; i < len(groups) && i < maxGroups; i++ {
		for page := 1; ; page++ {
			list, err := s.Objects.Children(ctx, tenant, groups[i], platform.ChildAssets, platform.Page{Number: page, Size: 500})
			if problem.KindOf(err) == problem.NotFound {
				break
			}
			if err != nil {
				return nil, err
			}
			for _, o := range list.Items {
				if seen[o.ID] {
					continue
				}
				seen[o.ID] = true
				if _, ok := o.Fragments[platform.FragmentIsDevice]; ok && len(ids) < MaxTargets {
					ids = append(ids, o.ID)
				} else if !ok {
					groups = append(groups, o.ID)
				}
			}
			if !list.More {
				break
			}
		}
	}
	return ids, nil
}
