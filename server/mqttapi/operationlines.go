package mqttapi

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"mooring/internal/smartrest"
	"mooring/server/platform"
)

// order is an operation while its lines are written.
type order struct {
	device    string // external ID, the second field of every line
	typed     bool   // the device tells software apart by type
	fragments platform.Fragments
}

// operationLines writes an operation as static templates, one line for each
// fragment that has one; nothing if none has (mqtt.md §5.1, §5.2).
func operationLines(op *platform.AddressedOperation) []byte {
	o := order{device: op.Target.Value, typed: op.SoftwareTypes, fragments: op.Fragments}
	if o.device == "" {
		o.device = op.Device.String()
	}
	var lines []byte
	for _, t := range orderTemplates {
		value, ok := op.Fragments[t.fragment]
		if !ok {
			continue
		}
		if len(lines) > 0 {
			lines = append(lines, '\n')
		}
		lines = t.append(lines, o, value)
	}
	return lines
}

// orderTemplates are the fragments that have a static template.
var orderTemplates = []struct {
	fragment string
	append   func(dst []byte, o order, value json.RawMessage) []byte
}{
	{"c8y_Restart", func(dst []byte, o order, _ json.RawMessage) []byte {
		return smartrest.AppendOperation(dst, smartrest.TemplateRestart, o.device)
	}},
	{"c8y_Command", member(smartrest.TemplateCommand, "text")},
	{"c8y_Configuration", member(smartrest.TemplateConfiguration, "config")},
	{"c8y_Firmware", func(dst []byte, o order, v json.RawMessage) []byte {
		return smartrest.AppendFirmware(dst, o.device, firmwareOrder(members(v)))
	}},
	{"c8y_SoftwareList", func(dst []byte, o order, v json.RawMessage) []byte {
		return smartrest.AppendSoftwareList(dst, o.device, softwareOrders(v))
	}},
	{"c8y_MeasurementRequestOperation", member(smartrest.TemplateMeasurementRequest, "requestName")},
	{"c8y_Relay", member(smartrest.TemplateRelay, "relayState")},
	{"c8y_RelayArray", func(dst []byte, o order, v json.RawMessage) []byte {
		return smartrest.AppendOperation(dst, smartrest.TemplateRelayArray, o.device, plainTexts(v)...)
	}},
	{"c8y_UploadConfigFile", func(dst []byte, o order, v json.RawMessage) []byte {
		if kind := plain(members(v)["type"]); kind != "" {
			return smartrest.AppendOperation(dst, smartrest.TemplateUploadTyped, o.device, kind)
		}
		return smartrest.AppendOperation(dst, smartrest.TemplateUploadConfig, o.device)
	}},
	{"c8y_DownloadConfigFile", func(dst []byte, o order, v json.RawMessage) []byte {
		m := members(v)
		if kind := plain(m["type"]); kind != "" {
			return smartrest.AppendOperation(dst, smartrest.TemplateDownloadTyped, o.device, plain(m["url"]), kind)
		}
		return smartrest.AppendOperation(dst, smartrest.TemplateDownloadConfig, o.device, plain(m["url"]))
	}},
	{"c8y_LogfileRequest", member(smartrest.TemplateLogfileRequest, "logFile", "dateFrom", "dateTo", "searchText", "maximumLines")},
	{"c8y_CommunicationMode", member(smartrest.TemplateCommunicationMode, "mode")},
	{"c8y_DeviceProfile", appendProfile},
	{"c8y_SoftwareUpdate", func(dst []byte, o order, v json.RawMessage) []byte {
		items := softwareOrders(v)
		return smartrest.AppendSoftwareUpdate(dst, o.device, o.typed && anyTyped(items), items)
	}},
	{"c8y_RemoteAccessConnect", member(smartrest.TemplateRemoteAccess, "hostname", "port", "connectionKey")},
	{"c8y_ParameterUpdate", func(dst []byte, o order, v json.RawMessage) []byte {
		return smartrest.AppendParameters(dst, o.device, parameters(o.fragments, v))
	}},
}

// member writes a template whose fields are members of the fragment.
func member(templateID string, names ...string) func([]byte, order, json.RawMessage) []byte {
	return func(dst []byte, o order, value json.RawMessage) []byte {
		m := members(value)
		fields := make([]string, len(names))
		for i, name := range names {
			fields[i] = plain(m[name])
		}
		return smartrest.AppendOperation(dst, templateID, o.device, fields...)
	}
}

// appendProfile writes 527, and 531 with it if any software has a type.
func appendProfile(dst []byte, o order, value json.RawMessage) []byte {
	m := members(value)
	p := smartrest.ProfileOrder{Software: softwareOrders(m["software"])}
	if f := members(m["firmware"]); len(f) > 0 {
		firmware := firmwareOrder(f)
		p.Firmware = &firmware
	}
	for _, c := range elements(m["configuration"]) {
		p.Configuration = append(p.Configuration, smartrest.ConfigurationOrder{URL: plain(c["url"]), Type: plain(c["type"])})
	}
	dst = smartrest.AppendProfile(dst, o.device, false, p)
	if anyTyped(p.Software) {
		dst = smartrest.AppendProfile(append(dst, '\n'), o.device, true, p)
	}
	return dst
}

func firmwareOrder(m platform.Fragments) smartrest.FirmwareOrder {
	return smartrest.FirmwareOrder{Name: plain(m["name"]), Version: plain(m["version"]), URL: plain(m["url"]),
		Patch: plain(m["isPatch"]) == "true", Dependency: plain(m["dependency"])}
}

func softwareOrders(value json.RawMessage) []smartrest.SoftwareOrder {
	var list []smartrest.SoftwareOrder
	for _, m := range elements(value) {
		list = append(list, smartrest.SoftwareOrder{Name: plain(m["name"]), Version: plain(m["version"]),
			Type: plain(m["softwareType"]), URL: plain(m["url"]), Action: plain(m["action"])})
	}
	return list
}

func anyTyped(items []smartrest.SoftwareOrder) bool {
	return slices.ContainsFunc(items, func(s smartrest.SoftwareOrder) bool { return s.Type != "" })
}

// parameters lists what 532 carries. A marker c8y_ParameterUpdate_<set> names a
// set, whose values are in the fragment <set>, or, where somebody made the
// operation by hand, in the marker; without any marker c8y_ParameterUpdate holds sets.
func parameters(fragments platform.Fragments, value json.RawMessage) []smartrest.Parameter {
	var list []smartrest.Parameter
	for _, name := range slices.Sorted(maps.Keys(fragments)) {
		set, ok := strings.CutPrefix(name, "c8y_ParameterUpdate_")
		if !ok {
			continue
		}
		values := members(fragments[set])
		if len(values) == 0 {
			values = members(fragments[name])
		}
		list = appendSet(list, set, values)
	}
	if list != nil {
		return list
	}
	sets := members(value)
	for _, set := range slices.Sorted(maps.Keys(sets)) {
		list = appendSet(list, set, members(sets[set]))
	}
	return list
}

func appendSet(list []smartrest.Parameter, set string, values platform.Fragments) []smartrest.Parameter {
	for _, key := range slices.Sorted(maps.Keys(values)) {
		v := values[key]
		list = append(list, smartrest.Parameter{Path: set + "." + key, Type: parameterType(v), Value: plain(v)})
	}
	return list
}

func parameterType(value json.RawMessage) string {
	switch {
	case len(value) == 0 || value[0] == '{' || value[0] == '[' || value[0] == 'n':
		return ""
	case value[0] == '"':
		return "s"
	case value[0] == 't' || value[0] == 'f':
		return "b"
	}
	return "n"
}

// members reads a JSON object; anything else has no members.
func members(value json.RawMessage) platform.Fragments {
	var m platform.Fragments
	if json.Unmarshal(value, &m) != nil {
		return nil
	}
	return m
}

// elements reads a JSON array of objects, or one object alone.
func elements(value json.RawMessage) []platform.Fragments {
	var list []platform.Fragments
	if json.Unmarshal(value, &list) == nil {
		return list
	}
	if m := members(value); m != nil {
		return []platform.Fragments{m}
	}
	return nil
}

// plain is a JSON value as a field: a text without its quotes, null as nothing,
// anything else as it is written.
func plain(value json.RawMessage) string {
	var s string
	if json.Unmarshal(value, &s) == nil {
		return s // null leaves it empty
	}
	return string(value)
}

func plainTexts(value json.RawMessage) []string {
	var list []json.RawMessage
	if json.Unmarshal(value, &list) != nil {
		return nil
	}
	texts := make([]string, len(list))
	for i, v := range list {
		texts[i] = plain(v)
	}
	return texts
}
