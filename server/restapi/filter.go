package restapi

import (
	"strings"
	"time"

	"mooring/internal/problem"
	"mooring/server/c8yjson"
	"mooring/server/platform"
)

// maxFilterValues bounds a comma list of statuses or severities.
const maxFilterValues = 16

// telemetryFilter reads the filters of measurements, events and alarms
// (rest.md §6.4 to §6.6) and holds the caller to the source: without one of
// roles, only what is their own can be listed, and it must be named.
func telemetryFilter(c *call, roles []platform.Role) (platform.TelemetryFilter, error) {
	q := c.query
	f := platform.TelemetryFilter{Type: q.Get("type"), Fragment: q.Get("fragmentType")}
	for name, into := range map[string]*time.Time{"dateFrom": &f.From, "dateTo": &f.To, "createdFrom": &f.CreatedFrom,
		"createdTo": &f.CreatedTo, "lastUpdatedFrom": &f.UpdatedFrom, "lastUpdatedTo": &f.UpdatedTo} {
		text := q.Get(name)
		if text == "" {
			continue
		}
		var err error
		if *into, err = c8yjson.ParseQueryTime(text); err != nil {
			return f, err
		}
	}
	text := q.Get("source")
	if text == "" {
		if !c.who.HasAny(roles...) {
			return f, forbidden()
		}
		return f, nil
	}
	id, ok := platform.ParseID(text)
	if !ok {
		return f, problem.New(problem.Unprocessable, "'source' must be an identifier.", nil)
	}
	f.Source = id
	if c.who.HasAny(roles...) {
		return f, nil // a source that is gone has an empty list
	}
	return f, c.mayUse(id, roles)
}

// alarmFilter reads what only alarms have.
func alarmFilter(c *call) (platform.TelemetryFilter, error) {
	f, err := telemetryFilter(c, alarmReaders)
	if err != nil {
		return f, err
	}
	statuses, err := commaList(c.query["status"])
	if err != nil {
		return f, err
	}
	for _, text := range statuses {
		s, err := c8yjson.ParseAlarmStatus(text)
		if err != nil {
			return f, err
		}
		f.Statuses = append(f.Statuses, s)
	}
	severities, err := commaList(c.query["severity"])
	if err != nil {
		return f, err
	}
	for _, text := range severities {
		s, err := c8yjson.ParseSeverity(text)
		if err != nil {
			return f, err
		}
		f.Severities = append(f.Severities, s)
	}
	switch resolved := c.query.Get("resolved"); {
	case len(f.Statuses) > 0:
	case resolved == "true":
		f.Statuses = []platform.AlarmStatus{platform.Cleared}
	case resolved == "false":
		f.Statuses = []platform.AlarmStatus{platform.Active, platform.Acknowledged}
	}
	return f, nil
}

// commaList takes values apart that are given by commas or by repetition.
func commaList(values []string) ([]string, error) {
	var list []string
	for _, v := range values {
		for part := range strings.SplitSeq(v, ",") {
			if part = strings.TrimSpace(part); part != "" {
				list = append(list, part)
			}
			if len(list) > maxFilterValues {
				return nil, problem.New(problem.Unprocessable, "More than 16 values in a filter.", nil)
			}
		}
	}
	return list, nil
}

// revert reports whether the caller wants the order that is not the default.
func (c *call) revert() bool { return c.query.Get("revert") == "true" }
