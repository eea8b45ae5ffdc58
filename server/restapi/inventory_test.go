package restapi_test

import (
	"net/http"
	"strings"
	"testing"
)

func TestManagedObjects(t *testing.T) {
	r := newRig(t)
	created := r.do(request{method: "POST", path: "/inventory/managedObjects",
		body: `{"name":"gateway","type":"c8y_Linux","c8y_IsDevice":{},"c8y_Position":{"lat":50.1000},"externalIds":[{"type":"c8y_Serial","externalId":"gw/1"}]}`}).want(t, 201)
	id := created.text(t, "id")
	if got, want := created.header.Get("Location"), "https://"+tenantHost+"/inventory/managedObjects/"+id; got != want {
		t.Errorf("Location is %s, want %s", got, want)
	}
	if got := created.header.Get("Content-Type"); got != "application/vnd.com.nsn.cumulocity.managedObject+json;charset=UTF-8;ver=0.9" {
		t.Errorf("Content-Type is %s", got)
	}
	path := "/inventory/managedObjects/" + id
	read := r.do(request{method: "GET", path: path + "/"}).want(t, 200)
	if read.text(t, "owner") != "admin" || !strings.Contains(string(read.body), `"lat":50.1000`) {
		t.Errorf("got %s", read.body)
	}
	if got := r.do(request{method: "GET", path: "/identity/externalIds/c8y_Serial/gw%2F1"}).want(t, 200); got.tree(t)["managedObject"].(map[string]any)["id"] != id {
		t.Errorf("got %s", got.body)
	}
	updated := r.do(request{method: "PUT", path: path, body: `{"c8y_Position":null,"c8y_New":{"x":1},"name":"renamed"}`}).want(t, 200)
	if m := updated.tree(t); m["c8y_Position"] != nil || m["c8y_New"] == nil || m["name"] != "renamed" || m["c8y_IsDevice"] == nil {
		t.Errorf("got %s", updated.body)
	}
	if got := r.do(request{method: "PUT", path: path, body: `{"name":"quiet"}`, noAccept: true}).want(t, 200); len(got.body) != 0 {
		t.Errorf("a body without Accept: %s", got.body)
	}
	if got := r.do(request{method: "GET", path: "/inventory/managedObjects/count?fragmentType=c8y_New"}).want(t, 200); string(got.body) != "1" {
		t.Errorf("count is %s", got.body)
	}
	r.do(request{method: "POST", path: path, header: http.Header{"X-Http-Method": {"DELETE"}}}).want(t, 204)
	gone := r.do(request{method: "GET", path: path}).want(t, 404)
	if gone.text(t, "error") != "inventory/Not Found" || gone.text(t, "message") != "Finding device data from database failed : No managedObject for id '"+id+"'!" {
		t.Errorf("got %s", gone.body)
	}
	r.do(request{method: "GET", path: "/identity/externalIds/c8y_Serial/gw%2F1"}).want(t, 404)
}

func TestObjectLists(t *testing.T) {
	r := newRig(t)
	var ids []string
	for _, name := range []string{"a", "b", "c"} {
		ids = append(ids, r.do(request{method: "POST", path: "/inventory/managedObjects", body: `{"name":"` + name + `","type":"T"}`}).want(t, 201).text(t, "id"))
	}
	page := r.do(request{method: "GET", path: "/inventory/managedObjects?type=T&pageSize=2&withTotalPages=true"}).want(t, 200)
	if got := page.items(t, "managedObjects"); len(got) != 2 {
		t.Errorf("got %d objects", len(got))
	}
	next := page.text(t, "next")
	if !strings.HasPrefix(next, "https://"+tenantHost+"/inventory/managedObjects?") {
		t.Errorf("next is %s", next)
	}
	last := r.do(request{method: "GET", path: next[len("https://"+tenantHost):]}).want(t, 200)
	if got := last.items(t, "managedObjects"); len(got) != 1 || last.tree(t)["next"] != nil || last.tree(t)["prev"] == nil {
		t.Errorf("got %s", last.body)
	}
	if got := r.do(request{method: "GET", path: "/inventory/managedObjects?ids=" + ids[0] + "," + ids[2]}).items(t, "managedObjects"); len(got) != 2 {
		t.Errorf("by ids: %d objects", len(got))
	}
	if got := r.do(request{method: "GET", path: "/inventory/managedObjects?ids=none"}).want(t, 200).items(t, "managedObjects"); len(got) != 0 {
		t.Errorf("ids that are none match %d objects", len(got))
	}
	r.do(request{method: "GET", path: "/inventory/managedObjects?pageSize=0"}).want(t, 400)
	r.do(request{method: "POST", path: "/inventory/managedObjects", body: `{"name"`}).want(t, 400)
	r.do(request{method: "POST", path: "/inventory/managedObjects", body: `{"externalIds":[{"type":"x"}]}`}).want(t, 422)
}

func TestChildren(t *testing.T) {
	r := newRig(t)
	create := func(body string) string {
		return r.do(request{method: "POST", path: "/inventory/managedObjects", body: body}).want(t, 201).text(t, "id")
	}
	parent, child, stranger := create(`{"name":"p"}`), create(`{"name":"c"}`), create(`{"name":"s"}`)
	children := "/inventory/managedObjects/" + parent + "/childDevices"

	// As thin-edge.io sends it: no Accept, plain JSON.
	if got := r.do(request{method: "POST", path: children, body: `{"managedObject":{"id":"` + child + `"}}`, noAccept: true}).want(t, 201); len(got.body) != 0 {
		t.Errorf("a body without Accept: %s", got.body)
	}
	r.do(request{method: "POST", path: children, body: `{"references":[{"managedObject":{"id":"` + child + `"}}]}`}).want(t, 201)
	made := r.do(request{method: "POST", path: children, body: `{"name":"new","type":"T"}`}).want(t, 201)
	if made.text(t, "name") != "new" || made.header.Get("Location") != made.text(t, "self") {
		t.Errorf("got %s", made.body)
	}
	if got := r.do(request{method: "GET", path: children}).want(t, 200).items(t, "references"); len(got) != 2 {
		t.Errorf("%d children", len(got))
	}
	full := r.do(request{method: "GET", path: "/inventory/managedObjects/" + parent + "?withChildren=true"}).want(t, 200)
	if refs := full.tree(t)["childDevices"].(map[string]any)["references"].([]any); len(refs) != 2 {
		t.Errorf("got %s", full.body)
	}
	up := r.do(request{method: "GET", path: "/inventory/managedObjects/" + child + "?withParents=true"}).want(t, 200)
	if refs := up.tree(t)["deviceParents"].(map[string]any)["references"].([]any); len(refs) != 1 {
		t.Errorf("got %s", up.body)
	}
	if got := r.do(request{method: "GET", path: "/inventory/managedObjects?childDeviceId=" + child}).want(t, 200).items(t, "managedObjects"); len(got) != 1 {
		t.Errorf("%d parents", len(got))
	}
	r.do(request{method: "GET", path: children + "/" + child}).want(t, 200)
	no := r.do(request{method: "GET", path: children + "/" + stranger}).want(t, 422)
	if want := "managedObject " + stranger + " is not a child of " + parent; no.text(t, "message") != want {
		t.Errorf("got %s, want %s", no.body, want)
	}
	r.do(request{method: "DELETE", path: children + "/" + child}).want(t, 204)
	r.do(request{method: "DELETE", path: children + "/" + child}).want(t, 422)
	r.do(request{method: "POST", path: children, body: `{"managedObject":{"id":"999999"}}`}).want(t, 404)
	r.do(request{method: "POST", path: children, body: `{"managedObject":{"id":"` + parent + `"}}`}).want(t, 422)
	r.do(request{method: "GET", path: "/inventory/managedObjects/999999/childDevices"}).want(t, 404)
}

func TestIdentity(t *testing.T) {
	r := newRig(t)
	create := func() string {
		return r.do(request{method: "POST", path: "/inventory/managedObjects", body: `{}`}).want(t, 201).text(t, "id")
	}
	one, two := create(), create()
	path := "/identity/globalIds/" + one + "/externalIds"
	made := r.do(request{method: "POST", path: path, body: `{"type":"c8y_Serial","externalId":"x%y"}`}).want(t, 201)
	if got, want := made.header.Get("Location"), "https://"+tenantHost+"/identity/externalIds/c8y_Serial/x%25y"; got != want {
		t.Errorf("Location is %s, want %s", got, want)
	}
	r.do(request{method: "GET", path: "/identity/externalIds/c8y_Serial/x%25y"}).want(t, 200)
	r.do(request{method: "POST", path: "/identity/globalIds/" + two + "/externalIds", body: `{"type":"c8y_Serial","externalId":"x%y"}`}).want(t, 409)
	if got := r.do(request{method: "GET", path: path}).want(t, 200).items(t, "externalIds"); len(got) != 1 {
		t.Errorf("%d external IDs", len(got))
	}
	no := r.do(request{method: "GET", path: "/identity/externalIds/c8y_Serial/y"}).want(t, 404)
	if no.text(t, "error") != "identity/Not Found" || no.text(t, "message") != "External id not found; external id = ID [type=c8y_Serial, value=y]" {
		t.Errorf("got %s", no.body)
	}
	if got := r.do(request{method: "POST", path: "/identity/globalIds/999999/externalIds", body: `{"type":"a","externalId":"b"}`}).want(t, 404); got.text(t, "message") != "Global ID not found" {
		t.Errorf("got %s", got.body)
	}
	r.do(request{method: "DELETE", path: "/identity/externalIds/c8y_Serial/x%25y"}).want(t, 204)
	r.do(request{method: "DELETE", path: "/identity/externalIds/c8y_Serial/x%25y"}).want(t, 404)
	r.do(request{method: "POST", path: "/identity/globalIds/" + two + "/externalIds", body: `{"type":"c8y_Serial","externalId":"x%y"}`}).want(t, 201)
	if got := r.do(request{method: "GET", path: "/identity/externalIds/c8y_Serial/x%25y"}).want(t, 200); got.tree(t)["managedObject"].(map[string]any)["id"] != two {
		t.Errorf("the name is bound to %s", got.body)
	}
}
