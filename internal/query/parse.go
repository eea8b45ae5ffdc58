package query

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// errSyntax is wrapped by every error of Parse.
var errSyntax = errors.New("query: not understood")

type parser struct {
	scanner
	depth  int
	leaves int
}

// Parse reads a query. An empty one asks for everything.
func Parse(text string) (Query, error) {
	var q Query
	if len(text) > MaxBytes || !utf8.ValidString(text) || strings.IndexByte(text, 0) >= 0 {
		return q, fmt.Errorf("%w: too long or no text", errSyntax)
	}
	p := parser{scanner: scanner{text: text}}
	filtered := false
	for {
		var err error
		switch p.skip("&;+"); {
		case p.done():
			return q, nil
		case p.section("$filter") && !filtered:
			filtered = true
			if p.skip("&;+"); p.done() || p.peek() == '$' {
				continue // a client without conditions
			}
			q.Filter, err = p.or()
		case p.section("$orderby") && q.Order == nil:
			q.Order, err = p.orders()
		case !filtered && p.peek() != '$':
			filtered = true
			q.Filter, err = p.or()
		default:
			err = p.fail("end")
		}
		if err != nil {
			return Query{}, err
		}
	}
}

func (p *parser) fail(want string) error {
	return fmt.Errorf("%w: want %s at byte %d", errSyntax, want, p.at)
}

// or reads an expression.
func (p *parser) or() (*Node, error) { return p.chain("or", Or, p.and) }

func (p *parser) and() (*Node, error) { return p.chain("and", And, p.unary) }

// chain reads one or more of next with word between them.
func (p *parser) chain(word string, kind Kind, next func() (*Node, error)) (*Node, error) {
	first, err := next()
	if err != nil {
		return nil, err
	}
	kids := []*Node{first}
	for p.word(word) {
		kid, err := next()
		if err != nil {
			return nil, err
		}
		kids = append(kids, kid)
	}
	if len(kids) == 1 {
		return first, nil
	}
	return &Node{Kind: kind, Kids: kids}, nil
}

// unary reads what "and" stands between.
func (p *parser) unary() (*Node, error) {
	if p.depth++; p.depth > MaxDepth {
		return nil, fmt.Errorf("%w: nested deeper than %d", errSyntax, MaxDepth)
	}
	defer func() { p.depth-- }()
	if p.word("not") {
		kid, err := p.unary()
		if err != nil {
			return nil, err
		}
		return &Node{Kind: Not, Kids: []*Node{kid}}, nil
	}
	if !p.symbol('(') {
		return p.condition()
	}
	n, err := p.or()
	if err == nil && !p.symbol(')') {
		err = p.fail("a closing parenthesis")
	}
	return n, err
}

// functions by name.
var functions = map[string]Kind{"has": Has, "hasany": Has, "bygroupid": Group, "isinhierarchyof": Hierarchy}

// condition reads a function or a comparison.
func (p *parser) condition() (*Node, error) {
	name := p.name()
	if name == "" {
		return nil, p.fail("a condition")
	}
	if p.symbol('(') {
		kind, ok := functions[strings.ToLower(name)]
		if !ok {
			return nil, p.fail("a function")
		}
		return p.function(kind, strings.EqualFold(name, "has"))
	}
	path, err := p.path(name)
	if err != nil {
		return nil, err
	}
	if err := p.leaf(); err != nil {
		return nil, err
	}
	return p.comparison(path)
}

func (p *parser) leaf() error {
	if p.leaves++; p.leaves > MaxLeaves {
		return fmt.Errorf("%w: more than %d conditions", errSyntax, MaxLeaves)
	}
	return nil
}

var comparisons = map[string]Op{"eq": Equal, "ne": Equal, "gt": Greater, "ge": GreaterEqual, "lt": Less, "le": LessEqual}

func (p *parser) comparison(path Path) (*Node, error) {
	word := strings.ToLower(p.name())
	op, ok := comparisons[word]
	if !ok {
		return nil, p.fail("a comparison")
	}
	v, err := p.value()
	if err != nil {
		return nil, err
	}
	if op != Equal {
		v.Pattern = nil // a star is a star then
	}
	n := &Node{Kind: Compare, Path: path, Op: op, Value: v}
	if word == "ne" {
		return &Node{Kind: Not, Kids: []*Node{n}}, nil
	}
	return n, nil
}

// function reads the arguments behind the opening parenthesis.
func (p *parser) function(kind Kind, one bool) (*Node, error) {
	n := &Node{Kind: kind}
	for {
		if err := p.leaf(); err != nil {
			return nil, err
		}
		argument, err := p.argument()
		if err != nil {
			return nil, err
		}
		if err := p.add(n, argument); err != nil {
			return nil, err
		}
		if p.symbol(')') {
			return n, nil
		}
		if one || !p.symbol(',') {
			return nil, p.fail("a closing parenthesis")
		}
	}
}

// add takes an argument of a function.
func (p *parser) add(n *Node, argument string) error {
	if n.Kind == Has {
		path, err := p.path(argument)
		n.Paths = append(n.Paths, path)
		return err
	}
	id, err := strconv.ParseInt(argument, 10, 64)
	if err != nil || id < 0 {
		return p.fail("an identifier")
	}
	n.IDs = append(n.IDs, id)
	return nil
}

func (p *parser) path(name string) (Path, error) {
	path := Path(strings.Split(name, "."))
	if len(name) > MaxPathBytes || len(path) > MaxSegments {
		return nil, p.fail("a shorter path")
	}
	for _, segment := range path {
		if segment == "" {
			return nil, p.fail("a path")
		}
	}
	return path, nil
}

// orders reads the keys to sort by.
func (p *parser) orders() ([]Order, error) {
	orders := []Order{}
	for {
		path, err := p.path(p.name())
		if err != nil || strings.HasPrefix(path[0], "$") {
			return nil, p.fail("a property to sort by")
		}
		o := Order{Path: path, Descending: p.word("desc")}
		if !o.Descending {
			p.word("asc")
		}
		if orders = append(orders, o); len(orders) > MaxOrders {
			return nil, fmt.Errorf("%w: more than %d keys to sort by", errSyntax, MaxOrders)
		}
		if !p.symbol(',') {
			return orders, nil
		}
	}
}
