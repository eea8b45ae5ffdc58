package operation

import (
	"context"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// Report is what a device says of an operation (templates 501 to 507).
type Report struct {
	// ID names the operation (504 to 506); zero: the oldest with Fragment.
	ID platform.ID
	// Fragment is any property of the operation at its top, "c8y_Restart" or
	// "deviceId"; with All empty means all.
	Fragment string
	Status   platform.OperationStatus
	Reason   string   // of Failed
	Values   []string // of Successful
	All      bool     // every executing operation fails (507)
}

// expected is the state in which an operation is looked for that is not named.
var expected = map[platform.OperationStatus]platform.OperationStatus{
	platform.OperationExecuting:  platform.OperationPending,
	platform.OperationSuccessful: platform.OperationExecuting,
	platform.OperationFailed:     platform.OperationExecuting,
}

// everywhere are properties that every operation has (mqtt.md §4.6).
var everywhere = map[string]bool{"id": true, "self": true, "deviceId": true, "agentId": true, "status": true, "creationTime": true, "delivery": true}

// Report takes in what device says. Operations of other devices are not there
// for it.
//
// Errors: problem.NotFound if no operation matches, problem.Unprocessable if its
// state does not allow it.
func (s *Service) Report(ctx context.Context, actor platform.Principal, device platform.ID, r Report) error {
	switch {
	case r.All:
		return s.failAll(ctx, actor, device, r)
	case r.ID != 0:
		return s.reportByID(ctx, actor, device, r)
	}
	o, found, err := s.oldest(ctx, actor.Tenant, device, expected[r.Status], r.Fragment)
	if err != nil {
		return err
	}
	if !found {
		return problem.New(problem.NotFound, "No "+string(expected[r.Status])+" operation with fragment "+cutTo(r.Fragment, 64)+" found", nil)
	}
	return s.report(ctx, actor, o, r)
}

func (s *Service) reportByID(ctx context.Context, actor platform.Principal, device platform.ID, r Report) error {
	o, err := s.Store.Operation(ctx, actor.Tenant, r.ID)
	if problem.KindOf(err) == problem.NotFound || err == nil && o.Device != device {
		// The missing blank is the platform's own (mqtt.md §3.2).
		return problem.New(problem.NotFound, "MqttServiceException: Operation with id "+r.ID.String()+" for device id "+device.String()+"not found!", err)
	}
	if err != nil {
		return err
	}
	return s.report(ctx, actor, o, r)
}

// report carries out what a state brings with it, then the state. That order
// makes it come about in the end though a report may be cut short and come again.
func (s *Service) report(ctx context.Context, actor platform.Principal, o platform.Operation, r Report) error {
	ch := Change{Status: r.Status, FailureReason: r.Reason}
	if r.Status == platform.OperationSuccessful && o.Status != r.Status {
		e := resultOf(o, r, s.Now())
		ch.Merge = e.merge
		if len(e.object) > 0 {
			_, err := s.Objects.Update(ctx, o.Tenant, platform.UpdateObject{ID: o.Device, At: platform.Millis(s.Now()), Set: e.object})
			if err != nil && problem.KindOf(err) != problem.NotFound {
				return err
			}
		}
	}
	_, err := s.change(ctx, actor, o, ch)
	return err
}

// oldest finds the first operation of a device in a state that has the fragment.
func (s *Service) oldest(ctx context.Context, tenant platform.TenantID, device platform.ID, status platform.OperationStatus, fragment string) (platform.Operation, bool, error) {
	list, err := s.Store.Operations(ctx, tenant, reportFilter(device, status, fragment), platform.Page{Number: 1, Size: 1})
	if err != nil || len(list.Items) == 0 {
		return platform.Operation{}, false, err
	}
	return list.Items[0], true, nil
}

func reportFilter(device platform.ID, status platform.OperationStatus, fragment string) platform.OperationFilter {
	f := platform.OperationFilter{Device: device, Status: status, Fragment: fragment}
	if everywhere[fragment] {
		f.Fragment = ""
	}
	return f
}

// failAll fails every executing operation with the fragment.
func (s *Service) failAll(ctx context.Context, actor platform.Principal, device platform.ID, r Report) error {
	f := reportFilter(device, platform.OperationExecuting, r.Fragment)
	for {
		list, err := s.Store.Operations(ctx, actor.Tenant, f, platform.Page{Number: 1, Size: pendingPage})
		if err != nil {
			return err
		}
		for _, o := range list.Items {
			f.After = o.ID
			_, err := s.change(ctx, actor, o, Change{Status: platform.OperationFailed, FailureReason: r.Reason})
			if err != nil && problem.KindOf(err) != problem.Conflict && problem.KindOf(err) != problem.NotFound {
				return err
			}
		}
		if !list.More {
			return nil
		}
	}
}
