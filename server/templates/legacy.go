package templates

import (
	"context"
	"encoding/json"

	"mooring/internal/problem"
	"mooring/internal/smartrest"
	"mooring/internal/smartrest/legacy"
	"mooring/internal/smartrest/template"
	"mooring/server/platform"
)

// Legacy is one collection of SmartREST 1.0. Nobody changes it.
type Legacy struct {
	ID platform.ID
	*legacy.Collection
}

// Legacy finds a collection of SmartREST 1.0; problem.NotFound if there is none.
// Clients may name one by the ID of its object, too: the vendor's C++ SDK does so
// once it knows it.
func (s *Service) Legacy(ctx context.Context, tenant platform.TenantID, xid string) (Legacy, error) {
	c, err := s.find(ctx, key{tenant: tenant, legacy: true, xid: xid})
	return Legacy{c.ID, c.legacy}, err
}

// byNumber finds a collection of SmartREST 1.0 by the ID of its object.
func (s *Service) byNumber(ctx context.Context, tenant platform.TenantID, id platform.ID) (platform.ManagedObject, error) {
	o, err := s.inventory.Object(ctx, tenant, id)
	if _, holds := o.Fragments[legacy.Fragment]; err == nil && !holds {
		return o, problem.NotFound
	}
	return o, err
}

// CreateLegacy makes a collection of SmartREST 1.0. One that exists is not changed.
//
// Errors: *smartrest.Error if there is one of that X-ID.
func (s *Service) CreateLegacy(ctx context.Context, tenant platform.TenantID, owner, xid string, c *legacy.Collection) (platform.ID, error) {
	if xid == "" || len(xid) > template.MaxXIDBytes {
		return 0, smartrest.NewError(smartrest.CodeConflict, "", "The X-ID has 1 to 254 bytes")
	}
	fragment := c.Document()
	if len(fragment) > legacy.MaxDocumentBytes {
		return 0, smartrest.NewError(smartrest.CodeConflict, "", "The template collection has more than 262144 bytes")
	}
	name, _ := json.Marshal(xid) // a text always marshals
	o, err := s.inventory.Create(ctx, tenant, platform.CreateObject{
		Object: platform.ManagedObject{Name: xid, Type: xid, Owner: owner,
			Fragments: platform.Fragments{legacy.Fragment: fragment, template.FragmentExternalID: name}},
		ExternalIDs: []platform.ExternalID{{Type: legacy.ExternalIDType, Value: xid}},
	})
	if problem.KindOf(err) == problem.Conflict {
		return 0, smartrest.NewError(smartrest.CodeConflict, "", "Cannot create templates for already existing template object")
	}
	return o.ID, err
}

// parseLegacy reads what the object of a collection holds. One without the fragment
// has no templates.
func parseLegacy(o platform.ManagedObject) (*legacy.Collection, error) {
	f, ok := o.Fragments[legacy.Fragment]
	if !ok {
		return &legacy.Collection{}, nil
	}
	return legacy.ParseDocument(f)
}
