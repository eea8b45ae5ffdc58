package restapi

// To add a route: a row with its doc beside its handler, as
//
//	{method: "GET", path: "/x/things/{id}", access: reader, serve: readThing,
//		doc: doc{Does: "Read a thing", Query: "withParts: boolean", Gives: "thing", Also: "409"}},
//
// and the shapes it names in shapes.go (the notation is told in
// server/openapi). TestDescription fails for a route without doc, and the rig
// of the tests for an answer, a status or a parameter that is not as described.

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// maxPathSegments bounds how a path is taken apart; our longest has seven.
const maxPathSegments = 16

// route is one call of the API.
type route struct {
	method string
	path   string // "/inventory/managedObjects/{id}"
	access access
	serve  func(*call) error
	// maxBody bounds the body in bytes, for what is no JSON; zero: c8yjson.MaxBodyBytes.
	maxBody int64
	doc     doc // what the server's description of itself says of it

	area  string   // begins the code of errors that have none: first segment, or what areas says
	names []string // of the segments in braces, in order
}

// node is one segment of the tree of routes. A literal segment goes before a
// parameter; there is no way back from it, so that a reserved word such as
// "count" is never taken for an ID.
type node struct {
	literal   map[string]*node
	parameter *node
	methods   map[string]*route
}

func newNode() *node { return &node{literal: map[string]*node{}, methods: map[string]*route{}} }

func (n *node) add(r route) {
	for segment := range strings.SplitSeq(strings.TrimPrefix(r.path, "/"), "/") {
		if name, ok := strings.CutPrefix(segment, "{"); ok {
			r.names = append(r.names, strings.TrimSuffix(name, "}"))
			if n.parameter == nil {
				n.parameter = newNode()
			}
			n = n.parameter
			continue
		}
		if n.literal[segment] == nil {
			n.literal[segment] = newNode()
		}
		n = n.literal[segment]
	}
	if n.methods[r.method] != nil {
		panic("two routes for " + r.method + " " + r.path)
	}
	n.methods[r.method] = &r
}

// find returns the node of a path, and the values of its parameters.
func (n *node) find(segments []string) (*node, []string) {
	var values []string
	for _, s := range segments {
		if next := n.literal[s]; next != nil {
			n = next
			continue
		}
		if n.parameter == nil || s == "" {
			return nil, nil
		}
		n = n.parameter
		values = append(values, s)
	}
	if len(n.methods) == 0 {
		return nil, nil
	}
	return n, values
}

// route returns what serves method; HEAD is served wherever GET is.
func (n *node) route(method string) *route {
	if r := n.methods[method]; r != nil {
		return r
	}
	if method == http.MethodHead {
		return n.methods[http.MethodGet]
	}
	return nil
}

// allow lists the methods of a node, for the header of a 405.
func (n *node) allow() string {
	var methods []string
	for m := range n.methods {
		methods = append(methods, m)
		if m == http.MethodGet {
			methods = append(methods, http.MethodHead)
		}
	}
	slices.Sort(methods)
	return strings.Join(methods, ", ")
}

// splitPath takes an encoded path apart and then decodes each segment, so that
// an external ID may hold an encoded slash. Empty segments are dropped: clients
// send a slash too many, at the end or in between. ok is false for a path that is malformed or too long to be one of ours.
func splitPath(escaped string) (segments []string, ok bool) {
	trimmed := strings.TrimRight(strings.TrimPrefix(escaped, "/"), "/")
	if trimmed == "" {
		return nil, true
	}
	if strings.Count(trimmed, "/") >= maxPathSegments {
		return nil, false
	}
	for s := range strings.SplitSeq(trimmed, "/") {
		if s == "" {
			continue
		}
		decoded, err := url.PathUnescape(s)
		if err != nil {
			return nil, false
		}
		segments = append(segments, decoded)
	}
	return segments, true
}

// effectiveMethod is the method to execute: a POST may name another in the
// header X-HTTP-METHOD (rest.md §0.2).
func effectiveMethod(r *http.Request) string {
	if r.Method != http.MethodPost {
		return r.Method
	}
	if named := r.Header.Get("X-HTTP-METHOD"); named != "" {
		return strings.ToUpper(named)
	}
	return r.Method
}
