package platformtest

import (
	"encoding/json"
	"time"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// device creates an object with these fragments.
func (f *fixture) device(tenant platform.TenantID, fragments platform.Fragments) platform.ID {
	f.Helper()
	o := platform.ManagedObject{ID: f.newID(), Name: "d", Created: day, Updated: day, Fragments: fragments}
	f.must(f.CreateObject(f.Context(), tenant, platform.CreateObject{Object: o}))
	return o.ID
}

// report tells the news of one device and returns what came of it.
func (f *fixture) report(tenant platform.TenantID, r platform.PresenceReport, now time.Time) platform.PresenceChange {
	f.Helper()
	list := got[[]platform.PresenceChange](f)(f.ReportPresence(f.Context(), tenant, []platform.PresenceReport{r}, now))
	if len(list) != 1 {
		f.Fatalf("%d changes of one report", len(list))
	}
	return list[0]
}

var presenceChecks = []check{
	{"presence is kept in fragments and is no change of the object", func(f *fixture) {
		f.tenants()
		id := f.device(acme, platform.Fragments{platform.FragmentIsDevice: json.RawMessage("{}"),
			platform.FragmentRequiredAvailability: json.RawMessage(`{"responseInterval": 1}`)})
		yes := true
		before := got[int64](f)(f.LastChange(f.Context()))
		c := f.report(acme, platform.PresenceReport{Object: id, Heard: at(1), Connected: &yes}, at(2))
		equal(f, "is", c.Is, platform.Presence{LastMessage: at(1), Monitored: true, Interval: time.Minute, Data: platform.Available, Connection: platform.Connected})
		equal(f, "was", c.Was.Data, "")
		o := got[platform.ManagedObject](f)(f.Object(f.Context(), acme, id))
		equal(f, "availability", string(o.Fragments[platform.FragmentAvailability]), `{"lastMessage":"2026-01-10T08:00:01.123Z","status":"AVAILABLE"}`)
		equal(f, "connection", string(o.Fragments[platform.FragmentConnection]), `{"status":"CONNECTED"}`)
		equal(f, "updated", o.Updated, day)
		after := got[int64](f)(f.LastChange(f.Context()))
		if after == before {
			f.Error("no change where a status changed")
		}
		f.report(acme, platform.PresenceReport{Object: id, Heard: at(3)}, at(3))
		equal(f, "changes", got[int64](f)(f.LastChange(f.Context())), after)
		c = f.report(acme, platform.PresenceReport{Object: id}, at(63))
		equal(f, "missed", c.Is.Data, platform.Unavailable)
		equal(f, "last message", c.Is.LastMessage, at(3))
	}},
	{"presence of what is no device, and of nobody", func(f *fixture) {
		f.tenants()
		group := f.device(acme, platform.Fragments{"x": json.RawMessage("{}")})
		device := f.device(acme, platform.Fragments{platform.FragmentIsDevice: json.RawMessage("{}")})
		list := got[[]platform.PresenceChange](f)(f.ReportPresence(f.Context(), acme, []platform.PresenceReport{
			{Object: group, Heard: at(1)}, {Object: 999999, Heard: at(1)}, {Object: device, Heard: at(1)},
		}, at(1)))
		equal(f, "no device", []bool{list[0].NoDevice, list[1].NoDevice, list[2].NoDevice}, []bool{true, true, false})
		equal(f, "fragments of the group", len(got[platform.ManagedObject](f)(f.Object(f.Context(), acme, group)).Fragments), 1)
		equal(f, "of another tenant", f.report(other, platform.PresenceReport{Object: device, Heard: at(9)}, at(9)).NoDevice, true)
		equal(f, "last message", f.report(acme, platform.PresenceReport{Object: device}, at(9)).Is.LastMessage, at(1))
		_, err := f.ReportPresence(f.Context(), "t9999", []platform.PresenceReport{{Object: device}}, at(1))
		f.kind(err, problem.NotFound)
	}},
	{"presence of more devices than one transaction takes", func(f *fixture) {
		f.tenants()
		var reports []platform.PresenceReport
		for range 401 {
			reports = append(reports, platform.PresenceReport{Heard: at(1),
				Object: f.device(acme, platform.Fragments{platform.FragmentIsDevice: json.RawMessage("{}")})})
		}
		list := got[[]platform.PresenceChange](f)(f.ReportPresence(f.Context(), acme, reports, at(1)))
		equal(f, "changes", len(list), 401)
		for i, c := range list {
			equal(f, "object", c.Object, reports[i].Object)
			equal(f, "data", c.Is.Data, platform.Available)
		}
	}},
	{"a server that starts alone has nobody connected", func(f *fixture) {
		f.tenants()
		yes := true
		a := f.device(acme, platform.Fragments{platform.FragmentIsDevice: json.RawMessage("{}")})
		b := f.device(other, platform.Fragments{platform.FragmentIsDevice: json.RawMessage("{}"),
			platform.FragmentRequiredAvailability: json.RawMessage(`{"responseInterval":0}`)})
		f.report(acme, platform.PresenceReport{Object: a, Connected: &yes}, at(1))
		f.report(other, platform.PresenceReport{Object: b, Connected: &yes}, at(1))
		f.must(f.DisconnectAll(f.Context()))
		equal(f, "a", f.report(acme, platform.PresenceReport{Object: a}, at(1)).Was.Connection, platform.Disconnected)
		equal(f, "b", f.report(other, platform.PresenceReport{Object: b}, at(1)).Was.Connection, platform.ConnectionInService)
	}},
}
