package server

import (
	"context"

	"mooring/server/inventory"
	"mooring/server/platform"
	"mooring/server/presence"
	"mooring/server/telemetry"
)

// presenceNeeds is what the presence of devices asks of services that themselves
// tell it who is alive; they are set when they are made.
type presenceNeeds struct {
	objects *inventory.Service
	samples *telemetry.Service
}

var (
	_ presence.Names  = (*presenceNeeds)(nil)
	_ presence.Alarms = (*presenceNeeds)(nil)
)

func (n *presenceNeeds) Device(ctx context.Context, tenant platform.TenantID, externalID string) (platform.ID, error) {
	return n.objects.Device(ctx, tenant, externalID)
}

func (n *presenceNeeds) RaiseAlarm(ctx context.Context, tenant platform.TenantID, a platform.Alarm) (platform.Alarm, error) {
	return n.samples.RaiseAlarm(ctx, tenant, "", a)
}

func (n *presenceNeeds) Submit(b platform.Batch, done func(error)) { n.samples.Submit(b, done) }
