package restapi

import (
	"net/http"
	"strings"

	"mooring/internal/secret"
	"mooring/server/c8yjson"
	"mooring/server/platform"
)

// userRoutes lets everybody read and change what is their own, without a role.
func (a *API) userRoutes() []route {
	reader := having(userReaders...)
	return []route{
		{method: "GET", path: "/user/currentUser", access: user, serve: readCurrentUser,
			doc: doc{Does: "Read who the caller is", Gives: "currentUser | user"}},
		{method: "PUT", path: "/user/currentUser", access: user, serve: updateCurrentUser,
			doc: doc{Does: "Change the record of the caller", Takes: "userChange", Gives: "currentUser"}},
		{method: "PUT", path: "/user/currentUser/password", access: user, serve: changeOwnPassword,
			doc: doc{Does: "Change the password of the caller", Takes: "passwordChange"}},
		{method: "GET", path: "/user/{tenant}/users", access: reader, serve: listUsers,
			doc: doc{Does: "List people, or the users of devices", Query: "onlyDevices: boolean, withCertificates: boolean, username, usernameContains, groups, owner, paging", Gives: "userCollection"}},
		{method: "POST", path: "/user/{tenant}/users", access: having(platform.RoleUserAdmin), serve: createUser,
			doc: doc{Does: "Create a person", Takes: "newUser", Gives: "user", Also: "409"}},
		{method: "DELETE", path: "/user/{tenant}/users/{user}", access: having(platform.RoleUserAdmin), serve: deleteUser,
			doc: doc{Does: "Delete a person or the user of a device"}},
		{method: "GET", path: "/user/{tenant}/users/{user}", access: user, serve: readUser,
			doc: doc{Does: "Read a person or the user of a device", Query: "withCertificates: boolean", Gives: "user"}},
		{method: "PUT", path: "/user/{tenant}/users/{user}", access: having(platform.RoleUserAdmin), serve: updateUser,
			doc: doc{Does: "Change a person, or switch a device off or on", Takes: "userChange", Gives: "user"}},
		{method: "GET", path: "/user/{tenant}/userByName/{user}", access: user, serve: readUser,
			doc: doc{Does: "Read a person or the user of a device", Query: "withCertificates: boolean", Gives: "user"}},
	}
}

// readCurrentUser answers with what the caller is; a device has no more than
// its name and roles.
func readCurrentUser(c *call) error {
	u := platform.User{Tenant: c.tenant(), Name: c.who.User, Roles: c.who.Roles, Enabled: true}
	if !c.who.IsDevice() && (c.who.Method == platform.ByPassword || c.who.Method == platform.ByToken) {
		stored, err := c.api.Accounts.User(c.ctx(), c.tenant(), c.who.User)
		if err != nil {
			return err
		}
		u = stored
	}
	if accept := strings.ToLower(c.r.Header.Get("Accept")); strings.Contains(accept, "cumulocity.user+json") {
		return answerPerson(c, u)
	}
	roles, err := c.api.Accounts.EffectiveRoles(c.ctx(), u)
	if err != nil {
		return err
	}
	c.answer(http.StatusOK, c8yjson.MediaCurrentUser, func(w *c8yjson.Writer) { c8yjson.CurrentUser(w, c.base(), u, roles) })
	return nil
}

// listUsers lists people, or with onlyDevices=true the users of devices.
func listUsers(c *call) error {
	if err := c.ownTenant(); err != nil {
		return err
	}
	p, err := c.paging()
	if err != nil {
		return err
	}
	filter := platform.UserFilter{Prefix: c.query.Get("username"), Contains: c.query.Get("usernameContains")}
	if filter.Group, err = groupFilter(c); err != nil {
		return err
	}
	if c.query.Get("owner") != "" { // nobody has an owner here
		collection(c, c8yjson.MediaUsers, "users", p, platform.List[platform.User]{}, func(*c8yjson.Writer, platform.User) {})
		return nil
	}
	if c.asks("onlyDevices") {
		list, err := c.api.DeviceUsers.DeviceUsers(c.ctx(), c.tenant(), filter, p.Page)
		if err != nil {
			return err
		}
		collection(c, c8yjson.MediaUsers, "users", p, list, func(w *c8yjson.Writer, u platform.DeviceUser) {
			c8yjson.DeviceUser(w, c.base(), u, c.asks("withCertificates"))
		})
		return nil
	}
	write, err := personWriter(c)
	if err != nil {
		return err
	}
	list, err := c.api.Accounts.Users(c.ctx(), c.tenant(), filter, p.Page)
	if err != nil {
		return err
	}
	collection(c, c8yjson.MediaUsers, "users", p, list, write)
	return nil
}

// readUser reads a person or, with "device_", the user of a device. Who has no
// role to read users may read themselves.
func readUser(c *call) error {
	if err := c.ownTenant(); err != nil {
		return err
	}
	name := c.param("user")
	if name != c.who.User && !c.who.HasAny(userReaders...) {
		return forbidden()
	}
	if device, ok := strings.CutPrefix(name, c8yjson.DeviceUserPrefix); ok {
		u, err := deviceUser(c, c.tenant(), device)
		if err != nil {
			return err
		}
		c.answer(http.StatusOK, c8yjson.MediaUser, func(w *c8yjson.Writer) {
			c8yjson.DeviceUser(w, c.base(), u, c.asks("withCertificates"))
		})
		return nil
	}
	u, err := c.api.Accounts.User(c.ctx(), c.tenant(), name)
	if err != nil {
		return err
	}
	return answerPerson(c, u)
}

// updateUser switches devices on and off and changes the records of people.
func updateUser(c *call) error {
	if err := c.ownTenant(); err != nil {
		return err
	}
	name := c.param("user")
	if device, ok := strings.CutPrefix(name, c8yjson.DeviceUserPrefix); ok {
		return updateDeviceUser(c, device)
	}
	return updatePerson(c, name)
}

// updateDeviceUser carries out "enabled" and "password"; what else a client
// sends back is the server's own.
func updateDeviceUser(c *call, device string) error {
	u, err := deviceUser(c, c.tenant(), device)
	if err != nil {
		return err
	}
	body, err := c.body()
	if err != nil {
		return err
	}
	password, err := body.Text("password")
	if err != nil {
		return err
	}
	if password != "" {
		if err := c.api.Registrations.SetPassword(c.ctx(), c.actor(), u.Tenant, u.ExternalID, secret.New(password)); err != nil {
			return err
		}
	}
	if u.Enabled, err = switchUser(c, u, body); err != nil {
		return err
	}
	c.written(http.StatusOK, c8yjson.MediaUser, func(w *c8yjson.Writer) { c8yjson.DeviceUser(w, c.base(), u, false) })
	return nil
}

func answerPerson(c *call, u platform.User) error {
	write, err := personWriter(c)
	if err != nil {
		return err
	}
	c.answer(http.StatusOK, c8yjson.MediaUser, func(w *c8yjson.Writer) { write(w, u) })
	return nil
}

// groupFilter reads the number or name of a group; zero: none was given.
func groupFilter(c *call) (platform.ID, error) {
	text := c.query.Get("groups")
	if text == "" {
		return 0, nil
	}
	if id, ok := platform.ParseID(text); ok {
		return id, nil
	}
	g, err := c.api.Accounts.GroupByName(c.ctx(), c.tenant(), text)
	return g.ID, err
}
