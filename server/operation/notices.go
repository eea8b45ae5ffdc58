package operation

import (
	"context"
	"sync"

	"mooring/server/platform"
)

// turns keeps the notices of one operation in the order of its states: who changes
// an operation somebody listens to holds its lock until the notice is posted. A
// device may report on an operation before the call that ordered it has returned.
type turns [64]sync.Mutex

func (t *turns) of(id platform.ID) *sync.Mutex { return &t[uint64(id)%uint64(len(t))] }

// told carries out change, which returns the operation as it is afterwards, and
// waits until those who listen are told of it.
func (s *Service) told(ctx context.Context, o platform.Operation, action platform.NoticeAction, change func() (platform.Operation, error)) (platform.Operation, error) {
	if s.Notices == nil || !s.Notices.Wanted(o.Tenant) || platform.ModeOf(ctx) == platform.ModeQuiescent {
		return change()
	}
	turn := s.turns.of(o.ID)
	turn.Lock()
	changed, err := change()
	if err != nil {
		turn.Unlock()
		return changed, err
	}
	done := make(chan error, 1)
	s.Notices.Post([]platform.Notice{{Tenant: o.Tenant, API: platform.NoticeOperations, Action: action,
		Source: o.Device, ID: o.ID, Object: changed}}, func(err error) { done <- err })
	turn.Unlock()
	return changed, platform.Await(ctx, done)
}

// toldGone waits until those who listen are told of operations that were removed.
func (s *Service) toldGone(ctx context.Context, tenant platform.TenantID, gone []platform.GoneOperation) error {
	if s.Notices == nil || len(gone) == 0 || !s.Notices.Wanted(tenant) || platform.ModeOf(ctx) == platform.ModeQuiescent {
		return nil
	}
	notices := make([]platform.Notice, len(gone))
	for i, o := range gone {
		notices[i] = platform.Notice{Tenant: tenant, API: platform.NoticeOperations, Action: platform.NoticeDelete, Source: o.Device, ID: o.ID}
	}
	return platform.Tell(ctx, s.Notices, notices...)
}
