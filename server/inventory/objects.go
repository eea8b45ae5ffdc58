package inventory

import (
	"context"
	"errors"
	"strings"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// Bounds of a managed object. The platform states 16 MiB for a document; ours
// is what a list of 2,000 of them can still be answered with.
const (
	MaxNameBytes      = 1024 // name, type, owner, external ID
	MaxFragments      = 1_000
	MaxFragmentsBytes = 1 << 20
	MaxExternalIDs    = 64
	MaxFilterIDs      = 2_000
)

// Create adds an object with its names and its place and returns it. The ID is
// given here unless it has one from the sequence of IDs; Created and Updated
// are now.
//
// Errors: problem.Unprocessable beyond a bound, problem.Conflict if an
// external ID is bound already, problem.NotFound if there is no such parent.
func (s *Service) Create(ctx context.Context, tenant platform.TenantID, cmd platform.CreateObject) (platform.ManagedObject, error) {
	cmd, err := s.prepare(ctx, tenant, cmd)
	if err != nil {
		return cmd.Object, err
	}
	_, err = s.told(ctx, tenant, cmd.Object.ID, platform.NoticeCreate, func() (platform.ManagedObject, error) {
		return cmd.Object, s.store.CreateObject(ctx, tenant, cmd)
	})
	if err == nil {
		s.tellCreated(cmd.Object)
	}
	if cmd.Parent != nil && errors.Is(err, problem.NotFound) {
		err = notFound(cmd.Parent.Parent, err)
	}
	return cmd.Object, isBound(err)
}

// isBound puts a text on the Conflict of external IDs.
func isBound(err error) error {
	if !errors.Is(err, problem.Conflict) {
		return err
	}
	return problem.WithCode(problem.Conflict, "identity/Duplicate", "An external ID is bound to another object already.", err)
}

// prepare checks a command and fills in what the server gives.
func (s *Service) prepare(ctx context.Context, tenant platform.TenantID, cmd platform.CreateObject) (platform.CreateObject, error) {
	o := &cmd.Object
	if err := checkTexts(o.Name, o.Type, o.Owner); err != nil {
		return cmd, err
	}
	if err := checkFragments(o.Fragments); err != nil {
		return cmd, err
	}
	if len(cmd.ExternalIDs) > MaxExternalIDs {
		return cmd, problem.New(problem.Unprocessable, "An object has at most 64 external IDs.", nil)
	}
	for _, x := range cmd.ExternalIDs {
		if err := checkExternalID(x); err != nil {
			return cmd, err
		}
	}
	if err := s.MayClaim(ctx, tenant, o.Owner, cmd.ExternalIDs...); err != nil {
		return cmd, err
	}
	if o.ID == 0 {
		var err error
		if o.ID, err = s.ids.NewID(ctx); err != nil {
			return cmd, err
		}
	}
	o.Tenant = tenant
	o.Created = platform.Millis(s.now())
	o.Updated = o.Created
	if cmd.Parent != nil {
		link := *cmd.Parent
		link.Child = o.ID
		cmd.Parent = &link
	}
	return cmd, nil
}

// Object returns an object; problem.NotFound if there is none.
func (s *Service) Object(ctx context.Context, tenant platform.TenantID, id platform.ID) (platform.ManagedObject, error) {
	o, err := s.store.Object(ctx, tenant, id)
	return s.overlay(o), notFound(id, err)
}

// Objects lists objects in the order of the query, else of IDs.
func (s *Service) Objects(ctx context.Context, tenant platform.TenantID, f platform.ObjectFilter, page platform.Page) (platform.List[platform.ManagedObject], error) {
	if len(f.IDs) > MaxFilterIDs {
		return platform.List[platform.ManagedObject]{}, problem.New(problem.Unprocessable, "At most 2000 ids at once.", nil)
	}
	list, err := s.store.Objects(ctx, tenant, f, page)
	for i := range list.Items {
		s.overlay(list.Items[i])
	}
	return list, err
}

// Update changes the parts of an object that cmd sets. At is now unless it is
// set.
func (s *Service) Update(ctx context.Context, tenant platform.TenantID, cmd platform.UpdateObject) (platform.ManagedObject, error) {
	if err := s.checkUpdate(ctx, tenant, &cmd); err != nil {
		return platform.ManagedObject{}, err
	}
	o, err := s.told(ctx, tenant, cmd.ID, platform.NoticeUpdate, func() (platform.ManagedObject, error) {
		o, err := s.store.UpdateObject(ctx, tenant, cmd)
		s.versions.changed(tenant, cmd.ID)
		return o, err
	})
	if err != nil {
		return o, notFound(cmd.ID, err)
	}
	s.tellLive(tenant, cmd)
	return s.overlay(o), nil
}

// checkUpdate checks a command and dates it.
func (s *Service) checkUpdate(ctx context.Context, tenant platform.TenantID, cmd *platform.UpdateObject) error {
	if cmd.At.IsZero() {
		cmd.At = platform.Millis(s.now())
	}
	for _, text := range []*string{cmd.Name, cmd.Type, cmd.Owner} {
		if text == nil {
			continue
		}
		if err := checkTexts(*text); err != nil {
			return err
		}
	}
	return s.checkGrowth(ctx, tenant, *cmd)
}

// checkGrowth keeps an object from growing without bound by many updates that
// are small each.
func (s *Service) checkGrowth(ctx context.Context, tenant platform.TenantID, cmd platform.UpdateObject) error {
	if len(cmd.Set)+len(cmd.IfAbsent) == 0 {
		return nil
	}
	if err := checkFragments(cmd.Set); err != nil {
		return err
	}
	if err := checkFragments(cmd.IfAbsent); err != nil {
		return err
	}
	o, err := s.Object(ctx, tenant, cmd.ID)
	if err != nil {
		return err
	}
	merged := platform.Fragments{}
	for _, part := range []platform.Fragments{cmd.IfAbsent, o.Fragments, cmd.Set} {
		for name, value := range part {
			merged[name] = value
		}
	}
	for _, name := range cmd.Remove {
		delete(merged, name)
	}
	return checkFragments(merged)
}

// notFound puts the contract's text on a problem.NotFound (rest.md §0.4).
func notFound(id platform.ID, err error) error {
	if !errors.Is(err, problem.NotFound) {
		return err
	}
	return problem.WithCode(problem.NotFound, "inventory/Not Found",
		"Finding device data from database failed : No managedObject for id '"+id.String()+"'!", err)
}

func checkTexts(texts ...string) error {
	for _, t := range texts {
		if len(t) > MaxNameBytes || strings.ContainsRune(t, 0) {
			return problem.WithCode(problem.Unprocessable, "inventory/Invalid Data", "Name, type and owner have at most 1024 bytes and no zero byte.", nil)
		}
	}
	return nil
}

func checkFragments(f platform.Fragments) error {
	size := 0
	for name, value := range f {
		if name == "" || len(name) > MaxNameBytes || strings.ContainsRune(name, 0) {
			return problem.WithCode(problem.Unprocessable, "inventory/Invalid Data", "The name of a fragment has 1 to 1024 bytes and no zero byte.", nil)
		}
		size += len(name) + len(value)
	}
	if len(f) > MaxFragments || size > MaxFragmentsBytes {
		return problem.WithCode(problem.Unprocessable, "inventory/Invalid Data", "A managed object has at most 1000 fragments and 1048576 bytes.", nil)
	}
	return nil
}
