package restapi_test

import (
	"testing"
)

// TestClaimByREST: a device gives its object no name of another device; people do as
// they like.
func TestClaimByREST(t *testing.T) {
	r := newRig(t)
	own := r.device(t, tenant, "dev1", deviceSecret).String()
	r.do(request{method: "POST", path: "/devicecontrol/newDeviceRequests", body: `{"id":"waiting"}`}).want(t, 201)
	path := "/identity/globalIds/" + own + "/externalIds"
	dev := request{method: "POST", path: path, user: "device_dev1", password: deviceSecret}
	for body, want := range map[string]int{
		`{"type":"c8y_Serial","externalId":"waiting"}`: 403,
		`{"type":"c8y_Serial","externalId":"free"}`:    201,
		`{"type":"other","externalId":"waiting"}`:      201,
	} {
		dev.body = body
		r.do(dev).want(t, want)
	}
	dev.path, dev.body = "/inventory/managedObjects", `{"externalIds":[{"type":"c8y_Serial","externalId":"waiting"}]}`
	r.do(dev).want(t, 403)
	r.do(request{method: "POST", path: path, body: `{"type":"c8y_Serial","externalId":"waiting"}`}).want(t, 201)
}
