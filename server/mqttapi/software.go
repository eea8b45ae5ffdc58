package mqttapi

import (
	"mooring/internal/smartrest"
	"mooring/server/inventory"
)

// installedSoftware carries out 140 to 142. An item that is appended again takes
// the place of the one of its name, version and type.
func (p *publish) installedSoftware(r smartrest.InstalledSoftware) error {
	id, err := p.object()
	if err != nil || p.mode == 't' {
		return err
	}
	return p.server.cfg.Objects.ChangeSoftware(p.call(), p.place.tenant, id, p.principal.User, func(list []inventory.Software) []inventory.Software {
		switch r.Change {
		case smartrest.Set:
			return withSoftware(nil, r.Items)
		case smartrest.Append:
			return withSoftware(list, r.Items)
		}
		return withoutSoftware(list, r.Items)
	})
}

// softwareKey tells items of a list apart.
type softwareKey struct{ name, version, typ string }

func withSoftware(list []inventory.Software, items []smartrest.Software) []inventory.Software {
	at := make(map[softwareKey]int, len(list)+len(items))
	for i, s := range list {
		at[softwareKey{s.Name, s.Version, s.Type}] = i
	}
	for _, item := range items {
		s := inventory.Software{Name: item.Name, Version: item.Version, Type: item.Type, URL: item.URL}
		k := softwareKey{s.Name, s.Version, s.Type}
		if i, ok := at[k]; ok {
			list[i] = s
			continue
		}
		at[k] = len(list)
		list = append(list, s)
	}
	return list
}

// withoutSoftware removes by name and version, of whatever type.
func withoutSoftware(list []inventory.Software, items []smartrest.Software) []inventory.Software {
	gone := make(map[softwareKey]bool, len(items))
	for _, item := range items {
		gone[softwareKey{name: item.Name, version: item.Version}] = true
	}
	var left []inventory.Software
	for _, s := range list {
		if !gone[softwareKey{name: s.Name, version: s.Version}] {
			left = append(left, s)
		}
	}
	return left
}
