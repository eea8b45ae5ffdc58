package template_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"mooring/internal/smartrest"
	"mooring/internal/smartrest/template"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)

const stamp = "2026-01-02T03:04:05.678Z"

// collection reads lines, and again what is kept of them.
func collection(t testing.TB, lines string) *template.Collection {
	t.Helper()
	c, err := template.ParseLines([]byte(lines))
	if err != nil {
		t.Fatalf("%s: %v", lines, err)
	}
	again, err := template.ParseDocument(c.Document())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(again.Document()), string(c.Document()); got != want {
		t.Fatalf("kept\n %s\n read\n %s", want, got)
	}
	return again
}

func decode(t testing.TB, s string) any {
	t.Helper()
	v, err := template.Decode([]byte(s))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestFill has the examples of the vendor's guide (docs smartrest-two.md) and of
// collections in the field.
func TestFill(t *testing.T) {
	tests := []struct{ name, template, line, want string }{
		{"measurement", "10,999,POST,MEASUREMENT,,c8y_MyMeasurement,,c8y_MyMeasurement.M.value,NUMBER,", "999,2016-06-22T17:03:14.000+02:00,25",
			`{"c8y_MyMeasurement":{"M":{"value":25}},"time":"2016-06-22T15:03:14.000Z","type":"c8y_MyMeasurement"}`},
		{"server time", "10,999,POST,MEASUREMENT,,c8y_MyMeasurement,,c8y_MyMeasurement.M.value,NUMBER,", "999,,25.10",
			`{"c8y_MyMeasurement":{"M":{"value":25.10}},"time":"` + stamp + `","type":"c8y_MyMeasurement"}`},
		{"fixed unit", "10,999,POST,MEASUREMENT,,c8y_C,,c8y_C.custom.value,NUMBER,,c8y_C.custom.unit,STRING,X", "999,,30.6",
			`{"c8y_C":{"custom":{"unit":"X","value":30.6}},"time":"` + stamp + `","type":"c8y_C"}`},
		{"event", "10,101,POST,EVENT,,c8y_E,mytext,,", "101", `{"text":"mytext","time":"` + stamp + `","type":"c8y_E"}`},
		{"event of the field", "10,997,POST,EVENT,false,c8y_Joystick,,,action,STRING,,direction,STRING,", "997,moved,,pressed,up",
			`{"action":"pressed","direction":"up","text":"moved","time":"` + stamp + `","type":"c8y_Joystick"}`},
		{"alarm", "10,102,POST,ALARM,,c8y_A,mytext,ACTIVE,MAJOR,", "102", `{"severity":"MAJOR","status":"ACTIVE","text":"mytext","time":"` + stamp + `","type":"c8y_A"}`},
		{"alarm values sent", "10,102,POST,ALARM,,,,,,", "102,T,hot,active,critical,", `{"severity":"CRITICAL","status":"ACTIVE","text":"hot","time":"` + stamp + `","type":"T"}`},
		{"flag", "10,1,POST,INVENTORY,,c8y_Serial,c8y_IsDevice,FLAG,,name,STRING,", "1,x1,box", `POST INVENTORY c8y_Serial/x1 {"c8y_IsDevice":{},"name":"box"}`},
		{"inventory", "10,100,POST,INVENTORY,,c8y_MySerial", "100,myImei", `POST INVENTORY c8y_MySerial/myImei {}`},
		{"type sent", "10,101,POST,INVENTORY,,", "101,myImei,c8y_MySerial", `POST INVENTORY c8y_MySerial/myImei {}`},
		{"no external ID", "10,101,POST,INVENTORY,,", "101,,c8y_MySerial", `POST INVENTORY c8y_MySerial/ {}`},
		{"get by ID", "10,999,GET,INVENTORY,,true", "999,123456", `GET INVENTORY 123456 answered`},
		{"get by external ID", "10,999,GET,INVENTORY,,false,c8y_Serial", "999,imei", `GET INVENTORY c8y_Serial/imei answered`},
		{"get by type and ID", "10,999,GET,INVENTORY,,false", "999,c8y_Serial,imei", `GET INVENTORY c8y_Serial/imei answered`},
		{"get unanswered", "10,999,GET,INVENTORY,false,true", "999,1", `GET INVENTORY 1`},
		{"put", "10,999,PUT,INVENTORY,,false,c8y_Serial,c8y_V,STRING,", "999,imei,val", `PUT INVENTORY c8y_Serial/imei {"c8y_V":"val"}`},
		{"put by ID", "10,999,PUT,INVENTORY,true,true,,c8y_V,STRING,", "999,17,val", `PUT INVENTORY 17 answered {"c8y_V":"val"}`},
		{"put by ID without column", "10,999,PUT,INVENTORY,,true,c8y_V,STRING,", "999,17,val", `PUT INVENTORY 17 {"c8y_V":"val"}`},
		{"put alarm", "10,999,PUT,ALARM,,c8y_A,status,ALARMSTATUS", "999,CLEARED", `PUT ALARM of c8y_A {"status":"CLEARED"}`},
		{"put alarm with reason", "10,999,PUT,ALARM,,c8y_A,status,ALARMSTATUS,CLEARED,c8y_F.reason,STRING,", "999,over", `PUT ALARM of c8y_A {"c8y_F":{"reason":"over"},"status":"CLEARED"}`},
		{"put operation", "10,999,PUT,OPERATION,,c8y_Op,status,OPERATIONSTATUS,SUCCESSFUL,c8y_F.v,NUMBER,", "999,24", `PUT OPERATION of c8y_Op {"c8y_F":{"v":24},"status":"SUCCESSFUL"}`},
		{"lower case", "10,a-1,post,measurement,TRUE,t,,$.a,integer,,b,unsigned,", "a-1,,-7,7", `answered {"a":-7,"b":7,"time":"` + stamp + `","type":"t"}`},
		{"no type is text", "10,1,POST,EVENT,,t,x,,a", "1,,v", `{"a":"v","text":"x","time":"` + stamp + `","type":"t"}`},
		{"list", "10,1,PUT,INVENTORY,,false,s,a[0].b,STRING,x,a[1],NUMBER,", "1,d,5", `PUT INVENTORY s/d {"a":[{"b":"x"},5]}`},
		{"quoted member", `10,1,PUT,INVENTORY,,false,s,"['a.b'].c",STRING,x`, "1,d", `PUT INVENTORY s/d {"a.b":{"c":"x"}}`},
		{"deeper over a value", "10,1,PUT,INVENTORY,,false,s,a,STRING,x,a.b,STRING,y", "1,d", `PUT INVENTORY s/d {"a":{"b":"y"}}`},
		{"empty text", "10,1,PUT,INVENTORY,,false,s,a,STRING,,b,STRING,", "1,d", `PUT INVENTORY s/d {"a":"","b":""}`},

		{"number missing", "10,1,POST,MEASUREMENT,,t,,a,NUMBER,", "1", `45,1,Value is not a NUMBER: `},
		{"not a number", "10,1,POST,MEASUREMENT,,t,,a,NUMBER,", "1,,x", `45,1,Value is not a NUMBER: x`},
		{"negative", "10,1,POST,MEASUREMENT,,t,,a,UNSIGNED,", "1,,-1", `45,1,Value is not a UNSIGNED: -1`},
		{"not whole", "10,1,POST,MEASUREMENT,,t,,a,INTEGER,", "1,,1.5", `45,1,Value is not a INTEGER: 1.5`},
		{"not a date", "10,1,POST,MEASUREMENT,,t,", "1,soon", `45,1,Value is not a DATE: soon`},
		{"no type", "10,1,POST,MEASUREMENT,,,", "1", `45,1,Wrong number of arguments: $.type is missing`},
		{"no ID", "10,1,GET,INVENTORY,,true", "1", `45,1,Wrong number of arguments: the ID is missing`},
		{"no type of the ID", "10,1,GET,INVENTORY,,false", "1,,x", `45,1,Wrong number of arguments: the type of the external ID is missing`},
		{"no such severity", "10,1,POST,ALARM,,t,x,ACTIVE,,", "1,BAD", `45,1,Value is not a SEVERITY: BAD`},
		{"element beyond the end", "10,1,PUT,INVENTORY,,false,s,a[1],STRING,", "1,d,x", `45,1,Invalid JsonPath a[1]`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := collection(t, tt.template)
			lines, err := smartrest.Parse([]byte(tt.line))
			if err != nil {
				t.Fatal(err)
			}
			r, ok := c.Request(lines[0].TemplateID)
			if !ok {
				t.Fatal("no such template")
			}
			call, err := r.Fill(lines[0].Fields, now)
			got := ""
			if err != nil {
				got = err.Error()
			} else {
				got = describe(call)
			}
			if got != tt.want {
				t.Errorf("\n got %s\nwant %s", got, tt.want)
			}
		})
	}
}

func describe(c template.Call) string {
	var words []string
	if c.API == template.Inventory || c.Method == template.Put {
		words = append(words, string(c.Method), string(c.API))
	}
	switch {
	case c.ByID:
		words = append(words, c.ID)
	case c.API == template.Inventory:
		words = append(words, c.ExternalIDType+"/"+c.ID)
	case c.Method == template.Put:
		words = append(words, "of", c.Type)
	}
	if c.Response {
		words = append(words, "answered")
	}
	if c.Body != nil {
		b, _ := json.Marshal(c.Body)
		words = append(words, string(b))
	}
	return strings.Join(words, " ")
}

func TestRespond(t *testing.T) {
	const device = `{"id":"12345","type":"myMqttDevice","c8y_IsDevice":{},"c8y_Configuration":"val1=1\nval2=2","myList":[{"pid":12345,"type":"test"},{"pid":123456,"type":"test2"}]}`
	const operation = `{"id":"12345","deviceId":"myMqttTestDevice","status":"PENDING","c8y_CustomConfiguration":{"val1":"1","val2":"2","customValues":["a","b","c"]},"description":"Send"}`
	const types = `{"n":1.50,"b":true,"o":{"x":[1]},"z":null,"e":[]}`
	tests := []struct{ name, templates, object, deviceID, want string }{
		{"device", "11,888,,c8y_IsDevice,type,c8y_Test,c8y_Configuration", device, "", "888,myMqttDevice,,\"val1=1\nval2=2\""},
		{"list", `11,888,,,"$.myList[*].type"`, device, "", "888,test,test2"},
		{"element", `11,888,,,myList[1].pid,myList[-1].pid,myList[2].pid,myList[0]['type']`, device, "", "888,123456,123456,,test"},
		{"operation", "11,111,c8y_CustomConfiguration,deviceId,val1,val2,customValues[*]\n" +
			"11,222,,deviceId,c8y_CustomConfiguration.val1,c8y_CustomConfiguration.val2\n" +
			"11,333,,deviceId,val1,val2,customValues[*]\n" +
			"11,444,c8y_CustomConfiguration,c8y_CustomConfiguration.val3,val1,val2,customValues[*]", operation, "myMqttTestDevice",
			"111,myMqttTestDevice,1,2,a,b,c|222,myMqttTestDevice,1,2|333,myMqttTestDevice,,,"},
		{"the device asked for", "11,1,,,deviceId,status", operation, "myMqttTestDevice", "1,myMqttTestDevice,myMqttTestDevice,PENDING"},
		{"trailing comma", "11,520,,c8y_CustomConfiguration,description,status,", operation, "d", "520,d,Send,PENDING"},
		{"types", "11,1,,,n,b,o,z,e,e[*],o.x.*,$", types, "", `1,1.50,true,"{\"x\":[1]}",,[],,1,"{\"b\":true,\"e\":[],\"n\":1.50,\"o\":{\"x\":[1]},\"z\":null}"`},
		{"null meets the condition", "11,1,,z,n", types, "", "1,1.50"},
		{"base with dollar", "11,1,$.o,$.o.x,$.x[0]", types, "", "1,1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, l := range collection(t, tt.templates).Respond(decode(t, tt.object), tt.deviceID) {
				got = append(got, string(l))
			}
			if g := strings.Join(got, "|"); g != tt.want {
				t.Errorf("\n got %s\nwant %s", g, tt.want)
			}
		})
	}
}

func TestParseLinesRefuses(t *testing.T) {
	tests := []struct{ name, lines, want string }{
		{"nothing", "\n", "41,,No templates"},
		{"another message", "100,x", "41,100,Only templates can be created here"},
		{"no ID", "10,,GET,INVENTORY", "41,,Bad request template definition"},
		{"ID with a blank", `10,a b,GET,INVENTORY,,true`, "41,a b,Bad request template definition"},
		{"method", "10,1,DELETE,INVENTORY,,true", "41,1,Bad request template definition"},
		{"matrix", "10,1,GET,ALARM", "41,1,Bad request template definition"},
		{"order of the quick reference", "10,1,INVENTORY,GET,,true", "41,1,Bad request template definition"},
		{"response", "10,1,GET,INVENTORY,maybe,true", "41,1,Bad request template definition"},
		{"by ID", "10,1,GET,INVENTORY,,maybe", "41,1,Bad request template definition"},
		{"type of a value", "10,1,POST,EVENT,,t,x,,a,TEXT,", "41,1,Bad request template definition"},
		{"path", "10,1,POST,EVENT,,t,x,,a[,STRING,", "41,1,Invalid JsonPath"},
		{"path of many", "10,1,POST,EVENT,,t,x,,a[*],STRING,", "41,1,Invalid JsonPath"},
		{"fixed value", "10,1,POST,ALARM,,t,x,ACTIVE,BAD,", "41,1,Value is not a SEVERITY: BAD"},
		{"same ID", "10,1,GET,INVENTORY,,true\n10,1,GET,INVENTORY,,true", "41,1,Duplicate message identifiers are not allowed"},
		{"same response ID", "11,1,,,a\n11,1,,,b", "41,1,Duplicate message identifiers are not allowed"},
		{"no pattern", "11,1,,a", "41,1,Bad response template definition"},
		{"pattern", "11,1,,,a..", "41,1,Invalid JsonPath"},
		{"condition", `11,1,,"a[?(@.x]",b`, "41,1,Invalid JsonPath"},
		{"value of many", `10,1,POST,EVENT,,t,x,,a[0:2],STRING,`, "41,1,Invalid JsonPath"},
		{"value that is searched for", `10,1,POST,EVENT,,t,x,,..a,STRING,`, "41,1,Invalid JsonPath"},
		{"base", "11,1,a[,,b", "41,1,Invalid JsonPath"},
		{"quote", `11,1,,"a`, "42,11,unterminated quote"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := template.ParseLines([]byte(tt.lines))
			if err == nil || err.Error() != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			if e := (*smartrest.Error)(nil); !errors.As(err, &e) {
				t.Errorf("%T", err)
			}
		})
	}
}

// TestDocument reads what clients write by REST (pyagent's collection, the web
// application's forms).
func TestDocument(t *testing.T) {
	c, err := template.ParseDocument([]byte(`{
		"requestTemplates":[
		 {"api":"MEASUREMENT","byId":true,"method":"POST","msgId":"M100","response":false,"name":"CPU",
		  "mandatoryValues":[{"path":"$.type","type":"STRING","value":"c8y_CPU"},{"path":"$.time","type":"DATE","value":null}],
		  "customValues":[{"path":"c8y_CPU.T.value","type":"NUMBER","value":null},{"path":"c8y_CPU.T.unit","type":"STRING","value":"°C"}]},
		 {"api":"INVENTORY","byId":false,"externalIdType":"c8y_Serial","mandatoryValues":[],"method":"PUT","msgId":7,"response":false,
		  "customValues":[{"path":"c8y_Network.c8y_LAN.ip","type":"STRING","value":""}]},
		 {"api":"INVENTORY","method":"POST","msgId":"new","mandatoryValues":[{"path":"$.type","type":"STRING","value":"c8y_Serial"}]},
		 {"api":"EVENT","method":"POST","msgId":"e","mandatoryValues":[{"path":"$.type","type":"STRING","value":"T"}]},
		 {"api":"EVENT","method":"GET","msgId":"nonsense"},
		 {"api":"EVENT","method":"POST","msgId":"e"}],
		"responseTemplates":[{"msgId":"dm101","name":"set_wifi","base":"set_wifi","condition":"set_wifi","pattern":["name","ssid","type"]},
		 {"msgId":"bad","pattern":["a[","b"]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Requests) != 4 || len(c.Responses) != 1 {
		t.Fatalf("%d requests, %d responses", len(c.Requests), len(c.Responses))
	}
	for line, want := range map[string]string{
		"M100,,50.5": `{"c8y_CPU":{"T":{"unit":"°C","value":50.5}},"time":"` + stamp + `","type":"c8y_CPU"}`,
		"7,dev1,::1": `PUT INVENTORY c8y_Serial/dev1 {"c8y_Network":{"c8y_LAN":{"ip":"::1"}}}`,
		"new,dev2":   `POST INVENTORY c8y_Serial/dev2 {}`,
		"e,text,":    `{"text":"text","time":"` + stamp + `","type":"T"}`,
	} {
		l, _ := smartrest.Parse([]byte(line))
		r, ok := c.Request(l[0].TemplateID)
		if !ok {
			t.Errorf("%s: no template", line)
			continue
		}
		call, err := r.Fill(l[0].Fields, now)
		if got := describe(call); err != nil || got != want {
			t.Errorf("%s: %v\n got %s\nwant %s", line, err, got, want)
		}
	}
	if got := c.Respond(decode(t, `{"set_wifi":{"name":"n","ssid":"s","type":"wpa"}}`), "dev1"); len(got) != 1 || string(got[0]) != "dm101,dev1,n,s,wpa" {
		t.Errorf("response %q", got)
	}
	for _, bad := range []string{`[]`, `{`, `{"requestTemplates":{}}`, `7`} {
		if _, err := template.ParseDocument([]byte(bad)); err == nil {
			t.Errorf("%s is a collection", bad)
		}
	}
}

func TestDocumentBounds(t *testing.T) {
	const empty = `{"requestTemplates":[],"x":""}`
	for n, want := range map[int]bool{template.MaxDocumentBytes - 1: true, template.MaxDocumentBytes: true, template.MaxDocumentBytes + 1: false} {
		doc := strings.Replace(empty, `""`, `"`+strings.Repeat("x", n-len(empty))+`"`, 1)
		if _, err := template.ParseDocument([]byte(doc)); (err == nil) != want {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func TestPathBounds(t *testing.T) {
	for n, want := range map[int]bool{511: true, 512: true, 513: false} {
		if _, ok := template.ParsePath(strings.Repeat("x", n)); ok != want {
			t.Errorf("%d bytes: %v", n, ok)
		}
	}
	for n, want := range map[int]bool{31: true, 32: true, 33: false} {
		if _, ok := template.ParsePath(strings.Repeat(".x", n)); ok != want {
			t.Errorf("%d steps: %v", n, ok)
		}
	}
	for s, want := range map[string]bool{"a[998]": true, "a[999]": true, "a[1000]": false, "a[-999]": true, "a[-1000]": false} {
		if _, ok := template.ParsePath(s); ok != want {
			t.Errorf("%s: %v", s, ok)
		}
	}
	for _, n := range []int{999, 1000, 1001} {
		p, _ := template.ParsePath("[*]")
		if got, want := len(p.Select(make([]any, n))), min(n, 1000); got != want {
			t.Errorf("of %d: %d", n, got)
		}
	}
}

// TestRespondBounds: greedy patterns end, and what is within the bounds is there.
func TestRespondBounds(t *testing.T) {
	big := map[string]any{"s": strings.Repeat("x", 10_000), "list": make([]any, 1000)}
	c := collection(t, "11,1,,,s\n11,2,,,s,s\n11,3,,,s\n11,4,,,s")
	if got := c.Respond(big, ""); len(got) != 2 || len(got[1]) != 20_003 {
		t.Errorf("%d lines", len(got))
	}
	many := "11,1,,"
	for range 256 {
		many += ",list[*]"
	}
	_ = collection(t, many).Respond(big, "")
	for n, want := range map[int]bool{255: true, 256: true, 257: false} {
		_, err := template.ParseLines([]byte("11,1,," + strings.Repeat(",a", n)))
		if (err == nil) != want {
			t.Errorf("%d patterns: %v", n, err)
		}
	}
}

func FuzzParseLines(f *testing.F) {
	f.Add("10,999,POST,MEASUREMENT,,c8y_M,,c8y_M.M.value,NUMBER,\n11,1,a,b,c[*]", "999,,25")
	f.Add("10,1,PUT,INVENTORY,,true,c8y_V,STRING,", "1,17,x")
	f.Fuzz(func(t *testing.T, lines, use string) {
		c, err := template.ParseLines([]byte(lines))
		if err != nil {
			return
		}
		again, err := template.ParseDocument(c.Document())
		if err != nil || string(again.Document()) != string(c.Document()) {
			t.Fatalf("kept %s, read %v %v", c.Document(), again, err)
		}
		values, err := smartrest.Parse([]byte(use))
		if err != nil || len(values) == 0 {
			return
		}
		for i := range c.Requests {
			a, errA := c.Requests[i].Fill(values[0].Fields, now)
			b, errB := again.Requests[i].Fill(values[0].Fields, now)
			if !reflect.DeepEqual(a, b) || (errA == nil) != (errB == nil) {
				t.Fatalf("%+v, %v\n%+v, %v", a, errA, b, errB)
			}
			c.Respond(map[string]any(a.Body), "d")
		}
	})
}

func FuzzParseDocument(f *testing.F) {
	f.Add([]byte(`{"requestTemplates":[{"api":"EVENT","method":"POST","msgId":"e"}],"responseTemplates":[{"msgId":1,"pattern":["a"]}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := template.ParseDocument(b)
		if err != nil {
			return
		}
		again, err := template.ParseDocument(c.Document())
		if err != nil || string(again.Document()) != string(c.Document()) {
			t.Fatalf("%s, %v", c.Document(), err)
		}
	})
}

func FuzzPath(f *testing.F) {
	for _, s := range []string{"$.a[0]['b'].*", "a[*].b", "[-1]", "$", "", "a[0:2:1]", "..b", "a[?(@.b.c > 0 && !(@.x == 'y'))]", "['a','b'][0,1]"} {
		f.Add(s, `{"a":[{"b":{"c":1}}]}`)
	}
	f.Fuzz(func(t *testing.T, path, object string) {
		p, ok := template.ParsePath(path)
		v, err := template.Decode([]byte(object))
		if !ok || err != nil {
			return
		}
		p.Select(v)
		if o, ok := v.(map[string]any); ok && p.Set(o, "here") {
			if got := p.Select(o); len(got) != 1 || got[0] != "here" {
				t.Fatalf("%q set in %s, found %v", path, object, got)
			}
		}
	})
}
