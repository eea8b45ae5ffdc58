package restapi

import (
	"net/http"
	"net/url"
	"path"
	"slices"

	"mooring/server/c8yjson"
	"mooring/server/platform"
)

func listMembers(c *call) error {
	g, err := group(c)
	if err != nil {
		return err
	}
	p, err := c.paging()
	if err != nil {
		return err
	}
	write, err := personWriter(c)
	if err != nil {
		return err
	}
	list, err := c.api.Accounts.Users(c.ctx(), c.tenant(), platform.UserFilter{Group: g.ID}, p.Page)
	if err != nil {
		return err
	}
	collection(c, c8yjson.MediaUserReferences, "references", p, list, func(w *c8yjson.Writer, u platform.User) { userReference(c, w, u, g, write) })
	return nil
}

// userReference writes a person as a member of a group.
func userReference(c *call, w *c8yjson.Writer, u platform.User, g platform.Group, write func(*c8yjson.Writer, platform.User)) {
	w.Open('{')
	w.Link("self", c.base(), c8yjson.GroupPath(g.Tenant, g.ID), "/users/", url.PathEscape(u.Name))
	w.Key("user")
	write(w, u)
	w.Close('}')
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
	all, err := c.api.Accounts.Groups(c.ctx(), c.tenant())
	if err != nil {
		return err
	}
	var in []platform.Group
	for _, g := range all {
		if slices.Contains(u.Groups, g.ID) {
			in = append(in, g)
		}
	}
	collection(c, c8yjson.MediaGroupReferences, "references", p, cutPage(in, p.Page), func(w *c8yjson.Writer, g platform.Group) { c8yjson.GroupReference(w, c.base(), g) })
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
	u, err := changePerson(c, name, func(u *platform.User) error {
		if !slices.Contains(u.Groups, g.ID) {
			u.Groups = append(slices.Clone(u.Groups), g.ID)
			slices.Sort(u.Groups)
		}
		return c.mayGrant(g.Roles)
	})
	if err != nil {
		return err
	}
	write, err := personWriter(c)
	if err != nil {
		return err
	}
	c.written(http.StatusCreated, c8yjson.MediaUserReference, func(w *c8yjson.Writer) { userReference(c, w, u, g, write) })
	return nil
}

func removeMember(c *call) error {
	g, err := group(c)
	if err != nil {
		return err
	}
	_, err = changePerson(c, c.param("user"), func(u *platform.User) error {
		u.Groups = slices.DeleteFunc(slices.Clone(u.Groups), func(id platform.ID) bool { return id == g.ID })
		return nil
	})
	if err != nil {
		return err
	}
	c.empty(http.StatusNoContent)
	return nil
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
func changePerson(c *call, name string, change func(*platform.User) error) (platform.User, error) {
	u, err := c.api.Accounts.User(c.ctx(), c.tenant(), name)
	if err != nil {
		return u, err
	}
	if err := c.mayManage(u); err != nil {
		return u, err
	}
	if err := change(&u); err != nil {
		return u, err
	}
	return u, c.api.Accounts.UpdateUser(c.ctx(), c.actor(), u, noPassword)
}
