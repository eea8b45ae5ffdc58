package telemetry_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"mooring/server/platform"
	"mooring/server/telemetry"
)

var start = time.Date(2026, 1, 10, 8, 0, 0, 0, time.UTC)

// put stores bodies a second apart, from start on.
func put(t testing.TB, s *telemetry.Service, source platform.ID, typ string, bodies ...string) {
	t.Helper()
	for len(bodies) > 0 {
		n := min(len(bodies), telemetry.MaxBatch)
		var ms []platform.Measurement
		for i, body := range bodies[:n] {
			ms = append(ms, platform.Measurement{Source: source, Type: typ, Time: start.Add(time.Duration(i) * time.Second), Body: json.RawMessage(body)})
		}
		_, err := s.CreateMeasurements(context.Background(), "t1", ms)
		check(t, err)
		bodies = bodies[n:]
	}
}

// show writes a result in one line a row.
func show(r telemetry.SeriesResult, functions ...string) string {
	var lines []string
	for _, c := range r.Columns {
		lines = append(lines, c.Fragment+"."+c.Series+" "+c.Unit)
	}
	for _, row := range r.Rows {
		line := fmt.Sprint(row.Time.Sub(start).Seconds())
		for _, v := range row.Values {
			line += " |"
			for _, f := range functions {
				if v != nil {
					line += " " + string(v.Apply(f))
				}
			}
		}
		lines = append(lines, line)
	}
	if r.Truncated {
		lines = append(lines, "truncated")
	}
	return strings.Join(lines, "\n")
}

func TestSeries(t *testing.T) {
	s := open(t)
	ctx := context.Background()
	put(t, s, 5, "T", `{"a":{"x":{"value":1.50,"unit":"C"},"y":{"value":2}}}`, `{"a":{"x":{"value":-3}},"noise":1}`, `{"b":{"x":{"value":7}}}`)
	put(t, s, 5, "S", `{"a":{"x":{"value":9}}}`) // at the time of the first
	put(t, s, 6, "T", `{"a":{"x":{"value":99}}}`)
	all := telemetry.SeriesQuery{Source: 5, From: start, To: start.Add(time.Hour)}
	minute := telemetry.Interval{Count: 1, Unit: 'm'}
	tests := []struct {
		name  string
		query telemetry.SeriesQuery
		apply []string
		want  string
	}{
		{"all", all, []string{"min", "max"}, "a.x C\na.y \nb.x \n0 | 1.50 9.0 | 2.0 2.0\n1 | -3.0 -3.0\n2 | | | 7.0 7.0"},
		{"one", with(all, "a.x"), []string{"max"}, "a.x C\n0 | 9.0\n1 | -3.0"},
		{"two", with(all, "a.y", "b.x"), []string{"max"}, "a.y \nb.x \n0 | 2.0\n2 | | 7.0"},
		{"none such", with(all, "a.z"), nil, ""},
		{"half a name", with(all, "a"), nil, ""},
		{"newest first", telemetry.SeriesQuery{Source: 5, From: start, To: all.To, Series: []string{"a.x"}, NewestFirst: true}, []string{"min"}, "a.x C\n1 | -3.0\n0 | 1.50"},
		{"to is exclusive", telemetry.SeriesQuery{Source: 5, From: start, To: start.Add(time.Second), Series: []string{"a.x"}}, []string{"min"}, "a.x C\n0 | 1.50"},
		{"aggregate", telemetry.SeriesQuery{Source: 5, From: start, To: all.To, Series: []string{"a.x"}, Interval: minute},
			[]string{"min", "max", "avg", "sum", "count", "stdDevPop", "stdDevSamp"}, "a.x C\n0 | -3.0 9.0 2.5 7.5 3.0 4.949747468305833 6.06217782649107"},
		{"of one value", telemetry.SeriesQuery{Source: 5, From: start, To: all.To, Series: []string{"b.x"}, Interval: minute},
			[]string{"avg", "stdDevPop", "stdDevSamp"}, "b.x \n0 | 7.0 0.0 "},
	}
	for _, tt := range tests {
		r, err := s.Series(ctx, "t1", tt.query)
		check(t, err)
		if got := show(r, tt.apply...); got != tt.want {
			t.Errorf("%s: got\n%s\nwant\n%s", tt.name, got, tt.want)
		}
	}
	if r, err := s.Series(ctx, "t2", all); err != nil || len(r.Rows) != 0 {
		t.Errorf("another tenant sees %v, %v", r, err)
	}
}

func with(q telemetry.SeriesQuery, series ...string) telemetry.SeriesQuery {
	q.Series = series
	return q
}

func TestSeriesIsTruncated(t *testing.T) {
	s := open(t)
	for i, n := range []int{telemetry.MaxSeriesRows - 1, telemetry.MaxSeriesRows, telemetry.MaxSeriesRows + 1} {
		source := platform.ID(100 + i)
		var ms []platform.Measurement
		for k := range n {
			ms = append(ms, platform.Measurement{Source: source, Type: "T", Time: start.Add(time.Duration(k) * time.Second), Body: json.RawMessage(`{"a":{"x":{"value":1}}}`)})
		}
		for len(ms) > 0 {
			part := ms[:min(len(ms), telemetry.MaxBatch)]
			_, err := s.CreateMeasurements(context.Background(), "t1", part)
			check(t, err)
			ms = ms[len(part):]
		}
		q := telemetry.SeriesQuery{Source: source, From: start, To: start.Add(24 * time.Hour)}
		r, err := s.Series(context.Background(), "t1", q)
		check(t, err)
		if want := min(n, telemetry.MaxSeriesRows); len(r.Rows) != want || r.Truncated != (n > telemetry.MaxSeriesRows) {
			t.Errorf("%d values: got %d, truncated %v", n, len(r.Rows), r.Truncated)
		}
		q.Interval = telemetry.Interval{Count: 1, Unit: 'h'}
		if r, err = s.Series(context.Background(), "t1", q); err != nil || len(r.Rows) != 2 || r.Truncated {
			t.Errorf("%d values an hour: got %d, truncated %v, %v", n, len(r.Rows), r.Truncated, err)
		}
	}
}

func TestNumbersThatNothingHolds(t *testing.T) {
	s := open(t)
	put(t, s, 5, "T", `{"a":{"x":{"value":1e999}}}`, `{"a":{"x":{"value":1e308}}}`, `{"a":{"x":{"value":1.7e308}}}`)
	r, err := s.Series(context.Background(), "t1", telemetry.SeriesQuery{Source: 5, From: start, To: start.Add(time.Hour), Interval: telemetry.Interval{Count: 1, Unit: 'h'}})
	check(t, err)
	if got := show(r, "count", "max", "sum"); got != "a.x \n0 | 2.0 1.7e308 " {
		t.Errorf("got %q", got)
	}
}

func TestLatest(t *testing.T) {
	s := open(t)
	put(t, s, 5, "T", `{"a":{"x":{"value":1},"y":{"value":2.50,"unit":"C"}}}`, `{"a":{"x":{"value":3}}}`)
	put(t, s, 5, "S", `{"b":{"x":{"value":4}}}`)
	list, err := s.Latest(context.Background(), "t1", 5)
	check(t, err)
	var got []string
	for _, v := range list {
		got = append(got, fmt.Sprintf("%s.%s=%s%s at %v", v.Fragment, v.Series, v.Value, v.Unit, v.Time.Sub(start)))
	}
	if want := "a.x=3 at 1s, a.y=2.50C at 0s, b.x=4 at 0s"; strings.Join(got, ", ") != want {
		t.Errorf("got %s, want %s", strings.Join(got, ", "), want)
	}
	if list, err := s.Latest(context.Background(), "t2", 5); err != nil || len(list) != 0 {
		t.Errorf("another tenant sees %v, %v", list, err)
	}
}
