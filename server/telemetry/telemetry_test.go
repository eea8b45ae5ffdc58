package telemetry_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"mooring/internal/durable/durabletest"
	"mooring/internal/problem"
	"mooring/server/platform"
	"mooring/server/sqlstore"
	"mooring/server/telemetry"
)

var now = time.Date(2026, 1, 10, 8, 0, 0, 123_000_000, time.UTC)

func open(t testing.TB) *telemetry.Service {
	t.Helper()
	ctx := context.Background()
	store, err := sqlstore.OpenSQLite(ctx, durabletest.Dir(t), sqlstore.Options{})
	check(t, err)
	t.Cleanup(func() { check(t, store.Close()) })
	for _, id := range []platform.TenantID{"t1", "t2"} {
		check(t, store.CreateTenant(ctx, platform.Tenant{ID: id}, platform.User{Tenant: id, Name: "admin"}))
	}
	return telemetry.New(telemetry.Config{Store: store, IDs: store, Now: func() time.Time { return now }})
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestDefaults(t *testing.T) {
	s := open(t)
	ctx := context.Background()
	ms, err := s.CreateMeasurements(ctx, "t1", []platform.Measurement{{Source: 5, Type: "T"}, {Source: 5, Type: "T", Time: now.Add(-time.Hour)}})
	check(t, err)
	if ms[0].ID == 0 || ms[0].ID == ms[1].ID || !ms[0].Time.Equal(now) || !ms[1].Time.Equal(now.Add(-time.Hour)) {
		t.Errorf("got %+v", ms)
	}
	stored, err := s.Measurement(ctx, "t1", ms[0].ID)
	if err != nil || string(stored.Body) != "{}" {
		t.Errorf("got %+v, %v", stored, err)
	}
	e, err := s.CreateEvent(ctx, "t1", platform.Event{Source: 5, Type: "E", Text: "x"})
	if err != nil || e.ID == 0 || !e.Time.Equal(now) || !e.Created.Equal(now) || !e.Updated.Equal(now) {
		t.Errorf("got %+v, %v", e, err)
	}
	a, err := s.RaiseAlarm(ctx, "t1", "u", platform.Alarm{Source: 5, Type: "A", Severity: platform.Major, Count: 77})
	if err != nil || a.ID == 0 || a.Status != platform.Active || a.Count != 1 || !a.FirstOccurrence.IsZero() || !a.Time.Equal(now) {
		t.Errorf("got %+v, %v", a, err)
	}
}

func TestRaiseAlarm(t *testing.T) {
	s := open(t)
	ctx := context.Background()
	raise := func(status platform.AlarmStatus, text string) platform.Alarm {
		t.Helper()
		a, err := s.RaiseAlarm(ctx, "t1", "u", platform.Alarm{Source: 5, Type: "A", Severity: platform.Minor, Status: status, Text: text})
		check(t, err)
		return a
	}
	first := raise("", "one")
	if again := raise("", "two"); again.ID != first.ID || again.Count != 2 || again.Text != "two" {
		t.Errorf("got %+v", again)
	}
	_, err := s.UpdateAlarm(ctx, "t1", platform.AlarmUpdate{ID: first.ID, Status: platform.Acknowledged})
	check(t, err)
	if again := raise("", "three"); again.ID != first.ID {
		t.Errorf("an acknowledged alarm is raised as another: %+v", again)
	}
	_, err = s.UpdateAlarm(ctx, "t1", platform.AlarmUpdate{ID: first.ID, Status: platform.Cleared})
	check(t, err)
	if next := raise("", "four"); next.ID == first.ID || next.Count != 1 {
		t.Errorf("got %+v", next)
	}
	other, err := s.RaiseAlarm(ctx, "t2", "u", platform.Alarm{Source: 5, Type: "A", Severity: platform.Minor})
	if err != nil || other.Count != 1 {
		t.Errorf("another tenant's alarm counts: %+v, %v", other, err)
	}
	if n, err := s.CountAlarms(ctx, "t1", platform.TelemetryFilter{}); n != 2 || err != nil {
		t.Errorf("%d alarms, %v", n, err)
	}
}

func TestBounds(t *testing.T) {
	s := open(t)
	ctx := context.Background()
	body := func(n int) json.RawMessage {
		return json.RawMessage(`{"a":"` + strings.Repeat("x", n-len(`{"a":""}`)) + `"}`)
	}
	tests := []struct {
		name, typ, text string
		body            json.RawMessage
		wantErr         error
	}{
		{name: "no type", wantErr: problem.Unprocessable},
		{name: "type of 1024 bytes", typ: strings.Repeat("t", telemetry.MaxTypeBytes)},
		{name: "type of 1025 bytes", typ: strings.Repeat("t", telemetry.MaxTypeBytes+1), wantErr: problem.Unprocessable},
		{name: "zero in the type", typ: "a\x00", wantErr: problem.Unprocessable},
		{name: "text at its bound", typ: "t", text: strings.Repeat("x", telemetry.MaxTextBytes)},
		{name: "text beyond", typ: "t", text: strings.Repeat("x", telemetry.MaxTextBytes+1), wantErr: problem.Unprocessable},
		{name: "body at its bound", typ: "t", body: body(telemetry.MaxBodyBytes)},
		{name: "body beyond", typ: "t", body: body(telemetry.MaxBodyBytes + 1), wantErr: problem.Unprocessable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := s.CreateEvent(ctx, "t1", platform.Event{Source: 5, Type: tt.typ, Text: tt.text, Body: tt.body})
			if !errors.Is(err, tt.wantErr) {
				t.Errorf("event: got %v, want %v", err, tt.wantErr)
			}
			_, err = s.RaiseAlarm(ctx, "t1", "u", platform.Alarm{Source: 5, Type: tt.typ, Text: tt.text, Body: tt.body, Severity: platform.Major})
			if !errors.Is(err, tt.wantErr) {
				t.Errorf("alarm: got %v, want %v", err, tt.wantErr)
			}
			if tt.text == "" {
				_, err = s.CreateMeasurements(ctx, "t1", []platform.Measurement{{Source: 5, Type: tt.typ, Body: tt.body}})
				if !errors.Is(err, tt.wantErr) {
					t.Errorf("measurement: got %v, want %v", err, tt.wantErr)
				}
			}
		})
	}
}

// TestStoreFails sees that what is not durable is not reported as stored, and
// that a request that is given up does not wait.
func TestStoreFails(t *testing.T) {
	s := telemetry.New(telemetry.Config{Store: &failing{err: problem.Unavailable}, IDs: ids{}})
	if _, err := s.CreateEvent(context.Background(), "t1", platform.Event{Type: "t"}); !errors.Is(err, problem.Unavailable) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s = telemetry.New(telemetry.Config{Store: &failing{silent: true}, IDs: ids{}})
	if _, err := s.CreateEvent(ctx, "t1", platform.Event{Type: "t"}); !errors.Is(err, problem.Unavailable) {
		t.Errorf("got %v", err)
	}
}

// failing is a store that fails or never answers.
type failing struct {
	platform.Telemetry
	err    error
	silent bool
}

func (f *failing) Submit(_ platform.Batch, done func(error)) {
	if !f.silent {
		done(f.err)
	}
}

type ids struct{}

func (ids) NewID(context.Context) (platform.ID, error) { return 1, nil }
