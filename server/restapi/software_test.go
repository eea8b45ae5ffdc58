package restapi_test

import (
	"fmt"
	"strconv"
	"testing"

	"mooring/server/inventory"
	"mooring/server/platform"
)

const softwarePath = "/service/advanced-software-mgmt/software"

func TestSoftware(t *testing.T) {
	r := newRig(t)
	ids := map[platform.TenantID]platform.ID{}
	for _, in := range []platform.TenantID{tenant, other} {
		id := r.device(t, in, "dev1", "password-of-dev1")
		ids[in] = id
		check(t, r.things.ChangeSoftware(t.Context(), in, id, "device_dev1", func([]inventory.Software) []inventory.Software {
			return []inventory.Software{{Name: "docker", Version: "3.2.1", Type: "systemd", URL: "https://d/"}, {Name: "nginx", Version: "1.6"}, {Name: "nano", Version: "1.7"}}
		}))
	}
	id := ids[tenant].String()
	for query, want := range map[string]string{
		"":                          "[docker nginx nano]",
		"&name=nginx":               "[nginx]",
		"&name=n*":                  "[nginx nano]",
		"&name=*n*&version=1.*":     "[nginx nano]",
		"&name=n*o":                 "[nano]",
		"&name=nan*ano":             "[]",
		"&type=systemd":             "[docker]",
		"&pageSize=2&currentPage=2": "[nano]",
		"&pageSize=2&currentPage=3": "[]",
	} {
		a := r.do(request{method: "GET", path: softwarePath + "?deviceId=" + id + query}).want(t, 200)
		names := []string{}
		for _, item := range a.items(t, "softwareList") {
			names = append(names, item.(map[string]any)["name"].(string))
		}
		if got := fmt.Sprint(names); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	first := r.do(request{method: "GET", path: softwarePath + "?pageSize=2&withTotalPages=true&deviceId=" + id}).want(t, 200).tree(t)
	if s := first["statistics"].(map[string]any); fmt.Sprint(s["totalPages"]) != "2" || first["next"] == nil {
		t.Errorf("first page %v", first)
	}
	r.do(request{method: "GET", path: softwarePath}).want(t, 422)
	r.do(request{method: "GET", path: softwarePath + "?deviceId=" + strconv.Itoa(1<<40)}).want(t, 404)
	r.do(request{method: "GET", path: softwarePath + "?deviceId=" + ids[other].String()}).want(t, 404)
	stranger := r.device(t, tenant, "dev2", "password-of-dev2")
	r.do(request{method: "GET", path: softwarePath + "?deviceId=" + id, user: "device_dev2", password: "password-of-dev2"}).want(t, 403)
	r.do(request{method: "GET", path: softwarePath + "?deviceId=" + stranger.String(), user: "device_dev2", password: "password-of-dev2"}).want(t, 200)
}

// TestParameterEvents: what a device reports as its parameters its object mirrors.
func TestParameterEvents(t *testing.T) {
	r := newRig(t)
	id := r.device(t, tenant, "dev1", "password-of-dev1").String()
	post := func(fragments string) {
		t.Helper()
		r.do(request{method: "POST", path: "/event/events", user: "device_dev1", password: "password-of-dev1",
			body: `{"source":{"id":"` + id + `"},"type":"c8y_ParameterUpdate","text":"x","time":"2026-01-01T00:00:00Z",` + fragments + `}`}).want(t, 201)
	}
	post(`"c8y_RelayStatus":{"left":true,"right":{"a":1.50,"b":2}},"c8y_N":1,"name":"stolen","owner":"admin"`)
	post(`"c8y_RelayStatus":{"right":{"a":null}},"c8y_N":[2]`)
	o := r.do(request{method: "GET", path: "/inventory/managedObjects/" + id}).want(t, 200).tree(t)
	if got := fmt.Sprintf("%v %v %v", o["c8y_RelayStatus"], o["c8y_N"], o["owner"]); got != "map[left:true right:map[a:<nil> b:2]] [2] device_dev1" || o["name"] == "stolen" {
		t.Errorf("object has %s", got)
	}
}
