package restapi

import (
	"bytes"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// maxOpenOrders is how many open operations of a device are looked at for a
// file, in each state, newest first.
const maxOpenOrders = 200

// readableFile is binary for reading. A device may also read a file that one of
// its open operations names: it was told to fetch it.
func (c *call) readableFile() (platform.ManagedObject, error) {
	o, err := c.binary(binaryReaders)
	if problem.KindOf(err) != problem.Forbidden || !c.who.IsDevice() {
		return o, err
	}
	id, idErr := c.id("id")
	if idErr != nil {
		return o, idErr
	}
	ordered, orderErr := c.ordered(id)
	if orderErr != nil {
		return o, orderErr
	}
	if !ordered {
		return o, err
	}
	if o, err = c.api.Inventory.Object(c.ctx(), c.tenant(), id); err == nil && !isBinary(o) {
		err = noFile(id)
	}
	return o, err
}

// ordered reports whether an open operation that travels to the device names the
// file.
func (c *call) ordered(file platform.ID) (bool, error) {
	own, err := c.api.Inventory.Resolve(c.ctx(), c.tenant(), platform.ExternalID{Type: platform.SerialType, Value: c.who.Device})
	if problem.KindOf(err) == problem.NotFound {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	path := []byte(binariesPrefix + file.String())
	for _, status := range []platform.OperationStatus{platform.OperationExecuting, platform.OperationPending} {
		list, err := c.api.Operations.Operations(c.ctx(), c.tenant(), platform.OperationFilter{Agent: own, Status: status, NewestFirst: true},
			platform.Page{Number: 1, Size: maxOpenOrders})
		if err != nil {
			return false, err
		}
		for _, o := range list.Items {
			for _, body := range o.Fragments {
				if names(body, path) {
					return true, nil
				}
			}
		}
	}
	return false, nil
}

const binariesPrefix = "/inventory/binaries/"

// names reports whether JSON holds path, not as the beginning of a longer number.
func names(body, path []byte) bool {
	for {
		i := bytes.Index(body, path)
		if i < 0 {
			return false
		}
		body = body[i+len(path):]
		if len(body) == 0 || body[0] < '0' || body[0] > '9' {
			return true
		}
	}
}
