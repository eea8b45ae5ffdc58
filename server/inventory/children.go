package inventory

import (
	"context"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// AddChild places children under parents: all of them or none. Adding one twice
// is fine.
func (s *Service) AddChild(ctx context.Context, tenant platform.TenantID, links ...platform.ChildLink) error {
	for _, link := range links {
		if link.Parent == link.Child {
			return problem.WithCode(problem.Unprocessable, "inventory/Invalid Data", "An object is no child of itself.", nil)
		}
		for _, id := range []platform.ID{link.Parent, link.Child} {
			if _, err := s.Owner(ctx, tenant, id); err != nil {
				return err
			}
		}
	}
	err := s.store.AddChild(ctx, tenant, links...)
	if len(links) == 1 {
		return notFound(links[0].Child, err)
	}
	return err
}

// RemoveChild takes children away from parents: all of them or none. It is
// problem.Unprocessable if one is no child (rest.md §6.2).
func (s *Service) RemoveChild(ctx context.Context, tenant platform.TenantID, links ...platform.ChildLink) error {
	for _, link := range links {
		if _, err := s.Child(ctx, tenant, link); err != nil {
			return err
		}
	}
	err := s.store.RemoveChild(ctx, tenant, links...)
	if len(links) == 1 {
		return notFound(links[0].Child, err)
	}
	return err
}

// Within tells whether an object belongs to user: it or one above it is theirs.
// It is problem.NotFound if there is no such object.
func (s *Service) Within(ctx context.Context, tenant platform.TenantID, id platform.ID, user string) (bool, error) {
	owner, err := s.Owner(ctx, tenant, id)
	if err != nil || user == "" || owner == user {
		return err == nil && user != "" && owner == user, err
	}
	return s.store.BelowOwned(ctx, tenant, id, user)
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

// MaxChildrenShown bounds the children of one kind that are listed with their
// parent; a list of children alone has pages.
const MaxChildrenShown = platform.MaxPageSize

// ChildrenOf lists the direct children of several objects.
func (s *Service) ChildrenOf(ctx context.Context, tenant platform.TenantID, parents []platform.ID) ([]platform.Relative, error) {
	return s.store.ChildrenOf(ctx, tenant, parents, MaxChildrenShown)
}

// CountChildrenOf counts the direct children of several objects.
func (s *Service) CountChildrenOf(ctx context.Context, tenant platform.TenantID, parents []platform.ID) (map[platform.ID]map[platform.ChildKind]int64, error) {
	return s.store.CountChildrenOf(ctx, tenant, parents)
}

// ParentsOf lists the direct parents of several objects, or the ancestors of
// all levels.
func (s *Service) ParentsOf(ctx context.Context, tenant platform.TenantID, children []platform.ID, ancestors bool) ([]platform.Relative, error) {
	return s.store.ParentsOf(ctx, tenant, children, ancestors)
}

// Names gives the names of those of ids that are there.
func (s *Service) Names(ctx context.Context, tenant platform.TenantID, ids []platform.ID) (map[platform.ID]string, error) {
	return s.store.ObjectNames(ctx, tenant, ids)
}
