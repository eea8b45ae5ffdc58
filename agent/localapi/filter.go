package localapi

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxTopic bounds a topic of a caller, in bytes.
const maxTopic = 256

// Filters are MQTT topic filters (MQTT 3.1.1 §4.7).
type Filters []string

// reserved are the topics of device tokens and of bootstrap credentials, which
// no filter opens: a token is got with the verb for it.
var reserved = Filters{"s/uat", "s/dat", "s/ucr", "s/dcr"}

// ParseFilters checks filters.
func ParseFilters(texts []string) (Filters, error) {
	for _, f := range texts {
		levels := strings.Split(f, "/")
		for i, l := range levels {
			if l == "#" && i < len(levels)-1 || len(l) > 1 && strings.ContainsAny(l, "+#") {
				return nil, fmt.Errorf("%q is no topic filter", f)
			}
		}
		if f == "" || len(f) > maxTopic {
			return nil, fmt.Errorf("%q: a topic filter has 1 to %d bytes", f, maxTopic)
		}
	}
	return texts, nil
}

// Allow reports whether a topic name is one and matches a filter.
func (f Filters) Allow(topic string) bool {
	return IsTopic(topic) && !reserved.match(topic) && f.match(topic)
}

// AllowFilter reports whether everything a subscription matches is allowed: it
// is a filter here itself, or a name that one allows.
func (f Filters) AllowFilter(filter string) bool {
	return slices.Contains(f, filter) || f.Allow(filter)
}

func (f Filters) match(topic string) bool {
	return slices.ContainsFunc(f, func(filter string) bool { return Match(filter, topic) })
}

// IsTopic reports whether text is the name of a topic, not a filter. One with a
// control character may cost the connection to the server (MQTT 3.1.1 §1.5.3).
func IsTopic(text string) bool {
	if text == "" || len(text) > maxTopic || !utf8.ValidString(text) {
		return false
	}
	for _, r := range text {
		if r < ' ' || r >= 0x7f && r <= 0x9f || r == '+' || r == '#' {
			return false
		}
	}
	return true
}

// Match reports whether a filter matches a topic name; "a/#" matches "a", too.
func Match(filter, topic string) bool {
	for {
		f, filterRest, filterMore := strings.Cut(filter, "/")
		t, topicRest, topicMore := strings.Cut(topic, "/")
		switch {
		case f == "#":
			return true
		case f != "+" && f != t:
			return false
		case !topicMore:
			return !filterMore || filterRest == "#"
		case !filterMore:
			return false
		}
		filter, topic = filterRest, topicRest
	}
}
