package trust

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"mooring/internal/bounded"
	"mooring/internal/pki"
	"mooring/internal/problem"
	"mooring/server/platform"
)

// Lists knows the revocation lists that certificates point to.
type Lists interface {
	// Entry says where c would appear if issuer revoked it; ok is false if it
	// names no list that can be fetched.
	Entry(tenant platform.TenantID, c, issuer *x509.Certificate) (e platform.ListEntry, ok bool)
	// Ask says what the list says of c at now. It may wait for a list not seen
	// before, for a short and bounded time.
	Ask(tenant platform.TenantID, c, issuer *x509.Certificate, now time.Time) platform.ListAnswer
	// IsRevoked looks at an entry again, without waiting.
	IsRevoked(e platform.ListEntry) bool
}

// ListsChanged makes verdicts be looked at again, because revocation lists say
// something else than before.
func (t *Trust) ListsChanged() {
	_ = t.edit(func(c *change) error { c.dirty = true; return nil }) // nothing in it fails
}

// onlineCheck reads the tenant's switch of the online check, which is off
// unless it says "true", and whether what cannot be checked is refused.
func (t *Trust) onlineCheck(ctx context.Context, id platform.TenantID) (on, strict bool, err error) {
	value := func(k platform.OptionKey) string {
		o, readErr := t.cfg.Options.Option(ctx, id, k)
		if readErr != nil && !errors.Is(readErr, problem.NotFound) {
			err = errors.Join(err, fmt.Errorf("read %s of tenant %s: %w", k.Key, id, readErr))
		}
		return o.Value
	}
	on, strict = value(platform.OptionOnlineCheck) == "true", value(platform.OptionOnlineFailure) == "refuse"
	return on, strict, err
}

func (c *change) setOnlineCheck(id platform.TenantID, on, strict bool) {
	t, _ := c.tenants.get(tenantKey(id))
	if t.onlineCheck == on && t.onlineStrict == strict {
		return
	}
	c.dirty = true
	t.onlineCheck, t.onlineStrict = on, strict
	c.tenants.set(tenantKey(id), t)
}

// checkLists looks for each certificate of the way w, which v accepts, at the
// list that it names, if the tenant wants that. The list of a tenant CA is our
// own: it is read here. A certificate that names no list is not checked. It
// also notes in v where a later look must go.
func (t *Trust) checkLists(s *snapshot, w *way, v platform.Verdict, now time.Time) platform.Verdict {
	wants := s.tenant(v.Tenant)
	for i, c := range w.below {
		top := i == len(w.below)-1
		if top && w.anchor.row.IsTenantCA {
			if wants.onlineCheck && s.isListed(v.Tenant, c.SerialNumber) {
				return refuse(v, platform.ReasonRevoked, "serial "+pki.SerialHex(c.SerialNumber))
			}
			continue
		}
		if t.cfg.Lists == nil || len(c.CRLDistributionPoints) == 0 {
			continue
		}
		issuer, err := t.issuerOf(w, i)
		if err != nil {
			return refuse(v, platform.ReasonInternal, "a trusted certificate cannot be parsed")
		}
		e, ok := t.cfg.Lists.Entry(v.Tenant, c, issuer)
		if !ok {
			continue
		}
		v.Lists = append(v.Lists, e)
		if !wants.onlineCheck {
			continue
		}
		answer := t.cfg.Lists.Ask(v.Tenant, c, issuer, now)
		switch {
		case answer.State == platform.ListRevoked:
			return refuse(v, platform.ReasonRevoked, "serial "+e.Serial+" on the list of its issuer")
		case answer.State == platform.ListUnknown && wants.onlineStrict:
			return refuse(v, platform.ReasonNoList, bounded.Text(answer.Detail, maxFactBytes))
		}
		if answer.Until.Before(v.ValidUntil) {
			v.ValidUntil = answer.Until
		}
	}
	return v
}

// issuerOf returns what stands above number i of w.below.
func (t *Trust) issuerOf(w *way, i int) (*x509.Certificate, error) {
	if i+1 < len(w.below) {
		return w.below[i+1], nil
	}
	return t.parsed.certificate(w.anchor)
}

// listedSince reports whether a certificate of v, which was accepted below
// anchor, is on a list now that its tenant checks.
func (t *Trust) listedSince(s *snapshot, v platform.Verdict, anchor *anchor) bool {
	if !s.tenant(v.Tenant).onlineCheck {
		return false
	}
	if anchor.row.IsTenantCA && len(v.Serials) > 0 {
		n, err := pki.ParseSerialHex(v.Serials[0])
		if err == nil && s.isListed(v.Tenant, n) {
			return true
		}
	}
	for _, e := range v.Lists {
		if t.cfg.Lists != nil && t.cfg.Lists.IsRevoked(e) {
			return true
		}
	}
	return false
}
