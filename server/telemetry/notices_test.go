package telemetry_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"

	"mooring/internal/durable/durabletest"
	"mooring/internal/problem"
	"mooring/server/platform"
	"mooring/server/sqlstore"
	"mooring/server/telemetry"
)

// listener notes what it is told by tenant t1.
type listener struct {
	mu    sync.Mutex
	told  []string
	alarm platform.Alarm // the last
	event platform.Event
	err   error
}

func (l *listener) Wanted(tenant platform.TenantID) bool { return tenant == "t1" }

func (l *listener) Post(notices []platform.Notice, done func(error)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, n := range notices {
		text := fmt.Sprintf("%s %s %d %s", n.Action, n.API, n.Source, n.Type)
		if a, ok := n.Object.(platform.Alarm); ok {
			text += fmt.Sprintf(" %s %d", a.Status, a.Count)
			l.alarm = a
		}
		if e, ok := n.Object.(platform.Event); ok {
			l.event = e
		}
		if n.Transient {
			text += " transient"
		}
		l.told = append(l.told, text)
	}
	done(l.err)
}

func listening(t testing.TB) (*telemetry.Service, *listener, *sqlstore.Store) {
	t.Helper()
	ctx := context.Background()
	store, err := sqlstore.OpenSQLite(ctx, durabletest.Dir(t), sqlstore.Options{})
	check(t, err)
	t.Cleanup(func() { check(t, store.Close()) })
	for _, id := range []platform.TenantID{"t1", "t2"} {
		check(t, store.CreateTenant(ctx, platform.Tenant{ID: id}, platform.User{Tenant: id, Name: "admin"}))
	}
	l := &listener{}
	return telemetry.New(telemetry.Config{Store: store, IDs: store, Notices: l}), l, store
}

// TestNotices makes, changes and deletes things, once for each tenant; nobody
// listens to the second.
func TestNotices(t *testing.T) {
	s, l, _ := listening(t)
	ctx := context.Background()
	for _, tenant := range []platform.TenantID{"t1", "t2"} {
		ms, err := s.CreateMeasurements(ctx, tenant, []platform.Measurement{{Source: 5, Type: "M"}, {Source: 6, Type: "N"}})
		check(t, err)
		check(t, s.DeleteMeasurement(ctx, tenant, ms[1].ID))
		e, err := s.CreateEvent(ctx, tenant, platform.Event{Source: 5, Type: "E"})
		check(t, err)
		_, err = s.UpdateEvent(ctx, tenant, platform.EventUpdate{ID: e.ID})
		check(t, err)
		check(t, s.DeleteEvent(ctx, tenant, e.ID))
		for _, source := range []platform.ID{5, 6} {
			_, err = s.CreateEvent(ctx, tenant, platform.Event{Source: source, Type: "F"})
			check(t, err)
		}
		check(t, s.DeleteEvents(platform.WithMode(ctx, platform.ModeQuiescent), tenant, platform.TelemetryFilter{Source: 5}))
		check(t, s.DeleteEvents(ctx, tenant, platform.TelemetryFilter{Type: "F"}))
		for range 2 {
			_, err = s.RaiseAlarm(ctx, tenant, "u", platform.Alarm{Source: 5, Type: "A", Severity: platform.Major})
			check(t, err)
		}
		done := make(chan error, 1)
		s.Submit(platform.Batch{Tenant: tenant, AlarmChanges: []platform.AlarmChange{{Source: 5, Type: "A", Status: platform.Cleared}, {Source: 5, Type: "none"}}},
			func(err error) { done <- err })
		check(t, <-done)
	}
	want := []string{"CREATE measurements 5 M", "CREATE measurements 6 N", "DELETE measurements 6 N",
		"CREATE events 5 E", "UPDATE events 5 E", "DELETE events 5 E",
		"CREATE events 5 F", "CREATE events 6 F", "DELETE events 6 F",
		"CREATE alarms 5 A ACTIVE 1", "UPDATE alarms 5 A ACTIVE 2", "UPDATE alarms 5 A CLEARED 2"}
	if !reflect.DeepEqual(l.told, want) {
		t.Errorf("told\n got %q\nwant %q", l.told, want)
	}
}

// TestNoticesKeepTheOrderOfCommits changes an alarm and an event from several sides
// at once: who hears of it must know at last what is stored.
func TestNoticesKeepTheOrderOfCommits(t *testing.T) {
	s, l, _ := listening(t)
	ctx := context.Background()
	a, err := s.RaiseAlarm(ctx, "t1", "u", platform.Alarm{Source: 5, Type: "A", Severity: platform.Major})
	check(t, err)
	e, err := s.CreateEvent(ctx, "t1", platform.Event{Source: 5, Type: "E"})
	check(t, err)
	var all sync.WaitGroup
	for n := range 60 {
		all.Go(func() {
			text := fmt.Sprint(n)
			var err error
			switch n % 4 {
			case 0:
				_, err = s.UpdateAlarm(ctx, "t1", platform.AlarmUpdate{ID: a.ID, Text: &text})
			case 1:
				_, err = s.RaiseAlarm(ctx, "t1", "u", platform.Alarm{Source: 5, Type: "A", Text: text, Severity: platform.Major})
			case 2:
				_, _, err = s.UpsertAlarm(ctx, "t1", platform.AlarmUpsert{Increment: true, Alarm: platform.Alarm{Source: 5, Type: "A"}, Update: platform.AlarmUpdate{Text: &text}})
			case 3:
				_, err = s.UpdateEvent(ctx, "t1", platform.EventUpdate{ID: e.ID, Text: &text})
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	a, err = s.Alarm(ctx, "t1", a.ID)
	check(t, err)
	e, err = s.Event(ctx, "t1", e.ID)
	check(t, err)
	if a.Text != l.alarm.Text || a.Count != l.alarm.Count || e.Text != l.event.Text {
		t.Errorf("stored are %q, %d times, and %q; told was %q, %d times, and %q", a.Text, a.Count, e.Text, l.alarm.Text, l.alarm.Count, l.event.Text)
	}
}

// TestModes sees what is stored and what is told (rest.md §0.2).
func TestModes(t *testing.T) {
	tests := []struct {
		mode         platform.ProcessingMode
		stored, told bool
	}{
		{platform.ModePersistent, true, true},
		{platform.ModeTransient, false, true},
		{platform.ModeQuiescent, true, false},
		{platform.ModeCEP, false, false},
	}
	for _, tt := range tests {
		t.Run("mode "+string(tt.mode), func(t *testing.T) {
			s, l, _ := listening(t)
			ctx := platform.WithMode(context.Background(), tt.mode)
			ms, err := s.CreateMeasurements(ctx, "t1", []platform.Measurement{{Source: 5, Type: "M"}})
			check(t, err)
			e, err := s.CreateEvent(ctx, "t1", platform.Event{Source: 5, Type: "E"})
			check(t, err)
			a, err := s.RaiseAlarm(ctx, "t1", "u", platform.Alarm{Source: 5, Type: "A", Severity: platform.Major})
			check(t, err)
			_, noMeasurement := s.Measurement(ctx, "t1", ms[0].ID)
			_, noEvent := s.Event(ctx, "t1", e.ID)
			_, noAlarm := s.Alarm(ctx, "t1", a.ID)
			for what, err := range map[string]error{"measurement": noMeasurement, "event": noEvent, "alarm": noAlarm} {
				if stored := err == nil; stored != tt.stored {
					t.Errorf("%s: stored is %v (%v), want %v", what, stored, err, tt.stored)
				}
			}
			var want []string
			if tt.told {
				want = []string{"CREATE measurements 5 M", "CREATE events 5 E", "CREATE alarms 5 A ACTIVE 1"}
			}
			if tt.mode == platform.ModeTransient {
				for i := range want {
					want[i] += " transient"
				}
			}
			if !reflect.DeepEqual(l.told, want) {
				t.Errorf("told %q, want %q", l.told, want)
			}
		})
	}
}

// TestTransientRelease sees that a publish that is not stored still lets its
// staged copy go.
func TestTransientRelease(t *testing.T) {
	s, l, store := listening(t)
	key := platform.StagedKey{Tenant: "t1", Device: "d", PacketID: 1}
	for _, mode := range []platform.ProcessingMode{platform.ModeTransient, platform.ModeCEP} {
		done := make(chan error, 2)
		store.Stage(platform.StagedPublish{StagedKey: key, Topic: "t/us"}, func(err error) { done <- err })
		check(t, <-done)
		s.Submit(platform.Batch{Tenant: "t1", Mode: mode, Release: &key, Events: []platform.Event{{ID: 9, Source: 5, Type: "E"}}}, func(err error) { done <- err })
		check(t, <-done)
		if _, err := s.Staged(context.Background(), key); !errors.Is(err, problem.NotFound) {
			t.Errorf("%s: %v, want it gone", mode, err)
		}
	}
	if len(l.told) != 1 {
		t.Errorf("told %q, want the transient one", l.told)
	}
}

// TestListenerFails sees that data is not acknowledged before those who are
// promised it have it.
func TestListenerFails(t *testing.T) {
	s, l, _ := listening(t)
	l.err = problem.Unavailable
	if _, err := s.CreateEvent(context.Background(), "t1", platform.Event{Source: 5, Type: "E"}); !errors.Is(err, problem.Unavailable) {
		t.Errorf("got %v", err)
	}
	if _, err := s.CreateEvent(context.Background(), "t2", platform.Event{Source: 5, Type: "E"}); err != nil {
		t.Errorf("of a tenant nobody listens to: %v", err)
	}
}
