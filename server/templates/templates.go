// Package templates finds the custom template collections of a tenant by their
// X-ID (mqtt.md §6), those of SmartREST 2.0 and those of 1.0. A collection is a
// managed object, so that REST clients make, change and remove them as they do any
// object; devices make them by MQTT or, in SmartREST 1.0, by HTTP.
//
// Two caches, of maxCached entries and maxCachedBytes each: X-ID → collection,
// invalidated by ChangeObject of the collection's object; and all collections of a
// tenant, invalidated by that and by ChangeName of a new one, and at most listAge old. What does not exist
// is not cached. Another node's change is seen within 5 s.
package templates

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"time"

	"mooring/internal/problem"
	"mooring/internal/smartrest"
	"mooring/internal/smartrest/legacy"
	"mooring/internal/smartrest/template"
	"mooring/server/platform"
)

const (
	maxCached = 1000
	// maxCachedBytes counts the fragments that the collections were read from; a
	// collection takes a few times as much.
	maxCachedBytes = 16 << 20
	// MaxListed is how many collections of a tenant List finds, and maxListedBytes
	// how long their fragments may be together; ours.
	MaxListed      = 200
	maxListedBytes = 2 << 20
	listAge        = 5 * time.Second
)

// Inventory is where collections lie.
type Inventory interface {
	Resolve(ctx context.Context, tenant platform.TenantID, xid platform.ExternalID) (platform.ID, error)
	ExternalIDs(ctx context.Context, tenant platform.TenantID, id platform.ID) ([]platform.ExternalID, error)
	Object(ctx context.Context, tenant platform.TenantID, id platform.ID) (platform.ManagedObject, error)
	Objects(ctx context.Context, tenant platform.TenantID, f platform.ObjectFilter, page platform.Page) (platform.List[platform.ManagedObject], error)
	Create(ctx context.Context, tenant platform.TenantID, cmd platform.CreateObject) (platform.ManagedObject, error)
}

// Collection is one collection of a tenant. Nobody changes it.
type Collection struct {
	ID  platform.ID
	XID string
	*template.Collection
	legacy *legacy.Collection // in place of Collection
	size   int                // bytes of the fragment
}

// Service finds collections.
type Service struct {
	inventory Inventory
	now       func() time.Time

	mu      sync.Mutex // guards the fields below
	changes uint64     // counts what Apply heard of objects
	named   uint64     // and of new collections
	bytes   int        // of what is in byXID
	listed  int        // bytes of what is in lists
	byXID   map[key]Collection
	xids    map[object]key // of what is in byXID
	lists   map[platform.TenantID]list
}

type key struct {
	tenant platform.TenantID
	legacy bool
	xid    string
}

type object struct {
	tenant platform.TenantID
	id     platform.ID
}

type list struct {
	size        int
	collections []Collection
	until       time.Time
}

// New returns a Service on the inventory. now may be nil.
func New(inventory Inventory, now func() time.Time) *Service {
	if now == nil {
		now = time.Now
	}
	s := &Service{inventory: inventory, now: now}
	s.forget()
	return s
}

// forget empties the caches; mu is held or not needed.
func (s *Service) forget() {
	s.byXID, s.xids, s.bytes = map[key]Collection{}, map[object]key{}, 0
	s.lists, s.listed = map[platform.TenantID]list{}, 0
}

// Apply forgets what c says has changed. It is idempotent.
func (s *Service) Apply(_ context.Context, c platform.Change) error {
	if c.Kind == platform.ChangeName && strings.HasPrefix(c.Key, template.ExternalIDType+"/") {
		s.mu.Lock()
		s.forgetList(c.Tenant)
		s.named++
		s.mu.Unlock()
	}
	if c.Kind != platform.ChangeObject {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changes++
	id, ok := platform.ParseID(c.Key)
	if !ok {
		s.forget()
		return nil
	}
	o := object{c.Tenant, id}
	if k, ok := s.xids[o]; ok {
		s.bytes -= s.byXID[k].size
		delete(s.byXID, k)
		delete(s.xids, o)
	}
	for _, known := range s.lists[c.Tenant].collections {
		if known.ID == id {
			s.forgetList(c.Tenant)
			break
		}
	}
	return nil
}

// forgetList forgets the collections of a tenant; mu is held.
func (s *Service) forgetList(tenant platform.TenantID) {
	s.listed -= s.lists[tenant].size
	delete(s.lists, tenant)
}

// Collection finds a collection; problem.NotFound if there is none.
func (s *Service) Collection(ctx context.Context, tenant platform.TenantID, xid string) (Collection, error) {
	return s.find(ctx, key{tenant: tenant, xid: xid})
}

func (s *Service) find(ctx context.Context, k key) (Collection, error) {
	s.mu.Lock()
	c, ok := s.byXID[k]
	changes := s.changes
	s.mu.Unlock()
	if ok {
		return c, nil
	}
	if k.xid == "" || len(k.xid) > template.MaxXIDBytes {
		return Collection{}, notFound(k.xid)
	}
	o, err := s.object(ctx, k)
	if err != nil {
		return Collection{}, asNotFound(k.xid, err)
	}
	if c, err = read(k, o); err != nil {
		return Collection{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changes == changes {
		s.keep(k, object{k.tenant, o.ID}, c)
	}
	return c, nil
}

// object finds the object of a collection.
func (s *Service) object(ctx context.Context, k key) (platform.ManagedObject, error) {
	name := platform.ExternalID{Type: template.ExternalIDType, Value: k.xid}
	if k.legacy {
		name.Type = legacy.ExternalIDType
	}
	id, err := s.inventory.Resolve(ctx, k.tenant, name)
	if number, ok := platform.ParseID(k.xid); ok && k.legacy && problem.KindOf(err) == problem.NotFound {
		return s.byNumber(ctx, k.tenant, number)
	}
	if err != nil {
		return platform.ManagedObject{}, err
	}
	return s.inventory.Object(ctx, k.tenant, id)
}

// read reads what the object of a collection holds.
func read(k key, o platform.ManagedObject) (c Collection, err error) {
	c = Collection{ID: o.ID, XID: k.xid}
	if k.legacy {
		c.size = len(o.Fragments[legacy.Fragment])
		c.legacy, err = parseLegacy(o)
		return c, err
	}
	c.size = len(o.Fragments[template.Fragment])
	c.Collection, err = parse(o)
	return c, err
}

// keep remembers a collection; mu is held. An object may have several names: only
// the last one asked for is remembered.
func (s *Service) keep(k key, o object, c Collection) {
	if before, ok := s.xids[o]; ok {
		s.bytes -= s.byXID[before].size
		delete(s.byXID, before)
	} else if before, ok := s.byXID[k]; ok { // asked for twice at once
		s.bytes -= before.size
		delete(s.xids, object{o.tenant, before.ID})
	}
	if len(s.byXID) >= maxCached || s.bytes+c.size > maxCachedBytes {
		s.byXID, s.xids, s.bytes = map[key]Collection{}, map[object]key{}, 0
	}
	s.byXID[k], s.xids[o] = c, k
	s.bytes += c.size
}

// parse reads what the object of a collection holds. One without the fragment has
// no templates.
func parse(o platform.ManagedObject) (*template.Collection, error) {
	f, ok := o.Fragments[template.Fragment]
	if !ok {
		return &template.Collection{}, nil
	}
	return template.ParseDocument(f)
}

// List returns the collections of a tenant, at most MaxListed.
func (s *Service) List(ctx context.Context, tenant platform.TenantID) ([]Collection, error) {
	now := s.now()
	s.mu.Lock()
	known, ok := s.lists[tenant]
	named := s.named
	s.mu.Unlock()
	if ok && now.Before(known.until) {
		return known.collections, nil
	}
	objects, err := s.inventory.Objects(ctx, tenant, platform.ObjectFilter{Type: template.ObjectType}, platform.Page{Number: 1, Size: MaxListed})
	if err != nil {
		return nil, err
	}
	found := list{until: now.Add(listAge)}
	for _, o := range objects.Items {
		xids, err := s.inventory.ExternalIDs(ctx, tenant, o.ID)
		if err != nil && problem.KindOf(err) != problem.NotFound {
			return nil, err
		}
		for _, x := range xids {
			size := len(o.Fragments[template.Fragment])
			if x.Type != template.ExternalIDType || found.size+size > maxListedBytes {
				continue
			}
			if c, err := parse(o); err == nil {
				found.size += size
				found.collections = append(found.collections, Collection{ID: o.ID, XID: x.Value, Collection: c, size: size})
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.named != named {
		return found.collections, nil
	}
	s.forgetList(tenant)
	if len(s.lists) >= maxCached || s.listed+found.size > maxCachedBytes {
		s.lists, s.listed = map[platform.TenantID]list{}, 0
	}
	s.lists[tenant] = found
	s.listed += found.size
	return found.collections, nil
}

// Create makes a collection of the lines that a device sent. One that exists is
// not changed.
//
// Errors: *smartrest.Error if the lines make no collection or there is one.
func (s *Service) Create(ctx context.Context, tenant platform.TenantID, owner, xid string, lines []byte) (platform.ID, error) {
	if xid == "" || len(xid) > template.MaxXIDBytes {
		return 0, smartrest.NewError(smartrest.CodeConflict, "", "The X-ID has 1 to 254 bytes")
	}
	c, err := template.ParseLines(lines)
	if err != nil {
		return 0, err
	}
	name, _ := json.Marshal(xid) // a text always marshals
	o, err := s.inventory.Create(ctx, tenant, platform.CreateObject{
		Object: platform.ManagedObject{Name: xid, Type: template.ObjectType, Owner: owner,
			Fragments: platform.Fragments{template.Fragment: c.Document(), template.FragmentExternalID: name}},
		ExternalIDs: []platform.ExternalID{{Type: template.ExternalIDType, Value: xid}},
	})
	if problem.KindOf(err) == problem.Conflict {
		return 0, smartrest.NewError(smartrest.CodeConflict, "", "Cannot create templates for already existing template object")
	}
	if err != nil {
		return 0, err
	}
	s.mu.Lock()
	s.forgetList(tenant)
	s.mu.Unlock()
	return o.ID, nil
}

func notFound(xid string) error {
	return problem.New(problem.NotFound, "No template collection "+xid, nil)
}

func asNotFound(xid string, err error) error {
	if problem.KindOf(err) == problem.NotFound {
		return notFound(xid)
	}
	return err
}
