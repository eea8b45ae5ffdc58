package operation

import (
	"encoding/json"
	"strings"
	"time"

	"mooring/server/platform"
)

// effect is what success brings besides the state (mqtt.md §4.6).
type effect struct {
	merge  map[string]platform.Fragments // into the operation
	object platform.Fragments            // fragments of the device's object
}

// results are the fragments whose success brings something, with what.
var results = map[string]func(o platform.Operation, values []string, now time.Time) effect{
	"c8y_Command": func(_ platform.Operation, values []string, _ time.Time) effect {
		return member("c8y_Command", "result", strings.Join(values, ",")) // a text that was not quoted comes in parts
	},
	"c8y_LogfileRequest": func(_ platform.Operation, values []string, _ time.Time) effect {
		return member("c8y_LogfileRequest", "file", first(values))
	},
	"c8y_UploadConfigFile": func(_ platform.Operation, values []string, _ time.Time) effect {
		return member("c8y_UploadConfigFile", "file", first(values))
	},
	"c8y_RelayArray": func(o platform.Operation, values []string, _ time.Time) effect {
		states := o.Fragments["c8y_RelayArray"]
		if len(values) > 0 {
			states, _ = json.Marshal(values) // texts always marshal
		}
		return effect{object: platform.Fragments{"c8y_RelayArray": states}}
	},
	"c8y_CommunicationMode": func(o platform.Operation, _ []string, _ time.Time) effect {
		return effect{object: platform.Fragments{"c8y_CommunicationMode": o.Fragments["c8y_CommunicationMode"]}}
	},
	"c8y_DownloadConfigFile": configurationDump,
}

// resultOf finds what success of o brings. By ID the operation tells what it is
// about, else the report does.
func resultOf(o platform.Operation, r Report, now time.Time) effect {
	values := r.Values
	for len(values) > 0 && values[len(values)-1] == "" {
		values = values[:len(values)-1]
	}
	for name, f := range results {
		_, has := o.Fragments[name]
		if has && (r.ID != 0 || r.Fragment == name) {
			return f(o, values, now)
		}
	}
	return effect{}
}

// member sets a text in a fragment of the operation; an empty one sets nothing.
func member(fragment, name, text string) effect {
	if text == "" {
		return effect{}
	}
	value, _ := json.Marshal(text) // a text always marshals
	return effect{merge: map[string]platform.Fragments{fragment: {name: value}}}
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// configurationDump notes on the object which configuration was installed: that
// which the operation names, at the time the device says.
func configurationDump(o platform.Operation, values []string, now time.Time) effect {
	var file struct {
		Dump struct {
			ID json.RawMessage `json:"id"`
		} `json:"c8y_ConfigurationDump"`
	}
	if json.Unmarshal(o.Fragments["c8y_DownloadConfigFile"], &file) != nil || len(file.Dump.ID) == 0 {
		return effect{}
	}
	at := first(values)
	if at == "" {
		at = now.UTC().Format(timeFormat)
	}
	dump, err := json.Marshal(map[string]any{"id": file.Dump.ID, "time": at})
	if err != nil {
		return effect{}
	}
	return effect{object: platform.Fragments{"c8y_ConfigurationDump": dump}}
}
