package sqlstore

import (
	"context"
	"strconv"
	"strings"

	"mooring/internal/jsonscan"
	"mooring/internal/problem"
	"mooring/server/platform"
)

// telemetryWhere is what the lists of measurements, events and alarms share.
func (d *dialect) telemetryWhere(table, columns string, t tenantKey, f platform.TelemetryFilter) *selection {
	q := selection{columns: columns, from: table}
	order := []string{"time", "id"}
	q.and("tenant = ?", t)
	switch {
	case len(f.Sources) > 0:
		q.from = d.indexed(table, table+"_of_source")
		in(&q, "source", f.Sources, func(id platform.ID) any { return id })
	case f.Source != 0:
		q.from = d.indexed(table, table+"_of_source")
		order = []string{"time", "type", "id"}
		q.and("source = ?", f.Source)
	}
	q.equal("type", f.Type)
	in(&q, "type", f.Types, func(s string) any { return s })
	q.between("time", f.From, f.To)
	q.ordered(order, f)
	return &q
}

// ordered sorts by columns and begins behind f.After.
func (q *selection) ordered(columns []string, f platform.TelemetryFilter) {
	sign, direction := ">", ""
	if f.NewestFirst {
		sign, direction = "<", " DESC"
	}
	q.order = strings.Join(columns, direction+", ") + direction
	switch c := f.After; {
	case c == nil:
	case len(columns) == 3:
		q.and("(time, type, id) "+sign+" (?, ?, ?)", c.Time, c.Type, c.ID)
	default:
		q.and("(time, id) "+sign+" (?, ?)", c.Time, c.ID)
	}
}

func (d *dialect) eventsWhere(columns string, t tenantKey, f platform.TelemetryFilter) *selection {
	q := d.telemetryWhere("events", columns, t, f)
	q.between("created", f.CreatedFrom, f.CreatedTo)
	q.between("updated", f.UpdatedFrom, f.UpdatedTo)
	return q
}

func (d *dialect) alarmsWhere(columns string, t tenantKey, f platform.TelemetryFilter) *selection {
	q := d.telemetryWhere("alarms", columns, t, f)
	q.between("created", f.CreatedFrom, f.CreatedTo)
	q.between("updated", f.UpdatedFrom, f.UpdatedTo)
	if onlyUnresolved(f.Statuses) {
		q.and("status <> 'CLEARED'") // as the index says it
		if f.Source == 0 && len(f.Sources) == 0 {
			q.from = d.indexed("alarms", "alarms_unresolved")
		}
	}
	in(q, "status", f.Statuses, func(v platform.AlarmStatus) any { return string(v) })
	in(q, "severity", f.Severities, func(v platform.Severity) any { return string(v) })
	return q
}

func onlyUnresolved(statuses []platform.AlarmStatus) bool {
	for _, s := range statuses {
		if s == platform.Cleared {
			return false
		}
	}
	return len(statuses) > 0
}

// filtered reads a page. A filter by fragment looks into each body in turn and
// stops when the page is full: an index over fragments would cost every
// measurement more than such a search is worth.
func filtered[T any](s *session, q *selection, page platform.Page, f platform.TelemetryFilter, scan func(*row) T, body func(*T) []byte) (platform.List[T], error) {
	if f.Fragment == "" {
		return list(s, q, page, scan)
	}
	return sifted(s, q, page, f, scan, body, maxSifted)
}

// maxSifted is how many elements a search by fragment looks into, some ten
// seconds of CPU; bound is for tests.
const maxSifted = 2_000_000

func sifted[T any](s *session, q *selection, page platform.Page, f platform.TelemetryFilter, scan func(*row) T, body func(*T) []byte, bound int) (platform.List[T], error) {
	var l platform.List[T]
	if err := checkPage(page); err != nil {
		return l, err
	}
	seen := 0
	err := s.each(func(r *row) error {
		if seen++; seen > bound {
			return problem.New(problem.Unprocessable, "The search would look into too many elements: name a source, or a shorter time.", nil)
		}
		v := scan(r)
		if r.err != nil || !hasFragment(body(&v), &f) {
			return r.err
		}
		l.Total++
		if l.Total > int64(page.Offset()) && len(l.Items) <= page.Size {
			l.Items = append(l.Items, v)
		}
		if len(l.Items) > page.Size && !page.WithTotal {
			return errEnough
		}
		return nil
	}, q.sql(), q.args...)
	if err != nil && err != errEnough {
		return platform.List[T]{}, err
	}
	l.Items, l.More = cutPage(l.Items, page)
	return l, nil
}

// hasFragment tells whether a body has the fragment that is asked for, and in
// it the series, or as its value the text, if one is.
func hasFragment(body []byte, f *platform.TelemetryFilter) bool {
	v := jsonscan.Member(body, f.Fragment)
	if v == nil {
		return false
	}
	if f.Series != "" && jsonscan.Member(v, f.Series) == nil {
		return false
	}
	text, isText := jsonscan.Text(v)
	return f.FragmentValue == "" || isText && text == f.FragmentValue
}

// maxExamined is how many rows TelemetryIDs looks at in one turn.
const maxExamined = 10 * platform.MaxDeleted

// telemetryTables by kind.
var telemetryTables = map[platform.TelemetryKind]string{
	platform.Measurements: "measurements", platform.Events: "events", platform.Alarms: "alarms",
}

// TelemetryIDs implements platform.Telemetry.
func (s *Store) TelemetryIDs(ctx context.Context, tenant platform.TenantID, kind platform.TelemetryKind, f platform.TelemetryFilter) (platform.TelemetryPage, error) {
	table, ok := telemetryTables[kind]
	if !ok {
		return platform.TelemetryPage{}, invalid("no such kind of telemetry")
	}
	return readTenant(ctx, s, s.telemetryR, tenant, func(tx *session, t tenantKey) (platform.TelemetryPage, error) {
		columns := "id, time, type"
		if f.Fragment != "" {
			columns += ", body"
		}
		if kind == platform.Measurements {
			if err := tx.narrow(t, &f); err != nil {
				return platform.TelemetryPage{}, err
			}
		}
		q := tx.d.telemetryWhere(table, columns, t, f)
		switch kind {
		case platform.Events:
			q = tx.d.eventsWhere(columns, t, f)
		case platform.Alarms:
			q = tx.d.alarmsWhere(columns, t, f)
		}
		return tx.telemetryIDs(q, &f)
	})
}

func (s *session) telemetryIDs(q *selection, f *platform.TelemetryFilter) (platform.TelemetryPage, error) {
	var p platform.TelemetryPage
	var last platform.Cursor
	examined, limit := 0, platform.MaxDeleted
	if f.Fragment != "" {
		limit = maxExamined
	}
	// One row more tells that there is a next part. The limit is for PostgreSQL,
	// which would else send everything.
	text, args := q.sql()+" LIMIT $"+strconv.Itoa(len(q.args)+1), append(q.args, limit+1)
	err := s.each(func(r *row) error {
		if examined == limit || len(p.IDs) == platform.MaxDeleted {
			p.Next = &last
			return errEnough
		}
		examined++
		id, at, typ := r.id(), r.time(), r.text()
		if f.Fragment == "" || hasFragment(r.bytes(), f) {
			p.IDs = append(p.IDs, id)
		}
		last = platform.Cursor{Time: at, Type: typ, ID: id}
		return r.err
	}, text, args...)
	if err == errEnough {
		err = nil
	}
	return p, err
}

// DeleteTelemetry implements platform.Telemetry.
func (s *Store) DeleteTelemetry(ctx context.Context, tenant platform.TenantID, kind platform.TelemetryKind, ids []platform.ID) (int, error) {
	table, ok := telemetryTables[kind]
	if !ok || len(ids) > platform.MaxDeleted {
		return 0, invalid("no such kind of telemetry, or too much of it at once")
	}
	n := 0
	err := s.writeTelemetry(ctx, tenant, func(tx *session, t tenantKey) (err error) {
		n, err = tx.deleteRows(table, t, ids)
		return err
	})
	return n, err
}

// deleteSizes are how many rows one DELETE names: few texts to prepare.
var deleteSizes = []int{100, 10, 1}

func (s *session) deleteRows(table string, t tenantKey, ids []platform.ID) (int, error) {
	deleted := 0
	for _, size := range deleteSizes {
		for ; len(ids) >= size; ids = ids[size:] {
			q := selection{from: table}
			q.and("tenant = ?", t)
			in(&q, "id", ids[:size], func(id platform.ID) any { return id })
			n, err := s.exec("DELETE"+q.rest(), q.args...)
			if err != nil {
				return 0, err
			}
			deleted += int(n)
		}
	}
	return deleted, nil
}
