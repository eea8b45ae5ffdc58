package platformtest

import (
	"encoding/json"
	"fmt"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// measure stores a measurement of a body.
func (f *fixture) measure(source platform.ID, n int, typ, body string) platform.Measurement {
	f.Helper()
	m := platform.Measurement{ID: f.newID(), Source: source, Type: typ, Time: at(n), Body: json.RawMessage(body)}
	f.must(f.submit(platform.Batch{Tenant: acme, Measurements: []platform.Measurement{m}}))
	return m
}

func (f *fixture) seriesOf(tenant platform.TenantID, source platform.ID) []string {
	f.Helper()
	return collect(got[[]platform.SeriesName](f)(f.Series(f.Context(), tenant, source)), func(n platform.SeriesName) string {
		return n.Type + "/" + n.Fragment + "." + n.Series
	})
}

var seriesChecks = []check{
	{"the series of a source are remembered", func(f *fixture) {
		f.tenants()
		f.measure(source1, 1, "T", `{"a":{"x":{"value":1,"unit":"C"},"y":{"value":-2.5e3}},"b":{"x":{"value":0}}}`)
		f.measure(source1, 2, "T", `{"a":{"x":{"value":2}}}`)
		m := f.measure(source1, 3, "S", `{"a":{"x":{"value":3}}}`)
		f.measure(source2, 3, "T", `{"\u0061":{"d\"q":{"value":1}}}`)
		// Nothing of this is a series, or can be named.
		f.measure(source1, 4, "T", `{"n":{"x":{"value":"1"}},"o":{"x":1},"p":5,"q":{"value":1},"r":{"x":{"unit":"C"}},"\u0000":{"x":{"value":1}},"c":{"\ud800":{"value":1}}}`)
		f.measure(source1, 4, "T", `{"broken":{"x":{"va`)
		want := []string{"S/a.x", "T/a.x", "T/a.y", "T/b.x"}
		seen := f.seriesOf(acme, source1)
		for _, name := range want {
			if !contains(seen, name) {
				f.Errorf("series %s is not among %q", name, seen)
			}
		}
		for _, name := range seen {
			if !contains(append(want, "T/c.\uFFFD"), name) {
				f.Errorf("%s is a series", name)
			}
		}
		equal(f, "the other source", f.seriesOf(acme, source2), []string{`T/a.d"q`})
		equal(f, "the other tenant", len(f.seriesOf(other, source1)), 0)
		f.must(f.DeleteMeasurement(f.Context(), acme, m.ID))
		equal(f, "after a deletion", f.seriesOf(acme, source1), seen)
	}},
	{"series of a batch that failed are written by the next", func(f *fixture) {
		f.tenants()
		taken := f.measure(source1, 1, "T", `{}`)
		fresh := platform.Measurement{ID: f.newID(), Source: source1, Type: "T", Time: at(2), Body: json.RawMessage(`{"a":{"x":{"value":1}}}`)}
		f.kind(f.submit(platform.Batch{Tenant: acme, Measurements: []platform.Measurement{fresh, taken}}), problem.Conflict)
		equal(f, "nothing", len(f.seriesOf(acme, source1)), 0)
		f.must(f.submit(platform.Batch{Tenant: acme, Measurements: []platform.Measurement{fresh}}))
		equal(f, "then", f.seriesOf(acme, source1), []string{"T/a.x"})
	}},
	{"the series of a source are bounded", func(f *fixture) {
		f.tenants()
		b := platform.Batch{Tenant: acme}
		for i := range platform.MaxSeries + 1 {
			b.Measurements = append(b.Measurements, platform.Measurement{ID: f.newID(), Source: source1, Type: "T", Time: at(i),
				Body: json.RawMessage(fmt.Sprintf(`{"a":{"s%04d":{"value":1}}}`, i))})
		}
		f.must(f.submit(b))
		equal(f, "series", len(f.seriesOf(acme, source1)), platform.MaxSeries)
		l := got[platform.List[platform.Measurement]](f)(f.Measurements(f.Context(), acme, platform.TelemetryFilter{Source: source1, Fragment: "a", Series: "s1000"}, everything))
		equal(f, "measurements of a series that is not remembered", len(l.Items), 1)
	}},
	{"a fragment is found whatever the type", func(f *fixture) {
		f.tenants()
		f.measure(source1, 1, "T", `{"a":{"x":{"value":1}}}`)
		f.measure(source1, 2, "S", `{"a":{"y":{"value":1}}}`)
		f.measure(source1, 3, "R", `{"b":{"x":{"value":1}}}`)
		f.measure(source2, 4, "Q", `{"plain":"text"}`)
		for _, tt := range []struct {
			filter platform.TelemetryFilter
			want   int
		}{
			{platform.TelemetryFilter{Source: source1, Fragment: "a"}, 2},
			{platform.TelemetryFilter{Source: source1, Fragment: "a", Series: "y"}, 1},
			{platform.TelemetryFilter{Source: source1, Fragment: "a", Type: "R"}, 0},
			{platform.TelemetryFilter{Source: source1, Types: []string{"T", "R"}}, 2},
			{platform.TelemetryFilter{Sources: []platform.ID{source1, source2}}, 4},
			{platform.TelemetryFilter{Sources: []platform.ID{source2, 1}}, 1},
			{platform.TelemetryFilter{Source: source2, Fragment: "plain"}, 1},
			{platform.TelemetryFilter{Source: source2, Fragment: "plain", FragmentValue: "text"}, 1},
			{platform.TelemetryFilter{Fragment: "plain", FragmentValue: "tex"}, 0},
		} {
			l := got[platform.List[platform.Measurement]](f)(f.Measurements(f.Context(), acme, tt.filter, everything))
			equal(f, fmt.Sprintf("%+v", tt.filter), len(l.Items), tt.want)
		}
	}},
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}

// idsOf collects what TelemetryIDs lists, page after page.
func (f *fixture) idsOf(kind platform.TelemetryKind, filter platform.TelemetryFilter) (ids []platform.ID, pages int) {
	f.Helper()
	for {
		p := got[platform.TelemetryPage](f)(f.TelemetryIDs(f.Context(), acme, kind, filter))
		ids, pages = append(ids, p.IDs...), pages+1
		if filter.After = p.Next; p.Next == nil {
			return ids, pages
		}
	}
}

var collectionChecks = []check{
	{"lists go on from where they were", func(f *fixture) {
		f.tenants()
		b := platform.Batch{Tenant: acme}
		for i := range 12 {
			m := f.measurement(source1, 0)
			m.Time, m.Type = at(i/4), fmt.Sprint("type", i%2) // several of one time
			b.Measurements = append(b.Measurements, m)
		}
		f.must(f.submit(b))
		for _, filter := range []platform.TelemetryFilter{{}, {Source: source1}, {NewestFirst: true}, {Source: source1, NewestFirst: true}, {Source: source1, Type: "type1"}} {
			whole := got[platform.List[platform.Measurement]](f)(f.Measurements(f.Context(), acme, filter, everything)).Items
			var parts []platform.Measurement
			for next := filter; ; {
				l := got[platform.List[platform.Measurement]](f)(f.Measurements(f.Context(), acme, next, platform.Page{Number: 1, Size: 5}))
				parts = append(parts, l.Items...)
				if !l.More {
					break
				}
				last := l.Items[len(l.Items)-1]
				next.After = &platform.Cursor{Time: last.Time, Type: last.Type, ID: last.ID}
			}
			equal(f, fmt.Sprintf("%+v", filter), parts, whole)
		}
	}},
	{"telemetry is listed by ID and deleted", func(f *fixture) {
		f.tenants()
		b := platform.Batch{Tenant: acme}
		const n = platform.MaxDeleted + 1
		for i := range n {
			b.Events = append(b.Events, f.event(source1, i))
		}
		b.Events = append(b.Events, f.event(source2, 0))
		b.Alarms = []platform.Alarm{f.alarm(source1, 1)}
		f.must(f.submit(b))
		ids, pages := f.idsOf(platform.Events, platform.TelemetryFilter{Source: source1})
		if len(ids) != n || pages != 2 {
			f.Fatalf("got %d in %d pages", len(ids), pages)
		}
		odd, _ := f.idsOf(platform.Events, platform.TelemetryFilter{Source: source1, Fragment: "frag1"})
		equal(f, "by fragment", len(odd), n/2)
		created, _ := f.idsOf(platform.Events, platform.TelemetryFilter{CreatedFrom: at(10), CreatedTo: at(12)})
		equal(f, "by creation", len(created), 3)
		_, err := f.DeleteTelemetry(f.Context(), acme, platform.Events, ids)
		f.kind(err, problem.Invalid) // one too many
		equal(f, "deleted", got[int](f)(f.DeleteTelemetry(f.Context(), acme, platform.Events, ids[:platform.MaxDeleted])), platform.MaxDeleted)
		equal(f, "again", got[int](f)(f.DeleteTelemetry(f.Context(), acme, platform.Events, ids[platform.MaxDeleted-1:])), 1)
		equal(f, "of another kind", got[int](f)(f.DeleteTelemetry(f.Context(), acme, platform.Alarms, created)), 0)
		l := got[platform.List[platform.Event]](f)(f.Events(f.Context(), acme, platform.TelemetryFilter{}, everything))
		equal(f, "left", len(l.Items), 1)
		_, err = f.TelemetryIDs(f.Context(), acme, "ROCKS", platform.TelemetryFilter{})
		f.kind(err, problem.Invalid)
	}},
}
