package sqlstore

import (
	"context"
	"errors"
	"time"

	"mooring/internal/problem"
	"mooring/server/platform"
)

var _ platform.Presences = (*Store)(nil)

// presenceChunk is how many devices one transaction brings up to date, so that
// others get their turn.
const presenceChunk = 200

// ReportPresence implements platform.Presences.
func (s *Store) ReportPresence(ctx context.Context, tenant platform.TenantID, reports []platform.PresenceReport, now time.Time) ([]platform.PresenceChange, error) {
	done := make([]platform.PresenceChange, 0, len(reports))
	for len(reports) > 0 {
		n := min(len(reports), presenceChunk)
		var chunk []platform.PresenceChange
		err := s.write(ctx, tenant, nil, func(tx *session, t tenantKey) (err error) {
			chunk, err = tx.reportPresence(t, tenant, reports[:n], now)
			return err
		})
		if err != nil {
			return done, err
		}
		done, reports = append(done, chunk...), reports[n:]
	}
	return done, nil
}

func (s *session) reportPresence(t tenantKey, tenant platform.TenantID, reports []platform.PresenceReport, now time.Time) ([]platform.PresenceChange, error) {
	changes := make([]platform.PresenceChange, 0, len(reports))
	for _, r := range reports {
		c, err := s.reportOne(t, tenant, r, now)
		if err != nil {
			return nil, err
		}
		changes = append(changes, c)
	}
	return changes, nil
}

// reportOne brings one device up to date. The lock on the object keeps another
// command from deleting it meanwhile.
func (s *session) reportOne(t tenantKey, tenant platform.TenantID, r platform.PresenceReport, now time.Time) (platform.PresenceChange, error) {
	c := platform.PresenceChange{Object: r.Object}
	_, err := s.object(t, tenant, r.Object, s.d.lockRow)
	if errors.Is(err, problem.NotFound) {
		c.NoDevice = true
		return c, nil
	}
	if err != nil {
		return c, err
	}
	before, err := s.namedFragments(t, r.Object, platform.PresenceFragments())
	if err != nil {
		return c, err
	}
	was, ok := platform.ReadPresence(before)
	if c.NoDevice = !ok; !ok {
		return c, nil
	}
	c.Was, c.Is = was, was.Next(r, now)
	changed := platform.Fragments{}
	for name, value := range c.Is.Fragments() {
		if string(before[name]) != string(value) {
			changed[name] = value
		}
	}
	if c.Was.Data != c.Is.Data || c.Was.Connection != c.Is.Connection {
		s.changed(t, tenant, platform.ChangeObject, r.Object.String())
	}
	return c, s.setFragments(t, r.Object, changed)
}

// namedFragments reads some fragments of an object.
func (s *session) namedFragments(t tenantKey, id platform.ID, names []string) (platform.Fragments, error) {
	q := selection{columns: "name, value", from: "fragments"}
	q.and("tenant = ?", t)
	q.and("object = ?", id)
	in(&q, "name", names, func(name string) any { return name })
	f := platform.Fragments{}
	return f, s.each(func(r *row) error {
		name, value := r.text(), r.bytes()
		f[name] = value
		return r.err
	}, q.sql(), q.args...)
}

// DisconnectAll implements platform.Presences.
func (s *Store) DisconnectAll(ctx context.Context) error {
	connected := platform.Presence{Connection: platform.Connected}.Fragments()[platform.FragmentConnection]
	not := platform.Presence{Connection: platform.Disconnected}.Fragments()[platform.FragmentConnection]
	tenants, err := s.Tenants(ctx)
	if err != nil {
		return err
	}
	for _, tenant := range tenants {
		err := s.write(ctx, tenant.ID, nil, func(tx *session, t tenantKey) error {
			return tx.run("UPDATE fragments SET value = $3 WHERE tenant = $1 AND name = $2 AND value = $4", t, platform.FragmentConnection, []byte(not), []byte(connected))
		})
		if err != nil {
			return err
		}
	}
	return nil
}
