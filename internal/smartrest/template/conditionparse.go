package template

import (
	"encoding/json"
	"strings"

	"mooring/internal/smartrest"
)

// maxConditionDepth bounds parentheses and filters in filters; ours.
const maxConditionDepth = 8

// parseCondition reads a condition with the parentheses around it.
func parseCondition(s string) (condition, bool) {
	if len(s) < 2 || s[0] != '(' || strings.Count(s, "[") > maxConditionDepth {
		return nil, false
	}
	p := conditionParser{rest: s}
	c := p.unary()
	p.blanks()
	return c, !p.bad && p.rest == ""
}

// conditionParser eats rest from the left; bad is set at the first surprise.
type conditionParser struct {
	rest  string
	depth int
	bad   bool
}

func (p *conditionParser) blanks() { p.rest = strings.TrimLeft(p.rest, " \t") }

// take eats token if it comes next.
func (p *conditionParser) take(token string) bool {
	p.blanks()
	rest, ok := strings.CutPrefix(p.rest, token)
	if ok {
		p.rest = rest
	}
	return ok
}

func (p *conditionParser) either() condition {
	list := anyOf{p.both()}
	for !p.bad && p.take("||") {
		list = append(list, p.both())
	}
	return list
}

func (p *conditionParser) both() condition {
	list := allOf{p.unary()}
	for !p.bad && p.take("&&") {
		list = append(list, p.unary())
	}
	return list
}

func (p *conditionParser) unary() condition {
	if p.depth++; p.depth > maxConditionDepth {
		p.bad = true
		return nil
	}
	defer func() { p.depth-- }()
	switch {
	case p.take("!"):
		return negated{p.unary()}
	case p.take("("):
		c := p.either()
		p.bad = p.bad || !p.take(")")
		return c
	}
	return p.test()
}

// operators in the order in which they are looked for: the longer first.
var operators = []string{"==", "!=", "<=", ">=", "<", ">"}

func (p *conditionParser) test() condition {
	a := p.operand()
	for _, op := range operators {
		if !p.bad && p.take(op) {
			return compare{a: a, operator: op, b: p.operand()}
		}
	}
	p.bad = p.bad || a.path == nil
	return exists{a}
}

func (p *conditionParser) operand() operand {
	p.blanks()
	if p.rest == "" {
		p.bad = true
		return operand{}
	}
	switch c := p.rest[0]; {
	case c == '@':
		return p.path()
	case c == '\'' || c == '"':
		text, rest, ok := cutQuoted(p.rest)
		p.rest, p.bad = rest, !ok
		return operand{fixed: text}
	}
	end := strings.IndexAny(p.rest, " \t)=!<>&|")
	if end < 0 {
		end = len(p.rest)
	}
	word := p.rest[:end]
	p.rest = p.rest[end:]
	switch word {
	case "true", "false":
		return operand{fixed: word == "true"}
	case "null":
		return operand{}
	}
	n, ok := smartrest.ParseNumber(word)
	p.bad = !ok
	return operand{fixed: json.Number(n)}
}

// path reads "@" and the steps behind it.
func (p *conditionParser) path() operand {
	p.rest = p.rest[1:]
	var steps []step
	for p.rest != "" && (p.rest[0] == '.' || p.rest[0] == '[') {
		st, rest, ok := p.step()
		if !ok || len(steps) == maxSteps {
			p.bad = true
			return operand{}
		}
		steps, p.rest = append(steps, st), rest
	}
	return operand{path: &Path{steps: steps}}
}

// step is cutStep for a path that is followed by something else.
func (p *conditionParser) step() (st step, rest string, ok bool) {
	if p.rest[0] == '[' {
		return cutStep(p.rest)
	}
	dots := len(p.rest) - len(strings.TrimLeft(p.rest, "."))
	end := strings.IndexAny(p.rest[dots:], " \t)=!<>&|.[") + dots
	if end < dots {
		end = len(p.rest)
	}
	if end == dots && strings.HasPrefix(p.rest[dots:], "[") { // "..["
		return cutStep(p.rest)
	}
	st, rest, ok = cutStep(p.rest[:end])
	return st, rest + p.rest[end:], ok
}
