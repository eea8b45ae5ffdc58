package mqttservice

import (
	"strings"
	"unicode/utf8"
)

// topicErrors is the topic on which a client hears of its own mistakes
// (mqtt.md §2.2).
const topicErrors = "$debug/$error"

// corePrefixes and coreTopics are reserved for Core MQTT (mqtt.md §2.2).
var (
	corePrefixes = []string{
		"s/", "t/", "q/", "c/", "alarm/alarms/", "event/events/", "measurement/measurements/", "inventory/managedObjects/",
	}
	coreTopics = []string{"error", "devicecontrol/notifications"}
)

func isCore(topic string) bool {
	for _, prefix := range corePrefixes {
		if strings.HasPrefix(topic, prefix) {
			return true
		}
	}
	for _, name := range coreTopics {
		if topic == name {
			return true
		}
	}
	return false
}

// validText: UTF-8 without NUL (MQTT-1.5.3-1, -2).
func validText(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

// checkTopic judges a topic name that somebody publishes to: 0, or a reason code
// with its text.
func checkTopic(topic string) (code byte, text string) {
	switch {
	case topic == "" || len(topic) > maxTopic || !validText(topic):
		return codeBadTopic, textTopicTooLong
	case strings.ContainsAny(topic, "+#"):
		return codeBadTopic, "a topic name has no wildcards"
	case topic[0] == '$':
		return codeNotAuthorized, textReservedTopic
	case isCore(topic):
		return codeNotAuthorized, textCoreTopic
	}
	return 0, ""
}

// checkFilter judges a topic filter: 0, or a reason code with its text.
func checkFilter(filter string) (code byte, text string) {
	switch {
	case filter == "" || len(filter) > maxTopic || !validText(filter):
		return codeBadFilter, textTopicTooLong
	case filter == topicErrors:
		return 0, ""
	case strings.HasPrefix(filter, sharePrefix):
		share, rest := splitShare(filter)
		if share == "" || rest == "" || strings.ContainsAny(share, "+#") || strings.HasPrefix(rest, "$") {
			return codeBadFilter, textFilterNotAllowed // MQTT-4.8.2-1, -2
		}
		return checkFilter(rest)
	case filter[0] == '$':
		return codeNotAuthorized, textReservedTopic
	case isCore(filter):
		return codeNotAuthorized, textCoreTopic
	}
	levels := strings.Split(filter, "/")
	for i, level := range levels {
		if strings.Contains(level, "+") && level != "+" || strings.Contains(level, "#") && (level != "#" || i != len(levels)-1) {
			return codeBadFilter, textFilterNotAllowed
		}
	}
	return 0, ""
}
