package platformtest

import (
	"encoding/json"
	"fmt"
	"time"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// submit stores a batch and waits.
func (f *fixture) submit(b platform.Batch) error {
	f.Helper()
	done := make(chan error, 1)
	f.Submit(b, func(err error) { done <- err })
	return <-done
}

// Sources of telemetry; a store does not ask whether they exist.
const (
	source1 platform.ID = 7001
	source2 platform.ID = 7002
)

func (f *fixture) measurement(source platform.ID, n int) platform.Measurement {
	return platform.Measurement{
		ID: f.newID(), Source: source, Type: fmt.Sprint("type", n%2), Time: at(n),
		Body: json.RawMessage(fmt.Sprintf(`{"frag%d":{"s%d":{"value":1.50,"unit":"°C"}}}`, n%2, n%3)),
	}
}

// filterTest is a row of those who try filters.
type filterTest struct {
	name   string
	filter platform.TelemetryFilter
	want   []int
}

// timeFilters suit elements 0 to 5 of which number n happened at(n) in source1,
// but for 4 and 5 in source2; odd ones have type1, even ones type0.
var timeFilters = []filterTest{
	{"all", platform.TelemetryFilter{}, []int{0, 1, 2, 3, 4, 5}},
	{"newest first", platform.TelemetryFilter{NewestFirst: true}, []int{5, 4, 3, 2, 1, 0}},
	{"source", platform.TelemetryFilter{Source: source1}, []int{0, 1, 2, 3}},
	{"source and type", platform.TelemetryFilter{Source: source1, Type: "type1"}, []int{1, 3}},
	{"from is inclusive", platform.TelemetryFilter{From: at(4)}, []int{4, 5}},
	{"from, a millisecond later", platform.TelemetryFilter{From: at(4).Add(time.Millisecond)}, []int{5}},
	{"to is exclusive", platform.TelemetryFilter{To: at(1)}, []int{0}},
	{"to, a millisecond later", platform.TelemetryFilter{To: at(1).Add(time.Millisecond)}, []int{0, 1}},
	{"span of one source", platform.TelemetryFilter{Source: source1, From: at(1), To: at(3), NewestFirst: true}, []int{2, 1}},
	{"nothing", platform.TelemetryFilter{Source: 1}, nil},
}

// sourceOf places element n for timeFilters.
func sourceOf(n int) platform.ID {
	if n >= 4 {
		return source2
	}
	return source1
}

// filters tries rows on a list whose elements are told by their time.
func filters[T any](f *fixture, tests []filterTest, when func(T) time.Time, read func(platform.TelemetryFilter, platform.Page) (platform.List[T], error)) {
	f.Helper()
	for _, tt := range tests {
		l, err := read(tt.filter, platform.Page{Number: 1, Size: 100, WithTotal: true})
		f.must(err)
		equal(f, tt.name, collect(l.Items, func(v T) int { return int(when(v).Sub(day) / time.Second) }), tt.want)
		equal(f, tt.name+": total", l.Total, int64(len(tt.want)))
	}
}

var measurementChecks = []check{
	{"measurements come back as they were", func(f *fixture) {
		f.tenants()
		a, b := f.measurement(source1, 1), f.measurement(source1, 2)
		a.Body = json.RawMessage("{\"x\":{\"y\":{\"value\":1e400}}, \"z\" : \"\\u0000\xff\"}") // not ours to judge
		f.must(f.submit(platform.Batch{Tenant: acme, Measurements: []platform.Measurement{a, b}}))
		equal(f, "a", got[platform.Measurement](f)(f.Measurement(f.Context(), acme, a.ID)), a)
		l := got[platform.List[platform.Measurement]](f)(f.Measurements(f.Context(), acme, platform.TelemetryFilter{Source: source1}, everything))
		equal(f, "list", l.Items, []platform.Measurement{a, b})
		f.must(f.DeleteMeasurement(f.Context(), acme, a.ID))
		f.kind(f.DeleteMeasurement(f.Context(), acme, a.ID), problem.NotFound)
		_, err := f.Measurement(f.Context(), acme, a.ID)
		f.kind(err, problem.NotFound)
	}},
	{"measurements by filter and in pages", func(f *fixture) {
		f.tenants()
		var b platform.Batch
		b.Tenant = acme
		for _, n := range []int{3, 0, 5, 1, 4, 2} { // not in the order of time
			b.Measurements = append(b.Measurements, f.measurement(sourceOf(n), n))
		}
		f.must(f.submit(b))
		read := func(filter platform.TelemetryFilter, p platform.Page) (platform.List[platform.Measurement], error) {
			return f.Measurements(f.Context(), acme, filter, p)
		}
		filters(f, append(timeFilters,
			filterTest{"fragment", platform.TelemetryFilter{Fragment: "frag1"}, []int{1, 3, 5}},
			filterTest{"fragment, newest first", platform.TelemetryFilter{Fragment: "frag1", NewestFirst: true, Source: source1}, []int{3, 1}},
			filterTest{"fragment and series", platform.TelemetryFilter{Fragment: "frag1", Series: "s0"}, []int{3}},
			filterTest{"no such fragment", platform.TelemetryFilter{Fragment: "frag"}, nil},
		), func(m platform.Measurement) time.Time { return m.Time }, read)
		pages(f, 6, func(p platform.Page) (platform.List[platform.Measurement], error) {
			return read(platform.TelemetryFilter{}, p)
		})
		pages(f, 3, func(p platform.Page) (platform.List[platform.Measurement], error) {
			return read(platform.TelemetryFilter{Fragment: "frag0"}, p)
		})
	}},
	{"measurements of one time are ordered by ID", func(f *fixture) {
		f.tenants()
		a, b := f.measurement(source1, 1), f.measurement(source1, 1)
		f.must(f.submit(platform.Batch{Tenant: acme, Measurements: []platform.Measurement{b, a}}))
		for _, newest := range []bool{false, true} {
			want := []platform.Measurement{a, b}
			if newest {
				want = []platform.Measurement{b, a}
			}
			l := got[platform.List[platform.Measurement]](f)(f.Measurements(f.Context(), acme, platform.TelemetryFilter{NewestFirst: newest}, everything))
			equal(f, "list", l.Items, want)
		}
	}},
}

func (f *fixture) event(source platform.ID, n int) platform.Event {
	return platform.Event{
		ID: f.newID(), Source: source, Type: fmt.Sprint("type", n%2), Text: "happened", Time: at(n), Created: at(n + 10), Updated: at(n + 20),
		Body: json.RawMessage(fmt.Sprintf(`{"frag%d":{}}`, n%2)),
	}
}

var eventChecks = []check{
	{"the newest event of a type loses fragments", func(f *fixture) {
		f.tenants()
		older, newest, elsewhere := f.event(source1, 1), f.event(source1, 3), f.event(source2, 5)
		newest.Body = json.RawMessage(`{"a":1,"frag1":{}}`)
		foreign := f.event(source1, 7)
		f.must(f.submit(platform.Batch{Tenant: other, Events: []platform.Event{foreign}}))
		outcome := platform.Outcome{ChangedEvents: []platform.Event{{ID: 1}}} // of an attempt before
		f.must(f.submit(platform.Batch{Tenant: acme, Events: []platform.Event{newest, older, elsewhere}, Outcome: &outcome, EventChanges: []platform.EventChange{
			{Source: source1, Type: "type1", At: at(50), Remove: []string{"frag1", "missing"}}, {Source: source1, Type: "none", At: at(50), Remove: []string{"a"}}}}))
		newest.Updated, newest.Body = at(50), json.RawMessage(`{"a":1}`)
		for _, e := range []platform.Event{older, newest, elsewhere} {
			equal(f, "event", got[platform.Event](f)(f.Event(f.Context(), acme, e.ID)), e)
		}
		equal(f, "another tenant's", got[platform.Event](f)(f.Event(f.Context(), other, foreign.ID)), foreign)
		equal(f, "outcome", outcome.ChangedEvents, []platform.Event{newest})
	}},
	{"events come back, are updated and deleted", func(f *fixture) {
		f.tenants()
		e := f.event(source1, 1)
		bare := f.event(source1, 2)
		bare.Body = nil
		f.must(f.submit(platform.Batch{Tenant: acme, Events: []platform.Event{e, bare}}))
		equal(f, "event", got[platform.Event](f)(f.Event(f.Context(), acme, e.ID)), e)
		equal(f, "bare", got[platform.Event](f)(f.Event(f.Context(), acme, bare.ID)), bare)
		text := "new"
		changed := got[platform.Event](f)(f.UpdateEvent(f.Context(), acme, platform.EventUpdate{ID: e.ID, At: at(99), Text: &text,
			Set: platform.Fragments{"c": json.RawMessage("1.50")}, Remove: []string{"none"}}))
		want := e
		want.Text, want.Updated, want.Body = "new", at(99), json.RawMessage(`{"c":1.50,"frag1":{}}`)
		equal(f, "updated", changed, want)
		equal(f, "stored", got[platform.Event](f)(f.Event(f.Context(), acme, e.ID)), want)
		want.Body, want.Updated = nil, at(100)
		equal(f, "fragments gone", got[platform.Event](f)(f.UpdateEvent(f.Context(), acme,
			platform.EventUpdate{ID: e.ID, At: at(100), Remove: []string{"c", "frag1"}})), want)
		f.must(f.DeleteEvent(f.Context(), acme, e.ID))
		f.kind(f.DeleteEvent(f.Context(), acme, e.ID), problem.NotFound)
		_, err := f.UpdateEvent(f.Context(), acme, platform.EventUpdate{ID: e.ID})
		f.kind(err, problem.NotFound)
		_, err = f.Event(f.Context(), acme, e.ID)
		f.kind(err, problem.NotFound)
	}},
	{"events by filter and in pages", func(f *fixture) {
		f.tenants()
		b := platform.Batch{Tenant: acme}
		for _, n := range []int{3, 0, 5, 1, 4, 2} {
			b.Events = append(b.Events, f.event(sourceOf(n), n))
		}
		f.must(f.submit(b))
		read := func(filter platform.TelemetryFilter, p platform.Page) (platform.List[platform.Event], error) {
			return f.Events(f.Context(), acme, filter, p)
		}
		filters(f, append(timeFilters,
			filterTest{"fragment", platform.TelemetryFilter{Fragment: "frag1", Source: source1}, []int{1, 3}},
			filterTest{"created", platform.TelemetryFilter{CreatedFrom: at(11), CreatedTo: at(13)}, []int{1, 2}},
			filterTest{"updated", platform.TelemetryFilter{UpdatedFrom: at(21), UpdatedTo: at(23)}, []int{1, 2}},
		), func(e platform.Event) time.Time { return e.Time }, read)
		pages(f, 6, func(p platform.Page) (platform.List[platform.Event], error) {
			return read(platform.TelemetryFilter{}, p)
		})
	}},
}
