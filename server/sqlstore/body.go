package sqlstore

import (
	"encoding/json"
	"slices"

	"mooring/server/platform"
)

// patched replaces or removes members of a JSON object. Members are in the
// order of their names; an object without members is nil.
func patched(body []byte, set platform.Fragments, remove []string) (json.RawMessage, error) {
	if len(set) == 0 && (len(remove) == 0 || len(body) == 0) {
		return body, nil
	}
	members := map[string]json.RawMessage{}
	if len(body) > 0 {
		if err := json.Unmarshal(body, &members); err != nil {
			return nil, err
		}
	}
	for _, name := range remove {
		delete(members, name)
	}
	for name, value := range set {
		members[name] = value
	}
	return object(members), nil
}

// object writes members without changing a byte of their values.
func object(members map[string]json.RawMessage) json.RawMessage {
	if len(members) == 0 {
		return nil
	}
	names := make([]string, 0, len(members))
	for name := range members {
		names = append(names, name)
	}
	slices.Sort(names)
	b := []byte{'{'}
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		quoted, _ := json.Marshal(name) // a text always marshals
		b = append(append(b, quoted...), ':')
		b = append(b, members[name]...)
	}
	return append(b, '}')
}
