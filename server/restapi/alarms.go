package restapi

import (
	"net/http"
	"strconv"

	"mooring/server/c8yjson"
	"mooring/server/platform"
)

var (
	alarmAdmins  = []platform.Role{platform.RoleAlarmAdmin}
	alarmReaders = []platform.Role{platform.RoleAlarmRead, platform.RoleAlarmAdmin}
)

func (a *API) alarmRoutes() []route {
	const all, one = "/alarm/alarms", "/alarm/alarms/{id}"
	return []route{
		{method: "GET", path: all, access: user, serve: listAlarms,
			doc: doc{Does: "List alarms", Query: alarmFilters + ", revert: boolean, paging", Gives: "alarmCollection", Also: "404 422"}},
		{method: "POST", path: all, access: user, serve: createAlarm,
			doc: doc{Does: "Raise an alarm, or count one that is raised already", Takes: "newAlarm", Gives: "alarm", Also: "404"}},
		{method: "GET", path: all + "/count", access: user, serve: countAlarms,
			doc: doc{Does: "Count alarms", Query: alarmFilters, Gives: "count", Also: "404 422"}},
		{method: "POST", path: all + "/upsert", access: user, serve: upsertAlarm,
			doc: doc{Does: "Change the alarm of a source and type, or raise one", Query: "incrementCount: boolean", Takes: "alarmUpsert", Gives: "alarmUpsertResponse", Also: "200 404"}},
		{method: "PUT", path: all, access: having(alarmAdmins...), serve: updateAlarms,
			doc: doc{Does: "Give alarms another status", Query: alarmFilters, Takes: "change", Also: "422"}},
		{method: "DELETE", path: all, access: having(alarmAdmins...), serve: deleteAlarms,
			doc: doc{Does: "Delete alarms", Query: alarmFilters, Also: "422"}},
		{method: "GET", path: one, access: user, serve: readAlarm,
			doc: doc{Does: "Read an alarm", Gives: "alarm"}},
		{method: "PUT", path: one, access: user, serve: updateAlarm,
			doc: doc{Does: "Change an alarm", Takes: "change", Gives: "alarm"}},
	}
}

func listAlarms(c *call) error {
	p, err := c.paging()
	if err != nil {
		return err
	}
	f, err := alarmFilter(c, alarmReaders)
	if err != nil {
		return err
	}
	f.NewestFirst = !c.revert()
	list, err := c.api.Telemetry.Alarms(c.ctx(), c.tenant(), f, p.Page)
	if err != nil {
		return err
	}
	c.nameAlarms(pointers(list.Items)...)
	base := c.base()
	collection(c, c8yjson.MediaAlarms, "alarms", p, list, func(w *c8yjson.Writer, a platform.Alarm) { c8yjson.Alarm(w, base, a) })
	return nil
}

// countAlarms answers with a bare number, which clients read as text or JSON.
func countAlarms(c *call) error {
	f, err := alarmFilter(c, alarmReaders)
	if err != nil {
		return err
	}
	n, err := c.api.Telemetry.CountAlarms(c.ctx(), c.tenant(), f)
	if err != nil {
		return err
	}
	media := c8yjson.MediaJSON
	if c.r.Header.Get("Accept") == "text/plain" {
		media = "text/plain;charset=UTF-8"
	}
	c.bytes(http.StatusOK, media, strconv.AppendInt(nil, n, 10))
	return nil
}

func createAlarm(c *call) error {
	body, err := c.body()
	if err != nil {
		return err
	}
	alarm, err := c8yjson.ParseAlarm(body)
	if err != nil {
		return err
	}
	if err := c.mayUse(alarm.Source, alarmAdmins); err != nil {
		return err
	}
	if alarm, err = c.api.Telemetry.RaiseAlarm(c.ctx(), c.tenant(), c.who.User, alarm); err != nil {
		return err
	}
	c.nameAlarms(&alarm)
	c.created(c.base()+c8yjson.PathAlarms+alarm.ID.String(), c8yjson.MediaAlarm, func(w *c8yjson.Writer) {
		c8yjson.Alarm(w, c.base(), alarm)
	})
	return nil
}

// alarmOf reads the alarm of the path and holds the caller to its source.
func alarmOf(c *call, roles []platform.Role) (platform.Alarm, error) {
	id, err := c.id("id")
	if err != nil {
		return platform.Alarm{}, err
	}
	alarm, err := c.api.Telemetry.Alarm(c.ctx(), c.tenant(), id)
	if err != nil {
		return alarm, err
	}
	return alarm, c.maySee(alarm.Source, roles)
}

func readAlarm(c *call) error {
	alarm, err := alarmOf(c, alarmReaders)
	if err != nil {
		return err
	}
	c.nameAlarms(&alarm)
	c.answer(http.StatusOK, c8yjson.MediaAlarm, func(w *c8yjson.Writer) { c8yjson.Alarm(w, c.base(), alarm) })
	return nil
}

func updateAlarm(c *call) error {
	alarm, err := alarmOf(c, alarmAdmins)
	if err != nil {
		return err
	}
	body, err := c.body()
	if err != nil {
		return err
	}
	u, err := c8yjson.ParseAlarmUpdate(alarm.ID, body)
	if err != nil {
		return err
	}
	u.By = c.who.User
	if alarm, err = c.api.Telemetry.UpdateAlarm(c.ctx(), c.tenant(), u); err != nil {
		return err
	}
	c.nameAlarms(&alarm)
	c.written(http.StatusOK, c8yjson.MediaAlarm, func(w *c8yjson.Writer) { c8yjson.Alarm(w, c.base(), alarm) })
	return nil
}

// upsertAlarm answers with the alarm as it is and as it was before.
func upsertAlarm(c *call) error {
	body, err := c.body()
	if err != nil {
		return err
	}
	u, err := c8yjson.ParseAlarmUpsert(body)
	if err != nil {
		return err
	}
	if err := c.mayUse(u.Alarm.Source, alarmAdmins); err != nil {
		return err
	}
	u.Increment, u.Update.By = c.asks("incrementCount"), c.who.User
	before, after, err := c.api.Telemetry.UpsertAlarm(c.ctx(), c.tenant(), u)
	if err != nil {
		return err
	}
	c.nameAlarms(&after)
	if before != nil {
		before.SourceName = after.SourceName
	}
	encode := func(w *c8yjson.Writer) { c8yjson.AlarmUpsert(w, c.base(), before, after) }
	if before == nil {
		c.created(c.base()+c8yjson.PathAlarms+after.ID.String(), c8yjson.MediaAlarmUpsert, encode)
		return nil
	}
	c.written(http.StatusOK, c8yjson.MediaAlarmUpsert, encode)
	return nil
}

// updateAlarms changes the status of all alarms that the query selects.
func updateAlarms(c *call) error {
	if err := c.named("source", "status", "severity", "resolved", "type", "dateFrom", "dateTo", "createdFrom", "createdTo",
		"lastUpdatedFrom", "lastUpdatedTo"); err != nil {
		return err
	}
	f, err := alarmFilter(c, alarmAdmins)
	if err != nil {
		return err
	}
	body, err := c.body()
	if err != nil {
		return err
	}
	u, err := c8yjson.ParseAlarmUpdate(0, body)
	if err != nil {
		return err
	}
	if u.Status == "" {
		return c8yjson.Missing("status")
	}
	if err := c.api.Telemetry.SetAlarmStatus(c.ctx(), c.tenant(), c.who.User, f, u.Status); err != nil {
		return err
	}
	c.empty(http.StatusOK)
	return nil
}

func deleteAlarms(c *call) error {
	if err := c.named("source", "dateFrom", "dateTo", "createdFrom", "createdTo"); err != nil {
		return err
	}
	f, err := alarmFilter(c, alarmAdmins)
	if err != nil {
		return err
	}
	if err := c.api.Telemetry.DeleteAlarms(c.ctx(), c.tenant(), f); err != nil {
		return err
	}
	c.empty(http.StatusNoContent)
	return nil
}
