package restapi_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"mooring/server/telemetry"
)

func TestMeasurements(t *testing.T) {
	r := newRig(t)
	id := r.device(t, tenant, "dev1", "secret-of-dev1").String()
	body := func(at, value string) string {
		return `{"source":{"id":"` + id + `"},"type":"T","time":"` + at + `","c8y_T":{"T":{"value":` + value + `,"unit":"C"}}}`
	}
	// A device works on its own object without a role.
	device := request{user: "device_dev1", password: "secret-of-dev1"}
	device.method, device.path, device.body = "POST", "/measurement/measurements", body("2020-01-01T10:00:00Z", "1.50")
	made := r.do(device).want(t, 201)
	if !strings.Contains(string(made.body), `"value":1.50`) {
		t.Errorf("the number has changed: %s", made.body)
	}
	r.do(request{method: "POST", path: "/measurement/measurements", body: `{"measurements":[` + body("2020-01-01T11:00:00+01:00", "2") + "," + body("2020-01-01T12:00:00Z", "3") + `]}`}).want(t, 201)

	list := "/measurement/measurements?source=" + id
	got := r.do(request{method: "GET", path: list}).want(t, 200).items(t, "measurements")
	if len(got) != 3 || got[0].(map[string]any)["time"] != "2020-01-01T10:00:00.000Z" {
		t.Errorf("oldest first: %v", got)
	}
	got = r.do(request{method: "GET", path: list + "&revert=true"}).want(t, 200).items(t, "measurements")
	if len(got) != 3 || got[0].(map[string]any)["time"] != "2020-01-01T12:00:00.000Z" {
		t.Errorf("newest first: %v", got)
	}
	for query, want := range map[string]int{
		"&dateFrom=2020-01-01T12:00:00Z":                            1,
		"&dateTo=2020-01-01T12:00:00Z":                              2,
		"&dateFrom=" + url.QueryEscape("2020-01-01T11:00:00+01:00"): 3,
		"&dateFrom=2020-01-01T11:00:00+01:00":                       3, // "+" forgotten to be encoded
		"&dateFrom=2020-01-02":                                      0,
		"&valueFragmentType=c8y_T":                                  3,
		"&valueFragmentType=c8y_T&valueFragmentSeries=T":            3,
		"&valueFragmentType=c8y_T&valueFragmentSeries=U":            0,
		"&type=T": 3,
		"&type=U": 0,
		"&dateFrom=2020-01-01&dateTo=2020-01-01T11:00:00Z&valueFragmentType=c8y_T": 2,
	} {
		if got := r.do(request{method: "GET", path: list + query}).want(t, 200).items(t, "measurements"); len(got) != want {
			t.Errorf("%s: %d measurements, want %d", query, len(got), want)
		}
	}
	r.do(request{method: "GET", path: list + "&dateFrom=noon"}).want(t, 422)
	one := "/measurement/measurements/" + made.text(t, "id")
	r.do(request{method: "GET", path: one}).want(t, 200)
	r.do(request{method: "DELETE", path: one}).want(t, 204)
	if got := r.do(request{method: "GET", path: one}).want(t, 404); got.text(t, "message") != "Finding measurement from database failed" {
		t.Errorf("got %s", got.body)
	}
	r.do(request{method: "POST", path: "/measurement/measurements", body: `{"source":{"id":"999999"},"type":"T","time":"2020-01-01T10:00:00Z"}`}).want(t, 404)
	missing := r.do(request{method: "POST", path: "/measurement/measurements", body: `{"source":{"id":"` + id + `"},"type":"T"}`}).want(t, 422)
	if missing.text(t, "message") != "Following mandatory fields should be included: time" {
		t.Errorf("got %s", missing.body)
	}
}

func TestMeasurementsAreStoredWholeOrNotAtAll(t *testing.T) {
	r := newRig(t)
	id := r.device(t, tenant, "dev1", "secret-of-dev1").String()
	good := `{"source":{"id":"` + id + `"},"type":"T","time":"2020-01-01T10:00:00Z"}`
	bad := `{"source":{"id":"999999"},"type":"T","time":"2020-01-01T10:00:00Z"}`
	r.do(request{method: "POST", path: "/measurement/measurements", body: `{"measurements":[` + good + "," + bad + `]}`}).want(t, 404)
	if got := r.do(request{method: "GET", path: "/measurement/measurements"}).items(t, "measurements"); len(got) != 0 {
		t.Errorf("%d measurements of a refused request", len(got))
	}
	for n, want := range map[int]int{telemetry.MaxBatch - 1: 201, telemetry.MaxBatch: 201, telemetry.MaxBatch + 1: 422} {
		all := strings.Repeat(good+",", n-1) + good
		r.do(request{method: "POST", path: "/measurement/measurements", body: `{"measurements":[` + all + `]}`}).want(t, want)
	}
}

func TestEvents(t *testing.T) {
	r := newRig(t)
	id := r.device(t, tenant, "dev1", "secret-of-dev1").String()
	var made answer
	for i := range 3 {
		// thin-edge.io posts to a path with a slash at its end.
		made = r.do(request{method: "POST", path: "/event/events/", user: "device_dev1", password: "secret-of-dev1",
			body: fmt.Sprintf(`{"source":{"id":"%s"},"type":"door","text":"open","time":"2020-01-0%dT10:00:00Z","extra":{"n":%d}}`, id, i+1, i)}).want(t, 201)
	}
	got := r.do(request{method: "GET", path: "/event/events?source=" + id}).want(t, 200).items(t, "events")
	if len(got) != 3 || got[0].(map[string]any)["time"] != "2020-01-03T10:00:00.000Z" {
		t.Errorf("newest first: %v", got)
	}
	one := "/event/events/" + made.text(t, "id")
	changed := r.do(request{method: "PUT", path: one, body: `{"text":"shut","extra":null,"more":1}`}).want(t, 200)
	if m := changed.tree(t); m["text"] != "shut" || m["extra"] != nil || m["more"] == nil || m["type"] != "door" {
		t.Errorf("got %s", changed.body)
	}
	if got := r.do(request{method: "GET", path: "/event/events?fragmentType=more"}).want(t, 200).items(t, "events"); len(got) != 1 {
		t.Errorf("%d events with the fragment", len(got))
	}
	r.do(request{method: "DELETE", path: one}).want(t, 204)
	r.do(request{method: "PUT", path: one, body: `{}`}).want(t, 404)
	r.do(request{method: "POST", path: "/event/events", body: `{"source":{"id":"` + id + `"},"type":"t","time":"2020-01-01T10:00:00Z"}`}).want(t, 422)
}

func TestAlarms(t *testing.T) {
	r := newRig(t)
	id := r.device(t, tenant, "dev1", "secret-of-dev1").String()
	raise := func(at, severity string) answer {
		return r.do(request{method: "POST", path: "/alarm/alarms",
			body: `{"source":{"id":"` + id + `"},"type":"hot","text":"` + severity + `","severity":"` + severity + `","time":"` + at + `"}`}).want(t, 201)
	}
	first := raise("2020-01-01T10:00:00Z", "MAJOR")
	if m := first.tree(t); m["count"].(interface{ String() string }).String() != "1" || m["firstOccurrenceTime"] != nil || m["status"] != "ACTIVE" {
		t.Errorf("got %s", first.body)
	}
	second := raise("2020-01-01T11:00:00Z", "CRITICAL")
	if m := second.tree(t); m["id"] != first.tree(t)["id"] || m["severity"] != "CRITICAL" || m["text"] != "CRITICAL" ||
		m["count"].(interface{ String() string }).String() != "2" || m["firstOccurrenceTime"] != "2020-01-01T10:00:00.000Z" {
		t.Errorf("got %s", second.body)
	}
	count := func(query string) string {
		return string(r.do(request{method: "GET", path: "/alarm/alarms/count?" + query}).want(t, 200).body)
	}
	for query, want := range map[string]string{"": "1", "severity=CRITICAL": "1", "severity=MINOR,MAJOR": "0", "status=ACTIVE,CLEARED": "1",
		"resolved=true": "0", "resolved=false": "1", "source=" + id: "1", "type=cold": "0"} {
		if got := count(query); got != want {
			t.Errorf("%q: %s alarms, want %s", query, got, want)
		}
	}
	r.do(request{method: "PUT", path: "/alarm/alarms/" + first.text(t, "id"), body: `{"status":"CLEARED"}`}).want(t, 200)
	if third := raise("2020-01-01T12:00:00Z", "MINOR"); third.text(t, "id") == first.text(t, "id") {
		t.Error("a cleared alarm was raised again")
	}
	got := r.do(request{method: "GET", path: "/alarm/alarms?status=ACTIVE"}).want(t, 200).items(t, "alarms")
	if len(got) != 1 || got[0].(map[string]any)["severity"] != "MINOR" {
		t.Errorf("got %v", got)
	}
	r.do(request{method: "GET", path: "/alarm/alarms?status=LOUD"}).want(t, 422)
	r.do(request{method: "PUT", path: "/alarm/alarms/" + first.text(t, "id"), body: `{"severity":"LOUD"}`}).want(t, 422)
}
