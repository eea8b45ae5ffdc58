// Package retention removes what is old: telemetry, operations and audit
// records as the rules of each tenant say, refusals after RefusalDays, and
// changes that every node has read.
//
// Rules are independent of each other: what one of them selects goes, whatever
// another says. An alarm goes only if it is cleared, an operation only if it
// has ended.
package retention

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"mooring/server/platform"
)

// Bounds of the work.
const (
	// Every is how often the rules are carried out, if Config says nothing else.
	Every = time.Hour
	// RefusalDays is how long the reasons of refusals are kept.
	RefusalDays = 60
	// KeptChanges bounds the change log whatever its readers do: some 60 MB.
	KeptChanges = 1_000_000
	// maxPause bounds the wait between two commands.
	maxPause = time.Second
)

// Config says what a Service works on.
type Config struct {
	Rules      platform.RetentionRules
	Tenants    Tenants
	IDs        platform.IDs
	Telemetry  Telemetry
	Operations Operations
	Old        platform.Expiry
	Changes    Changes
	Every      time.Duration    // between two sweeps; zero is Every
	Now        func() time.Time // nil is time.Now
	Log        *slog.Logger     // nil discards
}

// Tenants lists the tenants of the instance.
type Tenants interface {
	Tenants(ctx context.Context) ([]platform.Tenant, error)
}

// Telemetry is what platform.Telemetry says of these methods.
type Telemetry interface {
	TelemetryIDs(ctx context.Context, tenant platform.TenantID, kind platform.TelemetryKind, f platform.TelemetryFilter) (platform.TelemetryPage, error)
	DeleteTelemetry(ctx context.Context, tenant platform.TenantID, kind platform.TelemetryKind, ids []platform.ID) (int, error)
}

// Operations is what platform.Operations says of this method.
type Operations interface {
	DeleteOperations(ctx context.Context, tenant platform.TenantID, f platform.OperationFilter, limit int, audit ...platform.AuditRecord) ([]platform.GoneOperation, error)
}

// Changes tells where the change log stands.
type Changes interface {
	LastChange(ctx context.Context) (int64, error)
}

// Service keeps the rules of an instance and carries them out.
type Service struct {
	Config
	lastChange int64 // at the sweep before; the sweep alone uses it
}

// New returns a Service on the stores of c.
func New(c Config) *Service {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{Config: c}
}

// Run sweeps every hour (Config.Every) until ctx ends, first after an hour: a
// start has other things to do.
func (s *Service) Run(ctx context.Context) {
	every := time.NewTicker(cmp.Or(s.Every, Every))
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
		if removed, err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
			s.Log.Error("what is old could not be removed and will be tried again", "err", err)
		} else if removed > 0 {
			s.Log.Info("removed what is old", "rows", removed)
		}
	}
}
