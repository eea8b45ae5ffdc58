package restapi

import (
	"net/http"
	"path"
	"slices"
	"strconv"

	"mooring/internal/problem"
	"mooring/server/account"
	"mooring/server/c8yjson"
	"mooring/server/platform"
)

func (a *API) groupRoutes() []route {
	const groups, one, users = "/user/{tenant}/groups", "/user/{tenant}/groups/{group}", "/user/{tenant}/users/{user}"
	reader, admin := having(userReaders...), having(userAdmins...)
	return []route{
		{method: "GET", path: "/user/roles", access: reader, serve: listRoles,
			doc: doc{Does: "List roles", Query: "paging", Gives: "roleCollection"}},
		{method: "GET", path: "/user/roles/{role}", access: reader, serve: readRole,
			doc: doc{Does: "Read a role", Gives: "role"}},
		{method: "GET", path: groups, access: reader, serve: listGroups,
			doc: doc{Does: "List groups of people", Query: "paging", Gives: "groupCollection"}},
		{method: "GET", path: one, access: reader, serve: readGroup,
			doc: doc{Does: "Read a group of people", Gives: "group"}},
		{method: "GET", path: "/user/{tenant}/groupByName/{name}", access: reader, serve: readGroup,
			doc: doc{Does: "Read a group of people", Gives: "group"}},
		{method: "GET", path: one + "/users", access: reader, serve: listMembers,
			doc: doc{Does: "List who is in a group", Query: "paging", Gives: "userReferenceCollection"}},
		{method: "POST", path: one + "/users", access: admin, serve: addMember,
			doc: doc{Does: "Put a person into a group", Takes: "userReference", Gives: "user"}},
		{method: "DELETE", path: one + "/users/{user}", access: admin, serve: removeMember,
			doc: doc{Does: "Take a person out of a group"}},
		{method: "GET", path: users + "/groups", access: reader, serve: listGroupsOfUser,
			doc: doc{Does: "List the groups of a person", Query: "paging", Gives: "groupReferenceCollection"}},
		{method: "POST", path: users + "/roles", access: admin, serve: addRole,
			doc: doc{Does: "Give a person a role", Takes: "roleReference", Gives: "user"}},
		{method: "DELETE", path: users + "/roles/{role}", access: admin, serve: removeRole,
			doc: doc{Does: "Take a role from a person"}},
	}
}

func listRoles(c *call) error {
	p, err := c.paging()
	if err != nil {
		return err
	}
	collection(c, c8yjson.MediaRoles, "roles", p, cutPage(platform.AdminRoles, p.Page), func(w *c8yjson.Writer, r platform.Role) {
		c8yjson.Role(w, c.base(), r)
	})
	return nil
}

func readRole(c *call) error {
	r := platform.Role(c.param("role"))
	if !slices.Contains(platform.AdminRoles, r) {
		return problem.WithCode(problem.NotFound, "users/Not Found", "There is no role '"+cut(string(r))+"'.", nil)
	}
	c.answer(http.StatusOK, c8yjson.MediaRole, func(w *c8yjson.Writer) { c8yjson.Role(w, c.base(), r) })
	return nil
}

// group is the group that the path names by number or by name.
func group(c *call) (account.Group, error) {
	if err := c.ownTenant(); err != nil {
		return account.Group{}, err
	}
	for _, g := range account.Groups() {
		if strconv.Itoa(g.ID) == c.param("group") || g.Name == c.param("name") {
			return g, nil
		}
	}
	return account.Group{}, problem.WithCode(problem.NotFound, "users/Not Found", "There is no group '"+cut(c.param("group")+c.param("name"))+"'.", nil)
}

func writeGroup(c *call, w *c8yjson.Writer, g account.Group) {
	c8yjson.Group(w, c.base(), c.tenant(), g.ID, g.Name, g.Roles)
}

func listGroups(c *call) error {
	if err := c.ownTenant(); err != nil {
		return err
	}
	p, err := c.paging()
	if err != nil {
		return err
	}
	collection(c, c8yjson.MediaGroups, "groups", p, cutPage(account.Groups(), p.Page), func(w *c8yjson.Writer, g account.Group) { writeGroup(c, w, g) })
	return nil
}

func readGroup(c *call) error {
	g, err := group(c)
	if err != nil {
		return err
	}
	c.answer(http.StatusOK, c8yjson.MediaGroup, func(w *c8yjson.Writer) { writeGroup(c, w, g) })
	return nil
}

func listMembers(c *call) error {
	g, err := group(c)
	if err != nil {
		return err
	}
	p, err := c.paging()
	if err != nil {
		return err
	}
	list, err := c.api.Accounts.Users(c.ctx(), c.tenant(), platform.UserFilter{Group: g.Name}, p.Page)
	if err != nil {
		return err
	}
	collection(c, c8yjson.MediaUserReferences, "references", p, list, func(w *c8yjson.Writer, u platform.User) {
		w.Open('{')
		w.Key("user")
		writeUser(c, w, u)
		w.Close('}')
	})
	return nil
}

func listGroupsOfUser(c *call) error {
	if err := c.ownTenant(); err != nil {
		return err
	}
	u, err := c.api.Accounts.User(c.ctx(), c.tenant(), c.param("user"))
	if err != nil {
		return err
	}
	p, err := c.paging()
	if err != nil {
		return err
	}
	var in []account.Group
	for _, name := range u.Groups {
		if g, ok := account.GroupByName(name); ok {
			in = append(in, g)
		}
	}
	collection(c, c8yjson.MediaGroupReferences, "references", p, cutPage(in, p.Page), func(w *c8yjson.Writer, g account.Group) {
		w.Open('{')
		w.Key("group")
		writeGroup(c, w, g)
		w.Close('}')
	})
	return nil
}

// referred reads {"user":{"self":"…"}} and the like: the last segment of the
// link, or the id.
func referred(c *call, kind string) (string, error) {
	body, err := c.body()
	if err != nil {
		return "", err
	}
	inner, err := body.Object(kind)
	if err != nil {
		return "", err
	}
	id, err := inner.Text("id")
	if err != nil || id != "" {
		return id, err
	}
	self, err := inner.Text("self")
	if err != nil {
		return "", err
	}
	if self == "" {
		return "", c8yjson.Missing(kind)
	}
	return unescape(path.Base(self)), nil
}

func addMember(c *call) error {
	g, err := group(c)
	if err != nil {
		return err
	}
	name, err := referred(c, "user")
	if err != nil {
		return err
	}
	return changePerson(c, name, http.StatusCreated, func(u *platform.User) error {
		if !slices.Contains(u.Groups, g.Name) {
			u.Groups = append(slices.Clone(u.Groups), g.Name)
		}
		return c.mayGrant(g.Roles)
	})
}

func removeMember(c *call) error {
	g, err := group(c)
	if err != nil {
		return err
	}
	return changePerson(c, c.param("user"), http.StatusNoContent, func(u *platform.User) error {
		u.Groups = slices.DeleteFunc(slices.Clone(u.Groups), func(name string) bool { return name == g.Name })
		return nil
	})
}

func addRole(c *call) error {
	if err := c.ownTenant(); err != nil {
		return err
	}
	name, err := referred(c, "role")
	if err != nil {
		return err
	}
	return changePerson(c, c.param("user"), http.StatusCreated, func(u *platform.User) error {
		role := platform.Role(name)
		if !slices.Contains(u.Roles, role) {
			u.Roles = append(slices.Clone(u.Roles), role)
		}
		return c.mayGrant([]platform.Role{role})
	})
}

func removeRole(c *call) error {
	if err := c.ownTenant(); err != nil {
		return err
	}
	return changePerson(c, c.param("user"), http.StatusNoContent, func(u *platform.User) error {
		u.Roles = slices.DeleteFunc(slices.Clone(u.Roles), func(r platform.Role) bool { return string(r) == c.param("role") })
		return nil
	})
}

// mayGrant keeps callers from giving, to others or themselves, what they do not
// have.
func (c *call) mayGrant(roles []platform.Role) error {
	for _, r := range roles {
		if !c.who.Has(r) {
			return forbidden()
		}
	}
	return nil
}

// changePerson changes the groups or roles of a person.
func changePerson(c *call, name string, status int, change func(*platform.User) error) error {
	u, err := c.api.Accounts.User(c.ctx(), c.tenant(), name)
	if err != nil {
		return err
	}
	if err := change(&u); err != nil {
		return err
	}
	if err := c.mayManage(u); err != nil {
		return err
	}
	if err := c.api.Accounts.UpdateUser(c.ctx(), c.actor(), u, noPassword); err != nil {
		return err
	}
	if status == http.StatusNoContent {
		c.empty(status)
		return nil
	}
	c.written(status, c8yjson.MediaUser, func(w *c8yjson.Writer) { writeUser(c, w, u) })
	return nil
}
