package restapi_test

import (
	"strings"
	"testing"
)

// TestLinks follows what the vendor's Java client begins with: every link of the
// document of the platform that needs nothing filled in leads somewhere.
func TestLinks(t *testing.T) {
	r := newRig(t)
	platform := r.do(request{method: "GET", path: "/platform"}).want(t, 200).tree(t)
	areas := 0
	for name, area := range platform {
		document, ok := area.(map[string]any)
		if !ok {
			continue
		}
		areas++
		self := strings.TrimPrefix(document["self"].(string), "https://"+tenantHost)
		own := r.do(request{method: "GET", path: self}).want(t, 200)
		if own.text(t, "self") != document["self"] {
			t.Errorf("%s: got %s", name, own.body)
		}
		for what, link := range document {
			if collection, ok := link.(map[string]any); ok {
				link = collection["self"]
			}
			if path, ok := strings.CutPrefix(link.(string), "https://"+tenantHost); !ok {
				t.Errorf("%s of %s leads elsewhere: %v", what, name, link)
			} else if !strings.Contains(path, "{") && what != "tenants" { // these are for the management tenant
				r.do(request{method: "GET", path: path}).want(t, 200)
			}
		}
	}
	if areas != 9 {
		t.Errorf("the platform has %d areas, want 9", areas)
	}
	r.do(request{method: "GET", path: "/platform", user: "-"}).want(t, 401)
}

// TestSwitchesInAnyCase reads "True", as Python writes it.
func TestSwitchesInAnyCase(t *testing.T) {
	r := newRig(t)
	r.object(t, `{"type":"a"}`)
	got := r.do(request{method: "GET", path: objectsPath + "?type=a&withTotalPages=True&withTotalElements=TRUE"}).want(t, 200).tree(t)
	if s := got["statistics"].(map[string]any); s["totalPages"] == nil || s["totalElements"] == nil {
		t.Errorf("got %v", s)
	}
	if list := r.do(request{method: "GET", path: "/user/t1000/users?onlyDevices=True"}).want(t, 200).items(t, "users"); len(list) != 0 {
		t.Errorf("got %v", list)
	}
}
