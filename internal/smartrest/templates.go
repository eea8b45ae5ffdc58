package smartrest

import (
	"slices"
	"sync"
)

// Kind is what a parameter's value must look like.
type Kind string

// The kinds, by the name an error text gives them.
const (
	Text     Kind = "STRING"
	Decimal  Kind = "NUMBER"
	Integer  Kind = "INTEGER"
	Boolean  Kind = "BOOLEAN"
	Date     Kind = "DATE"
	Severe   Kind = "SEVERITY"
	anything Kind = "ANY" // checked by the template's own decoder
)

// Param is one parameter of a template.
type Param struct {
	Name      string
	Kind      Kind
	Mandatory bool
}

// Template is one static upstream template.
type Template struct {
	ID   string
	Name string
	// Params are the values after the template ID, in order.
	Params []Param
	// Repeat says that the last Repeat parameters may come any number of times.
	// Groups that are wholly empty do not count.
	Repeat int
	// AtLeast is how many groups must be there.
	AtLeast int

	decode func(a *args) Record
}

func must(name string, kind Kind) Param { return Param{Name: name, Kind: kind, Mandatory: true} }
func may(name string, kind Kind) Param  { return Param{Name: name, Kind: kind} }

// params lists optional texts.
func params(names ...string) []Param {
	list := make([]Param, len(names))
	for i, n := range names {
		list[i] = may(n, Text)
	}
	return list
}

// static has the table of all static upstream templates (mqtt.md §4), made when
// it is asked for first: programs that only write lines are spared the decoders.
var static struct {
	once sync.Once
	all  []Template
	byID map[string]*Template
}

func templates() []Template {
	static.once.Do(func() {
		static.all = makeTemplates()
		static.byID = make(map[string]*Template, len(static.all))
		for i := range static.all {
			static.byID[static.all[i].ID] = &static.all[i]
		}
	})
	return static.all
}

// byID finds a template, nil if there is none.
func byID(id string) *Template {
	templates()
	return static.byID[id]
}

// makeTemplates makes the table. The list of 2026 has no others; 103, 108, 109,
// 126–139 and 144–149 are unassigned.
func makeTemplates() []Template {
	// position is what 112, 401 and 402 begin with.
	position := []Param{may("latitude", Decimal), may("longitude", Decimal), may("altitude", Decimal), may("accuracy", anything)}
	alarmParams := []Param{must("type", Text), may("text", Text), may("time", Date)}
	return []Template{
		{ID: "100", Name: "device creation", Params: params("name", "type"), decode: createDevice},
		{ID: "101", Name: "child device creation", Params: []Param{must("child ID", Text), may("name", Text), may("type", Text), may("is device", Text)}, decode: createChild},
		{ID: "102", Name: "service creation", Params: []Param{must("service ID", Text), must("type", Text), must("name", Text), must("status", Text)}, decode: service},
		{ID: "104", Name: "service status", Params: []Param{must("status", Text)}, decode: serviceStatus},
		{ID: "105", Name: "get child devices", decode: askChildren},
		{ID: "107", Name: "clear fragments", Params: params("fragment"), Repeat: 1, AtLeast: 1, decode: removeFragments},
		{ID: "110", Name: "hardware", Params: params("serial number", "model", "revision"), decode: hardware},
		{ID: "111", Name: "mobile", Params: params("IMEI", "ICCID", "IMSI", "MCC", "MNC", "LAC", "cell ID"), decode: mobile},
		{ID: "112", Name: "position", Params: []Param{may("latitude", Decimal), may("longitude", Decimal), may("altitude", Decimal), may("accuracy", Decimal)}, decode: positionUpdate},
		{ID: "113", Name: "configuration", Params: params("configuration"), decode: configuration},
		{ID: "114", Name: "supported operations", Params: params("operation"), Repeat: 1, decode: supportedOperations},
		{ID: "115", Name: "firmware", Params: params("name", "version", "URL"), decode: firmware},
		{ID: "116", Name: "software list", Params: params("name", "version", "URL"), Repeat: 3, decode: softwareList},
		{ID: "117", Name: "required availability", Params: []Param{may("interval", Integer)}, decode: requiredAvailability},
		{ID: "118", Name: "supported logs", Params: params("log"), Repeat: 1, decode: supportedLogs},
		{ID: "119", Name: "supported configurations", Params: params("configuration"), Repeat: 1, decode: supportedConfigurations},
		{ID: "120", Name: "configuration file", Params: []Param{must("type", Text), must("URL", Text), may("file name", Text), may("time", Date)}, decode: configurationFile},
		{ID: "121", Name: "device profile", Params: []Param{must("executed", Boolean), may("profile ID", Text)}, decode: deviceProfile},
		{ID: "122", Name: "agent", Params: []Param{must("name", Text), must("version", Text), may("URL", Text), must("maintainer", Text)}, decode: agent},
		{ID: "123", Name: "get device ID", decode: askDeviceID},
		{ID: "125", Name: "heartbeat", decode: heartbeat},
		{ID: "140", Name: "advanced software list", Params: []Param{must("name", Text), must("version", Text), may("type", Text), may("URL", Text)}, Repeat: 4, decode: installedSoftware(Set)},
		{ID: "141", Name: "append to advanced software list", Params: []Param{must("name", Text), must("version", Text), may("type", Text), may("URL", Text)}, Repeat: 4, decode: installedSoftware(Append)},
		{ID: "142", Name: "remove from advanced software list", Params: []Param{must("name", Text), must("version", Text)}, Repeat: 2, decode: installedSoftware(Remove)},
		{ID: "143", Name: "supported software types", Params: params("type"), Repeat: 1, decode: softwareTypes},
		{ID: "150", Name: "remote access protocols", Params: params("protocol"), Repeat: 1, decode: remoteAccess},

		{ID: "200", Name: "custom measurement", Params: []Param{must("fragment", Text), must("series", Text), must("value", Decimal), may("unit", Text), may("time", Date)}, decode: customMeasurement},
		{ID: "201", Name: "custom measurement with several values", Params: []Param{must("type", Text), may("time", Date), must("fragment", Text), must("series", Text), must("value", Decimal), may("unit", Text)}, Repeat: 4, AtLeast: 1, decode: measurementList},
		{ID: "210", Name: "signal strength", Params: []Param{may("RSSI", Decimal), may("BER", Decimal), may("time", Date)}, decode: signalStrength},
		{ID: "211", Name: "temperature", Params: []Param{must("temperature", Decimal), may("time", Date)}, decode: temperature},
		{ID: "212", Name: "battery", Params: []Param{must("battery", Decimal), may("time", Date)}, decode: battery},

		{ID: "301", Name: "critical alarm", Params: alarmParams, decode: alarm(Critical)},
		{ID: "302", Name: "major alarm", Params: alarmParams, decode: alarm(Major)},
		{ID: "303", Name: "minor alarm", Params: alarmParams, decode: alarm(Minor)},
		{ID: "304", Name: "warning alarm", Params: alarmParams, decode: alarm(Warning)},
		{ID: "305", Name: "alarm severity", Params: []Param{must("type", Text), must("severity", Severe)}, decode: alarmSeverity},
		{ID: "306", Name: "clear alarm", Params: []Param{must("type", Text)}, decode: clearAlarm},
		{ID: "307", Name: "clear alarm fragments", Params: []Param{must("type", Text), may("fragment", Text)}, Repeat: 1, AtLeast: 1, decode: removeAlarmFragments},

		{ID: "400", Name: "event", Params: []Param{must("type", Text), must("text", Text), may("time", Date)}, decode: event},
		{ID: "401", Name: "location event", Params: slices.Concat(position, []Param{may("time", Date)}), decode: locationEvent(false)},
		{ID: "402", Name: "location event with device update", Params: slices.Concat(position, []Param{may("time", Date)}), decode: locationEvent(true)},
		{ID: "407", Name: "clear event fragments", Params: []Param{must("type", Text), may("fragment", Text)}, Repeat: 1, decode: removeEventFragments},
		{ID: "408", Name: "parameter update", Params: []Param{may("text", Text), may("time", Date), may("change detect", Boolean), must("path", Text), must("type", Text), may("value", Text)}, Repeat: 3, AtLeast: 1, decode: parameterUpdate},

		{ID: "500", Name: "get pending operations", decode: askOperations},
		{ID: "501", Name: "operation executing", Params: []Param{must("fragment", Text)}, decode: operation(Executing, false)},
		{ID: "502", Name: "operation failed", Params: []Param{must("fragment", Text), may("reason", Text)}, decode: operation(Failed, false)},
		{ID: "503", Name: "operation successful", Params: []Param{must("fragment", Text), may("value", Text)}, Repeat: 1, decode: operation(Successful, false)},
		{ID: "504", Name: "operation executing by ID", Params: []Param{must("operation ID", Text)}, decode: operation(Executing, true)},
		{ID: "505", Name: "operation failed by ID", Params: []Param{must("operation ID", Text), may("reason", Text)}, decode: operation(Failed, true)},
		{ID: "506", Name: "operation successful by ID", Params: []Param{must("operation ID", Text), may("value", Text)}, Repeat: 1, decode: operation(Successful, true)},
		{ID: "507", Name: "executing operations failed", Params: params("fragment", "reason"), decode: failAll},

		{ID: "600", Name: "get platform version", decode: askVersion},
		{ID: "602", Name: "get templates", decode: askTemplates},
	}
}

// Templates returns the table of static upstream templates, in the order of their
// numbers. The caller may keep and change the slice, not what it points to.
func Templates() []Template { return slices.Clone(templates()) }

// TemplateIDs returns the IDs of the static upstream templates, in order.
func TemplateIDs() []string {
	ids := make([]string, len(templates()))
	for i, t := range templates() {
		ids[i] = t.ID
	}
	return ids
}
