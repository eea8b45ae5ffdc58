package restapi

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"mooring/internal/problem"
	"mooring/internal/secret"
	"mooring/server/account"
	"mooring/server/c8yjson"
	"mooring/server/httpauth"
	"mooring/server/platform"
)

var noPassword secret.String

func unescape(segment string) string {
	text, err := url.PathUnescape(segment)
	if err != nil {
		return segment
	}
	return text
}

// personWriter returns what writes people with their groups and roles.
func personWriter(c *call) (func(*c8yjson.Writer, platform.User), error) {
	groups, err := c.api.Accounts.Groups(c.ctx(), c.tenant())
	if err != nil {
		return nil, err
	}
	return func(w *c8yjson.Writer, u platform.User) {
		c8yjson.User(w, c.base(), u, account.Effective(u, groups), func() {
			for _, g := range groups {
				if slices.Contains(u.Groups, g.ID) {
					c8yjson.GroupReference(w, c.base(), g)
				}
			}
		})
	}, nil
}

// mayManage keeps who may manage users from taking over somebody who may do
// more: whose password one sets, one can be.
func (c *call) mayManage(u platform.User) error {
	roles, err := c.api.Accounts.EffectiveRoles(c.ctx(), u)
	if err != nil {
		return err
	}
	return c.mayGrant(roles)
}

func createUser(c *call) error {
	if err := c.ownTenant(); err != nil {
		return err
	}
	body, err := c.body()
	if err != nil {
		return err
	}
	u := platform.User{Tenant: c.tenant(), Enabled: true}
	password, err := c8yjson.ReadUser(body, &u)
	if err != nil {
		return err
	}
	if u.Name == "" {
		return c8yjson.Missing("userName")
	}
	if err := c.api.Accounts.CreateUser(c.ctx(), c.actor(), u, password); err != nil {
		return err
	}
	if u, err = c.api.Accounts.User(c.ctx(), c.tenant(), u.Name); err != nil {
		return err
	}
	write, err := personWriter(c)
	if err != nil {
		return err
	}
	c.created(c.base()+c8yjson.UserPath(u.Tenant, u.Name), c8yjson.MediaUser, func(w *c8yjson.Writer) { write(w, u) })
	return nil
}

// updatePerson merges what the body says into a person's record. Nobody
// disables themselves: there would be nobody to undo it.
func updatePerson(c *call, name string) error {
	body, err := c.body()
	if err != nil {
		return err
	}
	u, err := c.api.Accounts.User(c.ctx(), c.tenant(), name)
	if err != nil {
		return err
	}
	if err := c.mayManage(u); err != nil {
		return err
	}
	password, err := c8yjson.ReadUser(body, &u)
	if err != nil {
		return err
	}
	if u.Name != name {
		return problem.WithCode(problem.Unprocessable, "users/Invalid Data", "A user name cannot be changed.", nil)
	}
	if name == c.who.User && !u.Enabled {
		return forbidden()
	}
	if err := c.api.Accounts.UpdateUser(c.ctx(), c.actor(), u, password); err != nil {
		return err
	}
	write, err := personWriter(c)
	if err != nil {
		return err
	}
	c.written(http.StatusOK, c8yjson.MediaUser, func(w *c8yjson.Writer) { write(w, u) })
	return nil
}

// deleteUser removes a person, or the user of a device.
func deleteUser(c *call) error {
	if err := c.ownTenant(); err != nil {
		return err
	}
	name := c.param("user")
	if device, ok := strings.CutPrefix(name, c8yjson.DeviceUserPrefix); ok {
		u, err := deviceUser(c, c.tenant(), device)
		if err != nil {
			return err
		}
		err = c.api.DeviceUsers.DeleteDeviceUser(c.ctx(), u.Tenant, u.ExternalID, platform.AuditRecord{Tenant: u.Tenant,
			At: platform.Millis(c.api.now()), Type: "User", Activity: "User deleted", Text: "User deleted: '" + name + "'", User: c.who.User, Source: name})
		if err != nil {
			return err
		}
		c.empty(http.StatusNoContent)
		return nil
	}
	u, err := c.api.Accounts.User(c.ctx(), c.tenant(), name)
	if err != nil {
		return err
	}
	if err := c.mayManage(u); err != nil {
		return err
	}
	if name == c.who.User {
		return forbidden()
	}
	if err := c.api.Accounts.DeleteUser(c.ctx(), c.actor(), c.tenant(), name); err != nil {
		return err
	}
	c.empty(http.StatusNoContent)
	return nil
}

// updateCurrentUser changes what people may change of themselves.
func updateCurrentUser(c *call) error {
	if c.who.IsDevice() {
		return forbidden()
	}
	body, err := c.body()
	if err != nil {
		return err
	}
	have, err := c.api.Accounts.User(c.ctx(), c.tenant(), c.who.User)
	if err != nil {
		return err
	}
	u := have
	password, err := c8yjson.ReadUser(body, &u)
	if err != nil {
		return err
	}
	if u.Name != have.Name || u.Enabled != have.Enabled || !password.IsZero() {
		return forbidden() // a password is changed by who knows the current one
	}
	if err := c.api.Accounts.UpdateUser(c.ctx(), c.actor(), u, noPassword); err != nil {
		return err
	}
	roles, err := c.api.Accounts.EffectiveRoles(c.ctx(), u)
	if err != nil {
		return err
	}
	c.written(http.StatusOK, c8yjson.MediaCurrentUser, func(w *c8yjson.Writer) { c8yjson.CurrentUser(w, c.base(), u, roles) })
	return nil
}

func changeOwnPassword(c *call) error {
	if c.who.IsDevice() {
		return forbidden()
	}
	body, err := c.body()
	if err != nil {
		return err
	}
	current, err := body.Text("currentUserPassword")
	if err != nil {
		return err
	}
	next, err := body.Text("newPassword")
	if err != nil {
		return err
	}
	if current == "" || next == "" {
		return c8yjson.Missing("currentUserPassword, newPassword")
	}
	err = c.api.Accounts.ChangeOwnPassword(c.ctx(), c.who, secret.New(current), secret.New(next), httpauth.Address(c.r))
	if err != nil {
		return err
	}
	c.empty(http.StatusOK)
	return nil
}
