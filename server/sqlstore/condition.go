package sqlstore

import (
	"slices"
	"strconv"
	"strings"

	"mooring/internal/query"
	"mooring/server/platform"
)

// condition is a part of WHERE, with "?" where an argument goes.
type condition struct {
	sql  string
	args []any
}

func cond(sql string, args ...any) condition { return condition{sql, args} }

// never is a condition that is true of nothing; always of everything.
var never, always = cond("1 = 0"), cond("1 = 1")

// join puts word between conditions, as a balanced tree: SQLite follows a
// chain no deeper than 1,000.
func join(word string, list []condition) condition {
	switch len(list) {
	case 0:
		return always
	case 1:
		return list[0]
	}
	left, right := join(word, list[:len(list)/2]), join(word, list[len(list)/2:])
	return condition{"(" + left.sql + " " + word + " " + right.sql + ")", slices.Concat(left.args, right.args)}
}

// objectColumn is the column of a path; kind is what it holds.
func objectColumn(p query.Path) (column string, kind columnKind) {
	if len(p) == 2 && p[1] != "date" || len(p) > 2 {
		return "", noColumn
	}
	switch p[0] {
	case "creationTime":
		return "o.created", timeColumn
	case "lastUpdated":
		return "o.updated", timeColumn
	}
	if len(p) == 2 {
		return "", noColumn
	}
	switch p[0] {
	case "id":
		return "o.id", idColumn
	case "name", "type", "owner":
		return "o." + p[0], textColumn
	}
	return "", noColumn
}

type columnKind int

const (
	noColumn columnKind = iota
	idColumn
	textColumn
	timeColumn
)

var sqlOps = map[query.Op]string{query.Equal: " = ?", query.Greater: " > ?", query.GreaterEqual: " >= ?", query.Less: " < ?", query.LessEqual: " <= ?"}

// compileQuery says n in SQL; ok is false if SQL alone cannot: for what lies
// within fragments and for texts with wildcards.
func (s *session) compileQuery(t tenantKey, n *query.Node) (c condition, ok bool) {
	switch n.Kind {
	case query.And, query.Or:
		kids := make([]condition, len(n.Kids))
		for i, k := range n.Kids {
			if kids[i], ok = s.compileQuery(t, k); !ok {
				return c, false
			}
		}
		return join(map[query.Kind]string{query.And: "AND", query.Or: "OR"}[n.Kind], kids), true
	case query.Not:
		c, ok = s.compileQuery(t, n.Kids[0])
		return condition{"NOT (" + c.sql + ")", c.args}, ok
	case query.Has:
		return compileHas(n.Paths)
	case query.Group:
		return cond("(EXISTS (SELECT 1 FROM links l WHERE l.tenant = o.tenant AND l.child = o.id AND l.kind IN (?, ?) AND l.parent IN ("+marks(len(n.IDs))+"))) IS TRUE",
			append([]any{string(platform.ChildAssets), string(platform.ChildAdditions)}, anys(n.IDs)...)...), true
	case query.Hierarchy:
		return hierarchy(t, n.IDs), true
	}
	return compileComparison(n)
}

func marks(n int) string { return "?" + strings.Repeat(", ?", n-1) }

func anys[T any](list []T) []any {
	args := make([]any, len(list))
	for i, v := range list {
		args[i] = v
	}
	return args
}

// hierarchy is the objects and what is below them in devices and assets.
func hierarchy(t tenantKey, ids []int64) condition {
	args := append([]any{t}, anys(ids)...)
	return cond(`o.id IN (WITH RECURSIVE below (id) AS (
			SELECT r.id FROM objects r WHERE r.tenant = ? AND r.id IN (`+marks(len(ids))+`)
			UNION SELECT l.child FROM below b JOIN links l ON l.tenant = ? AND l.parent = b.id AND l.kind IN (?, ?))
		SELECT id FROM below)`, append(args, t, string(platform.ChildDevices), string(platform.ChildAssets))...)
}

// withinOwned is what owner has and everything below that.
func withinOwned(t tenantKey, owner string) condition {
	return cond(`o.id IN (WITH RECURSIVE below (id) AS (
			SELECT r.id FROM objects r WHERE r.tenant = ? AND r.owner = ?
			UNION SELECT l.child FROM below b JOIN links l ON l.tenant = ? AND l.parent = b.id)
		SELECT id FROM below)`, t, owner, t)
}

// hasFragments begins the question whether an object has a fragment. IS TRUE
// keeps PostgreSQL from planning a join for each of up to 1,000 of them.
const hasFragments = "(EXISTS (SELECT 1 FROM fragments f WHERE f.tenant = o.tenant AND f.object = o.id AND f.name "

// compileHas asks for one of paths; standard properties are there if they have a value.
func compileHas(paths []query.Path) (condition, bool) {
	var one []condition
	var names []any
	for _, p := range paths {
		switch column, kind := objectColumn(p); {
		case kind == textColumn:
			one = append(one, cond(column+" <> ''"))
		case kind != noColumn:
			one = append(one, always)
		case len(p) > 1:
			return condition{}, false
		default:
			names = append(names, p[0])
		}
	}
	if len(names) > 0 {
		one = append(one, cond(hasFragments+"IN ("+marks(len(names))+"))) IS TRUE", names...))
	}
	return join("OR", one), true
}

func compileComparison(n *query.Node) (condition, bool) {
	column, kind := objectColumn(n.Path)
	v := n.Value
	switch {
	case kind == noColumn || v.Pattern != nil:
		return condition{}, false
	case v.Kind == query.Bool:
		return never, true
	case v.Kind == query.Null:
		if kind == textColumn && n.Op == query.Equal {
			return cond(column + " = ''"), true
		}
		return never, true
	case kind == textColumn:
		return cond(column+sqlOps[n.Op], v.Text), true
	case kind == idColumn:
		if id, err := strconv.ParseInt(v.Text, 10, 64); err == nil {
			return cond(column+sqlOps[n.Op], id), true
		}
	case v.IsDate():
		return cond(column+sqlOps[n.Op], v.Time), true
	case v.Kind == query.Number && v.Number > -1e15 && v.Number < 1e15:
		return cond(column+sqlOps[n.Op], int64(v.Number)), true
	}
	return never, true
}

// around is a condition that SQL can say and that is true at least wherever n
// is; ok is false if there is none that is worth saying.
func (s *session) around(t tenantKey, n *query.Node) (c condition, ok bool) {
	if c, ok := s.compileQuery(t, n); ok {
		return c, true
	}
	switch n.Kind {
	case query.And:
		var known []condition
		for _, k := range n.Kids {
			if c, ok := s.around(t, k); ok {
				known = append(known, c)
			}
		}
		return join("AND", known), len(known) > 0
	case query.Or:
		kids := make([]condition, len(n.Kids))
		for i, k := range n.Kids {
			if kids[i], ok = s.around(t, k); !ok {
				return c, false
			}
		}
		return join("OR", kids), true
	case query.Has:
		var names []any
		for _, p := range n.Paths {
			if _, kind := objectColumn(p); kind != noColumn {
				return c, false
			}
			names = append(names, p[0])
		}
		return cond(hasFragments+"IN ("+marks(len(names))+"))) IS TRUE", names...), true
	case query.Compare:
		return s.aroundComparison(n)
	}
	return c, false
}

func (s *session) aroundComparison(n *query.Node) (c condition, ok bool) {
	_, kind := objectColumn(n.Path)
	switch {
	case kind == noColumn && n.Value.Kind == query.Null:
		return c, false
	case kind == noColumn && exactText(n):
		value := s.textWithin(n, "f.value")
		return condition{hasFragments + "= ? AND " + value.sql + ")) IS TRUE", append([]any{n.Path[0]}, value.args...)}, true
	case kind == noColumn:
		return cond(hasFragments+"= ?)) IS TRUE", n.Path[0]), true
	case kind == textColumn && n.Path[0] != "owner" && n.Value.LongestPiece() != "":
		return cond(s.d.position+"(o.folded, ?) > 0", n.Value.LongestPiece()), true
	}
	return c, false
}

// exactText tells whether n asks for one text in a fragment, byte for byte.
func exactText(n *query.Node) bool {
	return n.Kind == query.Compare && n.Op == query.Equal && n.Value.Kind == query.Text && n.Value.Pattern == nil && !n.Value.IsDate() && n.Value.Text != ""
}

// textWithin holds where a fragment may have the text of n: there it stands as
// it is, unless something is escaped.
func (s *session) textWithin(n *query.Node, column string) condition {
	return cond("("+s.d.within("?", column)+" OR "+s.d.within("?", column)+")", []byte(n.Value.Text), []byte(`\`))
}
