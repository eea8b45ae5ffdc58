package restapi

import (
	"net/http"
	"strings"

	"mooring/internal/problem"
	"mooring/server/account"
	"mooring/server/c8yjson"
	"mooring/server/platform"
)

var (
	userAdmins  = []platform.Role{platform.RoleUserAdmin}
	userReaders = []platform.Role{platform.RoleUserRead, platform.RoleUserAdmin}
)

// deviceOf returns the device user that owns the managed object of the path.
func deviceOf(c *call, roles []platform.Role) (platform.ID, platform.DeviceUser, error) {
	id, err := c.id("id")
	if err != nil {
		return 0, platform.DeviceUser{}, err
	}
	owner, err := c.api.Inventory.Owner(c.ctx(), c.tenant(), id)
	if err != nil {
		return 0, platform.DeviceUser{}, err
	}
	if !c.who.HasAny(roles...) && (owner == "" || owner != c.who.User) {
		return 0, platform.DeviceUser{}, forbidden()
	}
	device, ok := strings.CutPrefix(owner, c8yjson.DeviceUserPrefix)
	if !ok {
		return 0, platform.DeviceUser{}, problem.WithCode(problem.NotFound, "inventory/Not Found",
			"The managed object '"+id.String()+"' has no device user.", nil)
	}
	u, err := deviceUser(c, c.tenant(), device)
	return id, u, err
}

// deviceUser reads the user of a device.
func deviceUser(c *call, tenant platform.TenantID, device string) (platform.DeviceUser, error) {
	u, err := c.api.DeviceUsers.DeviceUser(c.ctx(), tenant, device)
	if problem.KindOf(err) == problem.NotFound {
		return u, problem.WithCode(problem.NotFound, "users/Not Found", account.NotFoundText(cut(c8yjson.DeviceUserPrefix+device)), err)
	}
	return u, err
}

func readObjectUser(c *call) error {
	id, u, err := deviceOf(c, append(inventoryReaders[:len(inventoryReaders):len(inventoryReaders)], userReaders...))
	if err != nil {
		return err
	}
	c.answer(http.StatusOK, c8yjson.MediaManagedObjectUser, func(w *c8yjson.Writer) {
		c8yjson.ObjectUser(w, c.base(), id, c8yjson.DeviceUserPrefix+u.ExternalID, u.Enabled)
	})
	return nil
}

// updateObjectUser switches a device off or on. A device may not switch
// itself: a thief who has it could otherwise undo what the owner did.
func updateObjectUser(c *call) error {
	if !c.who.HasAny(userAdmins...) && !c.who.HasAny(inventoryAdmins...) {
		return forbidden()
	}
	id, u, err := deviceOf(c, append(inventoryAdmins[:len(inventoryAdmins):len(inventoryAdmins)], userAdmins...))
	if err != nil {
		return err
	}
	body, err := c.body()
	if err != nil {
		return err
	}
	if u.Enabled, err = switchUser(c, u, body); err != nil {
		return err
	}
	c.written(http.StatusOK, c8yjson.MediaManagedObjectUser, func(w *c8yjson.Writer) {
		c8yjson.ObjectUser(w, c.base(), id, c8yjson.DeviceUserPrefix+u.ExternalID, u.Enabled)
	})
	return nil
}

// switchUser carries out {"enabled":…} for the user of a device and returns
// whether it is enabled now.
func switchUser(c *call, u platform.DeviceUser, body c8yjson.Object) (bool, error) {
	enabled, set, err := body.Bool("enabled")
	if err != nil || !set || enabled == u.Enabled {
		return u.Enabled, err
	}
	name := c8yjson.DeviceUserPrefix + u.ExternalID
	activity := map[bool]string{true: "User enabled", false: "User disabled"}[enabled]
	err = c.api.DeviceUsers.SetDeviceUserEnabled(c.ctx(), u.Tenant, u.ExternalID, enabled, platform.AuditRecord{Tenant: u.Tenant,
		At: platform.Millis(c.api.now()), Type: "User", Activity: activity, Text: activity + ": '" + name + "'", User: c.who.User, Source: name})
	return enabled, err
}
