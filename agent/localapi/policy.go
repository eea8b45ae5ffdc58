package localapi

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
)

// Verb is something a program may be allowed to do.
type Verb string

// The verbs, as a rule names them.
const (
	VerbStatus   Verb = "status"   // read how the device is
	VerbChain    Verb = "chain"    // read and follow the certificate chain
	VerbToken    Verb = "token"    // get a device token
	VerbPublish  Verb = "publish"  // send on the topics of local.publish
	VerbMessages Verb = "messages" // hear the topics of local.subscribe
	VerbSign     Verb = "sign"     // sign with the device's key: who may is the device
	VerbProxy    Verb = "proxy"    // speak to the server as the device
)

var verbs = []Verb{VerbStatus, VerbChain, VerbToken, VerbPublish, VerbMessages, VerbSign, VerbProxy}

// Policy is who may do what, how often, on which topics.
type Policy struct {
	Rules     []Rule
	Rate      int // calls a second of one user; twice as many at once
	Publish   Filters
	Subscribe Filters
	Self      int // the user the agent runs as
}

// Rule lets somebody do something.
type Rule struct {
	who   string // "*", "user:NAME", "group:NAME"
	id    uint32 // of user or group
	verbs []Verb
}

// ParseRule reads "WHO VERB…": WHO is user:NAME, group:NAME, either with a
// number for a name, or * for everybody.
func ParseRule(text string) (Rule, error) {
	fields := strings.Fields(text)
	if len(fields) < 2 {
		return Rule{}, fmt.Errorf("%q is no rule, as \"group:mooring token publish\" is", text)
	}
	r := Rule{who: fields[0]}
	for _, f := range fields[1:] {
		if !slices.Contains(verbs, Verb(f)) {
			return Rule{}, fmt.Errorf("%q: unknown verb %q", text, f)
		}
		r.verbs = append(r.verbs, Verb(f))
	}
	if r.who == "*" {
		return r, nil
	}
	kind, name, _ := strings.Cut(r.who, ":")
	if kind != "user" && kind != "group" || name == "" {
		return Rule{}, fmt.Errorf("%q: %q is not user:NAME, group:NAME or *", text, r.who)
	}
	id, err := idOf(kind, name)
	if err != nil {
		return Rule{}, fmt.Errorf("%q: %w", text, err)
	}
	r.who, r.id = kind, id
	return r, nil
}

// idOf finds the number of a name.
func idOf(kind, name string) (uint32, error) {
	number := name
	if _, err := strconv.ParseUint(name, 10, 32); err != nil {
		if kind == "user" {
			u, err := user.Lookup(name)
			if err != nil {
				return 0, err
			}
			number = u.Uid
		} else {
			g, err := user.LookupGroup(name)
			if err != nil {
				return 0, err
			}
			number = g.Gid
		}
	}
	id, err := strconv.ParseUint(number, 10, 32)
	return uint32(id), err
}

// NewPolicy reads rules and topic filters.
func NewPolicy(allow, publish, subscribe []string, rate int) (Policy, error) {
	p := Policy{Rate: rate, Self: os.Getuid()}
	var errs []error
	for _, text := range allow {
		r, err := ParseRule(text)
		p.Rules, errs = append(p.Rules, r), append(errs, err)
	}
	var err error
	p.Publish, err = ParseFilters(publish)
	errs = append(errs, err)
	p.Subscribe, err = ParseFilters(subscribe)
	return p, errors.Join(append(errs, err)...)
}

// May reports whether a caller may do something. Root and the agent's own user
// may do all but sign.
func (p *Policy) May(c Caller, v Verb) bool {
	if v != VerbSign && (c.UID == 0 || int(c.UID) == p.Self) {
		return true
	}
	return slices.ContainsFunc(p.Rules, func(r Rule) bool { return slices.Contains(r.verbs, v) && r.means(c) })
}

func (r *Rule) means(c Caller) bool {
	switch r.who {
	case "*":
		return true
	case "user":
		return c.UID == r.id
	}
	return c.GID == r.id || slices.Contains(c.Groups, r.id)
}
