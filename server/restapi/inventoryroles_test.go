package restapi_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"mooring/internal/secret"
	"mooring/server/platform"
)

// person makes somebody with roles, who logs in with the password of the admin.
func (r *rig) person(t testing.TB, name string, roles ...platform.Role) {
	t.Helper()
	check(t, r.accounts.CreateUser(t.Context(), platform.Principal{Tenant: tenant, User: "admin"}, platform.User{Tenant: tenant, Name: name, Enabled: true, Roles: roles}, secret.New(adminPassword)))
}

func TestInventoryRoles(t *testing.T) {
	r := newRig(t)
	const path = "/user/inventoryroles"
	made := r.do(request{method: "POST", path: path, body: `{"name":"Fitter","description":"d","permissions":[{"permission":"READ","scope":"*","type":"*"},{"permission":"ADMIN","scope":"ALARM"}]}`}).want(t, 201)
	id := fmt.Sprint(made.tree(t)["id"])
	permissions := made.items(t, "permissions")
	if first := permissions[0].(map[string]any); len(permissions) != 2 || fmt.Sprint(first["id"]) == "0" || permissions[1].(map[string]any)["type"] != "*" {
		t.Errorf("got %s", made.body)
	}
	if got := r.do(request{method: "GET", path: path + "?pageSize=100"}).want(t, 200).items(t, "roles"); len(got) != 4 {
		t.Errorf("got %v", got)
	}
	r.do(request{method: "PUT", path: path + "/" + id, body: `{"description":"new"}`}).want(t, 200)
	if got := r.do(request{method: "GET", path: path + "/" + id}).want(t, 200); got.text(t, "description") != "new" || got.text(t, "name") != "Fitter" || len(got.items(t, "permissions")) != 2 {
		t.Errorf("got %s", got.body)
	}
	many := func(n int) string {
		return `{"name":"many","permissions":[` + strings.Repeat(`{"permission":"READ","scope":"*"},`, n-1) + `{"permission":"READ","scope":"*"}]}`
	}
	for _, tt := range []struct {
		q    request
		want int
	}{
		{request{method: "POST", path: path, body: `{"name":"Fitter"}`}, 409},
		{request{method: "POST", path: path, body: `{"name":"Reader"}`}, 409},
		{request{method: "POST", path: path, body: `{}`}, 422},
		{request{method: "POST", path: path, body: `{"name":"x","permissions":[{"permission":"WRITE","scope":"*"}]}`}, 422},
		{request{method: "POST", path: path, body: `{"name":"x","permissions":[{"permission":"READ","scope":"USER"}]}`}, 422},
		{request{method: "POST", path: path, body: many(101)}, 422},
		{request{method: "POST", path: path, body: many(100)}, 201},
		{request{method: "PUT", path: path + "/1", body: `{"description":"x"}`}, 403},
		{request{method: "DELETE", path: path + "/2"}, 403},
		{request{method: "GET", path: path + "/999999"}, 404},
		{request{method: "GET", path: path + "/x"}, 404},
		{request{method: "GET", path: path + "/" + id, host: otherHost}, 404},
		{request{method: "DELETE", path: path + "/" + id, host: otherHost}, 404},
		{request{method: "DELETE", path: path + "/" + id}, 204},
		{request{method: "DELETE", path: path + "/" + id}, 404},
	} {
		if got := r.do(tt.q); got.status != tt.want {
			t.Errorf("%s %s %.60s: got %d %s, want %d", tt.q.method, tt.q.path, tt.q.body, got.status, got.body, tt.want)
		}
	}
	// Who manages users alone gives nobody what they do not have.
	r.person(t, "clerk", platform.RoleUserAdmin, platform.RoleUserRead, platform.RoleAlarmRead)
	for body, want := range map[string]int{`{"permission":"READ","scope":"ALARM"}`: 201, `{"permission":"ADMIN","scope":"ALARM"}`: 403, `{"permission":"READ","scope":"*"}`: 403, `{"permission":"*","scope":"ALARM","type":"x"}`: 403} {
		r.do(request{method: "POST", path: path, user: "clerk", body: `{"name":"by clerk","permissions":[` + body + `]}`}).want(t, want)
	}
	r.do(request{method: "POST", path: "/user/t1000/users/clerk/roles/inventory", user: "clerk", body: `{"managedObject":"1","roles":[{"id":2}]}`}).want(t, 403)
}

// TestPermissions gives somebody without roles permissions on a group, and tries
// what is in it and what is not.
func TestPermissions(t *testing.T) {
	r := newRig(t)
	r.person(t, "guest")
	group, outside := r.object(t, `{"name":"group"}`), r.object(t, `{"name":"outside"}`)
	device, child := r.object(t, `{"name":"device"}`), r.object(t, `{"name":"child"}`)
	r.do(request{method: "POST", path: objectsPath + "/" + group + "/childAssets", body: `{"managedObject":{"id":"` + device + `"}}`}).want(t, 201)
	r.do(request{method: "POST", path: objectsPath + "/" + device + "/childDevices", body: `{"managedObject":{"id":"` + child + `"}}`}).want(t, 201)
	foreign := r.do(request{method: "POST", path: objectsPath, host: otherHost, body: `{"name":"foreign"}`}).want(t, 201).text(t, "id")

	const roles = "/user/t1000/users/guest/roles/inventory"
	role := fmt.Sprint(r.do(request{method: "POST", path: "/user/inventoryroles", body: `{"name":"Alarms","permissions":[{"permission":"ADMIN","scope":"ALARM"},
		{"permission":"READ","scope":"MANAGED_OBJECT"},{"permission":"*","scope":"EVENT","type":"c8y_Some"}]}`}).want(t, 201).tree(t)["id"])
	given := func(object, role string) answer {
		return r.do(request{method: "POST", path: roles, body: `{"managedObject":"` + object + `","roles":[{"id":` + role + `}]}`})
	}
	given(foreign, role).want(t, 404)
	given("999999", role).want(t, 404)
	given(group, "999999").want(t, 404)
	r.do(request{method: "POST", path: "/user/t1000/users/nobody/roles/inventory", body: `{"managedObject":"` + group + `","roles":[{"id":1}]}`}).want(t, 404)
	id := fmt.Sprint(given(group, role).want(t, 200).tree(t)["id"])

	alarm := func(source string) string {
		return `{"source":{"id":"` + source + `"},"type":"a","text":"x","severity":"MAJOR","time":"2026-01-01T00:00:00Z"}`
	}
	event := `{"source":{"id":"` + device + `"},"type":"c8y_Some","text":"x","time":"2026-01-01T00:00:00Z"}`
	try := func(allowed bool, list ...request) {
		t.Helper()
		for _, q := range list {
			q.user = "guest"
			if got := r.do(q); (got.status < 300) != allowed {
				t.Errorf("%s %s %s: got %d, allowed should be %v", q.method, q.path, q.body, got.status, allowed)
			}
		}
	}
	inside := []request{{method: "GET", path: objectsPath + "/" + group}, {method: "GET", path: objectsPath + "/" + device}, {method: "GET", path: objectsPath + "/" + child},
		{method: "POST", path: "/alarm/alarms", body: alarm(child)}}
	try(true, inside...)
	try(false, request{method: "GET", path: objectsPath + "/" + outside}, request{method: "GET", path: objectsPath + "/" + foreign},
		request{method: "POST", path: "/alarm/alarms", body: alarm(outside)},
		request{method: "PUT", path: objectsPath + "/" + device, body: `{"x":1}`}, request{method: "DELETE", path: objectsPath + "/" + device},
		request{method: "GET", path: "/measurement/measurements?source=" + device}, request{method: "POST", path: "/event/events", body: event},
		request{method: "GET", path: "/alarm/alarms"}, request{method: "GET", path: roles})
	if got, want := r.find(t, request{path: objectsPath, user: "guest"}), []string{"group", "device", "child"}; !slices.Equal(got, want) {
		t.Errorf("the list has %q, want %q", got, want)
	}
	if got := r.find(t, request{path: objectsPath, user: "guest"}, "query", "name eq 'outside' or name eq 'child'"); !slices.Equal(got, []string{"child"}) {
		t.Errorf("a query finds %q", got)
	}

	if got := given(group, "2").want(t, 200).items(t, "roles"); len(got) != 2 {
		t.Errorf("the next role replaced the first: %v", got)
	}
	try(true, request{method: "PUT", path: objectsPath + "/" + device, body: `{"x":1}`}, request{method: "POST", path: "/event/events", body: event})
	if list := r.do(request{method: "GET", path: roles}).want(t, 200).items(t, "inventoryAssignments"); len(list) != 1 {
		t.Errorf("got %v", list)
	}
	r.do(request{method: "PUT", path: roles + "/" + id, body: `{"roles":[{"id":1}]}`}).want(t, 200)
	try(false, request{method: "PUT", path: objectsPath + "/" + device, body: `{"x":1}`})
	try(true, request{method: "GET", path: objectsPath + "/" + device})
	r.do(request{method: "DELETE", path: roles + "/" + id}).want(t, 204)
	r.do(request{method: "GET", path: roles + "/" + id}).want(t, 404)
	try(false, inside...)
}
