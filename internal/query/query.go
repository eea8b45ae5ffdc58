// Package query reads the inventory's query language (contract rest.md §6.1)
// and tells which JSON values a condition is true of. It does no I/O.
//
//	query     = [ "$filter=" expr ] [ "$orderby=" order *( "," order ) ] | expr
//	expr      = and *( "or" and )
//	and       = unary *( "and" unary )
//	unary     = "not" unary | "(" expr ")" | function | path op value
//	function  = ( "has" | "hasany" | "bygroupid" | "isinhierarchyof" ) "(" arguments ")"
//	op        = "eq" | "ne" | "gt" | "ge" | "lt" | "le"
//	value     = "'" text "'" | number [ "f" | "d" ] | "true" | "false" | "null" | word
//	path      = name *( "." name )
//	order     = path [ "asc" | "desc" ]
//
// In a text, two single quotes and a backslash with any character stand for
// that character; "*" stands for any characters, whose case then does not
// matter. What clients send besides is accepted: words without quotes as
// texts, the comparison "ne", a decimal number without its suffix.
package query

import (
	"strings"
	"time"
)

// Bounds of a query. The longest that clients send name some hundred IDs.
const (
	MaxBytes     = 64 << 10
	MaxDepth     = 64   // parentheses and "not"
	MaxLeaves    = 1000 // conditions and arguments of functions
	MaxOrders    = 16
	MaxPathBytes = 1024
	MaxSegments  = 32
)

// Query is what objects are wanted, and in which order.
type Query struct {
	Filter *Node // nil: all
	Order  []Order
}

// Order is one key to sort by.
type Order struct {
	Path       Path
	Descending bool
}

// Path names a property: "c8y_Availability", "status".
type Path []string

// String is the path as it is written.
func (p Path) String() string { return strings.Join(p, ".") }

// Kind is what a Node says.
type Kind int

// The kinds.
const (
	And       Kind = iota // all of Kids, two or more
	Or                    // one of Kids, two or more
	Not                   // not the one of Kids
	Compare               // Path Op Value
	Has                   // the object has one of Paths
	Group                 // the object is a direct member of one of the groups IDs
	Hierarchy             // the object is one of IDs or below one
)

// Op is a comparison.
type Op int

// The comparisons. There is no "ne": it is Not with Equal.
const (
	Equal Op = iota
	Greater
	GreaterEqual
	Less
	LessEqual
)

// Node is a condition.
type Node struct {
	Kind  Kind
	Kids  []*Node
	Path  Path
	Op    Op
	Value Value
	Paths []Path
	IDs   []int64
}

// ValueKind is the type of a Value.
type ValueKind int

// The kinds of values.
const (
	Null ValueKind = iota
	Bool
	Number
	Text
)

// Value is the right side of a comparison.
type Value struct {
	Kind   ValueKind
	Bool   bool
	Number float64
	// Text is that of a Text, and a Number as it was written.
	Text string
	// Pattern is set for a text with wildcards: what stands between them, in
	// lower case.
	Pattern []string
	// Time is set if Text is a date.
	Time time.Time
}

// IsDate tells that the value can be compared with dates.
func (v Value) IsDate() bool { return !v.Time.IsZero() }

// Eval says whether n is true if leaf says so of the conditions without Kids.
func (n *Node) Eval(leaf func(*Node) bool) bool {
	switch n.Kind {
	case And:
		for _, k := range n.Kids {
			if !k.Eval(leaf) {
				return false
			}
		}
		return true
	case Or:
		for _, k := range n.Kids {
			if k.Eval(leaf) {
				return true
			}
		}
		return false
	case Not:
		return !n.Kids[0].Eval(leaf)
	}
	return leaf(n)
}

// Leaves calls f for each condition without Kids.
func (n *Node) Leaves(f func(*Node)) {
	if n.Kind > Not {
		f(n)
	}
	for _, k := range n.Kids {
		k.Leaves(f)
	}
}
