package telemetry_test

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"mooring/internal/durable/durabletest"
	"mooring/server/platform"
	"mooring/server/sqlstore"
	"mooring/server/telemetry"
)

// settings are options of tenant t1, by their keys.
type settings map[platform.OptionKey]string

func (s settings) Option(_ context.Context, tenant platform.TenantID, key platform.OptionKey) (string, bool, error) {
	v, ok := s[key]
	return v, ok && tenant == "t1", nil
}

// watcher notes whose alarms changed.
type watcher struct{ sources []platform.ID }

func (w *watcher) Changed(_ platform.TenantID, source platform.ID) {
	w.sources = append(w.sources, source)
}

func mapping(t testing.TB, rules map[string]string) (*telemetry.Service, *watcher) {
	t.Helper()
	ctx := context.Background()
	store, err := sqlstore.OpenSQLite(ctx, durabletest.Dir(t), sqlstore.Options{})
	check(t, err)
	t.Cleanup(func() { check(t, store.Close()) })
	for _, id := range []platform.TenantID{"t1", "t2"} {
		check(t, store.CreateTenant(ctx, platform.Tenant{ID: id}, platform.User{Tenant: id, Name: "admin"}))
	}
	options := settings{}
	for alarmType, rule := range rules {
		options[platform.OptionKey{Category: "alarm.type.mapping", Key: alarmType}] = rule
	}
	w := &watcher{}
	return telemetry.New(telemetry.Config{Store: store, IDs: store, Options: options, Watcher: w}), w
}

// TestAlarmMapping raises alarms of types for which the tenant has a rule.
func TestAlarmMapping(t *testing.T) {
	long := strings.Repeat("x", telemetry.MaxTextBytes)
	s, _ := mapping(t, map[string]string{"both": "CRITICAL|too hot", "severity": "minor", "text": "|new", "none": "NONE|x", "odd": "HUGE|", "empty": "",
		"long": "|" + long, "longer": "|" + long + "x", "bars": "WARNING|a|b"})
	tests := []struct {
		tenant platform.TenantID
		typ    string
		want   string // severity and text; empty: nothing is stored
	}{
		{"t1", "both", "CRITICAL too hot"},
		{"t1", "severity", "MINOR sent"},
		{"t1", "text", "MAJOR new"},
		{"t1", "none", ""},
		{"t1", "odd", "MAJOR sent"},
		{"t1", "empty", "MAJOR sent"},
		{"t1", "long", "MAJOR " + long},
		{"t1", "longer", "MAJOR sent"},
		{"t1", "bars", "WARNING a|b"},
		{"t1", "other", "MAJOR sent"},
		{"t2", "both", "MAJOR sent"},
	}
	for _, tt := range tests {
		sent := platform.Alarm{Source: 5, Type: tt.typ, Text: "sent", Severity: platform.Major}
		_, err := s.RaiseAlarm(t.Context(), tt.tenant, "u", sent)
		check(t, err)
		l, err := s.Alarms(t.Context(), tt.tenant, platform.TelemetryFilter{Type: tt.typ}, platform.Page{Number: 1, Size: 5})
		check(t, err)
		got := ""
		for _, a := range l.Items {
			got += fmt.Sprint(a.Severity, " ", a.Text)
		}
		if got != tt.want {
			t.Errorf("%s of %s: got %.40q, want %.40q", tt.typ, tt.tenant, got, tt.want)
		}
	}
	text := "sent"
	for range 2 {
		_, after, err := s.UpsertAlarm(t.Context(), "t1", platform.AlarmUpsert{Alarm: platform.Alarm{Source: 6, Type: "both", Text: "sent", Severity: platform.Major, Status: platform.Active},
			Update: platform.AlarmUpdate{Text: &text, Severity: platform.Major}})
		check(t, err)
		if after.Severity != platform.Critical || after.Text != "too hot" {
			t.Errorf("an upsert gave %s %q", after.Severity, after.Text)
		}
	}
	batch := []platform.Alarm{{Type: "none"}, {Type: "both"}, {Type: "none"}}
	done := make(chan error, 1)
	s.Submit(platform.Batch{Tenant: "t1", Mode: platform.ModeCEP, Alarms: batch}, func(err error) { done <- err })
	check(t, <-done)
	if batch[0].Type != "none" || batch[1].Severity != "" {
		t.Errorf("the caller's alarms were changed: %v", batch)
	}
}

// TestAlarmsAreWatched sees that every way to change alarms is told of.
func TestAlarmsAreWatched(t *testing.T) {
	s, w := mapping(t, nil)
	ctx := t.Context()
	steps := []struct {
		name string
		do   func() error
		want []platform.ID
	}{
		{"raise", func() error {
			_, err := s.RaiseAlarm(ctx, "t1", "u", platform.Alarm{ID: 1, Source: 5, Type: "A", Severity: platform.Major})
			return err
		}, []platform.ID{5}},
		{"upsert", func() error {
			_, _, err := s.UpsertAlarm(ctx, "t1", platform.AlarmUpsert{Alarm: platform.Alarm{Source: 6, Type: "A", Severity: platform.Major, Status: platform.Active}})
			return err
		}, []platform.ID{6}},
		{"update", func() error {
			l, err := s.Alarms(ctx, "t1", platform.TelemetryFilter{Source: 5}, platform.Page{Number: 1, Size: 1})
			check(t, err)
			_, err = s.UpdateAlarm(ctx, "t1", platform.AlarmUpdate{ID: l.Items[0].ID, Status: platform.Acknowledged})
			return err
		}, []platform.ID{5}},
		{"by template", func() error {
			done := make(chan error, 1)
			s.Submit(platform.Batch{Tenant: "t1", AlarmChanges: []platform.AlarmChange{{Source: 7, Type: "A", Status: platform.Cleared}}}, func(err error) { done <- err })
			return <-done
		}, []platform.ID{7}},
		{"status of many", func() error {
			return s.SetAlarmStatus(ctx, "t1", "u", platform.TelemetryFilter{Type: "A"}, platform.Cleared)
		}, []platform.ID{5, 6}},
		{"measurement", func() error {
			_, err := s.CreateMeasurements(ctx, "t1", []platform.Measurement{{Source: 5, Type: "M"}})
			return err
		}, nil},
		{"delete", func() error { return s.DeleteAlarms(ctx, "t1", platform.TelemetryFilter{Type: "A"}) }, []platform.ID{5, 6}},
	}
	for _, step := range steps {
		w.sources = nil
		check(t, step.do())
		slices.Sort(w.sources)
		if !reflect.DeepEqual(w.sources, step.want) {
			t.Errorf("%s: told of %v, want %v", step.name, w.sources, step.want)
		}
	}
}
