package mqttapi

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"

	"mooring/internal/problem"
	"mooring/internal/smartrest"
	"mooring/server/platform"
)

// TestLineAnswers: every kind of problem has its answer.
func TestLineAnswers(t *testing.T) {
	for _, kind := range problem.Kinds {
		if _, ok := lineAnswers[kind]; !ok {
			t.Errorf("no answer for %q", kind)
		}
	}
	if len(lineAnswers) != len(problem.Kinds) {
		t.Errorf("%d answers for %d kinds", len(lineAnswers), len(problem.Kinds))
	}
}

func TestConnCode(t *testing.T) {
	want := map[platform.Reason]byte{
		platform.Accepted: 0, platform.ReasonProtocol: 1, platform.ReasonBadClientID: 2, platform.ReasonInternal: 3, platform.ReasonBadCredentials: 4,
		platform.ReasonNoCertificate: 5, platform.ReasonUnknownIssuer: 5, platform.ReasonExpired: 5, platform.ReasonRevoked: 5, platform.ReasonNameMismatch: 5,
		platform.ReasonNotRegistered: 5, platform.ReasonUserDisabled: 5, platform.ReasonPasswordDevice: 5, platform.ReasonNameTaken: 5,
	}
	for r, code := range want {
		if got := connCode(r); got != code {
			t.Errorf("%q: %d, want %d", r, got, code)
		}
	}
}

// TestDetail: what is internal stays inside.
func TestDetail(t *testing.T) {
	tests := map[string]error{
		"no such thing": problem.New(problem.NotFound, "no such thing", errors.New("row 7")),
		"not found":     problem.New(problem.NotFound, "", errors.New("row 7")),
		"Server error":  problem.New(problem.Internal, "password is x", nil),
	}
	for want, err := range tests {
		if got := detail(err); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := detail(errors.New("open /etc/key")); got != "Server error" {
		t.Errorf("got %q", got)
	}
}

// TestBatches: alarms raised after a change begin a new batch; the release goes
// with the last; complete is called once.
func TestBatches(t *testing.T) {
	var b batches
	b.beforeChanges().Alarms = append(b.current().Alarms, platform.Alarm{Type: "a"})
	b.current().AlarmChanges = append(b.current().AlarmChanges, platform.AlarmChange{Type: "a"})
	b.beforeChanges().Alarms = append(b.current().Alarms, platform.Alarm{Type: "b"})
	if len(b.list) != 2 || len(b.list[0].Alarms) != 1 || len(b.list[0].AlarmChanges) != 1 || b.list[1].Alarms[0].Type != "b" {
		t.Errorf("batches %+v", b.list)
	}
	failure := errors.New("x")
	for name, errs := range map[string][]error{"good": {nil, nil}, "first fails": {failure, nil}, "second fails": {nil, failure}} {
		var got []error
		complete := last(2, func(err error) { got = append(got, err) })
		for _, err := range errs {
			complete(err)
		}
		want := []error{errors.Join(errs...)}
		if len(got) != 1 || (got[0] == nil) != (want[0] == nil) {
			t.Errorf("%s: completed with %v", name, got)
		}
	}
}

func TestMeasurementJSON(t *testing.T) {
	tests := []struct {
		name   string
		values []smartrest.Value
		want   string
	}{
		{"text that needs escapes", []smartrest.Value{{Fragment: "a\"\\\n", Series: "é", Value: "1", Unit: "°C"}}, ""},
		{"fragments in order", []smartrest.Value{{Fragment: "b", Series: "x", Value: "1"}, {Fragment: "a", Series: "x", Value: "2"}, {Fragment: "b", Series: "y", Value: "3"}},
			`{"b":{"x":{"value":1},"y":{"value":3}},"a":{"x":{"value":2}}}`},
		{"the last of equal series counts", []smartrest.Value{{Fragment: "a", Series: "x", Value: "1", Unit: "u"}, {Fragment: "a", Series: "x", Value: "2"}}, `{"a":{"x":{"value":2}}}`},
	}
	for _, tt := range tests {
		got, err := measurementJSON(smartrest.Measurement{Values: tt.values})
		if err != nil || !json.Valid(got) {
			t.Errorf("%s: %s, %v", tt.name, got, err)
		}
		if tt.want != "" && string(got) != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
	var back map[string]map[string]struct {
		Value json.Number
		Unit  string
	}
	got, _ := measurementJSON(smartrest.Measurement{Values: tests[0].values})
	if err := json.Unmarshal(got, &back); err != nil || back["a\"\\\n"]["é"].Unit != "°C" {
		t.Errorf("%s reads back as %v, %v", got, back, err)
	}
	for name := range reserved {
		if _, err := measurementJSON(smartrest.Measurement{Values: []smartrest.Value{{Fragment: name, Series: "x", Value: "1"}}}); err == nil {
			t.Errorf("%s is accepted as a fragment", name)
		}
	}
}

// TestPacketIDs: never zero, never one that is not acknowledged.
func TestPacketIDs(t *testing.T) {
	o := outbox{lastID: 65533, unacked: map[uint16]platform.ID{65535: 0, 1: 0, 2: 0}}
	var got []uint16
	for range 3 {
		got = append(got, o.nextID(0))
	}
	if want := []uint16{65534, 3, 4}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
