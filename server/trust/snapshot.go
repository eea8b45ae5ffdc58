package trust

import (
	"math/big"
	"slices"

	"mooring/internal/pki"
	"mooring/server/platform"
)

// snapshot is everything a verdict depends on. It is immutable; a change makes
// a new one that shares what did not change.
type snapshot struct {
	generation uint64
	prints     *index[*anchor]  // by fingerprint
	groups     *index[*group]   // by (subject, public key)
	subjects   *index[[]key]    // by subject, and by (subject, key identifier): groups in the order in which they are tried
	tenants    *index[tenant]   // by tenant
	revoked    *index[struct{}] // by (tenant, serial)
}

// tenant is what the snapshot knows of one tenant.
type tenant struct {
	anchors      int
	offlineCheck bool
	graceDays    int
	onlineCheck  bool
	onlineStrict bool // refuse whose list cannot be had
}

func emptySnapshot() *snapshot {
	return &snapshot{
		prints: &index[*anchor]{}, groups: &index[*group]{}, subjects: &index[[]key]{},
		tenants: &index[tenant]{}, revoked: &index[struct{}]{},
	}
}

func printKey(fingerprint string) key    { return keyOf('f', []byte(fingerprint)) }
func tenantKey(id platform.TenantID) key { return keyOf('t', []byte(id)) }
func (s *snapshot) anchor(fp string) *anchor {
	a, _ := s.prints.get(printKey(fp))
	return a
}

func (s *snapshot) tenant(id platform.TenantID) tenant {
	t, _ := s.tenants.get(tenantKey(id))
	return t
}

// revocationKey matches serials as numbers: leading zeros do not count.
func revocationKey(id platform.TenantID, serial *big.Int) key {
	return keyOf('r', []byte(id), serial.Bytes())
}

// isRevoked reports whether serial is on the offline list of a tenant that has
// its offline check on.
func (s *snapshot) isRevoked(id platform.TenantID, serial *big.Int) bool {
	if !s.tenant(id).offlineCheck || serial.Sign() < 0 {
		return false
	}
	_, listed := s.revoked.get(revocationKey(id, serial))
	return listed
}

// isListed reports whether serial is on the tenant's offline list, checked or
// not.
func (s *snapshot) isListed(id platform.TenantID, serial *big.Int) bool {
	_, listed := s.revoked.get(revocationKey(id, serial))
	return listed
}

// isRevokedHex is isRevoked of a serial as verdicts carry it.
func (s *snapshot) isRevokedHex(id platform.TenantID, serial string) bool {
	n, err := pki.ParseSerialHex(serial)
	return err == nil && s.isRevoked(id, n)
}

// change collects what the next snapshot differs in.
type change struct {
	prints   *edit[*anchor]
	groups   *edit[*group]
	subjects *edit[[]key]
	tenants  *edit[tenant]
	revoked  *edit[struct{}]
	lists    map[key]bool // of subjects that this change has its own copy of
	dirty    bool
}

func (s *snapshot) change() *change {
	return &change{
		prints: s.prints.edit(), groups: s.groups.edit(), subjects: s.subjects.edit(),
		tenants: s.tenants.edit(), revoked: s.revoked.edit(), lists: map[key]bool{},
	}
}

// seal returns the changed snapshot, or old itself if nothing differs.
func (c *change) seal(old *snapshot) *snapshot {
	if !c.dirty {
		return old
	}
	return &snapshot{
		generation: old.generation + 1,
		prints:     c.prints.seal(), groups: c.groups.seal(), subjects: c.subjects.seal(),
		tenants: c.tenants.seal(), revoked: c.revoked.seal(),
	}
}

// put adds a or replaces the record of the same fingerprint.
func (c *change) put(a *anchor) {
	k := printKey(a.row.Fingerprint)
	old, ok := c.prints.get(k)
	if ok && old.sameAs(a) {
		return
	}
	if ok {
		c.drop(old)
	}
	c.dirty = true
	c.prints.set(k, a)
	c.count(a.row.Tenant, +1)
	claims := []*anchor{a}
	if g, ok := c.groups.get(a.group); ok {
		claims = append(slices.Clone(g.claims), a)
	}
	c.regroup(a, claims)
}

// drop forgets a.
func (c *change) drop(a *anchor) {
	c.dirty = true
	c.prints.remove(printKey(a.row.Fingerprint))
	c.count(a.row.Tenant, -1)
	g, _ := c.groups.get(a.group)
	c.regroup(a, slices.DeleteFunc(slices.Clone(g.claims), func(b *anchor) bool { return b == a }))
}

func (c *change) count(id platform.TenantID, by int) {
	t, _ := c.tenants.get(tenantKey(id))
	t.anchors += by
	c.tenants.set(tenantKey(id), t)
}

// regroup replaces the claims of a's group and files it anew.
func (c *change) regroup(a *anchor, claims []*anchor) {
	if g, ok := c.groups.get(a.group); ok {
		for _, name := range g.names() {
			c.unfile(name, g.key)
		}
	}
	if len(claims) == 0 {
		c.groups.remove(a.group)
		return
	}
	g := newGroup(a.group, claims)
	c.groups.set(g.key, g)
	for _, name := range g.names() {
		c.file(name, g)
	}
}

// list returns the groups filed under name, free to be changed.
func (c *change) list(name key) []key {
	list, _ := c.subjects.get(name)
	if !c.lists[name] {
		c.lists[name] = true
		list = slices.Clone(list)
	}
	return list
}

func (c *change) unfile(name, group key) {
	list := c.list(name)
	i := slices.Index(list, group)
	if i < 0 {
		return
	}
	if len(list) == 1 {
		c.subjects.remove(name)
		return
	}
	c.subjects.set(name, slices.Delete(list, i, i+1))
}

// file inserts g where it belongs: proven before unproven, then by creation.
func (c *change) file(name key, g *group) {
	list := c.list(name)
	at, _ := slices.BinarySearchFunc(list, g, func(k key, g *group) int {
		other, _ := c.groups.get(k)
		return compareGroups(other, g)
	})
	c.subjects.set(name, slices.Insert(list, at, g.key))
}

func compareGroups(a, b *group) int {
	if a.proven != b.proven {
		if a.proven {
			return -1
		}
		return 1
	}
	return older(a.claims[0], b.claims[0])
}

func (c *change) setOfflineCheck(id platform.TenantID, on bool) {
	t, _ := c.tenants.get(tenantKey(id))
	if t.offlineCheck == on {
		return
	}
	c.dirty = true
	t.offlineCheck = on
	c.tenants.set(tenantKey(id), t)
}

func (c *change) revoke(id platform.TenantID, serial *big.Int) {
	k := revocationKey(id, serial)
	if _, listed := c.revoked.get(k); listed {
		return
	}
	c.dirty = true
	c.revoked.set(k, struct{}{})
}
