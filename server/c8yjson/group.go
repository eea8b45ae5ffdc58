package c8yjson

import (
	"net/url"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// GroupPath is where a group of people is found.
func GroupPath(tenant platform.TenantID, id platform.ID) string {
	return "/user/" + url.PathEscape(string(tenant)) + "/groups/" + id.String()
}

// Group writes a group of people (rest.md §6.10). Its number is one on the wire,
// not a text.
func Group(w *Writer, base string, g platform.Group) {
	w.Open('{')
	w.Int("id", int64(g.ID))
	w.Text("name", g.Name)
	w.TextIf("description", g.Description)
	w.Link("self", base, GroupPath(g.Tenant, g.ID))
	w.Key("roles")
	roleReferences(w, base, g.Roles)
	w.Key("users")
	w.Open('{')
	w.Link("self", base, GroupPath(g.Tenant, g.ID), "/users")
	w.Key("references")
	w.Open('[')
	w.Close(']')
	w.Close('}')
	w.Custom(g.Custom)
	w.Close('}')
}

// GroupReference writes a group as a member of a list of references.
func GroupReference(w *Writer, base string, g platform.Group) {
	w.Open('{')
	w.Link("self", base, GroupPath(g.Tenant, g.ID))
	w.Key("group")
	Group(w, base, g)
	w.Close('}')
}

// RoleReference writes a role that a person or group has been given, owner
// being the path of either.
func RoleReference(w *Writer, base, owner string, r platform.Role) {
	w.Open('{')
	w.Link("self", base, owner, "/roles/", string(r))
	w.Key("role")
	Role(w, base, r)
	w.Close('}')
}

// ReadGroup merges what a client sends into g. Roles, where they are given,
// replace those it had: {"roles":{"references":[{"role":{"id":"ROLE_X"}}]}}.
func ReadGroup(o Object, g *platform.Group) (err error) {
	for name, into := range map[string]*string{"name": &g.Name, "description": &g.Description} {
		if !o.Has(name) {
			continue
		}
		if *into, err = o.Text(name); err != nil {
			return err
		}
	}
	if o.Has("customProperties") {
		if g.Custom, err = parseCustom(o); err != nil {
			return err
		}
	}
	if !o.Has("roles") {
		return nil
	}
	list, err := o.Object("roles")
	if err != nil {
		return err
	}
	references, err := list.Objects("references")
	if err != nil {
		return err
	}
	if len(references) > maxRoleReferences {
		return problem.WithCode(problem.Unprocessable, "users/Invalid Data", "A group has at most 200 roles.", nil)
	}
	g.Roles = nil
	for _, reference := range references {
		role, err := reference.Object("role")
		if err != nil {
			return err
		}
		id, err := role.Text("id")
		if err != nil {
			return err
		}
		if id == "" {
			return Missing("id")
		}
		g.Roles = append(g.Roles, platform.Role(id))
	}
	return nil
}

// maxRoleReferences bounds the roles of a group in one request; there are fewer.
const maxRoleReferences = 200
