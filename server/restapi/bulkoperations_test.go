package restapi_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"mooring/server/c8yjson"
	"mooring/server/platform"
)

func TestBulkOperations(t *testing.T) {
	r := newRig(t)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { r.orders.Keep(ctx); close(done) }()
	defer func() { cancel(); <-done }()
	device := r.device(t, tenant, "dev1", "secret-of-dev1")
	_, err := r.things.Update(ctx, tenant, platform.UpdateObject{ID: device, Set: platform.Fragments{platform.FragmentIsDevice: json.RawMessage("{}")}})
	check(t, err)
	group, err := r.things.Create(ctx, tenant, platform.CreateObject{Object: platform.ManagedObject{Name: "g"}})
	check(t, err)
	check(t, r.things.AddChild(ctx, tenant, platform.ChildLink{Parent: group.ID, Kind: platform.ChildAssets, Child: device}))
	const all = "/devicecontrol/bulkoperations"
	// As go-c8y-cli sends it.
	made := r.do(request{method: "POST", path: all, body: `{"groupId":"` + group.ID.String() + `","startDate":"2020-01-01T00:00:00Z","creationRamp":1.5,` +
		`"operationPrototype":{"description":"d","c8y_Restart":{},"status":"FAILED"},"note":"n"}`}).want(t, 201)
	id := made.text(t, "id")
	one := all + "/" + id
	if m := made.tree(t); made.header.Get("Location") != "https://"+tenantHost+one || m["creationRamp"].(json.Number) != "1.5" || m["groupId"] != group.ID.String() ||
		m["startDate"] != "2020-01-01T00:00:00.000Z" || m["note"] != "n" || m["operationPrototype"].(map[string]any)["status"] != nil {
		t.Errorf("got %s", made.body)
	}
	var ops []any
	for len(ops) == 0 {
		ops = r.do(request{method: "GET", path: "/devicecontrol/operations?bulkOperationId=" + id}).want(t, 200).items(t, "operations")
	}
	if o := ops[0].(map[string]any); len(ops) != 1 || o["bulkOperationId"] != id || o["deviceId"] != device.String() || o["description"] != "d" || o["status"] != "PENDING" {
		t.Errorf("got %v", ops)
	}
	got := r.do(request{method: "GET", path: one}).want(t, 200)
	if m := got.tree(t); m["status"] != "COMPLETED" || m["generalStatus"] != "EXECUTING" || m["progress"].(map[string]any)["pending"].(json.Number) != "1" || m["progress"].(map[string]any)["all"].(json.Number) != "1" {
		t.Errorf("got %s", got.body)
	}
	r.do(request{method: "PUT", path: "/devicecontrol/operations/" + ops[0].(map[string]any)["id"].(string), body: `{"status":"FAILED"}`}).want(t, 200)
	if got := r.do(request{method: "GET", path: one}).want(t, 200); got.text(t, "generalStatus") != "FAILED" {
		t.Errorf("got %s", got.body)
	}
	next := r.do(request{method: "POST", path: all, body: `{"failedParentId":"` + id + `","startDate":"2099-01-01T00:00:00Z","creationRamp":45,"operationPrototype":{}}`}).want(t, 201)
	if next.text(t, "generalStatus") != "SCHEDULED" || next.text(t, "failedParentId") != id {
		t.Errorf("got %s", next.body)
	}
	second := all + "/" + next.text(t, "id")
	if got := r.do(request{method: "PUT", path: second, body: `{"creationRamp":15}`}).want(t, 200); got.tree(t)["creationRamp"].(json.Number) != "15" {
		t.Errorf("got %s", got.body)
	}
	r.do(request{method: "DELETE", path: second}).want(t, 204)
	if got := r.do(request{method: "GET", path: second}).want(t, 200); got.text(t, "status") != "DELETED" || got.text(t, "generalStatus") != "CANCELED" {
		t.Errorf("got %s", got.body)
	}
	if list := ids(r.do(request{method: "GET", path: all}).want(t, 200).items(t, "bulkOperations")); list != id+" "+next.text(t, "id") {
		t.Errorf("got %s", list)
	}

	for _, tt := range []struct {
		name, method, path, body string
		status                   int
	}{
		{"nothing", "POST", all, `{}`, 422},
		{"no group", "POST", all, `{"startDate":"2099-01-01T00:00:00Z","creationRamp":45,"operationPrototype":{}}`, 422},
		{"unknown group", "POST", all, `{"groupId":"999999","startDate":"2099-01-01T00:00:00Z","creationRamp":45,"operationPrototype":{}}`, 404},
		{"no number", "POST", all, `{"groupId":"1","startDate":"2099-01-01T00:00:00Z","creationRamp":"x","operationPrototype":{}}`, 422},
		{"no date", "POST", all, `{"groupId":"1","startDate":"x","creationRamp":1,"operationPrototype":{}}`, 422},
		{"no object", "POST", all, `{"groupId":"1","startDate":"2099-01-01T00:00:00Z","creationRamp":1,"operationPrototype":[]}`, 422},
		{"unknown", "GET", all + "/999999", "", 404},
		{"no ID", "GET", all + "/x", "", 404},
		{"unknown", "PUT", all + "/999999", `{"creationRamp":1}`, 404},
		{"ended", "PUT", second, `{"creationRamp":1}`, 422},
		{"unknown", "DELETE", all + "/999999", "", 404},
	} {
		if got := r.do(request{method: tt.method, path: tt.path, body: tt.body}); got.status != tt.status {
			t.Errorf("%s: got %d %s, want %d", tt.name, got.status, got.body, tt.status)
		}
	}
	r.do(request{method: "GET", path: one, host: otherHost}).want(t, 404)
	r.do(request{method: "DELETE", path: one, host: otherHost}).want(t, 404)
	if list := r.do(request{method: "GET", path: all, host: otherHost}).want(t, 200).items(t, "bulkOperations"); len(list) != 0 {
		t.Errorf("another tenant sees %v", list)
	}
	r.do(request{method: "GET", path: all, user: "device_dev1", password: "secret-of-dev1"}).want(t, 403)
}

func TestBulkStatus(t *testing.T) {
	for _, tt := range []struct {
		b               platform.BulkStatus
		p               c8yjson.BulkProgress
		status, general string
	}{
		{platform.BulkScheduled, nil, "ACTIVE", "SCHEDULED"},
		{platform.BulkExecuting, nil, "IN_PROGRESS", "EXECUTING"},
		{platform.BulkExecuting, c8yjson.BulkProgress{"FAILED": 1}, "IN_PROGRESS", "EXECUTING_WITH_ERRORS"},
		{platform.BulkCompleted, c8yjson.BulkProgress{"PENDING": 1, "FAILED": 1}, "COMPLETED", "EXECUTING_WITH_ERRORS"},
		{platform.BulkCompleted, c8yjson.BulkProgress{"EXECUTING": 1, "SUCCESSFUL": 1}, "COMPLETED", "EXECUTING"},
		{platform.BulkCompleted, c8yjson.BulkProgress{"SUCCESSFUL": 2}, "COMPLETED", "SUCCESSFUL"},
		{platform.BulkCompleted, c8yjson.BulkProgress{"SUCCESSFUL": 2, "FAILED": 1}, "COMPLETED", "FAILED"},
		{platform.BulkCompleted, nil, "COMPLETED", "SUCCESSFUL"},
		{platform.BulkCanceled, c8yjson.BulkProgress{"PENDING": 1}, "DELETED", "CANCELED"},
	} {
		var w c8yjson.Writer
		c8yjson.BulkOperation(&w, "https://h", platform.BulkOperation{ID: 1, Status: tt.b, Start: time.Unix(0, 0), Group: 2}, tt.p)
		var got struct{ Status, GeneralStatus string }
		check(t, json.Unmarshal(w.Bytes(), &got))
		if got.Status != tt.status || got.GeneralStatus != tt.general {
			t.Errorf("%s %v: got %+v", tt.b, tt.p, got)
		}
	}
}
