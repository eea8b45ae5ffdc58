// Package inventory keeps managed objects: devices, their children and
// services, groups, and the external IDs under which devices know themselves.
//
// Two look-ups happen with every message and are cached: external ID → object
// and object → owner, maxCached each, invalidated by ChangeObject; another
// node's change is seen within 5 s. That something does not exist is not
// cached.
package inventory

import (
	"context"
	"log/slog"
	"time"

	"mooring/server/platform"
)

// maxCached bounds each of the two caches: some 200 bytes an entry.
const maxCached = 200_000

// Config says what a Service works on.
type Config struct {
	Store platform.Inventory
	IDs   platform.IDs
	// Notices hears what became of objects; nil: nobody does.
	Notices platform.Notices
	Names   Names            // nil: every name is free
	Live    Live             // nil: nobody keeps the presence of devices
	Now     func() time.Time // nil is time.Now
	Log     *slog.Logger     // nil discards
}

// Service is the inventory of an instance.
type Service struct {
	store   platform.Inventory
	ids     platform.IDs
	notices platform.Notices
	users   Names
	live    Live
	turns   turns
	now     func() time.Time
	log     *slog.Logger

	versions versions
	names    *memo[nameKey, resolved]
	owners   *memo[objectKey, owned]
}

type nameKey struct {
	tenant platform.TenantID
	xid    platform.ExternalID
}

type objectKey struct {
	tenant platform.TenantID
	id     platform.ID
}

// resolved and owned hold while the object's version is the one noted.
type resolved struct {
	id      platform.ID
	version uint32
}

type owned struct {
	owner   string
	version uint32
}

// New returns a Service on the stores of c.
func New(c Config) *Service {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{
		store:    c.Store,
		ids:      c.IDs,
		notices:  c.Notices,
		users:    c.Names,
		live:     c.Live,
		now:      c.Now,
		log:      c.Log,
		versions: newVersions(),
		names:    newMemo[nameKey, resolved](maxCached),
		owners:   newMemo[objectKey, owned](maxCached),
	}
}

// Apply forgets what c says has changed. It is idempotent.
func (s *Service) Apply(_ context.Context, c platform.Change) error {
	if c.Kind != platform.ChangeObject {
		return nil
	}
	if id, ok := platform.ParseID(c.Key); ok {
		s.versions.changed(c.Tenant, id)
	} else {
		s.versions.allChanged()
	}
	return nil
}

// Resolve returns the object that has the external ID; problem.NotFound if
// there is none.
func (s *Service) Resolve(ctx context.Context, tenant platform.TenantID, xid platform.ExternalID) (platform.ID, error) {
	key := nameKey{tenant, xid}
	if r, ok := s.names.get(key); ok && r.version == s.versions.of(tenant, r.id) {
		return r.id, nil
	}
	epoch := s.versions.epoch()
	id, err := s.store.ObjectByExternalID(ctx, tenant, xid)
	if err != nil {
		return 0, externalIDNotFound(xid, err)
	}
	version := s.versions.of(tenant, id)
	if epoch == s.versions.epoch() {
		s.names.put(key, resolved{id, version})
	}
	return id, nil
}

// Device returns the object under which the device externalID connects.
func (s *Service) Device(ctx context.Context, tenant platform.TenantID, externalID string) (platform.ID, error) {
	return s.Resolve(ctx, tenant, platform.ExternalID{Type: platform.SerialType, Value: externalID})
}

// Owner returns the user who owns an object; problem.NotFound if there is no
// such object.
func (s *Service) Owner(ctx context.Context, tenant platform.TenantID, id platform.ID) (string, error) {
	key, version := objectKey{tenant, id}, s.versions.of(tenant, id)
	if o, ok := s.owners.get(key); ok && o.version == version {
		return o.owner, nil
	}
	o, err := s.Object(ctx, tenant, id)
	if err != nil {
		return "", err
	}
	s.owners.put(key, owned{o.Owner, version})
	return o.Owner, nil
}
