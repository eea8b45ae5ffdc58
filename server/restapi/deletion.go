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
	if err := c.remove(o); err != nil {
		return err
	}
	c.empty(http.StatusNoContent)
	return nil
}

// deleteAtOnce is how many objects deleteObjects looks up at once.
const deleteAtOnce = 500

// deleteObjects removes what a filter selects, each as deleteObject does. Without a
// filter nothing is: a slip must not empty a tenant.
func deleteObjects(c *call) error {
	f, err := objectFilter(c, inventoryAdmins)
	if err != nil {
		return err
	}
	if !narrows(f) {
		return problem.WithCode(problem.Unprocessable, "inventory/Invalid Data", "A filter is needed to delete managed objects.", nil)
	}
	for {
		list, err := c.api.Inventory.Objects(c.ctx(), c.tenant(), f, platform.Page{Number: 1, Size: deleteAtOnce})
		if err != nil {
			return err
		}
		for _, o := range list.Items {
			if err := c.remove(o); err != nil && problem.KindOf(err) != problem.NotFound { // gone with another
				return err
			}
		}
		if len(list.Items) < deleteAtOnce {
			break
		}
	}
	c.empty(http.StatusNoContent)
	return nil
}

// narrows reports whether f selects less than all objects. "onlyRoots" alone does
// not count.
func narrows(f platform.ObjectFilter) bool {
	return f.Type != "" || f.Owner != "" || f.FragmentType != "" || f.Name != "" || f.Text != "" || len(f.IDs) > 0 || f.Query.Filter != nil
}

// remove deletes an object and what the query says goes with it.
func (c *call) remove(o platform.ManagedObject) error {
	if err := c.mayDelete(o); err != nil {
		return err
	}
	if err := c.api.Inventory.Delete(c.ctx(), c.actor(), c.tenant(), o.ID, c.cascade(o)); err != nil {
		return err
	}
	if isBinary(o) {
		c.forgetFile(o.ID)
	}
	if c.asks("withDeviceUser") && isDevice(o) {
		return c.deleteOwner(o)
	}
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
