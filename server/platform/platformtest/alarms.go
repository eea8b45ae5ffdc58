package platformtest

import (
	"encoding/json"
	"fmt"
	"time"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// alarm is one of type n at second n.
func (f *fixture) alarm(source platform.ID, n int) platform.Alarm {
	return platform.Alarm{
		ID: f.newID(), Source: source, Type: fmt.Sprint("type", n), Text: "broken", Severity: platform.Major, Status: platform.Active,
		Time: at(n), Count: 1, Created: at(n + 10), Updated: at(n + 20), Body: json.RawMessage(`{"a":{},"b":1}`),
	}
}

func (f *fixture) raise(alarms ...platform.Alarm) {
	f.Helper()
	f.must(f.submit(platform.Batch{Tenant: acme, Alarms: alarms}))
}

func (f *fixture) change(c platform.AlarmChange) {
	f.Helper()
	f.must(f.submit(platform.Batch{Tenant: acme, AlarmChanges: []platform.AlarmChange{c}}))
}

var alarmChecks = []check{
	{"an alarm raised again counts up", func(f *fixture) {
		f.tenants()
		first := f.alarm(source1, 1)
		f.raise(first)
		equal(f, "alarm", got[platform.Alarm](f)(f.Alarm(f.Context(), acme, first.ID)), first)
		second, third := f.alarm(source1, 1), f.alarm(source1, 1)
		second.Time, second.Updated, second.Severity, second.Text, second.Body = at(30), at(31), platform.Critical, "worse", nil
		third.Time, third.Updated, third.Created = at(40), at(41), at(42)
		f.raise(second)
		want := second
		want.ID, want.Count, want.FirstOccurrence, want.Created = first.ID, 2, at(1), first.Created
		equal(f, "second", got[platform.Alarm](f)(f.OpenAlarm(f.Context(), acme, source1, "type1")), want)
		f.raise(third)
		want = third
		want.ID, want.Count, want.FirstOccurrence, want.Created = first.ID, 3, at(1), first.Created
		equal(f, "third", got[platform.Alarm](f)(f.OpenAlarm(f.Context(), acme, source1, "type1")), want)
		for _, a := range []platform.Alarm{second, third} {
			_, err := f.Alarm(f.Context(), acme, a.ID)
			f.kind(err, problem.NotFound)
		}
	}},
	{"other source, other type, or cleared: a new alarm", func(f *fixture) {
		f.tenants()
		a, b, c := f.alarm(source1, 1), f.alarm(source2, 1), f.alarm(source1, 2)
		f.raise(a, b, c)
		f.change(platform.AlarmChange{Source: source1, Type: "type1", At: at(50), Status: platform.Cleared})
		_, err := f.OpenAlarm(f.Context(), acme, source1, "type1")
		f.kind(err, problem.NotFound)
		d := f.alarm(source1, 1)
		f.raise(d)
		equal(f, "open", got[platform.Alarm](f)(f.OpenAlarm(f.Context(), acme, source1, "type1")), d)
		l := got[platform.List[platform.Alarm]](f)(f.Alarms(f.Context(), acme, platform.TelemetryFilter{}, everything))
		equal(f, "all", collect(l.Items, func(a platform.Alarm) platform.ID { return a.ID }), []platform.ID{a.ID, b.ID, d.ID, c.ID})
		born := f.alarm(source1, 1)
		born.Status = platform.Cleared
		f.raise(born)
		equal(f, "raised as cleared", got[platform.Alarm](f)(f.Alarm(f.Context(), acme, born.ID)), born)
		equal(f, "the open one", got[platform.Alarm](f)(f.OpenAlarm(f.Context(), acme, source1, "type1")), d)
	}},
	{"an acknowledged alarm raised again stays acknowledged", func(f *fixture) {
		f.tenants()
		f.raise(f.alarm(source1, 1))
		f.change(platform.AlarmChange{Source: source1, Type: "type1", At: at(50), Status: platform.Acknowledged})
		f.raise(f.alarm(source1, 1))
		a := got[platform.Alarm](f)(f.OpenAlarm(f.Context(), acme, source1, "type1"))
		equal(f, "status and count", fmt.Sprint(a.Status, a.Count), "ACKNOWLEDGED2")
	}},
	{"changes of the open alarm", func(f *fixture) {
		f.tenants()
		a := f.alarm(source1, 1)
		f.raise(a)
		f.change(platform.AlarmChange{Source: source1, Type: "type1", At: at(50), Severity: platform.Minor, Remove: []string{"a", "missing"}})
		a.Severity, a.Updated, a.Body = platform.Minor, at(50), json.RawMessage(`{"b":1}`)
		equal(f, "severity, fragment", got[platform.Alarm](f)(f.Alarm(f.Context(), acme, a.ID)), a)
		text := "new"
		f.change(platform.AlarmChange{Source: source1, Type: "type1", At: at(51), Text: &text, Set: platform.Fragments{"c": []byte(`{"d":1}`)}, Remove: []string{"b"}})
		a.Text, a.Updated, a.Body = text, at(51), json.RawMessage(`{"c":{"d":1}}`)
		equal(f, "text and fragments", got[platform.Alarm](f)(f.Alarm(f.Context(), acme, a.ID)), a)
		f.change(platform.AlarmChange{Source: source1, Type: "type1", At: at(51), Status: platform.Cleared, Remove: []string{"c"}})
		a.Status, a.Updated, a.Body = platform.Cleared, at(51), nil
		equal(f, "cleared", got[platform.Alarm](f)(f.Alarm(f.Context(), acme, a.ID)), a)
		f.change(platform.AlarmChange{Source: source1, Type: "type1", At: at(52), Severity: platform.Warning}) // nothing is open
		equal(f, "after", got[platform.Alarm](f)(f.Alarm(f.Context(), acme, a.ID)), a)
	}},
	{"the outcome of a batch is told", func(f *fixture) {
		f.tenants()
		first := f.alarm(source1, 1)
		f.raise(first)
		again, other, born := f.alarm(source1, 1), f.alarm(source2, 1), f.alarm(source1, 2)
		born.Status = platform.Cleared
		outcome := platform.Outcome{Alarms: []platform.Alarm{{ID: 1}}} // of an attempt before
		f.must(f.submit(platform.Batch{Tenant: acme, Alarms: []platform.Alarm{again, other, born}, Outcome: &outcome, AlarmChanges: []platform.AlarmChange{
			{Source: source2, Type: "none", At: at(50), Status: platform.Cleared},
			{Source: source2, Type: "type1", At: at(50), Severity: platform.Minor, Remove: []string{"a"}}}}))
		stored := func(id platform.ID) platform.Alarm { return got[platform.Alarm](f)(f.Alarm(f.Context(), acme, id)) }
		raised := other
		want := []platform.Alarm{stored(first.ID), raised, born, stored(other.ID)}
		equal(f, "outcome", outcome.Alarms, want)
		equal(f, "count", want[0].Count, 2)
		equal(f, "severity", want[3].Severity, platform.Minor)
	}},
	{"alarm is updated", func(f *fixture) {
		f.tenants()
		a := f.alarm(source1, 1)
		f.raise(a)
		f.raise(f.alarm(source1, 1)) // counted up: an update of something else leaves that alone
		a = got[platform.Alarm](f)(f.Alarm(f.Context(), acme, a.ID))
		update := func(u platform.AlarmUpdate) (platform.Alarm, platform.Alarm, error) {
			u.ID = a.ID
			return f.UpdateAlarm(f.Context(), acme, u)
		}
		text := "t"
		before, after, err := update(platform.AlarmUpdate{At: at(60), Text: &text, Set: platform.Fragments{"c": json.RawMessage("1.50")}, Remove: []string{"a", "none"}})
		f.must(err)
		equal(f, "before", before, a)
		a.Text, a.Updated, a.Body = "t", at(60), json.RawMessage(`{"b":1,"c":1.50}`)
		equal(f, "after", after, a)
		_, after, err = update(platform.AlarmUpdate{At: at(61), Severity: platform.Warning, Status: platform.Cleared})
		f.must(err)
		a.Severity, a.Status, a.Updated = platform.Warning, platform.Cleared, at(61)
		equal(f, "cleared", after, a)
		equal(f, "stored", got[platform.Alarm](f)(f.Alarm(f.Context(), acme, a.ID)), a)
		b := f.alarm(source1, 1)
		f.raise(b)
		_, _, err = update(platform.AlarmUpdate{Status: platform.Active}) // would be the second one open
		f.kind(err, problem.Conflict)
		a.ID = f.newID()
		_, _, err = update(platform.AlarmUpdate{})
		f.kind(err, problem.NotFound)
	}},
	{"alarms by filter, in pages and counted", func(f *fixture) {
		f.tenants()
		var alarms []platform.Alarm
		for _, n := range []int{3, 0, 5, 1, 4, 2} {
			a := f.alarm(sourceOf(n), n)
			a.Type = fmt.Sprint("type", n%2)
			a.Status = []platform.AlarmStatus{platform.Cleared, platform.Cleared, platform.Active, platform.Acknowledged, platform.Active, platform.Active}[n]
			a.Severity = []platform.Severity{platform.Critical, platform.Major, platform.Minor}[n%3]
			alarms = append(alarms, a)
		}
		f.raise(alarms...)
		read := func(filter platform.TelemetryFilter, p platform.Page) (platform.List[platform.Alarm], error) {
			return f.Alarms(f.Context(), acme, filter, p)
		}
		tests := append(timeFilters,
			filterTest{"status", platform.TelemetryFilter{Statuses: []platform.AlarmStatus{platform.Cleared, platform.Acknowledged}}, []int{0, 1, 3}},
			filterTest{"severity", platform.TelemetryFilter{Severities: []platform.Severity{platform.Minor}}, []int{2, 5}},
			filterTest{"both", platform.TelemetryFilter{Severities: []platform.Severity{platform.Critical}, Statuses: []platform.AlarmStatus{platform.Cleared}}, []int{0}},
			filterTest{"created", platform.TelemetryFilter{CreatedFrom: at(11), CreatedTo: at(13)}, []int{1, 2}},
			filterTest{"updated", platform.TelemetryFilter{UpdatedFrom: at(21), UpdatedTo: at(23)}, []int{1, 2}},
			filterTest{"fragment", platform.TelemetryFilter{Fragment: "a", Source: source2}, []int{4, 5}},
		)
		filters(f, tests, func(a platform.Alarm) time.Time { return a.Time }, read)
		for _, tt := range tests {
			equal(f, tt.name+": count", got[int64](f)(f.CountAlarms(f.Context(), acme, tt.filter)), int64(len(tt.want)))
		}
		pages(f, 6, func(p platform.Page) (platform.List[platform.Alarm], error) {
			return read(platform.TelemetryFilter{}, p)
		})
	}},
}
