package deviceid

import (
	"strings"

	"mooring/internal/problem"
)

// MaxTopicBytes bounds a topic: mode and type, an X-ID and a child's ID.
const MaxTopicBytes = 1024

// Class tells the kinds of topics of Core MQTT apart (mqtt.md §2.2).
type Class int

// The classes. Unknown topics are available on the MQTT Service only.
const (
	Unknown       Class = iota
	SmartREST           // mode/direction-type[/xid][/child]
	JSON                // [mode/]api/resource/action[/id]
	JSONErrors          // "error"
	Notifications       // "devicecontrol/notifications"
)

// Direction is who publishes to a topic.
type Direction byte

// The directions of a SmartREST topic.
const (
	Upstream   Direction = 'u' // device to server
	Downstream Direction = 'd' // server to device
	Errors     Direction = 'e' // server to device, about its publishes
	Operations Direction = 'o' // server to device, SmartREST 1.0 operations (s/ol)
)

// Mode is how data is processed.
type Mode byte

// The modes of a topic (mqtt.md §2.1).
const (
	Persistent Mode = 's'
	Transient  Mode = 't'
	Quiescent  Mode = 'q'
	CEP        Mode = 'c'
)

// Types of SmartREST topics: what follows the direction (mqtt.md §2.1).
const (
	TypeStatic      = "s"
	TypeCustom      = "c"
	TypeDefault     = "d"
	TypeTemplate    = "t"
	TypeCredentials = "cr"
	TypeAccessToken = "at"
	TypeLegacy      = "l"
)

// Topic is a parsed topic name or filter.
type Topic struct {
	Class     Class
	Mode      Mode
	Direction Direction
	Type      string // of SmartREST; empty for Errors
	XID       string // template collection; "#" in the filter s/dc/#
	Child     string // external ID of a child device or service

	API      string // of JSON: "event/events"
	Action   string // of JSON: create, createBulk, update, delete
	ObjectID string // of JSON: what follows the action, or the parent of childDevices
}

// ParseTopic reads a topic. A well-formed topic of no class of Core MQTT is
// Unknown without an error, and so is a filter with wildcards other than
// "s/dc/#" (mqtt.md §2.3); the error, problem.Invalid, is for topics that are
// empty, too long or not text.
func ParseTopic(t string) (Topic, error) {
	if t == "" || len(t) > MaxTopicBytes {
		return Topic{}, problem.New(problem.Invalid, "a topic has 1 to 1024 bytes", nil)
	}
	if err := checkText(t); err != nil {
		return Topic{}, problem.New(problem.Invalid, "the topic is not plain text", err)
	}
	switch t {
	case "error":
		return Topic{Class: JSONErrors, Mode: Persistent, Direction: Errors}, nil
	case "devicecontrol/notifications":
		return Topic{Class: Notifications, Mode: Persistent, Direction: Downstream}, nil
	}
	if strings.ContainsAny(t, "+#") && t != "s/dc/#" {
		return Topic{}, nil
	}
	mode, rest := cutMode(t)
	if topic, ok := parseJSON(rest); ok && (mode != Persistent || rest == t) {
		topic.Mode = mode
		return topic, nil
	}
	if rest != t {
		if topic, ok := parseSmartREST(mode, rest); ok {
			topic.Mode = mode
			return topic, nil
		}
	}
	return Topic{}, nil
}

// cutMode takes "s/", "t/", "q/" or "c/" off t. Without it the mode is
// Persistent and rest is t.
func cutMode(t string) (Mode, string) {
	if len(t) > 2 && t[1] == '/' {
		switch m := Mode(t[0]); m {
		case Persistent, Transient, Quiescent, CEP:
			return m, t[2:]
		}
	}
	return Persistent, t
}

// named tells for which types the second level is an X-ID, by "direction type".
var named = map[string]bool{
	"us": false, "uc": true, "ud": false, "ut": true, "ucr": false, "uat": false, "ul": true,
	"ds": false, "dc": true, "dd": false, "dt": false, "dcr": false, "dat": false, "dl": true,
	"ol": true, "e": false,
}

func parseSmartREST(mode Mode, rest string) (Topic, bool) {
	head, tail, more := strings.Cut(rest, "/")
	hasXID, ok := named[head]
	if !ok {
		return Topic{}, false
	}
	topic := Topic{Class: SmartREST, Direction: Direction(head[0]), Type: head[1:]}
	if topic.Direction != Upstream && mode != Persistent {
		return Topic{}, false // mqtt.md §2.1: downstream exists with s/ only
	}
	if hasXID && more {
		topic.XID, tail, more = strings.Cut(tail, "/")
		if topic.XID == "" {
			return Topic{}, false
		}
	}
	if !more {
		return topic, hasXID == (topic.XID != "") || head == "dl" || head == "ul"
	}
	if !takesChild(head) || tail == "" || strings.Contains(tail, "/") {
		return Topic{}, false
	}
	topic.Child = tail
	return topic, true
}

// takesChild: data may be published for a child, nothing is delivered to one.
func takesChild(head string) bool { return head == "us" || head == "uc" || head == "ud" }

// jsonActions lists what each endpoint offers (mqtt.md §2.4).
var jsonActions = map[string]string{
	"event/events":             " create createBulk update delete ",
	"alarm/alarms":             " create createBulk update ",
	"measurement/measurements": " create createBulk delete ",
	"inventory/managedObjects": " create update ",
}

// childDevices is the endpoint below one managed object.
const childDevices = "childDevices"

// parseJSON reads api/resource/action[/id], and
// inventory/managedObjects/<id>/childDevices/create as action "childDevices".
// Bridges append levels to create topics; they are dropped.
func parseJSON(rest string) (Topic, bool) {
	levels := strings.SplitN(rest, "/", 5)
	if len(levels) < 3 {
		return Topic{}, false
	}
	topic := Topic{Class: JSON, Direction: Upstream, API: levels[0] + "/" + levels[1], Action: levels[2]}
	actions, ok := jsonActions[topic.API]
	if !ok {
		return Topic{}, false
	}
	if topic.API == "inventory/managedObjects" && len(levels) == 5 && levels[3] == childDevices {
		topic.ObjectID, topic.Action = levels[2], childDevices
		return topic, levels[2] != "" && (levels[4] == "create" || strings.HasPrefix(levels[4], "create/"))
	}
	if !strings.Contains(actions, " "+topic.Action+" ") {
		return Topic{}, false
	}
	switch topic.Action {
	case "update", "delete":
		if len(levels) != 4 || levels[3] == "" {
			return Topic{}, false
		}
		topic.ObjectID = levels[3]
	}
	return topic, true
}
