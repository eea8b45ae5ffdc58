// Package audit lists the audit log and appends what clients add to it.
//
// Rows that belong to a command are written by that command, in its own
// transaction; this package is for those that stand alone.
package audit

import (
	"context"
	"errors"
	"time"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// MaxTextBytes bounds each text of a record. The server's own longest names a
// certificate's subject.
const MaxTextBytes = 16 << 10

// Service is the audit log.
type Service struct {
	store Store
	now   func() time.Time
}

// Store keeps the log.
type Store interface {
	platform.Audits
	platform.IDs
}

// New returns a Service on store; a nil now is time.Now.
func New(store Store, now func() time.Time) *Service {
	if now == nil {
		now = time.Now
	}
	return &Service{store: store, now: now}
}

// Append adds a record by actor to the log of its own tenant and returns it as
// it is kept. An empty time is now.
func (s *Service) Append(ctx context.Context, actor platform.Principal, r platform.AuditRecord) (platform.AuditRecord, error) {
	for _, text := range []string{r.Type, r.Activity, r.Text, r.Severity, r.Source, r.Application, r.Changes} {
		if len(text) > MaxTextBytes {
			return r, problem.New(problem.Unprocessable, "A text of the audit record is longer than 16384 bytes.", nil)
		}
	}
	id, err := s.store.NewID(ctx)
	if err != nil {
		return r, err
	}
	r.ID, r.Tenant, r.User, r.Created = id, actor.Tenant, actor.User, platform.Millis(s.now())
	if r.At.IsZero() {
		r.At = r.Created
	}
	r.At = platform.Millis(r.At)
	return r, s.store.AppendAudit(ctx, r)
}

// Record returns one record.
func (s *Service) Record(ctx context.Context, tenant platform.TenantID, id platform.ID) (platform.AuditRecord, error) {
	r, err := s.store.AuditRecord(ctx, tenant, id)
	if errors.Is(err, problem.NotFound) {
		return r, problem.WithCode(problem.NotFound, "audit/Not Found", "Finding audit data from database failed : No auditRecord for id '"+id.String()+"'!", err)
	}
	return r, err
}

// List lists records, newest first unless f says otherwise.
func (s *Service) List(ctx context.Context, tenant platform.TenantID, f platform.AuditFilter, page platform.Page) (platform.List[platform.AuditRecord], error) {
	return s.store.AuditRecords(ctx, tenant, f, page)
}
