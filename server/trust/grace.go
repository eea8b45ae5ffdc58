package trust

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"strconv"
	"time"

	"mooring/internal/pki"
	"mooring/internal/problem"
	"mooring/server/platform"
)

// maxGraceDays bounds how long an expired leaf may still be exchanged.
const maxGraceDays = 90

// GraceDays reads the value of platform.OptionGraceDays. What is no number of
// days counts as none: the window is closed unless an operator opened it.
func GraceDays(value string) int {
	days, err := strconv.Atoi(value)
	if err != nil || days < 0 {
		return 0
	}
	return min(days, maxGraceDays)
}

// graceDays is how many days after its end a leaf of the tenant may still
// re-enrol.
func (t *Trust) graceDays(ctx context.Context, id platform.TenantID) (int, error) {
	o, err := t.cfg.Options.Option(ctx, id, platform.OptionGraceDays)
	if errors.Is(err, problem.NotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read %s of tenant %s: %w", platform.OptionGraceDays.Key, id, err)
	}
	return GraceDays(o.Value), nil
}

func (c *change) setGraceDays(id platform.TenantID, days int) {
	t, _ := c.tenants.get(tenantKey(id))
	if t.graceDays == days {
		return
	}
	c.dirty = true
	t.graceDays = days
	c.tenants.set(tenantKey(id), t)
}

// inGrace tells until when the way w, refused because something has expired,
// still serves for re-enrolment: its leaf ended within the tenant's grace
// window and all else is in order now. Zero: it does not.
func (t *Trust) inGrace(s *snapshot, w *way, now time.Time) time.Time {
	days := s.tenant(w.tenant).graceDays
	if days == 0 || len(w.below) == 0 || w.reason != platform.ReasonExpired {
		return time.Time{}
	}
	end := w.below[0].NotAfter.Add(time.Duration(days) * 24 * time.Hour)
	if now.After(end) {
		return time.Time{}
	}
	// The same leaf as if it ended with the window; its signature is over the
	// bytes, which stay as they are.
	extended := *w.below[0]
	extended.NotAfter = end
	below := append([]*x509.Certificate{&extended}, w.below[1:]...)
	found := t.examinePath(below, w.anchor, &extended, now)
	if found.reason != platform.Accepted {
		return time.Time{}
	}
	return found.until
}

// successor is another record of the anchor that decided v: same tenant, same
// subject and key. A renewed certificate takes the place of the old one.
func (s *snapshot) successor(v platform.Verdict) *anchor {
	g, ok := s.groups.get(v.AnchorKey)
	if !ok {
		return nil
	}
	for _, a := range g.inForce {
		if a.row.Tenant == v.Tenant {
			return a
		}
	}
	return nil
}

// expiredSince says for a person how long ago a leaf ended.
func expiredSince(leaf *x509.Certificate, until time.Time) string {
	return fmt.Sprintf("the certificate with serial %s was valid until %s; it may re-enrol until %s",
		pki.SerialHex(leaf.SerialNumber), stamp(leaf.NotAfter), stamp(until))
}
