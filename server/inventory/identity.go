package inventory

import (
	"context"
	"errors"
	"strings"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// ExternalIDs lists the names of an object.
func (s *Service) ExternalIDs(ctx context.Context, tenant platform.TenantID, id platform.ID) ([]platform.ExternalID, error) {
	if _, err := s.Owner(ctx, tenant, id); err != nil {
		return nil, globalIDNotFound(err)
	}
	xids, err := s.store.ExternalIDs(ctx, tenant, id)
	return xids, globalIDNotFound(err)
}

// Bind gives an object a further name; problem.NotFound if there is no such
// object, problem.Conflict if another has that name.
func (s *Service) Bind(ctx context.Context, tenant platform.TenantID, id platform.ID, xid platform.ExternalID) error {
	if err := checkExternalID(xid); err != nil {
		return err
	}
	xids, err := s.ExternalIDs(ctx, tenant, id)
	if err != nil {
		return err
	}
	if len(xids) >= MaxExternalIDs {
		return problem.New(problem.Unprocessable, "An object has at most 64 external IDs.", nil)
	}
	err = s.store.BindExternalID(ctx, tenant, id, xid)
	if errors.Is(err, problem.Conflict) {
		return problem.WithCode(problem.Conflict, "identity/Duplicate",
			"External id is already bound to another object; external id = ID [type="+xid.Type+", value="+xid.Value+"]", err)
	}
	return globalIDNotFound(err)
}

// Unbind takes a name away; problem.NotFound if nothing has it.
func (s *Service) Unbind(ctx context.Context, tenant platform.TenantID, xid platform.ExternalID) error {
	id, err := s.store.ObjectByExternalID(ctx, tenant, xid)
	if err != nil {
		return externalIDNotFound(xid, err)
	}
	err = s.store.UnbindExternalID(ctx, tenant, xid)
	s.versions.changed(tenant, id)
	return externalIDNotFound(xid, err)
}

func checkExternalID(x platform.ExternalID) error {
	for _, part := range []string{x.Type, x.Value} {
		if part == "" || len(part) > MaxNameBytes || strings.ContainsRune(part, 0) {
			return problem.WithCode(problem.Unprocessable, "identity/Invalid Data",
				"Type and value of an external ID have 1 to 1024 bytes and no zero byte.", nil)
		}
	}
	return nil
}

func externalIDNotFound(x platform.ExternalID, err error) error {
	if !errors.Is(err, problem.NotFound) {
		return err
	}
	return problem.WithCode(problem.NotFound, "identity/Not Found",
		"External id not found; external id = ID [type="+x.Type+", value="+x.Value+"]", err)
}

func globalIDNotFound(err error) error {
	if !errors.Is(err, problem.NotFound) {
		return err
	}
	return problem.WithCode(problem.NotFound, "identity/Not Found", "Global ID not found", err)
}
