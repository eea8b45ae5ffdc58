package restapi

import (
	"net/http"
	"strings"

	"mooring/internal/problem"
	"mooring/server/c8yjson"
	"mooring/server/platform"
)

// deleteObject removes an object. A group takes its subgroups along; cascade
// takes everything below a group or a device, forceCascade below anything.
func deleteObject(c *call) error {
	id, err := c.id("id")
	if err != nil {
		return err
	}
	if err := c.mayUse(id, inventoryAdmins); err != nil {
		return err
	}
	o, err := c.api.Inventory.Object(c.ctx(), c.tenant(), id)
	if err != nil {
		return err
	}
	if err := c.mayDelete(o); err != nil {
		return err
	}
	if err := c.api.Inventory.Delete(c.ctx(), c.actor(), c.tenant(), id, c.cascade(o)); err != nil {
		return err
	}
	if isBinary(o) {
		c.forgetFile(o.ID)
	}
	if c.asks("withDeviceUser") && isDevice(o) {
		if err := c.deleteOwner(o); err != nil {
			return err
		}
	}
	c.empty(http.StatusNoContent)
	return nil
}

func isDevice(o platform.ManagedObject) bool {
	return o.Fragments[platform.FragmentIsDevice] != nil || o.Fragments[platform.FragmentAgent] != nil
}

func isGroup(o platform.ManagedObject) bool {
	return o.Fragments[platform.FragmentIsDeviceGroup] != nil || o.Type == "c8y_DeviceGroup" || o.Type == "c8y_DeviceSubgroup"
}

// mayDelete keeps who is not an administrator from removing what others own
// by deleting what is above it.
func (c *call) mayDelete(o platform.ManagedObject) error {
	if c.who.HasAny(inventoryAdmins...) || c.who.IsDevice() || c.cascade(o) == platform.DeleteAlone {
		return nil
	}
	return forbidden()
}

func (c *call) cascade(o platform.ManagedObject) platform.Cascade {
	switch {
	case c.asks("forceCascade"), c.asks("cascade") && (isDevice(o) || isGroup(o)):
		return platform.DeleteHierarchy
	case isGroup(o):
		return platform.DeleteSubgroups
	}
	return platform.DeleteAlone
}

// deleteOwner removes the user of a device that is gone; none is no error.
func (c *call) deleteOwner(o platform.ManagedObject) error {
	device, ok := strings.CutPrefix(o.Owner, c8yjson.DeviceUserPrefix)
	if !ok || !c.who.HasAny(inventoryAdmins...) {
		return nil
	}
	err := c.api.DeviceUsers.DeleteDeviceUser(c.ctx(), c.tenant(), device, platform.AuditRecord{Tenant: c.tenant(), At: platform.Millis(c.api.now()),
		Type: "User", Activity: "User deleted", Text: "User deleted: '" + o.Owner + "'", User: c.who.User, Source: o.Owner})
	if problem.KindOf(err) == problem.NotFound {
		return nil
	}
	return err
}
