package inventory

import (
	"context"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// AddChild places a child under a parent; adding it twice is fine.
func (s *Service) AddChild(ctx context.Context, tenant platform.TenantID, link platform.ChildLink) error {
	if link.Parent == link.Child {
		return problem.WithCode(problem.Unprocessable, "inventory/Invalid Data", "An object is no child of itself.", nil)
	}
	for _, id := range []platform.ID{link.Parent, link.Child} {
		if _, err := s.Owner(ctx, tenant, id); err != nil {
			return err
		}
	}
	return notFound(link.Child, s.store.AddChild(ctx, tenant, link))
}

// RemoveChild takes a child away from a parent; problem.Unprocessable if it is
// none (rest.md §6.2).
func (s *Service) RemoveChild(ctx context.Context, tenant platform.TenantID, link platform.ChildLink) error {
	if _, err := s.Child(ctx, tenant, link); err != nil {
		return err
	}
	return notFound(link.Child, s.store.RemoveChild(ctx, tenant, link))
}

// Child returns the child of a link that exists.
func (s *Service) Child(ctx context.Context, tenant platform.TenantID, link platform.ChildLink) (platform.ManagedObject, error) {
	if _, err := s.Owner(ctx, tenant, link.Parent); err != nil {
		return platform.ManagedObject{}, err
	}
	child, err := s.Object(ctx, tenant, link.Child)
	if err != nil {
		return child, err
	}
	parents, err := s.store.Parents(ctx, tenant, link.Child, link.Kind)
	if err != nil {
		return child, notFound(link.Child, err)
	}
	for _, p := range parents {
		if p.ID == link.Parent {
			return child, nil
		}
	}
	return child, problem.WithCode(problem.Unprocessable, "inventory/Invalid Data",
		"managedObject "+link.Child.String()+" is not a child of "+link.Parent.String(), nil)
}

// Children lists the direct children of a kind.
func (s *Service) Children(ctx context.Context, tenant platform.TenantID, parent platform.ID, kind platform.ChildKind, page platform.Page) (platform.List[platform.ManagedObject], error) {
	if _, err := s.Owner(ctx, tenant, parent); err != nil {
		return platform.List[platform.ManagedObject]{}, err
	}
	return s.store.Children(ctx, tenant, parent, kind, page)
}

// Parents lists the direct parents of a kind.
func (s *Service) Parents(ctx context.Context, tenant platform.TenantID, child platform.ID, kind platform.ChildKind) ([]platform.ManagedObject, error) {
	return s.store.Parents(ctx, tenant, child, kind)
}

// Descendants lists the IDs of what is below an object through links of these
// kinds, at most limit of them, in no order and without the object itself.
func (s *Service) Descendants(ctx context.Context, tenant platform.TenantID, root platform.ID, kinds []platform.ChildKind, limit int) ([]platform.ID, error) {
	return s.store.Descendants(ctx, tenant, root, kinds, limit)
}
