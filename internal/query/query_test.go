package query_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"mooring/internal/query"
)

// show writes a condition with all its parentheses.
func show(n *query.Node) string {
	if n == nil {
		return "all"
	}
	kids := func(between string) string {
		var parts []string
		for _, k := range n.Kids {
			parts = append(parts, show(k))
		}
		return "(" + strings.Join(parts, between) + ")"
	}
	switch n.Kind {
	case query.And:
		return kids(" and ")
	case query.Or:
		return kids(" or ")
	case query.Not:
		return "not" + kids("")
	case query.Has:
		return fmt.Sprint("has", n.Paths)
	case query.Group:
		return fmt.Sprint("group", n.IDs)
	case query.Hierarchy:
		return fmt.Sprint("below", n.IDs)
	}
	v := n.Value
	text := fmt.Sprintf("%q", v.Text)
	switch {
	case v.Kind == query.Null:
		text = "null"
	case v.Kind == query.Bool:
		text = fmt.Sprint(v.Bool)
	case v.Kind == query.Number:
		text = fmt.Sprint(v.Number)
	case v.Pattern != nil:
		text = fmt.Sprintf("like%q", v.Pattern)
	case v.IsDate():
		text = v.Time.Format("2006-01-02T15:04:05.000Z07:00")
	}
	return n.Path.String() + []string{" = ", " > ", " >= ", " < ", " <= "}[n.Op] + text
}

func TestParse(t *testing.T) {
	tests := []struct{ in, want, order string }{
		{"", "all", ""},
		{"name eq 'M01'", `name = "M01"`, ""},
		{"$filter=name eq 'M01'", `name = "M01"`, ""},
		{"$orderby=id asc", "all", "id"},
		{"$filter=name eq 'M01' $orderby=id", `name = "M01"`, "id"},
		{"$filter=(name eq 'a')$orderby=name desc,creationTime", `name = "a"`, "-name creationTime"},
		{"$orderby=name&$filter=has(a)", "has[a]", "name"},
		{"$filter= $orderby=name", "all", "name"},
		{"$filter=(has(a))+$orderby=name", "has[a]", "name"},
		// The vendor's web client builds these.
		{"$filter=((has(c8y_IsDevice)) and (name eq 'My Device*'))", `(has[c8y_IsDevice] and name = like["my device" ""])`, ""},
		{"$filter=(not(has(c8y_ActiveAlarmsStatus.major)))", "not(has[c8y_ActiveAlarmsStatus.major])", ""},
		{"$filter=((c8y_ActiveAlarmsStatus.critical gt 0f) or (bygroupid(10300)))", "(c8y_ActiveAlarmsStatus.critical > 0 or group[10300])", ""},
		{"$filter=(name eq 'O''Neil \\(a\\)\\\\b')", `name = "O'Neil (a)\\b"`, ""},
		{"hasany(a,b.c)", "has[a b.c]", ""},
		{"isinhierarchyof(1, 2)", "below[1 2]", ""},
		{"isinhierarchyof('12')", "below[12]", ""},
		// The platform's own examples.
		{"c8y_Position.lng gt 10 and c8y_Position.lng lt 16.5d", "(c8y_Position.lng > 10 and c8y_Position.lng < 16.5)", ""},
		{"(p1 eq 1) and (p2 eq 5 or p2 eq 6)", "(p1 = 1 and (p2 = 5 or p2 = 6))", ""},
		{"not has(c8y_IsDevice)", "not(has[c8y_IsDevice])", ""},
		{"name eq null", "name = null", ""},
		{"creationTime.date gt '2015-10-24T09:00:53.351+01:00'", "creationTime.date > 2015-10-24T08:00:53.351Z", ""},
		{"creationTime.date gt '2021-04-02T00:00:00'", "creationTime.date > 2021-04-02T00:00:00.000Z", ""},
		{"creationTime.date gt '2015-10-24T09:00:53.351 01:00'", "creationTime.date > 2015-10-24T08:00:53.351Z", ""},
		{"lastUpdated.date le '2021-04-02'", "lastUpdated.date <= 2021-04-02T00:00:00.000Z", ""},
		// What else is sent.
		{"type eq c8y_Linux", `type = "c8y_Linux"`, ""},
		{"type ne 'x'", `not(type = "x")`, ""},
		{"a eq true or b eq FALSE", "(a = true or b = false)", ""},
		{"a eq '*'", `a = like["" ""]`, ""},
		{"a eq 'x\\*y'", `a = "x*y"`, ""},
		{"a gt 'x*'", `a > "x*"`, ""},
		{"a ge 1 AND NOT b LE -2.5e3f", "(a >= 1 and not(b <= -2500))", ""},
		{"a eq 1 and b eq 2 or c eq 3", "((a = 1 and b = 2) or c = 3)", ""},
		{"a lt datetime'2020-01-01T00:00:00'", "a < 2020-01-01T00:00:00.000Z", ""},
		{"a eq 'ü'", `a = "ü"`, ""},
		{"a eq ''", `a = ""`, ""},
		{"a eq 0x10", `a = "0x10"`, ""},
		{"a eq Inf", `a = "Inf"`, ""},
	}
	for _, tt := range tests {
		q, err := query.Parse(tt.in)
		var order []string
		for _, o := range q.Order {
			order = append(order, map[bool]string{true: "-"}[o.Descending]+o.Path.String())
		}
		if got := show(q.Filter); err != nil || got != tt.want || strings.Join(order, " ") != tt.order {
			t.Errorf("%s:\n got %s, %v, %v\nwant %s, %s", tt.in, got, order, err, tt.want, tt.order)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, in := range []string{
		"name", "name eq", "name eq 'x", "eq 'x'", "(name eq 'x'", "name eq 'x')", "name eq 'x' and", "and", "()", "not", "not()",
		"name is 'x'", "has()", "has(a", "has(a,b)", "has(a..b)", "hasany(a,)", "bygroupid(x)", "bygroupid()", "bygroupid(-1)", "bygroupid(99999999999999999999)",
		"near(1)", "$filter", "$filter=a eq 1 $filter=b eq 2", "$orderby=", "$orderby=,", "$orderby=name up", "$orderby=name,", "$top=5",
		"a eq 1 b eq 2", "'x' eq name", ".a eq 1", "a. eq 1", "a eq \xff", "a eq '\x00'", "a eq (1)", "$filter=(a eq 1) garbage",
	} {
		if q, err := query.Parse(in); err == nil {
			t.Errorf("%q: got %s %v", in, show(q.Filter), q.Order)
		}
	}
}

func TestBounds(t *testing.T) {
	chain := func(n int) string { return strings.Repeat("a eq 1 or ", n-1) + "a eq 1" }
	nested := func(n int) string { return strings.Repeat("(", n) + "a eq 1" + strings.Repeat(")", n) }
	path := func(n int) string { return strings.Repeat("a", n) + " eq 1" }
	segments := func(n int) string { return strings.Repeat("a.", n-1) + "a eq 1" }
	arguments := func(n int) string { return "bygroupid(" + strings.Repeat("1,", n-1) + "1)" }
	orders := func(n int) string { return "$orderby=" + strings.Repeat("a,", n-1) + "a" }
	size := func(n int) string { return "a eq '" + strings.Repeat("x", n-len("a eq ''")) + "'" }
	for name, tt := range map[string]struct {
		text  func(int) string
		bound int
	}{
		"leaves": {chain, query.MaxLeaves}, "depth": {nested, query.MaxDepth - 1}, "path": {path, query.MaxPathBytes},
		"segments": {segments, query.MaxSegments}, "arguments": {arguments, query.MaxLeaves}, "orders": {orders, query.MaxOrders}, "bytes": {size, query.MaxBytes},
	} {
		for n, ok := range map[int]bool{tt.bound - 1: true, tt.bound: true, tt.bound + 1: false} {
			if _, err := query.Parse(tt.text(n)); (err == nil) != ok {
				t.Errorf("%s %d: got %v", name, n, err)
			}
		}
	}
}

const object = `{"status":"UP","n":6.6,"i":5,"big":1e400,"yes":true,"no":false,"nil":null,"ids":["123","456"],"nums":[1,2],` +
	`"customers":[{"id":"123","name":"Customer 1"},{"id":"456","tags":["x","Y"]}],"deep":{"a":{"b":"c"}},"e\u0041":"\u00fcber",` +
	`"at":"2020-01-01T00:00:00.000Z","when":{"date":"2020-01-01T01:00:00+01:00","offset":60},"empty":{},"text6":"6.6","five":"5","late":"zz"}`

func TestMatchJSON(t *testing.T) {
	for condition, want := range map[string]bool{
		"x.status eq 'UP'": true, "x.status eq 'up'": false, "x.status eq 'u*'": true, "x.status eq '*P'": true, "x.status eq '*'": true, "x.status eq 'U*X'": false,
		"x.status eq 'u*u*'": false, "x.status gt 'UA'": true, "x.status lt 'UA'": false, "x.status ge 'UP'": true, "x.status le 'UP'": true,
		"x.n eq 6.6f": true, "x.n eq 6.6": true, "x.n eq '6.6'": false, "x.text6 eq 6.6": true, "x.n gt 6": true, "x.n le 6.5d": false,
		"x.i eq 5": true, "x.five eq '5'": true, "x.five eq 5": true, "x.i eq '5'": false, "x.five gt 4": false, "x.big gt 5": false,
		"x.yes eq true": true, "x.yes eq false": false, "x.no eq false": true, "x.yes gt false": false, "x.yes eq 'true'": false,
		"x.nil eq null": true, "x.none eq null": true, "x.status eq null": false, "x.status ne null": true, "x.empty eq null": false,
		"x.ids eq '123'": true, "x.ids eq '999'": false, "x.ids eq '4*'": true, "x.nums gt 1": true, "x.nums gt 2": false, "x.ids.1 eq '456'": true, "x.ids.2 eq '456'": false,
		"x.customers.id eq '123'": true, "x.customers.id eq '999'": false, "x.customers.tags eq 'Y'": true, "x.customers.1.id eq '456'": true, "x.customers.0.id eq '456'": false,
		"x.deep.a.b eq 'c'": true, "x.deep.a eq 'c'": false, "x.deep.a.b.c eq 'c'": false, "x.eA eq 'ÜBER*'": true, "x.eA eq 'über'": true,
		"x.at gt '2019-12-31T23:00:00.000-02:00'": false, "x.at ge '2020-01-01T02:00:00+02:00'": true, "x.at.date eq '2020-01-01'": true, "x.when.date eq '2020-01-01T00:00:00Z'": true,
		"x.late gt '2020-01-01'": true, "x.when eq '2020-01-01'": false,
		"has(x)": true, "has(x.deep.a)": true, "has(x.deep.b)": false, "has(x.nil)": false, "has(x.empty)": true, "has(x.customers.tags)": true, "has(x.ids.0)": true,
	} {
		q, err := query.Parse(condition)
		if err != nil {
			t.Fatal(condition, err)
		}
		got := q.Filter.Eval(func(n *query.Node) bool {
			if n.Kind == query.Has {
				return n.MatchJSON(n.Paths[0][1:], []byte(object))
			}
			return n.MatchJSON(n.Path[1:], []byte(object))
		})
		if got != want {
			t.Errorf("%s: got %v", condition, got)
		}
	}
}

func TestMatchMissing(t *testing.T) {
	for condition, want := range map[string]bool{"x.a eq null": true, "x.a eq 'a'": false, "has(x.a)": false, "x.a eq '*'": false, "x.a gt null": false} {
		q, _ := query.Parse(condition)
		path := q.Filter.Path
		if q.Filter.Kind == query.Has {
			path = q.Filter.Paths[0]
		}
		if got := q.Filter.MatchJSON(path[1:], nil); got != want {
			t.Errorf("%s: got %v", condition, got)
		}
	}
}

func TestMatchColumns(t *testing.T) {
	at := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	for condition, want := range map[string]bool{
		"a eq 'Dev'": true, "a eq 'dev'": false, "a eq 'd*'": true, "a eq '*E*'": true, "a gt 'Dea'": true, "a eq null": false, "a eq true": false, "a eq 5": false,
	} {
		q, _ := query.Parse(condition)
		if got := q.Filter.MatchText("Dev"); got != want {
			t.Errorf("%s: got %v", condition, got)
		}
	}
	for condition, want := range map[string]bool{"a eq null": true, "a eq '*'": false, "a eq ''": true} {
		q, _ := query.Parse(condition)
		if got := q.Filter.MatchText(""); got != want {
			t.Errorf("empty, %s: got %v", condition, got)
		}
	}
	for condition, want := range map[string]bool{
		"a eq '2020-01-01'": true, "a gt '2020-01-01'": false, "a lt '2020-01-01T00:00:00.001Z'": true, "a ge 1577836800000": true, "a eq 'x'": false, "a eq null": false,
	} {
		q, _ := query.Parse(condition)
		if got := q.Filter.MatchTime(at); got != want {
			t.Errorf("%s: got %v", condition, got)
		}
	}
}

func TestKeys(t *testing.T) {
	path := func(s string) query.Path { return strings.Split(s, ".") }
	ordered := []query.Key{
		query.JSONKey(path("none"), []byte(object)), query.JSONKey(path("i"), []byte(object)), query.JSONKey(path("n"), []byte(object)),
		query.JSONKey(path("ids"), []byte(object)), query.JSONKey(path("at.date"), []byte(object)), query.JSONKey(path("status"), []byte(object)),
		query.JSONKey(path("no"), []byte(object)), query.JSONKey(path("yes"), []byte(object)),
	}
	for i := range ordered[1:] {
		if ordered[i].Compare(ordered[i+1]) >= 0 || ordered[i+1].Compare(ordered[i]) <= 0 {
			t.Errorf("%v is not before %v", ordered[i], ordered[i+1])
		}
	}
	if query.TextKey(strings.Repeat("x", 256)+"a") != query.TextKey(strings.Repeat("x", 256)+"b") || query.TextKey("").Compare(query.JSONKey(nil, nil)) != 0 {
		t.Error("texts beyond the bound or empty texts differ")
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"$filter=(name eq 'a*') $orderby=name desc", "not(has(a.b)) or bygroupid(1,2)", "a eq 'x''y\\(' and b le 5.5f", "creationTime.date gt '2020-01-01'"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		q, err := query.Parse(text)
		if err != nil || q.Filter == nil {
			return
		}
		leaves := 0
		q.Filter.Leaves(func(n *query.Node) {
			leaves++
			n.MatchText(text)
			n.MatchJSON(n.Path, []byte(object))
		})
		if leaves == 0 || leaves > query.MaxLeaves {
			t.Errorf("%d leaves", leaves)
		}
	})
}

// FuzzWalk compares with encoding/json, and breaks on nothing.
func FuzzWalk(f *testing.F) {
	f.Add(object, "customers.id")
	f.Add(`{"a":[[1],{"b":null}]}`, "a.b")
	f.Add(` { "a" : [ 1 , { "b" : "c" } ] , "d": 5 } `, "a.b")
	f.Add(`[`, "0")
	f.Add(`{"a":`, "a")
	f.Fuzz(func(t *testing.T, value, path string) {
		q, err := query.Parse("has(x." + path + ")")
		if err != nil || q.Filter.Kind != query.Has {
			return
		}
		p := q.Filter.Paths[0][1:]
		got := q.Filter.MatchJSON(p, []byte(value))
		var tree any
		compact := []byte(value)
		if json.Unmarshal(compact, &tree) != nil || strings.Count(value, "[")+strings.Count(value, "{") > 100 {
			return
		}
		if want := has(tree, p); got != want {
			t.Errorf("%s in %s: got %v", path, value, got)
		}
	})
}

func has(v any, path query.Path) bool {
	switch v := v.(type) {
	case map[string]any:
		if len(path) > 0 {
			inner, ok := v[path[0]]
			return ok && has(inner, path[1:])
		}
	case []any:
		for i, e := range v {
			if len(path) > 0 && (has(e, path) || path[0] == fmt.Sprint(i) && has(e, path[1:])) {
				return true
			}
		}
	}
	return len(path) == 0 && v != nil
}
