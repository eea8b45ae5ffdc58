package trust

import (
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"math/big"
	"slices"
	"time"

	"mooring/internal/pki"
	"mooring/server/platform"
)

// Verify decides what chain, as sent and leaf first, entitles its holder to at
// now. It accepts
//
//   - a chain that reaches a trusted certificate, with that certificate at its
//     end or without, and whatever stands above it,
//   - a leaf alone if its immediate issuer is a trusted certificate,
//   - a leaf that is itself a trusted certificate.
//
// The tenant must be the only one whose claim counts over all valid paths; of
// its trusted certificates the one nearest to the leaf decides. The verdict
// names a tenant only if that tenant's certificate verified every signature
// down to the leaf, so that strangers cannot fill a tenant's records, and it
// tells a stranger nothing about who trusts what.
//
// A leaf that expired within the tenant's grace window gets ReEnrolOnly, with
// ReasonExpired, until the window ends.
//
// ValidUntil of a refusal is when a certificate that is not valid yet becomes
// so; zero otherwise.
func (t *Trust) Verify(chain []*x509.Certificate, now time.Time) platform.Verdict {
	s := t.current.Load()
	v := platform.Verdict{Generation: s.generation}
	if len(chain) == 0 {
		return refuse(v, platform.ReasonNoCertificate, "")
	}
	leaf := chain[0]
	if detail := oversized(chain); detail != "" {
		if leaf != nil { // so that the refusal is found under its name, which is bounded
			v.Device, _ = deviceName(leaf)
			v.Leaf.Fingerprint = sha256.Sum256(leaf.Raw)
		}
		return refuse(v, platform.ReasonBroken, detail)
	}
	v.Leaf = factsOf(leaf)
	name, nameProblem := deviceName(leaf)
	v.Device = name
	if len(chain) > t.cfg.MaxDepth {
		return refuse(v, platform.ReasonChainDepth, fmt.Sprintf("%d certificates were sent, %d are allowed", len(chain), t.cfg.MaxDepth))
	}
	sent, ordered := linked(chain)
	if !ordered {
		return refuse(v, platform.ReasonChainOrder, "")
	}
	ways := t.signedWays(s, sent, now)
	if len(ways) == 0 {
		reason, detail := t.unanchored(sent)
		return refuse(v, reason, detail)
	}
	tenant, unique := soleTenant(ways)
	if !unique {
		return refuse(v, platform.ReasonAmbiguous, "")
	}
	w := decisive(ways, tenant)
	v.Tenant, v.Anchor, v.AutoRegistration = tenant, w.anchor.row.Fingerprint, w.anchor.row.AutoRegistration
	v.AnchorKey = w.anchor.group
	serials := w.serials(sent)
	for _, n := range serials {
		v.Serials = append(v.Serials, pki.SerialHex(n))
	}
	for _, n := range serials {
		if s.isRevoked(tenant, n) {
			return refuse(v, platform.ReasonRevoked, "serial "+pki.SerialHex(n))
		}
	}
	until := t.inGrace(s, w, now)
	switch {
	case w.disabled:
		return refuse(v, platform.ReasonAnchorDisabled, "trusted certificate "+v.Anchor)
	case !until.IsZero() && nameProblem == "":
		v.Scope, v.Reason, v.ValidUntil, v.Detail = platform.ReEnrolOnly, w.reason, until, expiredSince(leaf, until)
		return t.checkLists(s, w, v, now)
	case w.reason != platform.Accepted:
		v.ValidUntil = w.until
		return refuse(v, w.reason, w.detail)
	case nameProblem != "":
		return refuse(v, platform.ReasonBadName, nameProblem)
	}
	v.Scope, v.ValidUntil = platform.Full, w.until
	return t.checkLists(s, w, v, now)
}

func refuse(v platform.Verdict, reason platform.Reason, detail string) platform.Verdict {
	v.Scope, v.Reason, v.Detail = platform.ExplainOnly, reason, detail
	return v
}

// oversized says which bound of internal/pki the chain breaks. TLS lets 256
// KiB through.
func oversized(chain []*x509.Certificate) string {
	total := 0
	for _, c := range chain {
		if c == nil {
			return "a certificate is missing"
		}
		if len(c.Raw) > pki.MaxCertificateBytes {
			return "a certificate is longer than 16 KiB"
		}
		total += len(c.Raw)
	}
	if total > pki.MaxChainBytes {
		return "the certificate chain is longer than 64 KiB"
	}
	return ""
}

// soleTenant resolves claims on different keys of the path: proven claims
// beat unproven ones, and an unproven disabled claim does not stand in the way
// of others. unique is false if two tenants remain.
func soleTenant(ways []*way) (tenant platform.TenantID, unique bool) {
	rest := prefer(ways, func(w *way) bool { return w.reason == platform.Accepted })
	rest = prefer(rest, func(w *way) bool { return w.proven })
	rest = prefer(rest, func(w *way) bool { return w.proven || !w.disabled })
	for _, w := range rest {
		if w.tenant != rest[0].tenant {
			return "", false
		}
	}
	return rest[0].tenant, true
}

// prefer keeps the ways for which good holds, all of them if it holds for none.
func prefer(ways []*way, good func(*way) bool) []*way {
	var kept []*way
	for _, w := range ways {
		if good(w) {
			kept = append(kept, w)
		}
	}
	if len(kept) == 0 {
		return ways
	}
	return kept
}

// decisive is the way of tenant whose anchor is nearest to the leaf, because
// disabling a trusted certificate stops every device below it. One that is out
// of date is passed over if another one further up is good.
func decisive(ways []*way, tenant platform.TenantID) *way {
	var first *way
	for _, w := range ways { // nearest first
		if w.tenant != tenant {
			continue
		}
		if w.disabled || w.reason == platform.Accepted {
			return w
		}
		if first == nil {
			first = w
		}
	}
	return first
}

// serials are those that must not be revoked: of every certificate sent and of
// the tenant's records of the anchor's key, leaf first.
func (w *way) serials(sent []*x509.Certificate) []*big.Int {
	var all []*big.Int
	add := func(n *big.Int) {
		for _, m := range all {
			if m.Cmp(n) == 0 {
				return
			}
		}
		all = append(all, n)
	}
	for _, c := range sent {
		add(c.SerialNumber)
	}
	for _, a := range w.twins {
		add(a.serial)
	}
	return all
}

// StillTrusted looks again at a verdict that was Full: for live sessions and
// session tickets. It tells whether a certificate of the path has been revoked
// since, the trusted certificate disabled or deleted or its key proved by
// another tenant, or time has run out; it checks no signature. Accepted if all
// is well.
func (t *Trust) StillTrusted(v platform.Verdict, now time.Time) platform.Reason {
	s := t.current.Load()
	if v.Generation != s.generation || v.Scope != platform.Full {
		if reason := t.lost(s, v); reason != platform.Accepted {
			return reason
		}
	}
	if now.After(v.ValidUntil) {
		return platform.ReasonExpired
	}
	return platform.Accepted
}

// lost tells whether a change of the snapshot has ended the trust that v found.
func (t *Trust) lost(s *snapshot, v platform.Verdict) platform.Reason {
	for _, serial := range v.Serials {
		if s.isRevokedHex(v.Tenant, serial) {
			return platform.ReasonRevoked
		}
	}
	a := s.anchor(v.Anchor)
	if a == nil || a.row.Tenant != v.Tenant {
		a = s.successor(v)
	}
	if a == nil {
		return platform.ReasonUnknownIssuer
	}
	if s.isRevoked(v.Tenant, a.serial) {
		return platform.ReasonRevoked
	}
	if t.listedSince(s, v, a) {
		return platform.ReasonRevoked
	}
	g, _ := s.groups.get(a.group)
	return g.stillFor(a)
}

// stillFor tells whether the claim a still counts, alone and enabled. Another
// record of its tenant for the same key does as well: re-dated certificates
// replace each other.
func (g *group) stillFor(a *anchor) platform.Reason {
	reason := platform.ReasonUnknownIssuer // another tenant has proved possession, ours has not
	for _, b := range g.inForce {
		switch {
		case b.row.Tenant != a.row.Tenant && slices.Contains(g.inForce, a):
			return platform.ReasonAmbiguous
		case b.row.Tenant != a.row.Tenant:
		case b.row.Enabled:
			reason = platform.Accepted
		case reason != platform.Accepted:
			reason = platform.ReasonAnchorDisabled
		}
	}
	return reason
}
