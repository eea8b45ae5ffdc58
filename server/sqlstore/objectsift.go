package sqlstore

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"mooring/internal/query"
	"mooring/server/platform"
)

// probe is a further column that conditions or keys look at: a fragment, or
// whether something holds.
type probe struct {
	condition
	fragment bool
}

// probed are the values of the probes of one row.
type probed struct {
	values [][]byte
	holds  []bool
}

// probe returns the place of a column, the same one for the same question.
func (q *objectQuery) probe(p probe) int {
	same := func(o probe) bool { return o.sql == p.sql && slices.Equal(o.args, p.args) }
	if i := slices.IndexFunc(q.probes, same); i >= 0 {
		return i
	}
	q.probes = append(q.probes, p)
	q.columns += ", " + p.sql
	q.columnArgs = append(q.columnArgs, p.args...)
	return len(q.probes) - 1
}

func (q *objectQuery) fragment(name string) int {
	return q.probe(probe{cond("(SELECT f.value FROM fragments f WHERE f.tenant = o.tenant AND f.object = o.id AND f.name = ?)", name), true})
}

// test judges an object by what its row says.
type test func(o *platform.ManagedObject, p probed) bool

// tests gives each condition of q.left that has no kids its test.
func (q *objectQuery) tests() map[*query.Node]test {
	tests := map[*query.Node]test{}
	for _, n := range q.left {
		n.Leaves(func(leaf *query.Node) { tests[leaf] = q.test(leaf) })
	}
	return tests
}

func (q *objectQuery) test(n *query.Node) test {
	switch n.Kind {
	case query.Compare:
		return q.comparison(n)
	case query.Has:
		var any []test
		for _, p := range n.Paths {
			one := &query.Node{Kind: query.Has, Paths: []query.Path{p}}
			if c, ok := compileHas(one.Paths); ok {
				any = append(any, q.holds(c))
				continue
			}
			i := q.fragment(p[0])
			any = append(any, func(_ *platform.ManagedObject, got probed) bool { return one.MatchJSON(p[1:], got.values[i]) })
		}
		return func(o *platform.ManagedObject, p probed) bool {
			return slices.ContainsFunc(any, func(t test) bool { return t(o, p) })
		}
	}
	c, _ := q.session.compileQuery(q.tenant, n) // groups and hierarchies always can be said
	return q.holds(c)
}

func (q *objectQuery) holds(c condition) test {
	i := q.probe(probe{condition: condition{"CAST(CASE WHEN " + c.sql + " THEN 1 ELSE 0 END AS BIGINT)", c.args}})
	return func(_ *platform.ManagedObject, p probed) bool { return p.holds[i] }
}

func (q *objectQuery) comparison(n *query.Node) test {
	column, kind := objectColumn(n.Path)
	switch kind {
	case idColumn:
		return func(o *platform.ManagedObject, _ probed) bool { return matchID(n, o.ID) }
	case timeColumn:
		return func(o *platform.ManagedObject, _ probed) bool {
			if column == "o.created" {
				return n.MatchTime(o.Created)
			}
			return n.MatchTime(o.Updated)
		}
	case textColumn:
		return func(o *platform.ManagedObject, _ probed) bool { return n.MatchText(textOf(column, o)) }
	}
	i := q.fragment(n.Path[0])
	return func(_ *platform.ManagedObject, p probed) bool { return n.MatchJSON(n.Path[1:], p.values[i]) }
}

func textOf(column string, o *platform.ManagedObject) string {
	switch column {
	case "o.name":
		return o.Name
	case "o.type":
		return o.Type
	}
	return o.Owner
}

// matchID compares as SQL does: as numbers, but for patterns.
func matchID(n *query.Node, id platform.ID) bool {
	want, isID := platform.ParseID(n.Value.Text)
	switch {
	case n.Value.Pattern != nil:
		return n.MatchText(id.String())
	case !isID:
		return false
	case n.Op == query.Equal:
		return id == want
	case id == want:
		return n.Op == query.GreaterEqual || n.Op == query.LessEqual
	}
	return (id > want) == (n.Op == query.Greater || n.Op == query.GreaterEqual)
}

// sift reads the rows, the first limit of them unless that is zero, and calls
// yield for the objects that all of q.left is true of. It returns how many rows
// there were.
func (q *objectQuery) sift(s *session, tenant platform.TenantID, limit int, yield func(o *platform.ManagedObject, p probed) error) (rows int, err error) {
	tests := q.tests()
	text, args := q.sql(), q.allArgs()
	if limit > 0 {
		args = append(args, limit)
		text += " LIMIT $" + strconv.Itoa(len(args))
	}
	scan := scanObject(tenant)
	got := probed{values: make([][]byte, len(q.probes)), holds: make([]bool, len(q.probes))}
	err = s.each(func(r *row) error {
		rows++
		o := scan(r)
		for i, p := range q.probes {
			if p.fragment {
				got.values[i] = r.bytes()
			} else {
				got.holds[i] = r.int() != 0
			}
		}
		if r.err != nil {
			return r.err
		}
		for _, n := range q.left {
			if !n.Eval(func(leaf *query.Node) bool { return tests[leaf](&o, got) }) {
				return nil
			}
		}
		return yield(&o, got)
	}, text, args...)
	return rows, err
}

// glance is how many rows are looked at before all of them are: an engine that
// is asked for few finds them in another way, and PostgreSQL sends all it is
// asked for.
const glance = 1000

// sifted reads a page in the order of SQL, and not much further than it must.
func (q *objectQuery) sifted(s *session, tenant platform.TenantID, page platform.Page) (platform.List[platform.ManagedObject], error) {
	var l platform.List[platform.ManagedObject]
	if err := checkPage(page); err != nil {
		return l, err
	}
	limits := []int{glance + page.Offset() + page.Size, 0}
	if page.WithTotal {
		limits = limits[1:]
	}
	for _, limit := range limits {
		l = platform.List[platform.ManagedObject]{}
		rows, err := q.sift(s, tenant, limit, func(o *platform.ManagedObject, _ probed) error {
			if l.Total++; l.Total > int64(page.Offset()) && len(l.Items) <= page.Size {
				l.Items = append(l.Items, *o)
			}
			if len(l.Items) > page.Size && !page.WithTotal {
				return errEnough
			}
			return nil
		})
		if err != nil && err != errEnough {
			return platform.List[platform.ManagedObject]{}, err
		}
		if err == errEnough || rows < limit {
			break
		}
	}
	l.Items, l.More = cutPage(l.Items, page)
	return l, nil
}

// maxSorted bounds how many objects are sorted by what lies in fragments. Tests
// set it lower.
var maxSorted = 500_000

// sorted reads everything, sorts it and cuts out the page.
func (q *objectQuery) sorted(s *session, tenant platform.TenantID, page platform.Page) (platform.List[platform.ManagedObject], error) {
	var l platform.List[platform.ManagedObject]
	if err := checkPage(page); err != nil {
		return l, err
	}
	type entry struct {
		object platform.ManagedObject
		keys   []query.Key
	}
	var entries []entry
	places := make([]int, len(q.orders))
	for i, o := range q.orders {
		if _, kind := objectColumn(o.Path); kind == noColumn {
			places[i] = q.fragment(o.Path[0])
		}
	}
	_, err := q.sift(s, tenant, 0, func(o *platform.ManagedObject, p probed) error {
		if len(entries) == maxSorted {
			return badQuery(fmt.Sprintf("More than %d objects to sort.", maxSorted))
		}
		keys := make([]query.Key, len(q.orders))
		for i, order := range q.orders {
			keys[i] = objectKey(order.Path, o, p, places[i])
		}
		entries = append(entries, entry{*o, keys})
		return nil
	})
	if err != nil {
		return l, err
	}
	slices.SortStableFunc(entries, func(a, b entry) int {
		for i, o := range q.orders {
			if c := a.keys[i].Compare(b.keys[i]); c != 0 && o.Descending {
				return -c
			} else if c != 0 {
				return c
			}
		}
		return 0
	})
	l.Total = int64(len(entries))
	entries = entries[min(page.Offset(), len(entries)):]
	for _, e := range entries[:min(page.Size, len(entries))] {
		l.Items = append(l.Items, e.object)
	}
	l.More = len(entries) > page.Size
	return l, nil
}

func objectKey(path query.Path, o *platform.ManagedObject, p probed, place int) query.Key {
	switch column, kind := objectColumn(path); kind {
	case idColumn:
		return query.NumberKey(float64(o.ID))
	case timeColumn:
		if strings.HasSuffix(column, "created") {
			return query.NumberKey(float64(o.Created.UnixMilli()))
		}
		return query.NumberKey(float64(o.Updated.UnixMilli()))
	case textColumn:
		return query.TextKey(textOf(column, o))
	}
	return query.JSONKey(path[1:], p.values[place])
}
