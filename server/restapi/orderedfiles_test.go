package restapi_test

import (
	"encoding/json"
	"testing"
)

// A device reads what an operation tells it to fetch, while the operation is
// open, and nothing else.
func TestOrderedFiles(t *testing.T) {
	r := newRig(t)
	agent := r.device(t, tenant, "dev1", "secret-of-dev1")
	r.device(t, tenant, "dev2", "secret-of-dev2")
	ordered, longer := r.upload1(t, "firmware", request{}), r.upload1(t, "secret", request{})
	read := func(device, id string, want int) {
		t.Helper()
		r.do(request{method: "GET", path: binariesPath + "/" + id, user: "device_" + device, password: "secret-of-" + device}).want(t, want)
	}
	read("dev1", ordered, 403)
	body := `{"deviceId":"` + agent.String() + `","c8y_Firmware":{"name":"os","version":"1","url":"https://t1000.example.com/inventory/binaries/` + ordered + `"}}`
	made := r.do(request{method: "POST", path: "/devicecontrol/operations", body: body}).want(t, 201)
	var op struct{ ID string }
	if err := json.Unmarshal(made.body, &op); err != nil {
		t.Fatal(err)
	}
	for _, status := range []string{"", "EXECUTING"} {
		if status != "" {
			r.do(request{method: "PUT", path: "/devicecontrol/operations/" + op.ID, body: `{"status":"` + status + `"}`}).want(t, 200)
		}
		read("dev1", ordered, 200)
		read("dev1", longer, 403)
		read("dev2", ordered, 403)
	}
	for _, method := range []string{"PUT", "DELETE"} {
		r.do(request{method: method, path: binariesPath + "/" + ordered, user: "device_dev1", password: "secret-of-dev1"}).want(t, 403)
	}
	r.do(request{method: "PUT", path: "/devicecontrol/operations/" + op.ID, body: `{"status":"SUCCESSFUL"}`}).want(t, 200)
	read("dev1", ordered, 403)
}
