package restapi_test

import (
	"strings"
	"testing"
)

func TestRetentionRules(t *testing.T) {
	r := newRig(t)
	const path = "/retention/retentions"
	first := r.do(request{method: "GET", path: path}).want(t, 200)
	if !strings.Contains(first.header.Get("Content-Type"), "retentionRuleCollection") || len(first.items(t, "retentionRules")) != 1 ||
		!strings.Contains(string(first.body), `"dataType":"*","fragmentType":"*","type":"*","source":"*","maximumAge":60,"editable":true}`) {
		t.Errorf("a new tenant has %s", first.body)
	}
	made := r.do(request{method: "POST", path: path, body: `{"dataType":"ALARM","fragmentType":"*","maximumAge":20}`}).want(t, 201)
	id := made.text(t, "id")
	if !strings.HasSuffix(made.header.Get("Location"), path+"/"+id) || made.text(t, "type") != "*" {
		t.Errorf("got %s at %s", made.body, made.header.Get("Location"))
	}
	changed := r.do(request{method: "PUT", path: path + "/" + id, body: `{"dataType":"ALARM","maximumAge":30}`}).want(t, 200)
	if !strings.Contains(string(changed.body), `"maximumAge":30`) {
		t.Errorf("got %s", changed.body)
	}
	r.do(request{method: "GET", path: path + "/" + id}).want(t, 200)
	for _, body := range []string{`{}`, `{"maximumAge":0}`, `{"maximumAge":1.5}`, `{"maximumAge":5,"dataType":"ROCKS"}`, `{"maximumAge":null,"dataType":"ALARM"}`} {
		r.do(request{method: "POST", path: path, body: body}).want(t, 422)
	}
	r.do(request{method: "GET", path: path + "/" + id, host: otherHost}).want(t, 404)
	r.do(request{method: "DELETE", path: path + "/" + id, host: otherHost}).want(t, 404)
	r.do(request{method: "PUT", path: path + "/" + id, host: otherHost, body: `{"maximumAge":1}`}).want(t, 404)
	r.device(t, tenant, "dev1", "secret-of-dev1")
	device := request{user: "device_dev1", password: "secret-of-dev1", method: "GET", path: path}
	r.do(device).want(t, 403)
	device.method, device.body = "POST", `{"maximumAge":1}`
	r.do(device).want(t, 403)
	r.do(request{method: "DELETE", path: path + "/" + id}).want(t, 204)
	r.do(request{method: "DELETE", path: path + "/" + id}).want(t, 404)
	r.do(request{method: "GET", path: path + "/" + id}).want(t, 404)
}
