// Package operation is what devices are told to do: it takes orders in, finds
// the device over whose connection they travel, and moves them from state to
// state as the device reports.
//
//	PENDING ──> EXECUTING ──> SUCCESSFUL
//	   │            └───────> FAILED
//	   └── by ID or over REST to either at once
//
// Who delivers asks for what is pending and says afterwards what has arrived.
// That an operation came to be is told by the change log (ChangeOperation), whose
// key names the agent, so that the node that has the agent's connection hears of
// it wherever the operation was created.
//
// A state is told after its commit through Config.Notices.
package operation

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// Bounds of an operation; ours. The platform states none but the size of an
// MQTT packet, which JSON over REST may exceed.
const (
	MaxFragments      = 200
	MaxFragmentsBytes = 256 << 10
	MaxNameBytes      = 1024
	MaxReasonBytes    = 16 << 10
	// deleteChunk is how many operations one transaction removes (design §3a).
	deleteChunk = 500
)

// Objects is what the service asks of the inventory: server/inventory.
type Objects interface {
	Object(ctx context.Context, tenant platform.TenantID, id platform.ID) (platform.ManagedObject, error)
	Parents(ctx context.Context, tenant platform.TenantID, child platform.ID, kind platform.ChildKind) ([]platform.ManagedObject, error)
	Children(ctx context.Context, tenant platform.TenantID, parent platform.ID, kind platform.ChildKind, page platform.Page) (platform.List[platform.ManagedObject], error)
	ExternalIDs(ctx context.Context, tenant platform.TenantID, id platform.ID) ([]platform.ExternalID, error)
	Update(ctx context.Context, tenant platform.TenantID, cmd platform.UpdateObject) (platform.ManagedObject, error)
}

// Options reads tenant options: server/account.
type Options interface {
	Option(ctx context.Context, tenant platform.TenantID, key platform.OptionKey) (value string, set bool, err error)
	Tenants(ctx context.Context) ([]platform.Tenant, error)
}

// Store keeps operations.
type Store interface {
	platform.Operations
	platform.BulkOperations
}

// Config says what a Service works on.
type Config struct {
	Store   Store
	IDs     platform.IDs
	Objects Objects
	Options Options          // nil: nothing times out
	Notices platform.Notices // nil: nobody listens
	// LookEvery is how often Keep looks when nothing is known to be due: another
	// node may have left something. Zero is an hour.
	LookEvery time.Duration
	Now       func() time.Time // nil is time.Now
	Log       *slog.Logger     // nil discards
}

// Service is the operations of an instance.
type Service struct {
	Config
	started    time.Time
	deliveries chan platform.OperationDelivery
	turns      turns
	wake       chan struct{}
}

// New returns a Service on the parts of c.
func New(c Config) *Service {
	if c.Now == nil {
		c.Now = time.Now
	}
	c.LookEvery = cmp.Or(c.LookEvery, lookRarely)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{Config: c, started: platform.Millis(c.Now()), deliveries: make(chan platform.OperationDelivery, maxDeliveries), wake: make(chan struct{}, 1)}
}

// Create orders an operation. Its fragments are what the client wants done.
//
// Errors: problem.NotFound if there is no such device, problem.Unprocessable
// beyond a bound.
func (s *Service) Create(ctx context.Context, actor platform.Principal, device platform.ID, fragments platform.Fragments) (platform.Operation, error) {
	o, err := s.prepare(ctx, actor.Tenant, device, fragments)
	if err != nil {
		return o, err
	}
	o.Creator = actor.User
	return s.told(ctx, o, platform.NoticeCreate, func() (platform.Operation, error) {
		return o, s.Store.CreateOperations(ctx, actor.Tenant, []platform.Operation{o}, createdAudit(o))
	})
}

// prepare makes a pending operation that is not stored yet.
func (s *Service) prepare(ctx context.Context, tenant platform.TenantID, device platform.ID, fragments platform.Fragments) (platform.Operation, error) {
	if err := checkFragments(fragments); err != nil {
		return platform.Operation{}, err
	}
	object, err := s.Objects.Object(ctx, tenant, device)
	if err != nil {
		return platform.Operation{}, noDevice(device, err)
	}
	agent, err := s.agentOf(ctx, tenant, object)
	if err != nil {
		return platform.Operation{}, err
	}
	id, err := s.IDs.NewID(ctx)
	if err != nil {
		return platform.Operation{}, err
	}
	now := platform.Millis(s.Now())
	return platform.Operation{ID: id, Tenant: tenant, Device: device, Agent: agent, DeviceName: object.Name,
		Status: platform.OperationPending, Created: now, Updated: now, Fragments: fragments}, nil
}

// Operation returns one operation.
func (s *Service) Operation(ctx context.Context, tenant platform.TenantID, id platform.ID) (platform.Operation, error) {
	o, err := s.Store.Operation(ctx, tenant, id)
	return o, notFound(id, err)
}

// Operations lists operations in the order of IDs.
func (s *Service) Operations(ctx context.Context, tenant platform.TenantID, f platform.OperationFilter, page platform.Page) (platform.List[platform.Operation], error) {
	return s.Store.Operations(ctx, tenant, f, page)
}

// Delete removes the operations that match, in whatever state they are, and tells
// of each.
func (s *Service) Delete(ctx context.Context, actor platform.Principal, f platform.OperationFilter) error {
	audit := []platform.AuditRecord{{Tenant: actor.Tenant, At: platform.Millis(s.Now()), Type: auditType,
		Activity: "Operations deleted", Text: "Operations deleted: " + describe(f), User: actor.User}}
	for {
		gone, err := s.Store.DeleteOperations(ctx, actor.Tenant, f, deleteChunk, audit...)
		if err != nil {
			return err
		}
		if err := s.toldGone(ctx, actor.Tenant, gone); err != nil || len(gone) < deleteChunk {
			return err
		}
		audit = nil
	}
}

func checkFragments(f platform.Fragments) error {
	size := 0
	for name, value := range f {
		if name == "" || len(name) > MaxNameBytes || strings.ContainsRune(name, 0) {
			return problem.WithCode(problem.Unprocessable, "devicecontrol/Invalid Data", "The name of a fragment has 1 to 1024 bytes and no zero byte.", nil)
		}
		size += len(name) + len(value)
	}
	if len(f) > MaxFragments || size > MaxFragmentsBytes {
		return problem.WithCode(problem.Unprocessable, "devicecontrol/Invalid Data", "An operation has at most 200 fragments and 262144 bytes.", nil)
	}
	return nil
}

// notFound puts the contract's text on a problem.NotFound (rest.md §0.4).
func notFound(id platform.ID, err error) error {
	if !errors.Is(err, problem.NotFound) {
		return err
	}
	return problem.WithCode(problem.NotFound, "devicecontrol/Not Found",
		"Finding device data from database failed : No operation for gid '"+id.String()+"'!", err)
}

func noDevice(id platform.ID, err error) error {
	if !errors.Is(err, problem.NotFound) {
		return err
	}
	return problem.WithCode(problem.NotFound, "devicecontrol/Not Found",
		"Finding device data from database failed : No managedObject for id '"+id.String()+"'!", err)
}
