package mqttapi_test

import (
	"context"
	"time"

	"mooring/internal/problem"
	"mooring/server/mqttapi"
	"mooring/server/operation"
	"mooring/server/platform"
)

// noOperations has none; what devices report of some is not found.
type noOperations struct{ unusedOperations }

type unusedOperations = mqttapi.Operations

var _ mqttapi.Operations = noOperations{}

func (noOperations) Pending(context.Context, platform.TenantID, platform.ID, platform.ID) ([]platform.AddressedOperation, platform.ID, bool, error) {
	return nil, 0, false, nil
}

func (noOperations) PendingOperation(context.Context, platform.TenantID, platform.ID, platform.ID) (platform.AddressedOperation, bool, error) {
	return platform.AddressedOperation{}, false, nil
}

func (noOperations) Forwarded(*platform.Operation, time.Time) bool { return true }
func (noOperations) Delivered(platform.TenantID, ...platform.ID)   {}

func (noOperations) Report(_ context.Context, _ platform.Principal, device platform.ID, r operation.Report) error {
	switch {
	case r.All:
		return nil
	case r.ID != 0:
		return problem.New(problem.NotFound, "Operation "+r.ID.String()+" of "+device.String()+" not found", nil)
	}
	return problem.New(problem.NotFound, "No operation with fragment "+r.Fragment+" found", nil)
}
