package mqttservice

import "testing"

// TestMatch follows the examples of MQTT 3.1.1 §4.7.
func TestMatch(t *testing.T) {
	tests := []struct {
		filter, topic string
		want          bool
	}{
		{"sport/tennis/player1/#", "sport/tennis/player1", true},
		{"sport/tennis/player1/#", "sport/tennis/player1/ranking", true},
		{"sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true},
		{"sport/#", "sport", true},
		{"#", "sport", true},
		{"#", "a/b/c", true},
		{"#", "/", true},
		{"sport/tennis/+", "sport/tennis/player1", true},
		{"sport/tennis/+", "sport/tennis/player1/ranking", false},
		{"sport/+", "sport", false},
		{"sport/+", "sport/", true},
		{"+/+", "/finance", true},
		{"/+", "/finance", true},
		{"+", "/finance", false},
		{"+/tennis/#", "x/tennis", true},
		{"#", "$SYS/x", false},
		{"+/monitor", "$SYS/monitor", false},
		{"$SYS/#", "$SYS/x", true},
		{"$SYS/monitor/+", "$SYS/monitor/Clients", true},
		{"ACCOUNTS", "Accounts", false},
		{"a/$b", "a/$b", true},
		{"a/+", "a/$b", true},
		{"a//b", "a//b", true},
		{"a/+/b", "a//b", true},
		{"a/b", "a/b/", false},
	}
	s := new(subscriber)
	for _, tt := range tests {
		var tr tree
		tr.add(tt.filter, s, subscription{})
		if _, got := tr.match(tt.topic, nil).subs[s]; got != tt.want {
			t.Errorf("%q matches %q: %v, want %v", tt.filter, tt.topic, got, tt.want)
		}
		if got := matches(tt.filter, tt.topic); got != tt.want {
			t.Errorf("matches(%q, %q): %v, want %v", tt.filter, tt.topic, got, tt.want)
		}
		tr.remove(tt.filter, s)
		if !tr.empty() {
			t.Errorf("%q leaves something behind", tt.filter)
		}
	}
}
