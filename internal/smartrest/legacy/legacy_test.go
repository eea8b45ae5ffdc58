package legacy_test

import (
	"strings"
	"testing"
	"time"

	"mooring/internal/smartrest"
	"mooring/internal/smartrest/legacy"
	"mooring/internal/smartrest/template"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)

const stamp = "2026-01-02T03:04:05.678Z"

func parse(t testing.TB, text string) []smartrest.Line {
	t.Helper()
	lines, err := smartrest.ParseLegacy([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

// collection reads lines, and again what is kept of them.
func collection(t testing.TB, text string) *legacy.Collection {
	t.Helper()
	c, bad, err := legacy.Parse(parse(t, text))
	if err != nil {
		t.Fatalf("line %d of %s: %v", bad, text, err)
	}
	again, err := legacy.ParseDocument(c.Document())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(again.Document()), string(c.Document()); got != want {
		t.Fatalf("kept\n %s\n read\n %s", want, got)
	}
	return again
}

// TestFill has the examples of the vendor's reference and of its C++ SDK.
func TestFill(t *testing.T) {
	const alarm = `10,100,POST,/alarm/alarms,application/vnd.com.nsn.cumulocity.alarm+json,application/vnd.com.nsn.cumulocity.alarm+json,&&,UNSIGNED NOW,` +
		`"{""source"":{""id"":""&&""},""type"":""c8y_A"",""time"":""&&""}"`
	const cpu = `10,103,POST,/measurement/measurements,application/json,,%%,NOW UNSIGNED NUMBER, "{""time"":""%%"",""source"":{""id"":""%%""},""c8y_CPU"":{""W"":{""value"":%%,""unit"":""%""}}}"`
	const supported = `10,104,PUT,/inventory/managedObjects/%%,application/json,,%%,UNSIGNED STRING,"{""c8y_SupportedOperations"":[%%]}"`
	tests := []struct{ name, template, line, want string }{
		{"alarm", alarm, "100,17", `POST /alarm/alarms ` + `{"source":{"id":"17"},"type":"c8y_A","time":"` + stamp + `"}`},
		{"measurement", cpu, "103,17,+4.5", `POST /measurement/measurements {"time":"` + stamp + `","source":{"id":"17"},"c8y_CPU":{"W":{"value":4.5,"unit":"%"}}}`},
		{"part of JSON", supported, `104,17,"""c8y_Restart"",""c8y_Command"""`, `PUT /inventory/managedObjects/17 {"c8y_SupportedOperations":["c8y_Restart","c8y_Command"]}`},
		{"no types", `10,300,PUT,/inventory/managedObjects/&&,application/json,,&&,,"{""c8y_Hardware"":{""model"":""&&"",""revision"":""&&""}}"`, "300,17,m,",
			`PUT /inventory/managedObjects/17 {"c8y_Hardware":{"model":"m","revision":""}}`},
		{"escaped in a text", `10,1,POST,/x,application/json,,%%,,"{""a"":""%%"",""b"":""\""%%""}"`, "1,\"q\"\"\\\n\",z", `POST /x {"a":"q\"\\\n","b":"\"z"}`},
		{"not JSON", `10,1,POST,/x,text/plain,,%%,,"say ""%%"""`, `1,a"b`, `POST /x say "a"b"`},
		{"path", `10,600,GET,/identity/externalIds/c8y_Serial/&&,,,&&,,`, "600,a b/c?d%e:f#", `GET /identity/externalIds/c8y_Serial/a%20b%2Fc%3Fd%25e:f%23 `},
		{"query", `10,601,GET,/devicecontrol/operations?deviceId=##&status=PENDING,,,##,,`, "601,1&x=2+3", `GET /devicecontrol/operations?deviceId=1%26x%3D2%2B3&status=PENDING `},
		{"query of thin-edge", `10,311,GET,/alarm/alarms?source=%%&status=%%&pageSize=100,,,%%,UNSIGNED STRING,`, "311,7,ACTIVE", `GET /alarm/alarms?source=7&status=ACTIVE&pageSize=100 `},
		{"people's URIs", `10,1,GET,/inventory/managedObjects?query=name eq '%%'&x=ä%20%,,,%%,,`, "1,a b", `GET /inventory/managedObjects?query=name%20eq%20'a+b'&x=%C3%A4%20%25 `},
		{"date", `10,1,GET,/event/events?dateFrom=%%,,,%%,DATE,`, "1,2026-01-01T00:00:00+0200", `GET /event/events?dateFrom=2025-12-31T22%3A00%3A00.000Z `},
		{"nothing to fill", `10,101,POST,/inventory/managedObjects,application/json,application/json,%%,,"{""name"":""x""}"`, "101", `POST /inventory/managedObjects {"name":"x"}`},
		{"types without placeholder", `10,101,POST,/inventory/managedObjects,application/json,application/json,,STRING,"{}"`, "101", `POST /inventory/managedObjects {}`},
		{"delete", `10,999,delete,/inventory/managedObjects/&&,,,&&,,`, "999,5,,", `DELETE /inventory/managedObjects/5 `},
		{"only the time", `10,1,GET,/event/events?dateTo=%%,,,%%,NOW,`, "1", `GET /event/events?dateTo=2026-01-02T03%3A04%3A05.678Z `},
		{"too few", alarm, "100", "45,,Wrong number of arguments"},
		{"too many", alarm, "100,1,2", "45,,Wrong number of arguments"},
		{"none wanted", `10,1,GET,/x,,,,,`, "1,2", "45,,No arguments supported"},
		{"not unsigned", alarm, "100,-1", "45,,Value is not a UNSIGNED: -1"},
		{"empty number", cpu, "103,17,", "45,,Value is not a NUMBER: "},
		{"empty date", `10,1,GET,/x?%%%%,,,%%,DATE STRING,`, "1,,x", "45,,Value is not a DATE: "},
		{"empty text", `10,1,GET,/x/%%,,,%%,STRING,`, "1,", `GET /x/ `},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, line := collection(t, tt.template), parse(t, tt.line)[0]
			r, ok := c.Request(line.TemplateID)
			if !ok {
				t.Fatal("no such template")
			}
			call, err := r.Fill(line.Fields, now)
			got := call.Method + " " + call.URI + " " + call.Body
			if err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("\n got %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestRespond(t *testing.T) {
	tests := []struct{ name, templates, object, want string }{
		{"identity", `11,500,$.managedObject,,$.id`, `{"externalId":"x","managedObject":{"id":"17"}}`, "500,3,17"},
		{"list", `11,808,$.alarms,,$.id,$.type`, `{"alarms":[{"id":"1","type":"a"},{"id":"2","type":"b, c"}]}`, `808,3,1,a|808,3,2,"b, c"`},
		{"operation", "11,502,,$.c8y_Restart,$.id,$.deviceId\n11,807,,$.c8y_Command,$.id,$.c8y_Command.text,$.deviceId",
			`{"id":"1","deviceId":"2","c8y_Command":{"text":"say \"hi\"\nnow"}}`, "807,3,1,\"say \"\"hi\"\"\nnow\",2"},
		{"condition of the element", `11,1,$.list,$.c8y_IsDevice,$.id`, `{"c8y_IsDevice":{},"list":[{"id":"1"},{"id":"2","c8y_IsDevice":{}}]}`, "1,3,2"},
		{"only part is found", `11,1,,,$.id,$.name`, `{"id":"1"}`, ""},
		{"in the order of the templates", "11,400,,$.t,$.id\n11,401,$.t.r,,$.msgId\n11,402,$.t.q,,$.msgId,$.method",
			`{"id":"5","t":{"r":[{"msgId":"400"},{"msgId":"401"}],"q":[{"msgId":"300","method":"GET"}]}}`, "400,3,5|401,3,400|401,3,401|402,3,300,GET"},
		{"element of a list", `11,1,$,,"$.a[0].b",$.n,$.o`, `{"a":[{"b":true}],"n":1.50,"o":{"x":1}}`, `1,3,true,1.50,"{""x"":1}"`},
		{"nothing", `11,1,$.x,,$.id`, `{"id":"1"}`, ""},
		{"no object", `11,1,,,$.id`, `7`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v, err := template.Decode([]byte(tt.object))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, l := range collection(t, tt.templates).Respond(v, 3, 1000) {
				got = append(got, string(l))
			}
			if g := strings.Join(got, "|"); g != tt.want {
				t.Errorf("\n got %s\nwant %s", g, tt.want)
			}
		})
	}
	c := collection(t, "11,1,$.l,,$.a")
	l := map[string]any{"l": []any{map[string]any{"a": "x"}, map[string]any{"a": "x"}}}
	for n, want := range map[int]int{5: 0, 6: 1, 11: 1, 12: 2, 13: 2} { // each line takes 5 bytes and its end
		if got := len(c.Respond(l, 1, n)); got != want {
			t.Errorf("%d bytes: %d lines", n, got)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	const get = "10,1,GET,/x,,,,,"
	tests := []struct {
		name, lines, want string
		line              int
	}{
		{"another message", get + "\n100,x", "Not a valid message identifier for template creation", 1},
		{"ID", "10,a,GET,/x,,,,,", "Bad request template definition", 0},
		{"no ID", "10,,GET,/x,,,,,", "Bad request template definition", 0},
		{"method", "10,1,PATCH,/x,,,,,", "Bad request template definition", 0},
		{"URI of a host", "10,1,GET,//evil/x,,,,,", "Bad request template definition", 0},
		{"relative URI", "10,1,GET,x,,,,,", "Bad request template definition", 0},
		{"GET with content type", "10,1,GET,/x,application/json,,,,", "No content type supported for GET templates.", 0},
		{"DELETE with body", "10,1,DELETE,/x,,,,,{}", "No template string supported for DELETE templates.", 0},
		{"POST without content type", "10,1,POST,/x,,,,,{}", "No content type found for POST templates.", 0},
		{"PUT without body", "10,1,PUT,/x,application/json,,,,", "No template string found for PUT templates.", 0},
		{"type", "10,1,GET,/x/%%,,,%%,TEXT,", "Bad value type: TEXT", 0},
		{"fewer types", "10,1,GET,/x/%%/%%,,,%%,STRING,", "Bad request template definition", 0},
		{"more types", "10,1,GET,/x/%%,,,%%,STRING STRING,", "Bad request template definition", 0},
		{"same ID", get + "\n" + get, "Duplicate message identifiers are not allowed", 1},
		{"same response ID", "11,1,,,$.a\n11,1,,,$.b", "Duplicate message identifiers are not allowed", 1},
		{"no pattern", "11,1,$.a,$.b", "Bad response template definition", 0},
		{"path", "11,1,,,$.a[", "Invalid JsonPath", 0},
		{"base", "11,1,$..,,$.a", "Invalid JsonPath", 0},
		{"list", "11,1,,,$.a[*].b", "Using JsonPath to refer to a list of objects is not allowed for SmartRest", 0},
		{"filter", "11,1,,$.a[?(@.b)],$.c", "Using Filters (?) in JsonPath is not allowed for SmartRest", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, line, err := legacy.Parse(parse(t, tt.lines))
			if err == nil || err.Error() != "41,,"+tt.want || line != tt.line {
				t.Errorf("line %d: %v, want %d: %s", line, err, tt.line, tt.want)
			}
		})
	}
}

// TestDocument reads what Telekom's SDK and people write by REST; nonsense is left out.
func TestDocument(t *testing.T) {
	c, err := legacy.ParseDocument([]byte(`{"requestTemplates":[
		{"msgId":"300","method":"GET","resourceUri":"/inventory/managedObjects/&&","accept":"application/json","contentType":null,"placeholder":"&&","values":["UNSIGNED"],"templateString":null},
		{"msgId":301,"method":"PATCH","resourceUri":"/x"}],
		"responseTemplates":[{"msgId":400,"base":null,"condition":"$.a","pattern":["$.id"]},{"msgId":"401","pattern":["$.a["]}]}`))
	if err != nil || len(c.Requests) != 1 || len(c.Responses) != 1 {
		t.Fatalf("%+v, %v", c, err)
	}
	for _, bad := range []string{`[]`, `{`, `{"requestTemplates":{}}`, `7`} {
		if _, err := legacy.ParseDocument([]byte(bad)); err == nil {
			t.Errorf("%s is a collection", bad)
		}
	}
}

// TestBounds: n−1, n, n+1.
func TestBounds(t *testing.T) {
	for n, want := range map[int]bool{legacy.MaxPatterns - 1: true, legacy.MaxPatterns: true, legacy.MaxPatterns + 1: false} {
		if _, _, err := legacy.Parse(parse(t, "11,1,,"+strings.Repeat(",$.a", n))); (err == nil) != want {
			t.Errorf("%d patterns: %v", n, err)
		}
	}
	for n, want := range map[int]bool{legacy.MaxParams - 1: true, legacy.MaxParams: true, legacy.MaxParams + 1: false} {
		if _, _, err := legacy.Parse(parse(t, "10,1,GET,/"+strings.Repeat("%%", n)+",,,%%,,")); (err == nil) != want {
			t.Errorf("%d placeholders: %v", n, err)
		}
	}
	for n, want := range map[int]bool{17: true, 18: true, 19: false, 0: false} {
		if got := legacy.ValidMessageID(strings.Repeat("1", n)); got != want {
			t.Errorf("%d digits: %v", n, got)
		}
	}
	for n, want := range map[int]bool{smartrest.MaxLegacyPayload - 1: true, smartrest.MaxLegacyPayload: true, smartrest.MaxLegacyPayload + 1: false} {
		if _, err := smartrest.ParseLegacy([]byte("1," + strings.Repeat("x", n-2))); (err == nil) != want {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func FuzzLegacy(f *testing.F) {
	f.Add("10,1,POST,/x/%%,application/json,,%%,,\"{\"\"a\"\":\"\"%%\"\",\"\"b\"\":[%%]}\"\n11,1,$.a,$.b,$.c", `1,a,"b ""c""",d`, `{"a":[{"b":1,"c":2}]}`)
	f.Add("10,1,GET,/x?a=%%,,,%%,NOW,", "1", "[]")
	f.Fuzz(func(t *testing.T, text, use, object string) {
		lines, err := smartrest.ParseLegacy([]byte(text))
		if err != nil {
			return
		}
		c, _, err := legacy.Parse(lines)
		if err != nil {
			return
		}
		again, err := legacy.ParseDocument(c.Document())
		if err != nil || string(again.Document()) != string(c.Document()) {
			t.Fatalf("kept %s, read %+v %v", c.Document(), again, err)
		}
		if v, err := template.Decode([]byte(object)); err == nil {
			for _, l := range c.Respond(v, 1, 1000) {
				back, err := smartrest.ParseLegacy(l)
				if err == nil && len(back) == 1 && back[0].Err == nil && back[0].Field(0) != "1" {
					t.Fatalf("line %q", l)
				}
			}
		}
		values, err := smartrest.ParseLegacy([]byte(use))
		if err != nil || len(values) == 0 {
			return
		}
		for i := range c.Requests {
			_, _ = c.Requests[i].Fill(values[0].Fields, now)
		}
	})
}
