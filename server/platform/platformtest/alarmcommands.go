package platformtest

import (
	"encoding/json"
	"fmt"
	"sync"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// alarmAudits lists what the audit log says of alarms, oldest first.
func (f *fixture) alarmAudits() []platform.AuditRecord {
	f.Helper()
	return got[platform.List[platform.AuditRecord]](f)(f.AuditRecords(f.Context(), acme, platform.AuditFilter{Type: "Alarm", OldestFirst: true}, everything)).Items
}

var alarmCommandChecks = []check{
	{"an alarm is upserted", func(f *fixture) {
		f.tenants()
		a := f.alarm(source1, 1)
		_, after, found, err := f.UpsertAlarm(f.Context(), acme, platform.AlarmUpsert{Alarm: a, Update: platform.AlarmUpdate{At: at(50), Severity: platform.Minor}})
		f.must(err)
		equal(f, "found", found, false)
		equal(f, "new", after, a)
		b := f.alarm(source1, 1)
		text := "worse"
		before, after, found, err := f.UpsertAlarm(f.Context(), acme, platform.AlarmUpsert{Alarm: b, Update: platform.AlarmUpdate{At: at(51), Text: &text}})
		f.must(err)
		want := a
		want.Text, want.Updated = text, at(51)
		equal(f, "found", found, true)
		equal(f, "before", before, a)
		equal(f, "after", after, want)
		_, after, _, err = f.UpsertAlarm(f.Context(), acme, platform.AlarmUpsert{Alarm: b, Increment: true, Update: platform.AlarmUpdate{At: at(52)}})
		f.must(err)
		want.Count, want.FirstOccurrence, want.Updated = 2, a.Time, at(52)
		equal(f, "counted", after, want)
		equal(f, "stored", got[platform.Alarm](f)(f.Alarm(f.Context(), acme, a.ID)), want)
	}},
	{"updates and raises at the same time lose nothing", func(f *fixture) {
		f.tenants()
		a := f.alarm(source1, 1)
		f.raise(a)
		const n = 40
		var all sync.WaitGroup
		errs := make(chan error, 2*n)
		for i := range n {
			text := fmt.Sprint(i)
			again := f.alarm(source1, 1)
			all.Go(func() { errs <- f.submit(platform.Batch{Tenant: acme, Alarms: []platform.Alarm{again}}) })
			all.Go(func() {
				_, _, err := f.UpdateAlarm(f.Context(), acme, platform.AlarmUpdate{ID: a.ID, At: at(60), Text: &text, Set: platform.Fragments{"f" + text: json.RawMessage("1")}})
				errs <- err
			})
		}
		all.Wait()
		for range 2 * n {
			f.must(<-errs)
		}
		got := got[platform.Alarm](f)(f.Alarm(f.Context(), acme, a.ID))
		equal(f, "count", got.Count, n+1)
		equal(f, "first occurrence", got.FirstOccurrence, at(1))
	}},
	{"the status of many alarms", func(f *fixture) {
		f.tenants()
		a, b, c := f.alarm(source1, 1), f.alarm(source1, 2), f.alarm(source1, 3)
		f.raise(a, b, c)
		set := func(status platform.AlarmStatus, n int, ids ...platform.ID) []platform.ID {
			f.Helper()
			return collect(got[[]platform.Alarm](f)(f.SetAlarmStatus(f.Context(), acme, ids, status, at(n), "u", nil)), func(a platform.Alarm) platform.ID { return a.ID })
		}
		equal(f, "acknowledged", set(platform.Acknowledged, 50, a.ID, b.ID, f.newID()), []platform.ID{a.ID, b.ID})
		equal(f, "cleared", set(platform.Cleared, 51, a.ID, b.ID, c.ID), []platform.ID{a.ID, b.ID, c.ID})
		equal(f, "cleared again", set(platform.Cleared, 52, a.ID, b.ID, c.ID), nil)
		equal(f, "time", got[platform.Alarm](f)(f.Alarm(f.Context(), acme, a.ID)).Updated, at(51))
		again := f.alarm(source1, 1)
		f.raise(again)
		equal(f, "opened, but not beside another", set(platform.Active, 53, a.ID, b.ID), []platform.ID{b.ID})
	}},
	{"changes of alarms and events are told in the order of commits", func(f *fixture) {
		f.tenants()
		a, e := f.alarm(source1, 1), f.event(source1, 1)
		f.raise(a)
		f.must(f.submit(platform.Batch{Tenant: acme, Events: []platform.Event{e}}))
		var told []string
		alarm := func(a platform.Alarm) { told = append(told, "alarm "+a.Text) }
		one, two := "one", "two"
		_, _, err := f.UpdateAlarm(f.Context(), acme, platform.AlarmUpdate{ID: a.ID, At: at(60), Text: &one, Committed: alarm})
		f.must(err)
		_, _, _, err = f.UpsertAlarm(f.Context(), acme, platform.AlarmUpsert{Alarm: a, Update: platform.AlarmUpdate{At: at(61), Text: &two, Committed: alarm},
			Committed: func(a platform.Alarm, found bool) { told = append(told, fmt.Sprint("upsert ", a.Text, " ", found)) }})
		f.must(err)
		got[[]platform.Alarm](f)(f.SetAlarmStatus(f.Context(), acme, []platform.ID{a.ID}, platform.Cleared, at(62), "u", func(l []platform.Alarm) { told = append(told, fmt.Sprint("cleared ", len(l))) }))
		got[platform.Event](f)(f.UpdateEvent(f.Context(), acme, platform.EventUpdate{ID: e.ID, At: at(63), Text: &one, Committed: func(e platform.Event) { told = append(told, "event "+e.Text) }}))
		_, err = f.UpdateEvent(f.Context(), acme, platform.EventUpdate{ID: f.newID(), At: at(64), Committed: func(platform.Event) { told = append(told, "nothing") }})
		f.kind(err, problem.NotFound)
		equal(f, "told", told, []string{"alarm one", "upsert two true", "cleared 1", "event one"})
	}},
	{"changes of alarms are in the audit log", func(f *fixture) {
		f.tenants()
		a := f.alarm(source1, 1)
		f.must(f.submit(platform.Batch{Tenant: acme, By: "device_x", Alarms: []platform.Alarm{a}}))
		f.raise(f.alarm(source1, 1)) // counts up, which is no change
		f.change(platform.AlarmChange{Source: source1, Type: "type1", At: at(50), Severity: platform.Minor})
		f.change(platform.AlarmChange{Source: source1, Type: "type1", At: at(51), Remove: []string{"a"}}) // neither
		_, _, err := f.UpdateAlarm(f.Context(), acme, platform.AlarmUpdate{ID: a.ID, At: at(52), By: "rina", Status: platform.Cleared})
		f.must(err)
		records := f.alarmAudits()
		equal(f, "activities", collect(records, func(r platform.AuditRecord) string { return r.Activity + " by " + r.User }),
			[]string{"Alarm created by device_x", "Alarm updated by ", "Alarm updated by rina"})
		for _, r := range records {
			equal(f, "source", r.Source, a.ID.String())
			equal(f, "one", got[platform.AuditRecord](f)(f.AuditRecord(f.Context(), acme, r.ID)), r)
		}
		equal(f, "time", records[2].At, at(52))
		var changes []map[string]string
		f.must(json.Unmarshal([]byte(records[2].Changes), &changes))
		equal(f, "changes", fmt.Sprint(changes[0]["attribute"], changes[0]["previousValue"], changes[0]["newValue"], len(changes)), "statusACTIVECLEARED1")
		equal(f, "the other tenant", len(got[platform.List[platform.AuditRecord]](f)(f.AuditRecords(f.Context(), other, platform.AuditFilter{Type: "Alarm"}, everything)).Items), 0)
	}},
}
