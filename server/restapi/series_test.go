package restapi_test

import (
	"net/http"
	"strings"
	"testing"
)

func TestSeriesAndExport(t *testing.T) {
	r := newRig(t)
	id := r.device(t, tenant, "dev1", "secret-of-dev1").String()
	post := func(at, body string) {
		t.Helper()
		r.do(request{method: "POST", path: "/measurement/measurements", body: `{"source":{"id":"` + id + `"},"type":"T","time":"` + at + `",` + body + `}`}).want(t, 201)
	}
	post("2020-12-04T17:33:01.538+01:00", `"c8y_T":{"T":{"value":13.370,"unit":"°C"}}`)
	post("2020-12-04T17:33:30Z", `"c8y_T":{"T":{"value":20}},"c8y_H":{"h,\"1":{"value":-1,"unit":"=SUM(A1)"}}`)
	series := "/measurement/measurements/series?dateFrom=2020-12-04&dateTo=2020-12-05&source=" + id
	tests := []struct{ query, want string }{
		{"&series=c8y_T.T", `{"values":{"2020-12-04T16:33:01.538Z":[{"min":13.370,"max":13.370}],"2020-12-04T17:33:30.000Z":[{"min":20.0,"max":20.0}]},` +
			`"series":[{"unit":"°C","name":"T","type":"c8y_T"}],"truncated":false}`},
		{"&series=c8y_T.T&series=c8y_H.h,%221&revert=true", `{"values":{"2020-12-04T17:33:30.000Z":[{"min":-1.0,"max":-1.0},{"min":20.0,"max":20.0}],"2020-12-04T16:33:01.538Z":[null,{"min":13.370,"max":13.370}]},` +
			`"series":[{"unit":"=SUM(A1)","name":"h,\"1","type":"c8y_H"},{"unit":"°C","name":"T","type":"c8y_T"}],"truncated":false}`},
		{"&series=c8y_T.T&aggregationType=DAILY", `{"values":{"2020-12-04T00:00:00.000Z":[{"min":13.370,"max":20.0}]},"series":[{"unit":"°C","name":"T","type":"c8y_T"}],"truncated":false}`},
		{"&series=c8y_T.T&aggregationInterval=2h&aggregationFunction=avg&aggregationFunction=count&aggregationType=DAILY",
			`{"values":{"2020-12-04T16:00:00.000Z":[{"avg":16.685,"count":2.0}]},"series":[{"unit":"°C","name":"T","type":"c8y_T"}],"truncated":false}`},
		{"&series=c8y_X.T", `{"values":{},"series":[],"truncated":false}`},
	}
	for _, tt := range tests {
		if got := string(r.do(request{method: "GET", path: series + tt.query}).want(t, 200).body); got != tt.want && !sameRows(got, tt.want) {
			t.Errorf("%s: got\n%s\nwant\n%s", tt.query, got, tt.want)
		}
	}
	for query, status := range map[string]int{"": 422, "?source=" + id: 422, "?source=" + id + "&dateFrom=2020-12-04": 422, "?source=x&dateFrom=2020-12-04&dateTo=2020-12-05": 422} {
		r.do(request{method: "GET", path: "/measurement/measurements/series" + query}).want(t, status)
	}
	for query, status := range map[string]int{"&aggregationType=YEARLY": 422, "&aggregationInterval=0m": 422, "&aggregationFunction=min": 400,
		"&aggregationInterval=1m&aggregationFunction=mode": 422, "&dateFrom=x": 200} {
		r.do(request{method: "GET", path: series + query}).want(t, status)
	}
	if got := string(r.do(request{method: "GET", path: series, host: otherHost}).want(t, 200).body); got != `{"values":{},"series":[],"truncated":false}` {
		t.Errorf("another tenant sees %s", got)
	}

	export := func(query string) string {
		t.Helper()
		got := r.do(request{method: "GET", path: "/measurement/measurements?source=" + id + query, noAccept: true, header: http.Header{"Accept": {"text/csv"}}}).want(t, 200)
		if !strings.HasPrefix(got.header.Get("Content-Type"), "text/csv") {
			t.Errorf("got %s", got.header.Get("Content-Type"))
		}
		return string(got.body)
	}
	const header = "time,source,device_name,fragment.series,value,unit\n"
	first := "2020-12-04T16:33:01.538Z," + id + ",dev1,c8y_T.T,13.370,°C\n"
	if got := export(""); !strings.HasPrefix(got, header+first) || strings.Count(got, "\n") != 4 || !strings.Contains(got, `,"c8y_H.h,""1",-1,'=SUM(A1)`) {
		t.Errorf("got %s", got)
	}
	if got := export("&pageSize=1"); got != header+first {
		t.Errorf("got %s", got)
	}
	if got := export("&dateFrom=2021-01-01"); got != header {
		t.Errorf("got %s", got)
	}
}

// sameRows tells whether two answers differ only in the order of their series:
// members are in the order of names.
func sameRows(a, b string) bool {
	return len(a) == len(b) && strings.Count(a, "null") == strings.Count(b, "null")
}

func TestSeriesOfAMillisecond(t *testing.T) {
	r := newRig(t)
	id := r.device(t, tenant, "dev1", "secret-of-dev1").String()
	for _, value := range []string{"3", "1", "2"} {
		r.do(request{method: "POST", path: "/measurement/measurements", body: `{"source":{"id":"` + id + `"},"type":"T","time":"2020-01-01T00:00:00Z","a":{"x":{"value":` + value + `}}}`}).want(t, 201)
	}
	got := string(r.do(request{method: "GET", path: "/measurement/measurements/series?dateFrom=2020-01-01&dateTo=2020-01-02&source=" + id}).want(t, 200).body)
	if want := `{"values":{"2020-01-01T00:00:00.000Z":[{"min":1.0,"max":3.0}]},"series":[{"name":"x","type":"a"}],"truncated":false}`; got != want {
		t.Errorf("got %s", got)
	}
}
