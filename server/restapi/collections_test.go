package restapi_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// TestDeleteCollections deletes by filter what is selected, and nothing else.
func TestDeleteCollections(t *testing.T) {
	r := newRig(t)
	one, two := r.device(t, tenant, "dev1", "secret-of-dev1").String(), r.device(t, tenant, "dev2", "secret-of-dev2").String()
	foreign := r.device(t, other, "dev1", "secret-of-dev1").String()
	post := func(host, path, source, typ, at string) {
		t.Helper()
		r.do(request{method: "POST", path: path, host: host, body: `{"source":{"id":"` + source + `"},"type":"` + typ + `","text":"x","severity":"MAJOR","time":"` + at + `","c8y_` + typ + `":{"x":{"value":1}}}`}).want(t, 201)
	}
	for path, key := range map[string]string{"/measurement/measurements": "measurements", "/event/events": "events", "/alarm/alarms": "alarms"} {
		for _, source := range []string{one, two} {
			post("", path, source, "A", "2020-01-01T00:00:00Z")
			post("", path, source, "B", "2020-01-02T00:00:00Z")
		}
		post(otherHost, path, foreign, "A", "2020-01-01T00:00:00Z")
		left := func(host, want string) {
			t.Helper()
			got := r.do(request{method: "GET", path: path + "?withTotalElements=true", host: host}).want(t, 200)
			if n := fmt.Sprint(got.tree(t)["statistics"].(map[string]any)["totalElements"]); n != want {
				t.Errorf("%s: %s are left, want %s", key, n, want)
			}
		}
		for _, query := range []string{"", "?type=A", "?revert=true"} {
			r.do(request{method: "DELETE", path: path + query}).want(t, 422)
		}
		r.do(request{method: "DELETE", path: path + "?source=x"}).want(t, 422)
		r.do(request{method: "DELETE", path: path + "?source=" + foreign}).want(t, 204)
		r.do(request{method: "DELETE", path: path + "?dateTo=2020-01-01"}).want(t, 204)
		left("", "4")
		r.do(request{method: "DELETE", path: path + "?type=A&source=" + one}).want(t, 204)
		left("", "3")
		r.do(request{method: "DELETE", path: path + "?dateFrom=2020-01-02T00:00:00Z&dateTo=2020-01-03"}).want(t, 204)
		left("", "1")
		if key != "alarms" {
			r.do(request{method: "DELETE", path: path + "?fragmentType=c8y_B&source=" + two}).want(t, 204)
			left("", "1")
		}
		r.do(request{method: "DELETE", path: path + "?source=" + two}).want(t, 204)
		left("", "0")
		left(otherHost, "1")
	}
}

// TestFamily lists telemetry of what is below a source.
func TestFamily(t *testing.T) {
	r := newRig(t)
	root, device, asset := r.device(t, tenant, "dev1", "secret-of-dev1").String(), r.device(t, tenant, "dev2", "secret-of-dev2").String(), r.device(t, tenant, "dev3", "secret-of-dev3").String()
	below := r.device(t, tenant, "dev4", "secret-of-dev4").String()
	for _, link := range [][3]string{{root, "childDevices", device}, {root, "childAssets", asset}, {asset, "childDevices", below}, {below, "childAdditions", root}} {
		r.do(request{method: "POST", path: "/inventory/managedObjects/" + link[0] + "/" + link[1], body: `{"managedObject":{"id":"` + link[2] + `"}}`}).want(t, 201)
	}
	for i, source := range []string{root, device, asset, below} {
		body := fmt.Sprintf(`{"source":{"id":"%s"},"type":"T","text":"x","severity":"MAJOR","time":"2020-01-0%dT00:00:00Z","v":"%s"}`, source, i+1, source)
		r.do(request{method: "POST", path: "/event/events", body: body}).want(t, 201)
		r.do(request{method: "POST", path: "/alarm/alarms", body: body}).want(t, 201)
	}
	for query, want := range map[string]int{"": 1, "&withSourceDevices=true": 2, "&withSourceAssets=true": 2, "&withSourceAssets=true&withSourceDevices=true": 4,
		"&withSourceAdditions=true": 1, "&withSourceChildren=true": 4, "&withSourceDevices=false": 1, "&withSourceChildren=true&dateFrom=2020-01-03": 2} {
		for path, key := range map[string]string{"/event/events": "events", "/alarm/alarms": "alarms"} {
			items := r.do(request{method: "GET", path: path + "?source=" + root + query}).want(t, 200).items(t, key)
			if len(items) != want {
				t.Errorf("%s %s: got %d, want %d", key, query, len(items), want)
			}
			for i := range items[min(1, len(items)):] {
				if items[i].(map[string]any)["time"].(string) < items[i+1].(map[string]any)["time"].(string) {
					t.Errorf("%s %s: not the newest first", key, query)
				}
			}
		}
	}
	r.do(request{method: "GET", path: "/alarm/alarms?withSourceDevices=true"}).want(t, 422)
	// A device has its own without a role, and what is below it.
	if n := r.do(request{method: "GET", path: "/alarm/alarms/count", user: "device_dev3", password: "secret-of-dev3"}).want(t, 200).body; string(n) != "4" {
		t.Errorf("the asset counts %s alarms", n) // below it is a device that has the root among its additions
	}
	r.do(request{method: "PUT", path: "/alarm/alarms?withSourceDevices=true&source=" + root, body: `{"status":"CLEARED"}`}).want(t, 200)
	if n := r.do(request{method: "GET", path: "/alarm/alarms/count?resolved=true"}).want(t, 200).body; string(n) != "2" {
		t.Errorf("%s alarms were cleared", n)
	}
	if items := r.do(request{method: "GET", path: "/event/events?fragmentType=v&fragmentValue=" + asset}).want(t, 200).items(t, "events"); len(items) != 1 {
		t.Errorf("%d events have that value", len(items))
	}
}

func TestAlarmCollection(t *testing.T) {
	r := newRig(t)
	id := r.device(t, tenant, "dev1", "secret-of-dev1").String()
	raise := func(typ, severity string) string {
		t.Helper()
		return r.do(request{method: "POST", path: "/alarm/alarms", body: `{"source":{"id":"` + id + `"},"type":"` + typ + `","text":"x","severity":"` + severity + `","time":"2020-01-01T00:00:00Z"}`}).want(t, 201).text(t, "id")
	}
	a := raise("A", "MAJOR")
	for _, path := range []string{"/alarm/alarms/" + a, "/alarm/alarms?source=" + id} {
		if got := r.do(request{method: "GET", path: path}).want(t, 200); !strings.Contains(string(got.body), `"source":{"id":"`+id+`","name":"dev1","self":`) {
			t.Errorf("the source has no name: %s", got.body)
		}
	}
	raise("B", "MINOR")
	raise("C", "MINOR")
	for _, body := range []string{`{}`, `{"status":"LOUD"}`, `{"severity":"MINOR"}`} {
		r.do(request{method: "PUT", path: "/alarm/alarms?source=" + id, body: body}).want(t, 422)
	}
	r.do(request{method: "PUT", path: "/alarm/alarms", body: `{"status":"CLEARED"}`}).want(t, 422)
	r.do(request{method: "PUT", path: "/alarm/alarms?severity=MINOR", body: `{"status":"CLEARED"}`}).want(t, 200)
	r.do(request{method: "PUT", path: "/alarm/alarms?status=ACTIVE&severity=MAJOR", body: `{"status":"ACKNOWLEDGED"}`}).want(t, 200)
	for query, want := range map[string]string{"status=CLEARED": "2", "status=ACKNOWLEDGED": "1", "status=ACTIVE": "0", "type=A,B": "2", "type=A&type=C": "2",
		"resolved=false&status=CLEARED": "1", "resolved=true&status=ACTIVE": "2"} {
		if got := string(r.do(request{method: "GET", path: "/alarm/alarms/count?" + query}).want(t, 200).body); got != want {
			t.Errorf("%s: got %s, want %s", query, got, want)
		}
	}
	// What was done stands in the audit log.
	records := r.do(request{method: "GET", path: "/audit/auditRecords?source=" + a}).want(t, 200)
	items := records.items(t, "auditRecords")
	if len(items) != 2 || items[0].(map[string]any)["activity"] != "Alarm updated" || items[0].(map[string]any)["user"] != "admin" {
		t.Fatalf("got %s", records.body)
	}
	changes, _ := json.Marshal(items[0].(map[string]any)["changes"])
	if !strings.Contains(string(changes), `"attribute":"status"`) || !strings.Contains(string(changes), `"newValue":"ACKNOWLEDGED","previousValue":"ACTIVE"`) {
		t.Errorf("got %s", changes)
	}
}

func TestAlarmUpsert(t *testing.T) {
	r := newRig(t)
	id := r.device(t, tenant, "dev1", "secret-of-dev1").String()
	upsert := func(query, more string, status int) map[string]any {
		t.Helper()
		return r.do(request{method: "POST", path: "/alarm/alarms/upsert" + query, body: `{"source":{"id":"` + id + `"},"type":"A"` + more + `}`}).want(t, status).tree(t)
	}
	first := upsert("", "", 201)
	alarm := first["alarm"].(map[string]any)
	if first["previousState"] != nil || alarm["severity"] != "MAJOR" || alarm["status"] != "ACTIVE" || alarm["text"] != "" {
		t.Errorf("got %v", first)
	}
	second := upsert("", `,"severity":"MINOR","c8y_X":{"a":1}`, 200)
	if was, is := second["previousState"].(map[string]any), second["alarm"].(map[string]any); was["severity"] != "MAJOR" || is["severity"] != "MINOR" ||
		is["id"] != alarm["id"] || fmt.Sprint(is["count"]) != "1" || is["c8y_X"] == nil || was["c8y_X"] != nil {
		t.Errorf("got %v", second)
	}
	third := upsert("?incrementCount=true", `,"status":"CLEARED"`, 200)["alarm"].(map[string]any)
	if third["status"] != "CLEARED" || third["severity"] != "MINOR" || fmt.Sprint(third["count"]) != "2" || third["firstOccurrenceTime"] == nil {
		t.Errorf("got %v", third)
	}
	if next := upsert("", "", 201)["alarm"].(map[string]any); next["id"] == alarm["id"] {
		t.Error("a cleared alarm was updated")
	}
	r.do(request{method: "POST", path: "/alarm/alarms/upsert", body: `{"type":"A"}`}).want(t, 422)
	r.do(request{method: "POST", path: "/alarm/alarms/upsert", body: `{"source":{"id":"99999"},"type":"A"}`}).want(t, 404)
}
