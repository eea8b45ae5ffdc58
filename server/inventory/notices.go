package inventory

import (
	"context"
	"slices"
	"sync"

	"mooring/server/platform"
)

// turns keeps the notices of one object in the order of its changes: who
// changes an object somebody listens to holds its lock until the notice is
// posted. Objects that share a lock wait for each other now and then.
type turns [256]sync.Mutex

// lock takes the turns of objects, each once and in one order.
func (t *turns) lock(ids []platform.ID) (unlock func()) {
	places := make([]int, len(ids))
	for i, id := range ids {
		places[i] = int(uint64(id) % uint64(len(t)))
	}
	slices.Sort(places)
	places = slices.Compact(places)
	for _, p := range places {
		t[p].Lock()
	}
	return func() {
		for _, p := range places {
			t[p].Unlock()
		}
	}
}

// told carries out change, which returns the object as it is afterwards, and
// waits until those who listen are told of it.
func (s *Service) told(ctx context.Context, tenant platform.TenantID, id platform.ID, action platform.NoticeAction,
	change func() (platform.ManagedObject, error)) (platform.ManagedObject, error) {
	list, err := s.toldAll(ctx, tenant, []platform.ID{id}, action, func() ([]platform.ManagedObject, error) {
		o, err := change()
		return []platform.ManagedObject{o}, err
	})
	return list[0], err
}

// toldAll is told for several objects, whose change returns them in the order
// of ids, or none if they are gone.
func (s *Service) toldAll(ctx context.Context, tenant platform.TenantID, ids []platform.ID, action platform.NoticeAction,
	change func() ([]platform.ManagedObject, error)) ([]platform.ManagedObject, error) {
	if s.notices == nil || !s.notices.Wanted(tenant) || platform.ModeOf(ctx) == platform.ModeQuiescent {
		return change()
	}
	unlock := s.turns.lock(ids)
	list, err := change()
	if err != nil {
		unlock()
		return list, err
	}
	notices := make([]platform.Notice, len(ids))
	for i, id := range ids {
		notices[i] = platform.Notice{Tenant: tenant, API: platform.NoticeManagedObjects, Action: action, Source: id, ID: id}
		if action != platform.NoticeDelete {
			notices[i].Type, notices[i].Object = list[i].Type, list[i]
		}
	}
	done := make(chan error, 1)
	s.notices.Post(notices, func(err error) { done <- err })
	unlock()
	return list, platform.Await(ctx, done)
}
