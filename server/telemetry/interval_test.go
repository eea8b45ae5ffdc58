package telemetry_test

import (
	"testing"
	"time"

	"mooring/internal/problem"
	"mooring/server/telemetry"
)

func TestParseInterval(t *testing.T) {
	good := map[string]telemetry.Interval{
		"1s": {1, 's'}, "999m": {999, 'm'}, "12h": {12, 'h'}, "7d": {7, 'd'}, "4w": {4, 'w'}, "6M": {6, 'M'}, "2q": {2, 'q'}, "10y": {10, 'y'},
		"MINUTELY": {1, 'm'}, "HOURLY": {1, 'h'}, "DAILY": {1, 'd'},
	}
	for in, want := range good {
		if got, err := telemetry.ParseInterval(in); got != want || err != nil {
			t.Errorf("%q: got %v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "m", "0m", "01m", "1000m", "1", "-1m", "1x", "1mm", "1 m", "daily", "1.5h", "m1", "１m"} {
		if got, err := telemetry.ParseInterval(in); problem.KindOf(err) != problem.Unprocessable {
			t.Errorf("%q: got %v, %v", in, got, err)
		}
	}
}

func TestIntervalStart(t *testing.T) {
	at := time.Date(2026, 11, 21, 17, 43, 29, 538e6, time.FixedZone("", 3600)) // Saturday; 16:43 UTC
	for in, want := range map[string]string{
		"1s": "2026-11-21T16:43:29Z", "10s": "2026-11-21T16:43:20Z", "1m": "2026-11-21T16:43:00Z", "25m": "2026-11-21T16:40:00Z",
		"1h": "2026-11-21T16:00:00Z", "6h": "2026-11-21T12:00:00Z", "1d": "2026-11-21T00:00:00Z", "1w": "2026-11-16T00:00:00Z",
		"1M": "2026-11-01T00:00:00Z", "6M": "2026-07-01T00:00:00Z", "1q": "2026-10-01T00:00:00Z", "2q": "2026-07-01T00:00:00Z",
		"1y": "2026-01-01T00:00:00Z", "10y": "2020-01-01T00:00:00Z", "999y": "1998-01-01T00:00:00Z",
	} {
		i, err := telemetry.ParseInterval(in)
		check(t, err)
		got := i.Start(at)
		if in == "25m" { // counted from the zero time
			if at.Sub(got) >= 25*time.Minute || got.After(at) || !i.Start(got).Equal(got) {
				t.Errorf("25m: got %v", got)
			}
			continue
		}
		if got.Format(time.RFC3339) != want {
			t.Errorf("%s: got %v, want %s", in, got, want)
		}
	}
}
