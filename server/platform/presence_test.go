package platform_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"mooring/server/platform"
)

func TestReadPresence(t *testing.T) {
	const device = `"c8y_IsDevice":{}`
	last := time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC)
	tests := []struct {
		fragments string
		want      platform.Presence
		ok        bool
	}{
		{fragments: `{}`},
		{fragments: `{"c8y_Availability":{"lastMessage":"2026-01-02T03:04:05.006Z"}}`, want: platform.Presence{LastMessage: last}},
		{fragments: `{` + device + `}`, ok: true},
		{fragments: `{"c8y_RequiredAvailability":{}}`, ok: true},
		{fragments: `{"c8y_RequiredAvailability":7}`, ok: true},
		{fragments: `{"c8y_RequiredAvailability":{"responseInterval":15}}`, want: platform.Presence{Monitored: true, Interval: 15 * time.Minute}, ok: true},
		{fragments: `{"c8y_RequiredAvailability":{"responseInterval":"15"}}`, want: platform.Presence{Monitored: true, Interval: 15 * time.Minute}, ok: true},
		{fragments: `{"c8y_RequiredAvailability":{"responseInterval":1.5}}`, want: platform.Presence{Monitored: true, Interval: 90 * time.Second}, ok: true},
		{fragments: `{"c8y_RequiredAvailability":{"responseInterval":0}}`, want: platform.Presence{Monitored: true}, ok: true},
		{fragments: `{"c8y_RequiredAvailability":{"responseInterval":-1e300}}`, want: platform.Presence{Monitored: true}, ok: true},
		{fragments: `{"c8y_RequiredAvailability":{"responseInterval":1e300}}`, want: platform.Presence{Monitored: true, Interval: 100 * 365 * 24 * time.Hour}, ok: true},
		{fragments: `{` + device + `,"c8y_Availability":{"lastMessage":"2026-01-02T03:04:05.006Z","status":"AVAILABLE"},"c8y_Connection":{"status":"CONNECTED"}}`,
			want: platform.Presence{LastMessage: last, Data: platform.Available, Connection: platform.Connected}, ok: true},
		{fragments: `{` + device + `,"c8y_Availability":[],"c8y_Connection":"x"}`, ok: true},
	}
	for _, tt := range tests {
		var f platform.Fragments
		if err := json.Unmarshal([]byte(tt.fragments), &f); err != nil {
			t.Fatal(err)
		}
		got, ok := platform.ReadPresence(f)
		if got != tt.want || ok != tt.ok {
			t.Errorf("%s: %+v, %v, want %+v, %v", tt.fragments, got, ok, tt.want, tt.ok)
		}
	}
}

func TestPresenceNext(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	yes, no := true, false
	minute := platform.Presence{Monitored: true, Interval: time.Minute}
	heard := func(p platform.Presence, ago time.Duration) platform.Presence {
		p.LastMessage = now.Add(-ago)
		return p
	}
	with := func(p platform.Presence, c platform.ConnectionStatus) platform.Presence { p.Connection = c; return p }
	service := platform.Presence{Monitored: true}
	tests := []struct {
		name   string
		was    platform.Presence
		report platform.PresenceReport
		want   string // data, connection, seconds since the last message
	}{
		{name: "nothing", want: "  -"},
		{name: "unmonitored, heard", report: platform.PresenceReport{Heard: now}, want: "AVAILABLE  0"},
		{name: "unmonitored, long ago", was: heard(platform.Presence{}, time.Hour), want: "AVAILABLE  3600"},
		{name: "unmonitored, connected", report: platform.PresenceReport{Connected: &yes}, want: " CONNECTED -"},
		{name: "monitored, never heard", was: minute, want: " DISCONNECTED -"},
		{name: "monitored, never heard and missed", was: minute, report: platform.PresenceReport{Missed: true}, want: "UNAVAILABLE DISCONNECTED -"},
		{name: "monitored, just in time", was: heard(minute, time.Minute-time.Millisecond), want: "AVAILABLE DISCONNECTED 59"},
		{name: "monitored, just not", was: heard(minute, time.Minute), want: "UNAVAILABLE DISCONNECTED 60"},
		{name: "missed means nothing to who was heard", was: heard(minute, time.Second), report: platform.PresenceReport{Missed: true}, want: "AVAILABLE DISCONNECTED 1"},
		{name: "older news", was: heard(minute, time.Second), report: platform.PresenceReport{Heard: now.Add(-time.Hour)}, want: "AVAILABLE DISCONNECTED 1"},
		{name: "connected and silent", was: heard(minute, time.Hour), report: platform.PresenceReport{Connected: &yes}, want: "UNAVAILABLE CONNECTED 3600"},
		{name: "disconnected", was: with(heard(minute, 0), platform.Connected), report: platform.PresenceReport{Connected: &no}, want: "AVAILABLE DISCONNECTED 0"},
		{name: "stays connected", was: with(heard(minute, 0), platform.Connected), want: "AVAILABLE CONNECTED 0"},
		{name: "maintenance", was: with(heard(service, 0), platform.Connected), report: platform.PresenceReport{Connected: &yes}, want: "MAINTENANCE MAINTENANCE 0"},
		{name: "out of maintenance", was: with(heard(minute, 0), platform.ConnectionInService), want: "AVAILABLE DISCONNECTED 0"},
	}
	for _, tt := range tests {
		got := tt.was.Next(tt.report, now)
		ago := "-"
		if !got.LastMessage.IsZero() {
			ago = fmt.Sprint(int(now.Sub(got.LastMessage) / time.Second))
		}
		if s := fmt.Sprintf("%s %s %s", got.Data, got.Connection, ago); s != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, s, tt.want)
		}
		if back, _ := platform.ReadPresence(got.Fragments()); back.Data != got.Data || back.Connection != got.Connection {
			t.Errorf("%s: fragments say %+v", tt.name, back)
		}
	}
}
