package restapi_test

import (
	"fmt"
	"testing"
)

// TestDeleteObjects removes what a filter selects, and nothing else.
func TestDeleteObjects(t *testing.T) {
	r := newRig(t)
	make := func(host, kind string, n int) {
		t.Helper()
		for range n {
			r.do(request{method: "POST", path: objectsPath, host: host, body: `{"type":"` + kind + `","owned":{}}`}).want(t, 201)
		}
	}
	count := func(host, filter string) string {
		t.Helper()
		return string(r.do(request{method: "GET", path: objectsPath + "/count?" + filter, host: host}).want(t, 200).body)
	}
	make("", "a", 3)
	make("", "b", 2)
	make(otherHost, "a", 1)
	for _, filter := range []string{"", "?onlyRoots=true", "?cascade=true", "?typo=a"} {
		r.do(request{method: "DELETE", path: objectsPath + filter}).want(t, 422)
	}
	r.device(t, tenant, "dev1", "secret-of-dev1")
	r.do(request{method: "DELETE", path: objectsPath + "?type=a", user: "device_dev1", password: "secret-of-dev1"}).want(t, 403)
	r.do(request{method: "DELETE", path: objectsPath + "?ids=x"}).want(t, 204)
	if got := count("", "fragmentType=owned"); got != "5" {
		t.Fatalf("%s objects are left, want 5", got)
	}
	r.do(request{method: "DELETE", path: objectsPath + "?type=a"}).want(t, 204)
	if a, b, others := count("", "type=a"), count("", "type=b"), count(otherHost, "type=a"); a+b+others != "021" {
		t.Errorf("left are %s, %s and of the other tenant %s", a, b, others)
	}
	r.do(request{method: "DELETE", path: objectsPath + "?query=type%20eq%20'b'"}).want(t, 204)
	if got := count("", "type=b"); got != "0" {
		t.Errorf("%s are left", got)
	}
}

// TestDeleteObjectsWithWhatIsBelow removes a device with its children and its user,
// children first listed or not.
func TestDeleteObjectsWithWhatIsBelow(t *testing.T) {
	r := newRig(t)
	device := r.device(t, tenant, "dev1", "secret-of-dev1").String()
	child := r.object(t, `{"name":"child","c8y_IsDevice":{},"doomed":{}}`)
	r.do(request{method: "POST", path: objectsPath + "/" + device + "/childDevices", body: `{"managedObject":{"id":"` + child + `"}}`}).want(t, 201)
	r.do(request{method: "PUT", path: objectsPath + "/" + device, body: `{"doomed":{}}`}).want(t, 200)
	r.do(request{method: "DELETE", path: objectsPath + "?fragmentType=doomed&cascade=true&withDeviceUser=true"}).want(t, 204)
	for _, id := range []string{device, child} {
		r.do(request{method: "GET", path: objectsPath + "/" + id}).want(t, 404)
	}
	r.do(request{method: "GET", path: "/user/t1000/users/device_dev1"}).want(t, 404)
}

// TestChildrenByDefault follows the tenant's toggle (rest.md §6.1).
func TestChildrenByDefault(t *testing.T) {
	r := newRig(t)
	parent := r.object(t, `{"name":"parent","type":"p"}`)
	child := r.object(t, `{"name":"child"}`)
	r.do(request{method: "POST", path: objectsPath + "/" + parent + "/childAssets", body: `{"managedObject":{"id":"` + child + `"}}`}).want(t, 201)
	shown := func(path string) int {
		t.Helper()
		got := r.do(request{method: "GET", path: path}).want(t, 200).tree(t)
		if list, ok := got["managedObjects"].([]any); ok {
			got = list[0].(map[string]any)
		}
		references, _ := got["childAssets"].(map[string]any)["references"].([]any)
		return len(references)
	}
	const toggle = "/features/core.inventory.without.children/by-tenant"
	for _, tt := range []struct {
		active bool
		query  string
		want   int
	}{{true, "", 0}, {true, "&withChildren=true", 1}, {false, "", 1}, {false, "&withChildren=false", 0}} {
		r.do(request{method: "PUT", path: toggle, body: fmt.Sprintf(`{"active":%v}`, tt.active)}).want(t, 200)
		for _, path := range []string{objectsPath + "/" + parent + "?skipChildrenNames=false", objectsPath + "?type=p"} {
			if got := shown(path + tt.query); got != tt.want {
				t.Errorf("active %v, %s%s: %d children, want %d", tt.active, path, tt.query, got, tt.want)
			}
		}
	}
}

// TestLatestValuesOfMany asks for more objects than a usual page has.
func TestLatestValuesOfMany(t *testing.T) {
	r := newRig(t)
	for range 6 {
		body := ""
		for n := range 50 {
			body += fmt.Sprintf(`,{"type":"many","n":%d}`, n)
		}
		r.do(request{method: "POST", path: objectsPath, body: `{"managedObjects":[` + body[1:] + `]}`}).want(t, 201)
	}
	last := r.object(t, `{"type":"many"}`)
	r.do(request{method: "POST", path: "/measurement/measurements", body: `{"source":{"id":"` + last + `"},"type":"m","time":"2026-01-01T00:00:00Z","c8y_T":{"T":{"value":1}}}`}).want(t, 201)
	list := r.do(request{method: "GET", path: objectsPath + "?type=many&withLatestValues=true&pageSize=2000"}).want(t, 200).items(t, "managedObjects")
	if len(list) != 301 || list[300].(map[string]any)["c8y_LatestMeasurements"] == nil {
		t.Errorf("got %d objects, the last %v", len(list), list[len(list)-1])
	}
}
