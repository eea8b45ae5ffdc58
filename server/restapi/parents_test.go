package restapi_test

import (
	"slices"
	"testing"
)

// TestParents follows the links to an object's parents.
func TestParents(t *testing.T) {
	r := newRig(t)
	for children, parents := range map[string]string{"childDevices": "deviceParents", "childAssets": "assetParents", "childAdditions": "additionParents"} {
		t.Run(parents, func(t *testing.T) {
			child, stranger := r.object(t, `{"name":"child"}`), r.object(t, `{"name":"stranger"}`)
			var above []string
			for _, name := range []string{"one", "two", "three"} {
				id := r.object(t, `{"name":"`+name+`","x":{"y":1}}`)
				r.do(request{method: "POST", path: objectsPath + "/" + id + "/" + children, body: `{"managedObject":{"id":"` + child + `"}}`}).want(t, 201)
				above = append(above, id)
			}
			// Of another kind, and of another level.
			for kind, ids := range map[string][2]string{"childDevices": {stranger, child}, "childAssets": {stranger, child}, "childAdditions": {stranger, child}} {
				if kind != children {
					r.do(request{method: "POST", path: objectsPath + "/" + ids[0] + "/" + kind, body: `{"managedObject":{"id":"` + ids[1] + `"}}`}).want(t, 201)
				}
			}
			top := r.object(t, `{"name":"top"}`)
			r.do(request{method: "POST", path: objectsPath + "/" + top + "/" + children, body: `{"managedObject":{"id":"` + above[0] + `"}}`}).want(t, 201)

			link := r.do(request{method: "GET", path: objectsPath + "/" + child}).want(t, 200).tree(t)[parents].(map[string]any)["self"].(string)
			path := link[len("https://"+tenantHost):]
			list := func(path string) (names []string, next any) {
				a := r.do(request{method: "GET", path: path}).want(t, 200)
				for _, one := range a.items(t, "references") {
					o := one.(map[string]any)["managedObject"].(map[string]any)
					if self, want := one.(map[string]any)["self"], link+"/"+o["id"].(string); self != want {
						t.Errorf("self is %v, want %s", self, want)
					}
					if o["x"] == nil {
						t.Errorf("%v is not the whole object", o)
					}
					names = append(names, o["name"].(string))
				}
				return names, a.tree(t)["next"]
			}
			if got, next := list(path); !slices.Equal(got, []string{"one", "two", "three"}) || next != nil {
				t.Errorf("got %q, next %v", got, next)
			}
			if got, next := list(path + "?pageSize=2"); !slices.Equal(got, []string{"one", "two"}) || next == nil {
				t.Errorf("got %q, next %v", got, next)
			}
			if got, _ := list(path + "?pageSize=2&currentPage=2"); !slices.Equal(got, []string{"three"}) {
				t.Errorf("got %q", got)
			}
			if got, _ := list(path + "?query=" + "name+eq+'t*'"); !slices.Equal(got, []string{"two", "three"}) {
				t.Errorf("got %q", got)
			}
			if got, _ := list(objectsPath + "/" + top + "/" + parents); len(got) != 0 {
				t.Errorf("got %q", got)
			}
			one := r.do(request{method: "GET", path: path + "/" + above[1]}).want(t, 200).tree(t)
			if o := one["managedObject"].(map[string]any); o["name"] != "two" || one["self"] != link+"/"+above[1] {
				t.Errorf("got %v", one)
			}
			r.do(request{method: "GET", path: path + "/" + stranger}).want(t, 422)
			r.do(request{method: "GET", path: path + "/" + top}).want(t, 422)
			r.do(request{method: "GET", path: path + "/999999"}).want(t, 404)
			r.do(request{method: "GET", path: objectsPath + "/999999/" + parents}).want(t, 404)
			for _, path := range []string{path, path + "/" + above[0]} {
				r.do(request{method: "GET", path: path, user: "admin", host: otherHost}).want(t, 404)
			}
		})
	}
}

// TestParentsOfDevices shows a device those of its parents that it may read.
func TestParentsOfDevices(t *testing.T) {
	r := newRig(t)
	id := r.device(t, tenant, "dev1", "secret-of-dev1").String()
	as := func(method, path, body string) answer {
		return r.do(request{method: method, path: path, body: body, user: "device_dev1", password: "secret-of-dev1"})
	}
	own, group := as("POST", objectsPath, `{"name":"own"}`).want(t, 201).text(t, "id"), r.object(t, `{"name":"group","secret":{}}`)
	for _, parent := range []string{own, group} {
		r.do(request{method: "POST", path: objectsPath + "/" + parent + "/childAssets", body: `{"managedObject":{"id":"` + id + `"}}`}).want(t, 201)
	}
	parents := objectsPath + "/" + id + "/assetParents"
	if got := as("GET", parents, "").want(t, 200).items(t, "references"); len(got) != 1 || got[0].(map[string]any)["managedObject"].(map[string]any)["name"] != "own" {
		t.Errorf("got %v", got)
	}
	as("GET", parents+"/"+own, "").want(t, 200)
	as("GET", parents+"/"+group, "").want(t, 403)
	as("GET", objectsPath+"/"+group+"/assetParents", "").want(t, 403)
}
