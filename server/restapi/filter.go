package restapi

import (
	"strings"
	"time"

	"mooring/internal/problem"
	"mooring/server/c8yjson"
	"mooring/server/platform"
)

// maxFilterValues bounds a comma list of statuses, severities or types.
const maxFilterValues = 64

// telemetryFilter reads the filters of measurements, events and alarms
// (rest.md §6.4 to §6.6) and holds the caller to the source. Without one of
// roles a device lists what is its own, and a person what they own and name.
func telemetryFilter(c *call, roles []platform.Role) (platform.TelemetryFilter, error) {
	q := c.query
	f := platform.TelemetryFilter{Type: q.Get("type"), Fragment: q.Get("fragmentType")}
	if f.Fragment != "" {
		f.FragmentValue = q.Get("fragmentValue")
	}
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
	return f, c.sources(&f, roles)
}

// sources reads whose telemetry is asked for.
func (c *call) sources(f *platform.TelemetryFilter, roles []platform.Role) error {
	text := c.query.Get("source")
	kinds := c.relatives()
	switch {
	case text == "" && len(kinds) > 0:
		return problem.New(problem.Unprocessable, "'source' must be given with 'withSource…'.", nil)
	case text == "" && c.who.HasAny(roles...):
		return nil
	case text == "" && c.who.IsDevice():
		own, err := c.api.Inventory.Resolve(c.ctx(), c.tenant(), platform.ExternalID{Type: platform.SerialType, Value: c.who.Device})
		if err != nil {
			return forbidden()
		}
		return c.family(f, own, allKinds)
	case text == "":
		return forbidden()
	}
	id, ok := platform.ParseID(text)
	if !ok {
		return problem.New(problem.Unprocessable, "'source' must be an identifier.", nil)
	}
	if !c.who.HasAny(roles...) { // else a source that is gone has an empty list
		if err := c.mayUse(id, roles); err != nil {
			return err
		}
	}
	if len(kinds) > 0 {
		return c.family(f, id, kinds)
	}
	f.Source = id
	return nil
}

var allKinds = []platform.ChildKind{platform.ChildDevices, platform.ChildAssets, platform.ChildAdditions}

// relatives are the hierarchies below the source that are asked for.
func (c *call) relatives() []platform.ChildKind {
	if c.asks("withSourceChildren") {
		return allKinds
	}
	var kinds []platform.ChildKind
	for i, name := range []string{"withSourceDevices", "withSourceAssets", "withSourceAdditions"} {
		if c.asks(name) {
			kinds = append(kinds, allKinds[i])
		}
	}
	return kinds
}

// family selects an object and everything below it.
func (c *call) family(f *platform.TelemetryFilter, root platform.ID, kinds []platform.ChildKind) error {
	below, err := c.api.Inventory.Descendants(c.ctx(), c.tenant(), root, kinds, platform.MaxSources)
	if err != nil {
		return err
	}
	if len(below) == platform.MaxSources {
		return problem.New(problem.Unprocessable, "The source has too many objects below it: name one that is further down.", nil)
	}
	f.Sources = append([]platform.ID{root}, below...)
	return nil
}

// alarmFilter reads what only alarms have.
func alarmFilter(c *call, roles []platform.Role) (platform.TelemetryFilter, error) {
	f, err := telemetryFilter(c, roles)
	if err != nil {
		return f, err
	}
	f.Type = ""
	if f.Types, err = commaList(c.query["type"]); err != nil {
		return f, err
	}
	if f.Statuses, err = parseAll(c.query["status"], c8yjson.ParseAlarmStatus); err != nil {
		return f, err
	}
	if f.Severities, err = parseAll(c.query["severity"], c8yjson.ParseSeverity); err != nil {
		return f, err
	}
	switch c.query.Get("resolved") { // wins over status (OpenAPI)
	case "true":
		f.Statuses = []platform.AlarmStatus{platform.Cleared}
	case "false":
		f.Statuses = []platform.AlarmStatus{platform.Active, platform.Acknowledged}
	}
	return f, nil
}

func parseAll[T any](values []string, parse func(string) (T, error)) ([]T, error) {
	texts, err := commaList(values)
	if err != nil {
		return nil, err
	}
	var list []T
	for _, text := range texts {
		v, err := parse(text)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
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
				return nil, problem.New(problem.Unprocessable, "More than 64 values in a filter.", nil)
			}
		}
	}
	return list, nil
}

// revert reports whether the caller wants the order that is not the default.
func (c *call) revert() bool { return c.asks("revert") }

// named refuses a change of a whole collection that selects by none of the
// parameters: it would be everything there is.
func (c *call) named(parameters ...string) error {
	for _, p := range parameters {
		if c.query.Get(p) != "" {
			return nil
		}
	}
	return problem.New(problem.Unprocessable, "At least one of these parameters must be given: "+strings.Join(parameters, ", ")+".", nil)
}
