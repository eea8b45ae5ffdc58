package restapi_test

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"mooring/server/platform"
)

// order posts an operation as the administrator.
func (r *rig) order(t testing.TB, device platform.ID, members string) answer {
	t.Helper()
	return r.do(request{method: "POST", path: "/devicecontrol/operations", body: `{"deviceId":"` + device.String() + `",` + members + `}`}).want(t, 201)
}

// ids lists the IDs of the items of a list.
func ids(items []any) string {
	var list []string
	for _, item := range items {
		list = append(list, item.(map[string]any)["id"].(string))
	}
	return strings.Join(list, " ")
}

func TestOperations(t *testing.T) {
	r := newRig(t)
	device := r.device(t, tenant, "dev1", "secret-of-dev1")
	made := r.order(t, device, `"c8y_Restart":{},"description":"now","status":"FAILED","id":"7","null":null`)
	m := made.tree(t)
	id := made.text(t, "id")
	one := "/devicecontrol/operations/" + id
	if made.header.Get("Location") != "https://"+tenantHost+one || m["self"] != "https://"+tenantHost+one {
		t.Errorf("Location %q, self %v", made.header.Get("Location"), m["self"])
	}
	if m["status"] != "PENDING" || m["deviceId"] != device.String() || m["deviceName"] != "dev1" || m["description"] != "now" ||
		m["c8y_Restart"] == nil || m["creationTime"] == nil || m["deviceExternalIDs"] != nil {
		t.Errorf("got %s", made.body)
	}
	if _, there := m["null"]; there {
		t.Errorf("null is kept: %s", made.body)
	}
	if got := r.do(request{method: "POST", path: "/devicecontrol/operations", noAccept: true, body: `{"deviceId":"` + device.String() + `"}`}).want(t, 201); len(got.body) != 0 {
		t.Errorf("a body that nobody asked for: %s", got.body)
	}
	if got := r.do(request{method: "GET", path: one}).want(t, 200); got.text(t, "status") != "PENDING" {
		t.Errorf("got %s", got.body)
	}
	got := r.do(request{method: "PUT", path: one, body: `{"status":"EXECUTING"}`}).want(t, 200)
	if got.text(t, "status") != "EXECUTING" {
		t.Errorf("got %s", got.body)
	}
	got = r.do(request{method: "PUT", path: one, body: `{"status":"failed","failureReason":"no \"power\"","c8y_Result":{"a":1},"description":null}`}).want(t, 200)
	if m := got.tree(t); m["status"] != "FAILED" || m["failureReason"] != `no "power"` || m["c8y_Result"] == nil || m["description"] != nil {
		t.Errorf("got %s", got.body)
	}
	audits := r.do(request{method: "GET", path: "/audit/auditRecords?type=Operation&source=" + id}).want(t, 200).items(t, "auditRecords")
	var texts []string
	for _, a := range audits {
		texts = append(texts, a.(map[string]any)["activity"].(string)+": "+a.(map[string]any)["text"].(string))
	}
	want := []string{
		`Operation updated: Operation updated: status='FAILED', description='now', failureReason='no "power"'`,
		`Operation updated: Operation updated: status='EXECUTING', description='now'`,
		`Operation created: Operation created: status='PENDING', description='now'`,
	}
	if strings.Join(texts, "\n") != strings.Join(want, "\n") {
		t.Errorf("got %q, want %q", texts, want)
	}
}

func TestOperationRefusals(t *testing.T) {
	r := newRig(t)
	device := r.device(t, tenant, "dev1", "secret-of-dev1")
	one := "/devicecontrol/operations/" + r.order(t, device, `"c8y_Restart":{}`).text(t, "id")
	for _, tt := range []struct {
		name, method, path, body string
		status                   int
		code, message            string
	}{
		{"no device", "POST", "/devicecontrol/operations", `{"c8y_Restart":{}}`, 422, "undefined/validationError", "Following mandatory fields should be included: deviceId"},
		{"unknown device", "POST", "/devicecontrol/operations", `{"deviceId":"999999"}`, 404, "devicecontrol/Not Found", "Finding device data from database failed : No managedObject for id '999999'!"},
		{"no ID", "POST", "/devicecontrol/operations", `{"deviceId":"x"}`, 422, "undefined/validationError", "'deviceId' must be an identifier."},
		{"no JSON", "POST", "/devicecontrol/operations", `{`, 400, "", ""},
		{"too large", "POST", "/devicecontrol/operations", `{"deviceId":"` + device.String() + `","x":"` + strings.Repeat("x", 256<<10) + `"}`, 422, "devicecontrol/Invalid Data", ""},
		{"unknown", "GET", "/devicecontrol/operations/123", "", 404, "devicecontrol/Not Found", "Finding device data from database failed : No operation for gid '123'!"},
		{"unknown and no ID", "PUT", "/devicecontrol/operations/x", `{"status":"FAILED"}`, 404, "devicecontrol/Not Found", "Finding device data from database failed : No operation for gid 'x'!"},
		{"status missing", "PUT", one, `{"failureReason":"x"}`, 422, "undefined/validationError", "Following mandatory fields should be included: status"},
		{"status unknown", "PUT", one, `{"status":"DONE"}`, 422, "undefined/validationError", ""},
		{"back to pending", "PUT", one, `{"status":"PENDING","x":1}`, 200, "", ""}, // it is pending
		{"executing", "PUT", one, `{"status":"EXECUTING"}`, 200, "", ""},
		{"from executing back", "PUT", one, `{"status":"PENDING"}`, 422, "devicecontrol/Invalid Data", ""},
		{"successful", "PUT", one, `{"status":"SUCCESSFUL"}`, 200, "", ""},
		{"successful again", "PUT", one, `{"status":"SUCCESSFUL"}`, 200, "", ""},
		{"from the end back", "PUT", one, `{"status":"EXECUTING"}`, 422, "devicecontrol/Invalid Data", ""},
		{"to the other end", "PUT", one, `{"status":"FAILED"}`, 422, "devicecontrol/Invalid Data", ""},
		{"filter by no ID", "GET", "/devicecontrol/operations?deviceId=x", "", 422, "", ""},
		{"filter by no status", "GET", "/devicecontrol/operations?status=x", "", 422, "", ""},
		{"filter by no date", "GET", "/devicecontrol/operations?dateTo=x", "", 422, "", ""},
		{"delete by no date", "DELETE", "/devicecontrol/operations?dateFrom=x", "", 422, "", ""},
		{"delete one", "DELETE", one, "", 405, "", ""},
	} {
		got := r.do(request{method: tt.method, path: tt.path, body: tt.body}).want(t, tt.status)
		if tt.code != "" && got.text(t, "error") != tt.code || tt.message != "" && got.text(t, "message") != tt.message {
			t.Errorf("%s: got %s", tt.name, got.body)
		}
	}
}

func TestOperationFilters(t *testing.T) {
	r := newRig(t)
	ctx := context.Background()
	gateway := r.device(t, tenant, "gw", "secret-of-gw")
	_, err := r.things.Update(ctx, tenant, platform.UpdateObject{ID: gateway, Set: platform.Fragments{platform.FragmentAgent: []byte("{}")}})
	check(t, err)
	child, _, err := r.things.CreateChild(ctx, tenant, gateway, "gw:child", "valve", "t", "device_gw", true)
	check(t, err)
	var all []string
	for i, device := range []platform.ID{gateway, child, gateway, child} {
		name := []string{"c8y_Restart", "c8y_Command"}[i/2]
		all = append(all, r.order(t, device, `"`+name+`":{}`).text(t, "id"))
	}
	r.do(request{method: "PUT", path: "/devicecontrol/operations/" + all[0], body: `{"status":"EXECUTING"}`}).want(t, 200)
	created := r.do(request{method: "GET", path: "/devicecontrol/operations/" + all[0]}).text(t, "creationTime")
	pick := func(places ...int) string {
		var list []string
		for _, i := range places {
			list = append(list, all[i])
		}
		return strings.Join(list, " ")
	}
	for query, want := range map[string]string{
		"":                             pick(0, 1, 2, 3),
		"revert=true":                  pick(3, 2, 1, 0),
		"deviceId=" + gateway.String(): pick(0, 2),
		"agentId=" + gateway.String():  pick(0, 1, 2, 3),
		"agentId=" + child.String():    "",
		"status=PENDING":               pick(1, 2, 3),
		"status=EXECUTING&agentId=" + gateway.String():                         pick(0),
		"fragmentType=c8y_Command":                                             pick(2, 3),
		"fragmentType=c8y_Command&deviceId=" + child.String():                  pick(3),
		"bulkOperationId=5":                                                    "",
		"dateFrom=" + url.QueryEscape(created):                                 pick(0, 1, 2, 3),
		"dateTo=" + url.QueryEscape(created):                                   "",
		"dateFrom=2020-01-01&dateTo=2099-01-01T00:00:00Z&pageSize=2":           pick(0, 1),
		"pageSize=2&currentPage=2":                                             pick(2, 3),
		"pageSize=1&currentPage=4&withTotalPages=true&withTotalElements=false": pick(3),
	} {
		got := r.do(request{method: "GET", path: "/devicecontrol/operations?pageSize=100&" + query}).want(t, 200)
		if strings.Contains(query, "pageSize") {
			got = r.do(request{method: "GET", path: "/devicecontrol/operations?" + query}).want(t, 200)
		}
		if list := ids(got.items(t, "operations")); list != want {
			t.Errorf("%s: got %s, want %s", query, list, want)
		}
	}
	got := r.do(request{method: "GET", path: "/devicecontrol/operations?agentId=" + gateway.String() + "&pageSize=2"}).items(t, "operations")
	names := got[1].(map[string]any)["deviceExternalIDs"].(map[string]any)["externalIds"].([]any)
	if first := names[0].(map[string]any); first["externalId"] != "gw:child" || first["type"] != "c8y_Serial" || got[1].(map[string]any)["deviceName"] != "valve" {
		t.Errorf("got %v", got)
	}

	r.do(request{method: "DELETE", path: "/devicecontrol/operations?status=EXECUTING&deviceId=" + gateway.String()}).want(t, 204)
	if list := ids(r.do(request{method: "GET", path: "/devicecontrol/operations"}).items(t, "operations")); list != pick(1, 2, 3) {
		t.Errorf("left after one was deleted: %s", list)
	}
	r.do(request{method: "DELETE", path: "/devicecontrol/operations"}).want(t, 204)
	if list := ids(r.do(request{method: "GET", path: "/devicecontrol/operations"}).items(t, "operations")); list != "" {
		t.Errorf("left after all were deleted: %s", list)
	}
}

// TestOperationRights: a device works on its own operations, and on those of the
// devices behind it, without a role; nobody reaches those of another tenant.
func TestOperationRights(t *testing.T) {
	r := newRig(t)
	ctx := context.Background()
	mine, theirs := r.device(t, tenant, "dev1", "secret-of-dev1"), r.device(t, tenant, "dev2", "secret-of-dev2")
	child, _, err := r.things.CreateChild(ctx, tenant, mine, "c1", "", "", "admin", true) // somebody else's, behind dev1
	check(t, err)
	device := func(method, path, body string) answer {
		t.Helper()
		return r.do(request{method: method, path: path, body: body, user: "device_dev1", password: "secret-of-dev1"})
	}
	list := "/devicecontrol/operations"
	own, behind, foreign := r.order(t, mine, `"a":1`).text(t, "id"), r.order(t, child, `"a":1`).text(t, "id"), r.order(t, theirs, `"a":1`).text(t, "id")
	device("GET", list+"/"+own, "").want(t, 200)
	device("PUT", list+"/"+own, `{"status":"EXECUTING"}`).want(t, 200)
	device("GET", list+"/"+behind, "").want(t, 200)
	device("PUT", list+"/"+behind, `{"status":"EXECUTING"}`).want(t, 200)
	device("GET", list+"/"+foreign, "").want(t, 403)
	device("PUT", list+"/"+foreign, `{"status":"EXECUTING"}`).want(t, 403)
	device("POST", list, `{"deviceId":"`+mine.String()+`"}`).want(t, 201)
	device("POST", list, `{"deviceId":"`+theirs.String()+`"}`).want(t, 403)
	device("GET", list, "").want(t, 403)
	device("GET", list+"?deviceId="+theirs.String(), "").want(t, 403)
	device("DELETE", list+"?deviceId="+mine.String(), "").want(t, 403)
	if got := ids(device("GET", list+"?agentId="+mine.String()+"&status=EXECUTING", "").want(t, 200).items(t, "operations")); got != own+" "+behind {
		t.Errorf("got %s", got)
	}
	stranger := func(method, path, body string) answer {
		t.Helper()
		return r.do(request{method: method, path: path, body: body, host: otherHost})
	}
	stranger("GET", list+"/"+own, "").want(t, 404)
	stranger("PUT", list+"/"+own, `{"status":"FAILED"}`).want(t, 404)
	stranger("POST", list, `{"deviceId":"`+mine.String()+`"}`).want(t, 404)
	stranger("DELETE", list, "").want(t, 204)
	for _, q := range []string{"", "?deviceId=" + mine.String(), "?agentId=" + mine.String(), "?status=EXECUTING"} {
		if got := ids(stranger("GET", list+q, "").want(t, 200).items(t, "operations")); got != "" {
			t.Errorf("%s: another tenant sees %s", q, got)
		}
	}
	r.do(request{method: "GET", path: list + "/" + own, user: "-"}).want(t, 401)
	if got := r.do(request{method: "GET", path: list + "/" + own}).want(t, 200); got.text(t, "status") != "EXECUTING" {
		t.Errorf("got %s", got.body)
	}
}
