package deviceauth

import (
	"context"
	"errors"
	"sync"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// userKey names a device user.
type userKey struct {
	tenant     platform.TenantID
	externalID string
}

// user is what deviceauth remembers of a device user. It is not changed once
// it is in the cache, but for seen.
type user struct {
	exists   bool
	enabled  bool
	kind     platform.CredentialKind
	password platform.SecretMAC
	seen     *serials
}

// users is the cache of device users, absent ones included. Bound: maxUsers;
// invalidated by: platform.ChangeDeviceUser; staleness: as the change log.
type users struct {
	store platform.DeviceUsers
	cache *cache[userKey, user]
}

func newUsers(store platform.DeviceUsers, limit int) *users {
	return &users{store: store, cache: newCache[userKey, user](limit)}
}

// get returns a device user; one that is not there has exists false.
func (u *users) get(ctx context.Context, tenant platform.TenantID, externalID string) (user, error) {
	k := userKey{tenant, externalID}
	found, epoch, ok := u.cache.get(k)
	if ok {
		return found, nil
	}
	row, err := u.store.DeviceUser(ctx, tenant, externalID)
	switch {
	case err == nil:
		found = user{exists: true, enabled: row.Enabled, kind: row.Credential, password: row.Password, seen: newSerials(row.Provisioned)}
	case errors.Is(err, problem.NotFound):
		found = user{seen: newSerials(nil)}
	default:
		return user{}, undecided(err)
	}
	u.cache.put(k, found, epoch)
	return found, nil
}

func (u *users) forget(tenant platform.TenantID, externalID string) {
	u.cache.remove(userKey{tenant, externalID})
}

// serials are the certificates of a device that need not be recorded again.
type serials struct {
	mu     sync.Mutex // guards what follows
	known  map[string]bool
	oldest int64 // smallest notBefore that the full list keeps, in Unix milliseconds
	full   bool
}

func newSerials(list []platform.ProvisionedCertificate) *serials {
	s := &serials{known: make(map[string]bool, len(list)), full: len(list) >= platform.MaxProvisioned}
	for i, c := range list {
		s.known[c.Serial] = true
		if at := c.NotBefore.UnixMilli(); i == 0 || at < s.oldest {
			s.oldest = at
		}
	}
	return s
}

// isNew reports whether leaf is to be recorded: it has not been, and it is not
// older than all that a full list keeps.
func (s *serials) isNew(leaf platform.CertificateFacts) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.known[leaf.Serial] && (!s.full || leaf.NotBefore.UnixMilli() > s.oldest)
}

func (s *serials) add(serial string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.known) >= 2*platform.MaxProvisioned {
		clear(s.known) // the store knows them, too
	}
	s.known[serial] = true
}
