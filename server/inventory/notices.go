package inventory

import (
	"context"
	"sync"

	"mooring/server/platform"
)

// turns keeps the notices of one object in the order of its changes: who
// changes an object somebody listens to holds its lock until the notice is
// posted. Objects that share a lock wait for each other now and then.
type turns [256]sync.Mutex

func (t *turns) of(id platform.ID) *sync.Mutex { return &t[uint64(id)%uint64(len(t))] }

// told carries out change, which returns the object as it is afterwards, and
// waits until those who listen are told of it.
func (s *Service) told(ctx context.Context, tenant platform.TenantID, id platform.ID, action platform.NoticeAction,
	change func() (platform.ManagedObject, error)) (platform.ManagedObject, error) {
	if s.notices == nil || !s.notices.Wanted(tenant) || platform.ModeOf(ctx) == platform.ModeQuiescent {
		return change()
	}
	turn := s.turns.of(id)
	turn.Lock()
	o, err := change()
	if err != nil {
		turn.Unlock()
		return o, err
	}
	n := platform.Notice{Tenant: tenant, API: platform.NoticeManagedObjects, Action: action, Source: id, ID: id, Type: o.Type}
	if action != platform.NoticeDelete {
		n.Object = o
	}
	done := make(chan error, 1)
	s.notices.Post([]platform.Notice{n}, func(err error) { done <- err })
	turn.Unlock()
	return o, platform.Await(ctx, done)
}
