package localapi_test

import (
	"strings"
	"testing"

	"mooring/agent/localapi"
)

func TestPolicy(t *testing.T) {
	p, err := localapi.NewPolicy([]string{"user:1000 token publish", "group:50 messages", "user:root sign", "* status"}, nil, nil, 1)
	if err != nil {
		t.Fatal(err)
	}
	p.Self = 900
	someone := localapi.Caller{UID: 5, GID: 5}
	for _, row := range []struct {
		name   string
		caller localapi.Caller
		may    string
	}{
		{"nobody in particular", someone, "status"},
		{"a user", localapi.Caller{UID: 1000, GID: 5}, "status token publish"},
		{"whose number is a group's", localapi.Caller{UID: 50, GID: 1000}, "status"},
		{"by the first group", localapi.Caller{UID: 5, GID: 50}, "status messages"},
		{"by another group", localapi.Caller{UID: 5, GID: 5, Groups: []uint32{4, 50}}, "status messages"},
		{"the agent itself", localapi.Caller{UID: 900}, "status chain token publish messages proxy"},
		{"root", localapi.Caller{}, "status chain token publish messages sign proxy"},
	} {
		for _, v := range []localapi.Verb{"status", "chain", "token", "publish", "messages", "sign", "proxy"} {
			want := strings.Contains(" "+row.may+" ", " "+string(v)+" ")
			if got := p.May(row.caller, v); got != want {
				t.Errorf("%s: may %s: got %v", row.name, v, got)
			}
		}
	}
}

func TestBadRules(t *testing.T) {
	for _, text := range []string{"", "*", "* fly", "user: token", "user token", "nobody:1 token", "user:no-such-user-here token", "group:no-such-group-here token",
		"user:4294967296 token", "user:-1 token"} {
		if _, err := localapi.ParseRule(text); err == nil {
			t.Errorf("%q: no error", text)
		}
	}
}

// Topics as in MQTT 3.1.1 §4.7.
func TestFilters(t *testing.T) {
	for _, row := range []struct {
		filter, topic string
		want          bool
	}{
		{"s/us", "s/us", true}, {"s/us", "s/us/child", false}, {"s/us", "s/usx", false}, {"s/us/+", "s/us/child", true}, {"s/us/+", "s/us", false},
		{"s/us/+", "s/us/a/b", false}, {"s/#", "s/us/a/b", true}, {"s/#", "s", true}, {"#", "a/b", true}, {"+/b", "a/b", true}, {"+", "/a", false},
		{"/+", "/a", true}, {"a//b", "a//b", true}, {"a/+/b", "a//b", true}, {"a/b/#", "a", false},
		{"#", "s/uat", false}, {"s/+", "s/dat", false}, {"s/us", "s/u+", false}, {"#", "a\x00b", false}, {"#", "a\nb", false}, {"#", "a\u0085b", false}, {"#", "a\xffb", false}, {"#", "a ü", true}, {"#", strings.Repeat("a", 256), true},
		{"#", strings.Repeat("a", 257), false}, {"#", "", false},
	} {
		f, err := localapi.ParseFilters([]string{row.filter})
		if err != nil {
			t.Fatal(err)
		}
		if got := f.Allow(row.topic); got != row.want {
			t.Errorf("%s allows %.20s: got %v", row.filter, row.topic, got)
		}
	}
	for _, bad := range []string{"", "a#", "a/#/b", "#/a", "a+", "a/b+", strings.Repeat("a", 257)} {
		if _, err := localapi.ParseFilters([]string{bad}); err == nil {
			t.Errorf("%.20q: no error", bad)
		}
	}
}
