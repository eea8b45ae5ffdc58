package trust

import (
	"bytes"
	"crypto/x509"
	"slices"
	"time"

	"mooring/server/platform"
)

// Bounds of the work that one chain can cause.
const (
	// maxTwins is how many records of one key by one tenant are looked at,
	// those that end last.
	maxTwins = 8
	// maxClaimants is how many tenants' claims to one key are looked at; more
	// than one proven one is ambiguous anyway.
	maxClaimants = 4
	// maxIssuers2Try is how many keys of the issuer's name are tried if the
	// issuer was not sent, once by key identifier and once by name alone.
	maxIssuers2Try = 8
	// maxPerTenant2Try is how many of those may be of one tenant, so that a
	// tenant cannot crowd out another with look-alikes.
	maxPerTenant2Try = 2
	// maxScanned bounds the look-alikes passed over on the way.
	maxScanned = 256
)

// way is one way from the leaf up to a key that a tenant claims, and what was
// found when it was examined.
type way struct {
	tenant platform.TenantID
	proven bool
	below  []*x509.Certificate // what was sent below the anchor, leaf first; empty: the leaf is the anchor
	twins  []*anchor           // the tenant's records of the key, newest end first

	anchor   *anchor // of twins; the one that decided
	signed   bool    // every signature from the anchor down to the leaf verifies
	disabled bool    // all twins are
	reason   platform.Reason
	detail   string
	until    time.Time // if accepted: earliest end; if not yet valid: when to look again
}

// signedWays returns the ways whose signatures verify, nearest anchor first.
func (t *Trust) signedWays(s *snapshot, sent []*x509.Certificate, now time.Time) []*way {
	var signed []*way
	for _, w := range s.ways(sent) {
		if t.examine(w, sent[0], now); w.signed {
			signed = append(signed, w)
		}
	}
	return signed
}

// ways lists every way that the names and keys of sent allow.
func (s *snapshot) ways(sent []*x509.Certificate) []*way {
	var all []*way
	top := key{}
	for k, c := range sent {
		top = groupKey(c)
		g, ok := s.groups.get(top)
		if !ok {
			continue
		}
		for _, w := range g.ways(sent[:k]) {
			if k == 0 { // nobody signed it for us: only the very certificate counts
				w.twins = slices.DeleteFunc(w.twins, func(a *anchor) bool { return !bytes.Equal(a.row.Certificate, c.Raw) })
			}
			if len(w.twins) > 0 {
				all = append(all, w)
			}
		}
	}
	for _, g := range s.issuersOf(sent[len(sent)-1]) {
		if g.key != top {
			all = append(all, g.ways(sent)...)
		}
	}
	return all
}

// ways has one way for each tenant whose claim counts.
func (g *group) ways(below []*x509.Certificate) []*way {
	var all []*way
	for _, a := range g.inForce {
		i := slices.IndexFunc(all, func(w *way) bool { return w.tenant == a.row.Tenant })
		switch {
		case i >= 0 && len(all[i].twins) < maxTwins:
			all[i].twins = append(all[i].twins, a)
		case i < 0 && len(all) < maxClaimants:
			all = append(all, &way{tenant: a.row.Tenant, proven: g.proven, below: below, twins: []*anchor{a}})
		}
	}
	return all
}

// issuersOf lists the keys that may have issued c, whose issuer was not sent:
// those with the key identifier that c names, then any of the issuer's name.
func (s *snapshot) issuersOf(c *x509.Certificate) []*group {
	var found []*group
	if len(c.AuthorityKeyId) > 0 {
		found = s.try(found, subjectKey(c.RawIssuer, c.AuthorityKeyId))
	}
	return s.try(found, subjectKey(c.RawIssuer))
}

func (s *snapshot) try(found []*group, name key) []*group {
	list, _ := s.subjects.get(name)
	perTenant := map[platform.TenantID]int{}
	added := 0
	for i, k := range list {
		if added == maxIssuers2Try || i == maxScanned {
			break
		}
		g, _ := s.groups.get(k)
		owner := g.inForce[0].row.Tenant
		if perTenant[owner] == maxPerTenant2Try || slices.Contains(found, g) {
			continue
		}
		perTenant[owner]++
		added++
		found = append(found, g)
	}
	return found
}

// examine finds out whether w holds at now, with the best of the tenant's
// records of the key. Disabled records count only if there are no others.
func (t *Trust) examine(w *way, leaf *x509.Certificate, now time.Time) {
	usable := slices.DeleteFunc(slices.Clone(w.twins), func(a *anchor) bool { return !a.row.Enabled })
	if len(usable) == 0 {
		usable, w.disabled = w.twins, true
	}
	for _, a := range usable {
		found := t.examinePath(w.below, a, leaf, now)
		if w.anchor == nil || found.better(w) {
			w.anchor, w.signed, w.reason, w.detail, w.until = a, found.signed, found.reason, found.detail, found.until
		}
		if w.reason == platform.Accepted {
			return
		}
	}
}

// better orders what different records of one key lead to.
func (f finding) better(w *way) bool {
	if f.reason == platform.Accepted {
		return true
	}
	return f.signed && !w.signed
}
