package c8yjson

import (
	"net/url"

	"mooring/server/platform"
)

// PathInventoryRoles is where inventory roles are found.
const PathInventoryRoles = "/user/inventoryroles/"

// InventoryRole writes an inventory role; its numbers are ones on the wire.
func InventoryRole(w *Writer, base string, r platform.InventoryRole) {
	w.Open('{')
	w.Int("id", int64(r.ID))
	w.Text("name", r.Name)
	w.TextIf("description", r.Description)
	w.Link("self", base, PathInventoryRoles, r.ID.String())
	w.Key("permissions")
	w.Open('[')
	for _, p := range r.Permissions {
		w.Open('{')
		w.Int("id", int64(p.ID))
		w.Text("permission", p.Level)
		w.Text("scope", p.Scope)
		w.Text("type", p.Type)
		w.Close('}')
	}
	w.Close(']')
	w.Close('}')
}

// InventoryAssignment writes what a person has on an object; roles are those it
// names.
func InventoryAssignment(w *Writer, base string, a platform.InventoryAssignment, roles []platform.InventoryRole) {
	w.Open('{')
	w.Int("id", int64(a.ID))
	w.ID("managedObject", a.Object)
	w.Link("self", base, "/user/", url.PathEscape(string(a.Tenant)), "/users/", url.PathEscape(a.User), "/roles/inventory/", a.ID.String())
	w.Key("roles")
	w.Open('[')
	for _, r := range roles {
		InventoryRole(w, base, r)
	}
	w.Close(']')
	w.Close('}')
}

// ReadInventoryRole reads what a body says of a role into r; what it does not say
// stays.
func ReadInventoryRole(o Object, r *platform.InventoryRole) error {
	for name, into := range map[string]*string{"name": &r.Name, "description": &r.Description} {
		if !o.Has(name) {
			continue
		}
		var err error
		if *into, err = o.Text(name); err != nil {
			return err
		}
	}
	if !o.Has("permissions") {
		return nil
	}
	items, err := o.Objects("permissions")
	if err != nil {
		return err
	}
	r.Permissions = make([]platform.Permission, len(items))
	for i, item := range items {
		p := platform.Permission{Type: "*"}
		if p.ID, err = item.ID("id"); err != nil {
			return err
		}
		for name, into := range map[string]*string{"permission": &p.Level, "scope": &p.Scope, "type": &p.Type} {
			if !item.Has(name) {
				continue
			}
			if *into, err = item.Text(name); err != nil {
				return err
			}
		}
		r.Permissions[i] = p
	}
	return nil
}

// ReadInventoryAssignment reads the object and the roles of an assignment into a.
func ReadInventoryAssignment(o Object, a *platform.InventoryAssignment) error {
	if o.Has("managedObject") {
		var err error
		if a.Object, err = o.ID("managedObject"); err != nil {
			return err
		}
	}
	if !o.Has("roles") {
		return nil
	}
	items, err := o.Objects("roles")
	if err != nil {
		return err
	}
	a.Roles = nil
	for _, item := range items {
		id, err := item.ID("id")
		if err != nil {
			return err
		}
		a.Roles = append(a.Roles, id)
	}
	return nil
}
