package sqlstore

import (
	"context"
	"fmt"
	"strings"
	"time"

	"mooring/internal/problem"
	"mooring/internal/query"
	"mooring/server/platform"
)

// Bounds of a list, so that no query keeps others waiting for long. Tests set
// the time lower.
const maxProbed = 64 // fragments that conditions look into

var listWithin = 20 * time.Second

// Objects implements platform.Inventory. A query that takes too long is
// Unprocessable.
func (s *Store) Objects(ctx context.Context, tenant platform.TenantID, filter platform.ObjectFilter, page platform.Page) (platform.List[platform.ManagedObject], error) {
	if len(filter.IDs) > platform.MaxPageSize {
		return platform.List[platform.ManagedObject]{}, invalid("too many IDs")
	}
	if tooWide(filter.Query) {
		return platform.List[platform.ManagedObject]{}, badQuery(fmt.Sprintf("More than %d fragments.", maxProbed))
	}
	within, cancel := context.WithTimeout(ctx, listWithin)
	defer cancel()
	l, err := readOne(within, s, tenant, func(tx *session, t tenantKey) (platform.List[platform.ManagedObject], error) {
		q, err := tx.planObjects(t, filter)
		if err != nil {
			return platform.List[platform.ManagedObject]{}, err
		}
		l, err := q.list(tx, tenant, page)
		if err != nil {
			return l, err
		}
		return l, tx.withFragments(t, pointers(l.Items))
	})
	if err != nil && within.Err() != nil && ctx.Err() == nil {
		return l, badQuery("It takes too long.")
	}
	return l, err
}

func badQuery(why string) error {
	return problem.WithCode(problem.Unprocessable, "inventory/Invalid Data", "Find by filter query failed : "+why, nil)
}

// tooWide tells whether a query looks into more fragments than are fetched for
// each object.
func tooWide(q query.Query) bool {
	names := map[string]bool{}
	for _, o := range q.Order {
		names[o.Path[0]] = true
	}
	if q.Filter != nil {
		q.Filter.Leaves(func(n *query.Node) {
			if n.Kind == query.Compare {
				names[n.Path[0]] = true
			}
			for _, p := range n.Paths {
				if len(p) > 1 {
					names[p[0]] = true
				}
			}
		})
	}
	return len(names) > maxProbed
}

// objectQuery is how a list of objects is read: what SQL selects, and what is
// then looked at one by one.
type objectQuery struct {
	selection
	session *session
	tenant  tenantKey
	left    []*query.Node // conditions that SQL cannot say
	orders  []query.Order // keys that SQL cannot sort by, and those beside them
	probes  []probe
	leads   []lead
	must    []condition // joined to the others at the end
}

// planObjects translates a filter.
func (s *session) planObjects(t tenantKey, f platform.ObjectFilter) (*objectQuery, error) {
	q := &objectQuery{selection: selection{columns: objectColumns, from: "objects o"}, session: s, tenant: t}
	q.and("o.tenant = ?", t)
	in(&q.selection, "o.id", f.IDs, func(id platform.ID) any { return id })
	q.equal("o.type", f.Type)
	q.equal("o.owner", f.Owner)
	q.equal("o.name", f.Name)
	q.text(f.Text)
	if f.FragmentType != "" {
		q.filter(&query.Node{Kind: query.Has, Paths: []query.Path{{f.FragmentType}}})
	}
	if f.ParentID != 0 {
		q.leads = append(q.leads, lead{table: "links", object: "child", rows: cond("d.parent = ? AND d.kind = ?", f.ParentID, string(f.ParentKind)),
			otherwise: cond("EXISTS (SELECT 1 FROM links l WHERE l.tenant = o.tenant AND l.child = o.id AND l.parent = ? AND l.kind = ?)", f.ParentID, string(f.ParentKind))})
	}
	if f.OnlyRoots {
		q.and("NOT EXISTS (SELECT 1 FROM links l WHERE l.tenant = o.tenant AND l.child = o.id)")
	}
	if f.Within != "" {
		c := withinOwned(t, f.Within)
		q.and(c.sql, c.args...)
	}
	if n := f.Query.Filter; n != nil {
		q.filter(n)
	}
	if err := q.arrange(f); err != nil {
		return nil, err
	}
	if all := join("AND", q.must); len(q.must) > 0 {
		q.and(all.sql, all.args...)
	}
	return q, nil
}

// text asks for words in ID, name, type, owner or an external ID.
func (q *objectQuery) text(text string) {
	var words []string
	if inner, ok := strings.CutPrefix(text, `"`); ok && len(text) > 2 && strings.HasSuffix(text, `"`) {
		words = []string{inner[:len(inner)-1]}
	} else {
		words = strings.Fields(text)
	}
	for _, w := range words[:min(len(words), maxWords)] {
		w, position := strings.ToLower(w), q.session.d.position
		q.and("("+position+"(o.folded, ?) > 0 OR "+position+"(lower(o.owner), ?) > 0 OR CAST(o.id AS TEXT) = ?"+
			" OR o.id IN (SELECT x.object FROM external_ids x WHERE x.tenant = ? AND "+position+"(lower(x.value), ?) > 0))",
			w, w, w, q.tenant, w)
	}
}

// maxWords bounds the words of a search for text.
const maxWords = 16

// filter adds a condition of the query language.
func (q *objectQuery) filter(n *query.Node) {
	if n.Kind == query.And {
		for _, k := range n.Kids {
			q.filter(k)
		}
		return
	}
	c, exact := q.session.compileQuery(q.tenant, n)
	if !exact {
		q.left = append(q.left, n)
		var ok bool
		if c, ok = q.session.around(q.tenant, n); !ok {
			return
		}
	}
	if l, ok := leadOf(n); ok && len(q.leads) < maxLeads {
		l.otherwise = c
		if exactText(n) {
			l.also = q.session.textWithin(n, "d.value")
		}
		q.leads = append(q.leads, l)
		return
	}
	q.must = append(q.must, c)
}

// list reads a page without the fragments.
func (q *objectQuery) list(s *session, tenant platform.TenantID, page platform.Page) (platform.List[platform.ManagedObject], error) {
	switch {
	case q.orders != nil:
		return q.sorted(s, tenant, page)
	case q.left != nil:
		return q.sifted(s, tenant, page)
	}
	return list(s, &q.selection, page, scanObject(tenant))
}

// objects reads a page of objects with their fragments.
func (s *session) objects(t tenantKey, tenant platform.TenantID, q *selection, page platform.Page) (platform.List[platform.ManagedObject], error) {
	l, err := list(s, q, page, scanObject(tenant))
	if err != nil {
		return l, err
	}
	return l, s.withFragments(t, pointers(l.Items))
}

func pointers[T any](items []T) []*T {
	list := make([]*T, len(items))
	for i := range items {
		list[i] = &items[i]
	}
	return list
}
