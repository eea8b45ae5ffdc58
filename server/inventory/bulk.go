package inventory

import (
	"context"
	"errors"
	"strconv"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// MaxBulk bounds how many objects one call creates or changes (rest.md §6.1).
const MaxBulk = 50

func checkBulk(n int) error {
	if n < 1 || n > MaxBulk {
		return problem.WithCode(problem.Unprocessable, "inventory/Invalid Data", "1 to "+strconv.Itoa(MaxBulk)+" managed objects at once.", nil)
	}
	return nil
}

// CreateAll is Create for several objects: all of them or none.
func (s *Service) CreateAll(ctx context.Context, tenant platform.TenantID, cmds []platform.CreateObject) ([]platform.ManagedObject, error) {
	if err := checkBulk(len(cmds)); err != nil {
		return nil, err
	}
	ids := make([]platform.ID, len(cmds))
	objects := make([]platform.ManagedObject, len(cmds))
	for i := range cmds {
		var err error
		if cmds[i], err = s.prepare(ctx, tenant, cmds[i]); err != nil {
			return nil, err
		}
		ids[i], objects[i] = cmds[i].Object.ID, cmds[i].Object
	}
	objects, err := s.toldAll(ctx, tenant, ids, platform.NoticeCreate, func() ([]platform.ManagedObject, error) {
		return objects, s.store.CreateObjects(ctx, tenant, cmds)
	})
	if err != nil {
		return nil, isBound(err)
	}
	for _, o := range objects {
		s.tellCreated(o)
	}
	return objects, nil
}

// UpdateAll is Update for several objects: all of them or none.
func (s *Service) UpdateAll(ctx context.Context, tenant platform.TenantID, cmds []platform.UpdateObject) ([]platform.ManagedObject, error) {
	if err := checkBulk(len(cmds)); err != nil {
		return nil, err
	}
	ids := make([]platform.ID, len(cmds))
	for i := range cmds {
		if _, err := s.Owner(ctx, tenant, cmds[i].ID); err != nil {
			return nil, err
		}
		if err := s.checkUpdate(ctx, tenant, &cmds[i]); err != nil {
			return nil, err
		}
		ids[i] = cmds[i].ID
	}
	list, err := s.toldAll(ctx, tenant, ids, platform.NoticeUpdate, func() ([]platform.ManagedObject, error) {
		list, err := s.store.UpdateObjects(ctx, tenant, cmds)
		for _, id := range ids {
			s.versions.changed(tenant, id)
		}
		return list, err
	})
	if err != nil {
		return nil, err
	}
	for i := range list {
		s.tellLive(tenant, cmds[i])
		s.overlay(list[i])
	}
	return list, nil
}

// Bounds of a deletion.
const (
	maxDoomed     = 1_000_000
	deletedAtOnce = 200 // in one transaction, so that others get their turn
)

// Delete removes an object with its names and links, and what cascade says
// goes with it: that first, so that a deletion that is cut short can be
// repeated.
func (s *Service) Delete(ctx context.Context, actor platform.Principal, tenant platform.TenantID, id platform.ID, cascade platform.Cascade) error {
	doomed, err := s.store.Doomed(ctx, tenant, id, cascade, maxDoomed)
	if err != nil {
		return notFound(id, err)
	}
	for rest := doomed; len(rest) > 0; {
		some := rest[:min(len(rest), deletedAtOnce)]
		rest = rest[len(some):]
		err := s.deleteSome(ctx, actor, tenant, id, some, len(rest) == 0)
		if len(rest) > 0 && errors.Is(err, problem.NotFound) {
			continue // somebody else was faster
		}
		if err != nil {
			return notFound(id, err)
		}
	}
	return nil
}

func (s *Service) deleteSome(ctx context.Context, actor platform.Principal, tenant platform.TenantID, root platform.ID, ids []platform.ID, last bool) error {
	var audit []platform.AuditRecord
	if last {
		audit = append(audit, platform.AuditRecord{Tenant: tenant, At: platform.Millis(s.now()), Type: "Inventory",
			Activity: "Managed object deleted", Text: "Managed object '" + root.String() + "' deleted", User: actor.User, Source: root.String()})
	}
	_, err := s.toldAll(ctx, tenant, ids, platform.NoticeDelete, func() ([]platform.ManagedObject, error) {
		err := s.store.DeleteObjects(ctx, tenant, ids, audit...)
		for _, id := range ids {
			s.versions.changed(tenant, id)
		}
		return make([]platform.ManagedObject, 1), err
	})
	return err
}
