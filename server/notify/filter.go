package notify

import (
	"slices"
	"strings"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// Bounds of a subscription; the platform states only the form of the name.
const (
	maxTopicBytes    = 128
	maxFilterBytes   = 4096
	maxFilterTypes   = 128
	maxFragments     = 128
	maxFragmentBytes = 1024
)

const allAPIs = "*"

// apisOf are those a subscription may forward, by its context.
var apisOf = map[string][]string{
	platform.ContextObject: {string(platform.NoticeAlarms), string(platform.NoticeAlarmsWithChildren), string(platform.NoticeEvents),
		string(platform.NoticeEventsWithChildren), string(platform.NoticeManagedObjects), string(platform.NoticeMeasurements), string(platform.NoticeOperations)},
	platform.ContextTenant: {string(platform.NoticeAlarms), string(platform.NoticeEvents), string(platform.NoticeManagedObjects), string(platform.NoticeOperations)},
}

// subscription is a platform.NotificationSubscription made ready to match.
type subscription struct {
	platform.NotificationSubscription
	apis  map[platform.NoticeAPI]bool
	types []string // nil: any
}

func newSubscription(n platform.NotificationSubscription) *subscription {
	sub := &subscription{NotificationSubscription: n, apis: map[platform.NoticeAPI]bool{}}
	apis := n.APIs
	if len(apis) == 0 || slices.Contains(apis, allAPIs) {
		apis = apisOf[n.Context]
	}
	for _, api := range apis {
		sub.apis[platform.NoticeAPI(api)] = true
	}
	sub.types, _ = ParseTypeFilter(n.TypeFilter) // it was checked when it came in
	return sub
}

// family is 1 if the subscription hears of descendants.
func (sub *subscription) family() int {
	if sub.apis[platform.NoticeAlarmsWithChildren] || sub.apis[platform.NoticeEventsWithChildren] {
		return 1
	}
	return 0
}

// wants reports whether the subscription forwards n as api. In the context of an
// object that is its changes; in that of a tenant, that there is a new one.
func (sub *subscription) wants(api platform.NoticeAPI, n *platform.Notice) bool {
	if !sub.apis[api] || sub.types != nil && !slices.Contains(sub.types, n.Type) {
		return false
	}
	if api != platform.NoticeManagedObjects {
		return true
	}
	return (n.Action == platform.NoticeCreate) == (sub.Context == platform.ContextTenant)
}

// ParseTypeFilter reads the types a filter names; none for the empty one.
//
//	filter  = type / literal *( "or" literal )
//	literal = [ "type" "eq" ] "'" *( any but "'" / "''" ) "'"
func ParseTypeFilter(text string) ([]string, error) {
	if len(text) > maxFilterBytes {
		return nil, invalid("'typeFilter' has at most 4096 bytes.")
	}
	rest := strings.TrimSpace(text)
	if rest == "" {
		return nil, nil
	}
	if !strings.Contains(rest, "'") {
		return []string{rest}, nil
	}
	var types []string
	for {
		literal, after, ok := cutLiteral(rest)
		if !ok || len(types) == maxFilterTypes {
			return nil, invalid("'typeFilter' is a type, or up to 128 types in quotes with 'or' between them.")
		}
		types = append(types, literal)
		if rest = strings.TrimSpace(after); rest == "" {
			return types, nil
		}
		if rest, ok = cutWord(rest, "or"); !ok {
			return nil, invalid("'typeFilter' knows no operator but 'or'.")
		}
	}
}

// cutWord takes a word and the space behind it off the front.
func cutWord(s, word string) (string, bool) {
	if len(s) <= len(word) || !strings.EqualFold(s[:len(word)], word) || s[len(word)] != ' ' && s[len(word)] != '\'' {
		return s, false
	}
	return strings.TrimSpace(s[len(word):]), true
}

func cutLiteral(s string) (literal, rest string, ok bool) {
	if after, found := cutWord(s, "type"); found {
		if s, found = cutWord(after, "eq"); !found {
			return "", "", false
		}
	}
	if s == "" || s[0] != '\'' {
		return "", "", false
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] != '\'':
			b.WriteByte(s[i])
		case i+1 < len(s) && s[i+1] == '\'':
			b.WriteByte('\'')
			i++
		default:
			return b.String(), s[i+1:], b.Len() > 0
		}
	}
	return "", "", false
}

func invalid(detail string) error {
	return problem.WithCode(problem.Unprocessable, "reliable-notification/Invalid Data", detail, nil)
}

// CheckTopic refuses a name that is none (rest.md §6.12).
func CheckTopic(name string) error {
	bad := func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') }
	if name == "" || len(name) > maxTopicBytes || strings.ContainsFunc(name, bad) {
		return invalid("'subscription' has 1 to 128 letters and digits.")
	}
	return nil
}

// CheckSubscriber refuses the name of a consumer that is none.
func CheckSubscriber(name string) error {
	if name == "" || len(name) > maxTopicBytes || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0xfffd }) {
		return invalid("'subscriber' has 1 to 128 bytes and no control character.")
	}
	return nil
}

func checkSubscription(n *platform.NotificationSubscription) error {
	known, ok := apisOf[n.Context]
	switch {
	case !ok:
		return invalid("'context' is 'mo' or 'tenant'.")
	case n.Context == platform.ContextObject && n.Source == 0:
		return invalid("'source' is required in the context 'mo'.")
	case n.Context == platform.ContextTenant && n.Source != 0:
		return invalid("There is no 'source' in the context 'tenant'.")
	}
	if err := CheckTopic(n.Topic.Name); err != nil {
		return err
	}
	for i, api := range n.APIs {
		switch {
		case api == allAPIs && len(n.APIs) > 1:
			return invalid("'*' stands alone in 'apis'.")
		case api != allAPIs && !slices.Contains(known, api):
			return invalid("In the context '" + n.Context + "' 'apis' are " + strings.Join(known, ", ") + ", or '*'.")
		case slices.Contains(n.APIs[:i], api):
			return invalid("'apis' names one twice.")
		}
	}
	if _, err := ParseTypeFilter(n.TypeFilter); err != nil {
		return err
	}
	if len(n.Fragments) > maxFragments {
		return invalid("'fragmentsToCopy' has at most 128 names.")
	}
	for _, name := range n.Fragments {
		if name == "" || len(name) > maxFragmentBytes || strings.ContainsRune(name, 0) {
			return invalid("A name in 'fragmentsToCopy' has 1 to 1024 bytes.")
		}
	}
	return nil
}
