package restapi_test

import (
	"strings"
	"testing"
)

func TestGroupsOfPeople(t *testing.T) {
	r := newRig(t)
	const users, groups = "/user/t1000/users", "/user/t1000/groups"
	r.do(request{method: "POST", path: users, body: `{"userName":"ann","password":"correct horse"}`}).want(t, 201)
	location := r.do(request{method: "POST", path: groups, body: `{"name":"Night shift","description":"d","roles":{"references":[{"role":{"id":"ROLE_ALARM_READ"}}]}}`}).want(t, 201).header.Get("Location")
	shift := location[strings.Index(location, groups):]
	r.do(request{method: "POST", path: groups, body: `{"name":"Night shift"}`}).want(t, 409)
	r.do(request{method: "POST", path: groups, body: `{}`}).want(t, 422)
	r.do(request{method: "POST", path: groups, body: `{"name":"x","roles":{"references":[{"role":{"id":"ROLE_NONE"}}]}}`}).want(t, 403)

	// Membership, and what becomes of the group, count at once.
	r.do(request{method: "GET", path: "/alarm/alarms", user: "ann"}).want(t, 403)
	r.do(request{method: "POST", path: shift + "/users", body: `{"user":{"self":"https://x/user/t1000/users/ann"}}`}).want(t, 201)
	r.do(request{method: "GET", path: "/alarm/alarms", user: "ann"}).want(t, 200)
	r.do(request{method: "GET", path: "/event/events", user: "ann"}).want(t, 403)
	r.do(request{method: "POST", path: shift + "/roles", body: `{"role":{"self":"/user/roles/ROLE_EVENT_READ"}}`}).want(t, 201)
	r.do(request{method: "GET", path: "/event/events", user: "ann"}).want(t, 200)
	if got := r.do(request{method: "GET", path: shift + "/roles"}).want(t, 200).items(t, "references"); len(got) != 2 {
		t.Errorf("roles %v", got)
	}
	r.do(request{method: "DELETE", path: shift + "/roles/ROLE_EVENT_READ"}).want(t, 204)
	r.do(request{method: "DELETE", path: shift + "/roles/ROLE_EVENT_READ"}).want(t, 404)
	r.do(request{method: "GET", path: "/event/events", user: "ann"}).want(t, 403)
	r.do(request{method: "PUT", path: shift, body: `{"name":"Late shift"}`}).want(t, 200)
	r.do(request{method: "GET", path: "/user/t1000/groupByName/Late%20shift"}).want(t, 200)
	if got := r.do(request{method: "GET", path: shift + "/users"}).want(t, 200).items(t, "references"); len(got) != 1 {
		t.Errorf("members %v", got)
	}
	r.do(request{method: "DELETE", path: shift}).want(t, 204)
	r.do(request{method: "GET", path: shift}).want(t, 404)
	r.do(request{method: "GET", path: "/alarm/alarms", user: "ann"}).want(t, 403)

	// What every tenant has stays; its first administrator is in admins, and so
	// may do what later versions add.
	if got := r.do(request{method: "GET", path: users + "/admin/groups"}).want(t, 200).items(t, "references"); len(got) != 1 {
		t.Errorf("groups of the administrator: %v", got)
	}
	r.do(request{method: "GET", path: "/user/t1000/groupByName/devices"}).want(t, 200)
	r.do(request{method: "DELETE", path: groups + "/2"}).want(t, 403)
	r.do(request{method: "PUT", path: groups + "/3", body: `{"name":"x"}`}).want(t, 422)
	r.do(request{method: "DELETE", path: groups + "/1/roles/ROLE_TENANT_ADMIN"}).want(t, 422)
	r.do(request{method: "POST", path: groups + "/4/roles", body: `{"role":{"id":"ROLE_ALARM_READ"}}`}).want(t, 201)
	if got := r.do(request{method: "GET", path: groups + "/4/roles"}).want(t, 200).items(t, "references"); len(got) != 3 {
		t.Errorf("roles of the changed group: %v", got)
	}
}

// Who may manage users gives nobody, by way of a group, more than they have.
func TestGroupsGiveNoMoreThanOneHas(t *testing.T) {
	r := newRig(t)
	const users, groups = "/user/t1000/users", "/user/t1000/groups"
	r.do(request{method: "POST", path: users, body: `{"userName":"ann","password":"correct horse"}`}).want(t, 201)
	r.do(request{method: "POST", path: users + "/ann/roles", body: `{"role":{"id":"ROLE_USER_MANAGEMENT_ADMIN"}}`}).want(t, 201)
	r.do(request{method: "POST", path: groups, user: "ann", body: `{"name":"x","roles":{"references":[{"role":{"id":"ROLE_TENANT_ADMIN"}}]}}`}).want(t, 403)
	r.do(request{method: "POST", path: groups + "/4/roles", user: "ann", body: `{"role":{"id":"ROLE_TENANT_ADMIN"}}`}).want(t, 403)
	r.do(request{method: "PUT", path: groups + "/3", user: "ann", body: `{"roles":{"references":[{"role":{"id":"ROLE_TENANT_ADMIN"}}]}}`}).want(t, 403)
	r.do(request{method: "POST", path: groups, user: "ann", body: `{"name":"mine"}`}).want(t, 201)
	r.do(request{method: "GET", path: "/user/t2000/groups"}).want(t, 404)
}

// A person made without a password cannot log in until somebody sets one.
func TestPersonWithoutPassword(t *testing.T) {
	r := newRig(t)
	made := r.do(request{method: "POST", path: "/user/t1000/users", body: `{"userName":"cat","email":"c@example.com","sendPasswordResetEmail":true}`}).want(t, 201)
	if !strings.Contains(string(made.body), `"shouldResetPassword":true`) {
		t.Errorf("made %s", made.body)
	}
	r.do(request{method: "POST", path: "/user/t1000/users/cat/roles", body: `{"role":{"id":"ROLE_USER_MANAGEMENT_OWN_READ"}}`}).want(t, 201)
	r.do(request{method: "GET", path: "/user/currentUser", user: "cat"}).want(t, 401)
	r.do(request{method: "PUT", path: "/user/t1000/users/cat", body: `{"password":"correct horse"}`}).want(t, 200)
	r.do(request{method: "GET", path: "/user/currentUser", user: "cat"}).want(t, 200)
}
