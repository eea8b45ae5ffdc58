package c8yjson

import (
	"encoding/json"
	"maps"
	"slices"

	"mooring/server/platform"
)

// Custom writes customProperties in the order of their names.
func (w *Writer) Custom(f platform.Fragments) {
	w.Key("customProperties")
	w.Open('{')
	for _, name := range slices.Sorted(maps.Keys(f)) {
		w.Key(name)
		w.Raw(f[name])
	}
	w.Close('}')
}

func parseCustom(o Object) (platform.Fragments, error) {
	if !o.Has("customProperties") {
		return nil, nil
	}
	custom, err := o.Object("customProperties")
	if err != nil {
		return nil, err
	}
	f := platform.Fragments{}
	for name, value := range custom {
		f[name] = json.RawMessage(value)
	}
	return f, nil
}
