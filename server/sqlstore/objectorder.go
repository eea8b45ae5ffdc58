package sqlstore

import (
	"strings"

	"mooring/internal/query"
	"mooring/server/platform"
)

// lead is a table whose index lists the objects that meet a condition, in the
// order of their IDs.
type lead struct {
	table, object string
	rows          condition // of the table, called d: those of a range of the index
	also          condition // of the table, beyond the index; empty: none
	otherwise     condition // the same said of the object o
}

// maxLeads bounds the tables that are considered for one list.
const maxLeads = 8

// leadOf is the table that lists what n is true of, or something more.
func leadOf(n *query.Node) (lead, bool) {
	name := ""
	switch {
	case n.Kind == query.Has && len(n.Paths) == 1:
		name = n.Paths[0][0]
	case n.Kind == query.Compare && n.Value.Kind != query.Null:
		name = n.Path[0]
	case n.Kind == query.Group && len(n.IDs) == 1:
		// A child of both kinds is listed once.
		return lead{table: "links", object: "child", rows: cond("d.parent = ? AND (d.kind = ? OR d.kind = ? AND NOT EXISTS (SELECT 1 FROM links a"+
			" WHERE a.tenant = d.tenant AND a.parent = d.parent AND a.kind = ? AND a.child = d.child))",
			n.IDs[0], string(platform.ChildAssets), string(platform.ChildAdditions), string(platform.ChildAssets))}, true
	}
	if _, kind := objectColumn(query.Path{name}); name == "" || kind != noColumn {
		return lead{}, false
	}
	return lead{table: "fragments", object: "object", rows: cond("d.name = ?", name)}, true
}

// fewRows is up to which number of objects it is cheaper to sort those that a
// condition leaves than to look at all in the order that is wanted.
const fewRows = 2000

// arrange decides in which order the list is read, and whether from the objects
// or from a table that leads. Engines know how many rows a table has, but
// not how many fragments have one name.
func (q *objectQuery) arrange(f platform.ObjectFilter) error {
	order, byID := q.orderBy(f.Query.Order)
	chosen := -1
	narrow := len(f.IDs) > 0 || f.Type != "" || f.Owner != "" || f.Name != "" || f.Within != "" || q.narrow(f.Query.Filter)
	if byID && !narrow && len(q.leads) == 1 && q.orders == nil {
		chosen = 0
	} else if !narrow {
		var err error
		if chosen, err = q.fewest(byID || q.orders != nil); err != nil {
			return err
		}
	}
	for i, d := range q.leads {
		if i != chosen {
			q.and(d.otherwise.sql, d.otherwise.args...)
		}
	}
	if chosen >= 0 {
		d := q.leads[chosen]
		if len(q.where) == 1 && len(q.must) == 0 { // nothing but the tenant is asked besides
			q.countBy = &selection{from: d.table + " d", where: []string{"d.tenant = ?", d.rows.sql}, args: append([]any{q.tenant}, d.rows.args...)}
		}
		// CROSS JOIN tells SQLite to begin with d.
		q.from = d.table + " d CROSS JOIN objects o"
		q.where = append([]string{"d.tenant = ?", d.rows.sql, "o.id = d." + d.object}, q.where...)
		q.args = append(append([]any{q.tenant}, d.rows.args...), q.args...)
		if d.also.sql != "" {
			q.and(d.also.sql, d.also.args...)
		}
		if byID {
			order = strings.Replace(order, "o.id", "d."+d.object, 1)
		}
	}
	q.order = order
	return nil
}

// narrow tells whether one of the conditions that must all hold is an equality
// of an indexed column.
func (q *objectQuery) narrow(n *query.Node) bool {
	switch {
	case n == nil:
		return false
	case n.Kind == query.And:
		for _, k := range n.Kids {
			if q.narrow(k) {
				return true
			}
		}
	case n.Kind == query.Compare && n.Op == query.Equal && n.Value.Pattern == nil && n.Value.Kind >= query.Number:
		_, kind := objectColumn(n.Path)
		return kind == idColumn || kind == textColumn
	}
	return false
}

// fewest is the lead with the fewest rows; -1 if none has few and the order
// is not its own.
func (q *objectQuery) fewest(anyway bool) (int, error) {
	chosen, least := -1, fewRows+1
	if anyway && len(q.leads) > 0 {
		chosen = 0
	}
	for i, d := range q.leads {
		args := append(append([]any{q.tenant}, d.rows.args...), fewRows+1)
		n, err := q.session.total(numberParameters("SELECT count(*) FROM (SELECT 1 FROM "+d.table+" d WHERE d.tenant = ? AND "+d.rows.sql+" LIMIT ?) few"), args...)
		if err != nil {
			return -1, err
		}
		if int(n) < least {
			chosen, least = i, int(n)
		}
	}
	return chosen, nil
}

// orderBy is ORDER BY, and whether that is by ID. If a key is no column, the
// keys go to q.orders instead.
func (q *objectQuery) orderBy(orders []query.Order) (order string, byID bool) {
	var keys []string
	last := ""
	for _, o := range orders {
		column, kind := objectColumn(o.Path)
		if kind == noColumn {
			q.orders = orders
			return "o.id", true
		}
		last = ""
		if o.Descending {
			last = " DESC"
		}
		keys = append(keys, column+last)
		if kind == idColumn {
			return strings.Join(keys, ", "), len(keys) == 1
		}
	}
	// IDs decide between equals, in the direction in which an index runs.
	return strings.Join(append(keys, "o.id"+last), ", "), len(keys) == 0
}
