package template

import (
	"encoding/json"
	"math/big"
	"strings"
)

// condition is what stands between "?(" and ")":
//
//	condition = all *( "||" all )
//	all       = not *( "&&" not )
//	not       = [ "!" ] ( "(" condition ")" / test )
//	test      = operand [ ( "==" / "!=" / "<=" / ">=" / "<" / ">" ) operand ]
//	operand   = "@" path / quoted / number / "true" / "false" / "null"
//
// A test of one operand holds if its path finds something. Numbers and texts
// compare with their like; other pairs are unequal and in no order.
type condition interface {
	holds(v any, left *int) bool
}

type (
	anyOf   []condition
	allOf   []condition
	negated struct{ condition }
	exists  struct{ operand }
	compare struct {
		a, b     operand
		operator string
	}
)

func (c anyOf) holds(v any, left *int) bool {
	for _, part := range c {
		if part.holds(v, left) {
			return true
		}
	}
	return false
}

func (c allOf) holds(v any, left *int) bool {
	for _, part := range c {
		if !part.holds(v, left) {
			return false
		}
	}
	return true
}

func (c negated) holds(v any, left *int) bool { return !c.condition.holds(v, left) }

func (c exists) holds(v any, left *int) bool {
	_, found := c.value(v, left)
	return found
}

func (c compare) holds(v any, left *int) bool {
	a, foundA := c.a.value(v, left)
	b, foundB := c.b.value(v, left)
	if !foundA || !foundB {
		return c.operator == "!=" && foundA != foundB
	}
	order, comparable := compareValues(a, b)
	switch c.operator {
	case "==":
		return comparable && order == 0
	case "!=":
		return !comparable || order != 0
	case "<":
		return comparable && order < 0
	case "<=":
		return comparable && order <= 0
	case ">":
		return comparable && order > 0
	}
	return comparable && order >= 0
}

// compareValues orders two decoded values of one kind. Truth values and null are
// only equal or not.
func compareValues(a, b any) (order int, comparable bool) {
	switch a := a.(type) {
	case string:
		b, ok := b.(string)
		return strings.Compare(a, b), ok
	case json.Number:
		b, ok := b.(json.Number)
		if !ok {
			return 0, false
		}
		return compareNumbers(a, b)
	case bool:
		b, ok := b.(bool)
		return 0, ok && a == b
	case nil:
		return 0, b == nil
	}
	return 0, false
}

// maxNumberBytes bounds numbers that are compared exactly; a longer one, or one
// with an exponent, which may be as large as it likes, is compared as a float64.
const maxNumberBytes = 64

func compareNumbers(a, b json.Number) (int, bool) {
	if len(a) <= maxNumberBytes && len(b) <= maxNumberBytes && !strings.ContainsAny(string(a)+string(b), "eE") {
		x, okX := new(big.Rat).SetString(string(a))
		y, okY := new(big.Rat).SetString(string(b))
		if okX && okY {
			return x.Cmp(y), true
		}
	}
	x, errX := a.Float64()
	y, errY := b.Float64()
	switch {
	case errX != nil || errY != nil:
		return 0, a == b
	case x < y:
		return -1, true
	case x > y:
		return 1, true
	}
	return 0, true
}

// operand is one side of a test: a path into what is tested, or a value.
type operand struct {
	path  *Path
	fixed any
}

func (o operand) value(v any, left *int) (any, bool) {
	if o.path == nil {
		return o.fixed, true
	}
	found := o.path.within(v, left)
	if len(found) == 0 {
		return nil, false
	}
	return found[0], true
}
