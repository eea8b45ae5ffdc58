package mqttapi

import (
	"context"
	"strings"
	"sync"
	"time"

	"mooring/internal/problem"
	"mooring/internal/smartrest"
	"mooring/server/operation"
	"mooring/server/platform"
)

// Operations is what devices are told to do: server/operation.
type Operations interface {
	// Pending lists the next operations of an agent after one ID, and where to go
	// on; more tells that there are further ones.
	Pending(ctx context.Context, tenant platform.TenantID, agent, after platform.ID) (ops []platform.AddressedOperation, next platform.ID, more bool, err error)
	// PendingOperation is Pending for one operation.
	PendingOperation(ctx context.Context, tenant platform.TenantID, agent, id platform.ID) (op platform.AddressedOperation, found bool, err error)
	// Forwarded reports whether a new subscription need not bring op again.
	Forwarded(op *platform.Operation, begun time.Time) bool
	// Delivered notes what has reached the agent. It must not block.
	Delivered(tenant platform.TenantID, ids ...platform.ID)
	// Operations and Update are for request templates that change operations.
	Operations(ctx context.Context, tenant platform.TenantID, f platform.OperationFilter, page platform.Page) (platform.List[platform.Operation], error)
	Update(ctx context.Context, actor platform.Principal, id platform.ID, ch operation.Change) (platform.Operation, error)
	// Report takes in what a device says of its operations.
	Report(ctx context.Context, actor platform.Principal, device platform.ID, r operation.Report) error
}

// agent is the object of a device that has a connection.
type agent struct {
	tenant platform.TenantID
	object platform.ID
}

// agents knows by which session operations of an agent travel.
type agents struct {
	mu       sync.Mutex
	sessions map[agent]*session
}

func (a *agents) put(k agent, s *session) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sessions[k] = s
}

func (a *agents) get(k agent) *session {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.sessions[k]
}

// remove takes s out wherever it stands.
func (a *agents) remove(s *session) {
	k := agent{s.place.tenant, platform.ID(s.object.Load())}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.sessions[k] == s {
		delete(a.sessions, k)
	}
}

// Apply hears of changes: a new operation goes to the session of its agent, if
// that is here, and what is pending to those who listen to a new collection.
func (s *Server) Apply(_ context.Context, c platform.Change) error {
	if c.Kind == platform.ChangeName {
		s.named(c.Tenant, c.Key)
	}
	if c.Kind != platform.ChangeOperation {
		return nil
	}
	agentText, text, _ := strings.Cut(c.Key, "/")
	object, ok := platform.ParseID(agentText)
	id, ok2 := platform.ParseID(text)
	if !ok || !ok2 {
		return nil
	}
	if sess := s.agents.get(agent{c.Tenant, object}); sess != nil {
		sess.ordered(id)
	}
	return nil
}

// knowObject notes the object of the session's device: from now on its operations
// come here. Only the pump calls it.
func (s *session) knowObject(id platform.ID) {
	if s.gone || platform.ID(s.object.Load()) == id || !s.mayBeTold(id) {
		return
	}
	s.server.agents.remove(s)
	s.object.Store(int64(id))
	s.tellOnline(true) // who is told may have looked for the object before it was there
	s.server.agents.put(agent{s.place.tenant, id}, s)
	s.mu.Lock()
	for _, f := range s.out.filters {
		s.catchUp(catchUp{filter: f.filter})
	}
	s.mu.Unlock()
}

// mayBeTold: a device hears what it is to do; a person hears it of devices that
// are theirs, or with a role for operations.
func (s *session) mayBeTold(id platform.ID) bool {
	p := s.principal
	if p.IsDevice() || p.HasAny(platform.RoleDeviceControlAdmin, platform.RoleDeviceControlRead) {
		return true
	}
	ctx, cancel := s.call()
	defer cancel()
	owner, err := s.server.cfg.Devices.Owner(ctx, s.place.tenant, id)
	return err == nil && owner == p.User
}

// operation carries out 501 to 507.
func (p *publish) operation(r smartrest.OperationUpdate) error {
	device, err := p.object()
	if err != nil {
		return err
	}
	report := operation.Report{Fragment: r.Fragment, Status: platform.OperationStatus(r.Status), Reason: r.FailureReason, Values: r.Values, All: r.All}
	if r.ID != "" {
		id, ok := platform.ParseID(r.ID)
		if !ok {
			return problem.New(problem.NotFound, "MqttServiceException: Operation with id "+r.ID+" for device id "+device.String()+"not found!", nil)
		}
		report.ID = id
	}
	return p.server.cfg.Operations.Report(p.call(), p.principal, device, report)
}
