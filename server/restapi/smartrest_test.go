package restapi_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"mooring/internal/problem"
	"mooring/internal/smartrest"
	"mooring/server/platform"
	"mooring/server/restapi"
)

// lines posts a body to /s as a device and returns the lines of the answer.
func (r *rig) lines(q request, xid, body string) string {
	r.t.Helper()
	q.method, q.path, q.body, q.noAccept = "POST", "/s", body, true
	if q.header == nil {
		q.header = http.Header{}
	}
	if xid != "" {
		q.header.Set("X-Id", xid)
	}
	return string(r.do(q).want(r.t, 200).body)
}

const deviceSecret = "device secret 1"

// TestSmartREST goes the way of the vendor's C++ SDK: ask for the collection, make
// it, use it by the number it has got.
func TestSmartREST(t *testing.T) {
	r := newRig(t)
	id := r.device(t, tenant, "dev1", deviceSecret).String()
	dev := request{user: "device_dev1", password: deviceSecret}
	if got := r.lines(dev, "helloc8y_3", ""); got != `40,"No template for this X-ID."` {
		t.Errorf("before: %s", got)
	}
	const collection = "10,100,GET,/identity/externalIds/c8y_Serial/%%,,application/json,%%,STRING,\n\n" +
		"10,101,POST,/inventory/managedObjects,application/json,application/json,%%,,\"{\"\"name\"\":\"\"Hello\"\",\"\"c8y_IsDevice\"\":{}}\"\n" +
		"10,103,POST,/measurement/measurements,application/json,,%%,NOW UNSIGNED NUMBER,\"{\"\"time\"\":\"\"%%\"\",\"\"source\"\":{\"\"id\"\":\"\"%%\"\"},\"\"type\"\":\"\"c8y_CPU\"\",\"\"c8y_CPU\"\":{\"\"W\"\":{\"\"value\"\":%%}}}\"\n" +
		"10,104,PUT,/inventory/managedObjects/%%,application/json,,%%,UNSIGNED STRING, \"{\"\"c8y_SupportedOperations\"\":[%%]}\"\n" +
		"10,106,DELETE,/inventory/managedObjects/%%,,,%%,,\n" +
		"10,107,GET,/measurement/measurements?source=%%,,,%%,,\n" +
		"11,500,$.managedObject,,$.id\n11,501,,$.c8y_IsDevice,$.id\n11,502,$.measurements,,$.type,$.c8y_CPU.W.value\n"
	made := r.lines(dev, "helloc8y_3", collection)
	number, ok := strings.CutPrefix(made, "20,")
	if !ok {
		t.Fatalf("made: %s", made)
	}
	r.do(request{method: "GET", path: "/identity/externalIds/c8y_SmartRestDeviceIdentifier/helloc8y_3"}).want(t, 200)
	own, ok := strings.CutPrefix(r.lines(dev, "helloc8y_3", "101"), "501,1,")
	if !ok {
		t.Fatalf("created: %s", own)
	}
	tests := []struct{ name, xid, body, want string }{
		{"there now", "helloc8y_3", "", "20," + number},
		{"and by its number", number, "", "20," + number},
		{"made twice", "helloc8y_3", collection, "41,,Cannot create templates for already existing template object"},
		{"found", number, "100,dev1", "500,1," + id},
		{"not found", number, "100,nobody", "50,1,404,Not Found"},
		{"three lines, one bad", number, "103," + id + ",5\n104," + id + ",\"\"\"c8y_Restart\"\",\"\"c8y_Command\"\"\"\n100,dev1\n", "500,3," + id},
		{"stored", number, "107," + id, "502,1,c8y_CPU,5"},
		{"unknown message", number, "999,1", "43,1,Invalid message identifier"},
		{"no number", number, "x,1", "43,1,Invalid message identifier"},
		{"quote", number, "100,\"dev1", "42,1,Malformed Request"},
		{"arguments", number, "100\n101,1\n103," + id + ",x", "45,1,Wrong number of arguments\n45,2,No arguments supported\n45,3,Value is not a NUMBER: x"},
		{"no collection", "nothing", "100,dev1\n100,dev1", `40,"No template for this X-ID."`},
		{"no X-Id", "", "100,dev1", `40,"No template for this X-ID."`},
		{"credentials of another", "", "61,dev2", "50,1,403,Forbidden"},
		{"delete answers nothing", number, "106," + own, ""},
		{"bad template", "bad", "11,1,,,$.a\n11,2,,,$.a[*]", "41,2,Using JsonPath to refer to a list of objects is not allowed for SmartRest"},
		{"template among others", "bad", "11,1,,,$.a\n100,x", "41,2,Not a valid message identifier for template creation"},
		{"named in the body", "", "15,helloc8y_3\n100,dev1\n100,nobody\n15," + number + "\n100,dev1", "87,2,helloc8y_3\n500,2," + id + "\n50,3,404,Not Found\n87,1," + number + "\n500,5," + id},
		{"asked for in the body", "", "15,helloc8y_3\n15,nothing", "20," + number + "\n" + `40,"No template for this X-ID."`},
		{"one of them is not there", "", "15,nothing\n100,dev1\n15,helloc8y_3\n100,dev1", `40,"No template for this X-ID."` + "\n87,1,helloc8y_3\n500,4," + id},
	}
	for _, tt := range tests {
		if got := r.lines(dev, tt.xid, tt.body); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, got, tt.want)
		}
	}
	o := r.do(request{method: "GET", path: "/inventory/managedObjects/" + id}).want(t, 200)
	if !strings.Contains(string(o.body), `"c8y_SupportedOperations":["c8y_Restart","c8y_Command"]`) {
		t.Errorf("object %s", o.body)
	}
	if two := r.lines(dev, "", "15,a\n11,1,,,$.id\n15,b\n11,1,,,$.id"); strings.Count(two, "20,") != 2 {
		t.Errorf("two made: %s", two)
	}
}

// TestSmartRESTMode: the mode of the body is that of its lines.
func TestSmartRESTMode(t *testing.T) {
	r := newRig(t)
	id := r.device(t, tenant, "dev1", deviceSecret).String()
	const event = `10,1,POST,/event/events,application/json,,%%,UNSIGNED NOW,"{""source"":{""id"":""%%""},""type"":""t"",""text"":""x"",""time"":""%%""}"`
	dev := request{user: "device_dev1", password: deviceSecret}
	r.lines(dev, "x", event)
	for _, mode := range []string{"", "PERSISTENT", "TRANSIENT", "CEP", "QUIESCENT"} {
		dev.header = http.Header{"X-Cumulocity-Processing-Mode": {mode}}
		if got := r.lines(dev, "x", "1,"+id); got != "" {
			t.Errorf("%s: %s", mode, got)
		}
	}
	if got := len(r.do(request{method: "GET", path: "/event/events?source=" + id}).want(t, 200).items(t, "events")); got != 3 {
		t.Errorf("%d events stored, want those of three modes", got)
	}
}

// TestSmartRESTRights: lines have the rights of who sends them, and no others.
func TestSmartRESTRights(t *testing.T) {
	r := newRig(t)
	own := r.device(t, tenant, "dev1", deviceSecret).String()
	neighbour := r.device(t, tenant, "dev2", deviceSecret).String()
	foreign := r.device(t, other, "dev3", deviceSecret).String()
	dev := request{user: "device_dev1", password: deviceSecret}
	stranger := request{user: "device_dev3", password: deviceSecret, host: otherHost}
	const collection = "10,1,GET,/inventory/managedObjects/%%,,,%%,,\n10,2,PUT,/inventory/managedObjects/%%,application/json,application/json,%%,,\"{\"\"x\"\":1}\"\n" +
		"10,3,GET,/user/t1000/users,,,,,\n10,4,POST,/s,text/plain,,,,61\n10,5,GET,/tenant/options,,,,,\n10,6,POST,/%%73,text/plain,,&,,61\n10,7,GET,/mooring/whoami,,,,,\n11,9,,,$.id"
	if got := r.lines(dev, "x", collection); !strings.HasPrefix(got, "20,") {
		t.Fatal(got)
	}
	for body, want := range map[string]string{
		"1," + own:       "9,1," + own,
		"2," + own:       "9,1," + own,
		"1," + foreign:   "50,1,404,Not Found",
		"2," + foreign:   "50,1,404,Not Found",
		"2," + neighbour: "50,1,403,Forbidden",
		"3":              "50,1,403,Forbidden",
		"4":              "50,1,404,Not Found",
		"5":              "50,1,403,Forbidden",
		"6":              "50,1,404,Not Found",
		"7":              "50,1,404,Not Found",
	} {
		if got := r.lines(dev, "x", body); got != want {
			t.Errorf("%s: got %s, want %s", body, got, want)
		}
	}
	if got := r.lines(stranger, "x", ""); got != `40,"No template for this X-ID."` {
		t.Errorf("another tenant's collection: %s", got)
	}
	number := strings.TrimPrefix(r.lines(dev, "x", ""), "20,")
	if got := r.lines(stranger, number, ""); got != `40,"No template for this X-ID."` {
		t.Errorf("another tenant's collection by number: %s", got)
	}
	if got := r.lines(dev, own, ""); got != `40,"No template for this X-ID."` {
		t.Errorf("an object that is no collection: %s", got)
	}
	r.do(request{method: "POST", path: "/s", body: "100", user: "-"}).want(t, 401)
	r.do(request{method: "GET", path: "/s"}).want(t, 405)
}

// TestSmartRESTBootstrap: a device fetches its password, and the user for it can do
// nothing else.
func TestSmartRESTBootstrap(t *testing.T) {
	r := newRig(t)
	password, err := r.vault.BootstrapPassword(t.Context())
	check(t, err)
	boot := request{user: "management/devicebootstrap", password: password.Reveal()}
	if got := r.lines(boot, "", "61,new1"); got != "50,1,404,Not Found" {
		t.Errorf("before: %s", got)
	}
	r.do(request{method: "POST", path: "/devicecontrol/newDeviceRequests", body: `{"id":"new1"}`}).want(t, 201)
	if got := r.lines(boot, "", "61,new1"); got != "50,1,404,Not Found" {
		t.Errorf("not accepted: %s", got)
	}
	r.do(request{method: "PUT", path: "/devicecontrol/newDeviceRequests/new1", body: `{"status":"ACCEPTED"}`}).want(t, 200)
	fields := strings.Split(r.lines(boot, "", "61,new1"), ",")
	if len(fields) != 6 || strings.Join(fields[:5], ",") != "70,1,new1,t1000,device_new1" {
		t.Fatalf("accepted: %v", fields)
	}
	dev := request{user: fields[3] + "/" + fields[4], password: fields[5]}
	if got := r.lines(dev, "x", ""); got != `40,"No template for this X-ID."` {
		t.Errorf("with the password: %s", got)
	}
	for body, want := range map[string]string{"": "50,1,403,Forbidden", "100,x": "50,1,403,Forbidden", "11,1,,,$.id": "50,1,403,Forbidden", "61": "50,1,422,Unprocessable Entity"} {
		if got := r.lines(boot, "x", body); got != want {
			t.Errorf("%q: got %s, want %s", body, got, want)
		}
	}
}

// TestSmartRESTBounds: a body may be as long as the bound and no longer.
func TestSmartRESTBounds(t *testing.T) {
	r := newRig(t)
	for n, want := range map[int]int{smartrest.MaxLegacyPayload: 200, smartrest.MaxLegacyPayload + 1: 413} {
		r.do(request{method: "POST", path: "/s", body: "1," + strings.Repeat("x", n-2)}).want(t, want)
	}
	for n, want := range map[int]string{smartrest.MaxLines: `40,"No template for this X-ID."`, smartrest.MaxLines + 1: "42,,Malformed Request"} {
		if got := r.lines(request{}, "x", strings.Repeat("1\n", n)); got != want {
			t.Errorf("%d lines: %s", n, got)
		}
	}
}

// TestSmartRESTEnds: lines that nobody waits for any more are not carried out.
func TestSmartRESTEnds(t *testing.T) {
	r := newRig(t)
	own := r.device(t, tenant, "dev1", deviceSecret).String()
	r.lines(request{user: "device_dev1", password: deviceSecret}, "x", "10,1,PUT,/inventory/managedObjects/%%,application/json,application/json,%%,,\"{\"\"x\"\":1}\"\n11,9,,,$.id")
	client := restapi.LegacyClient{Principal: platform.Principal{Tenant: tenant, User: "device_dev1", Device: "dev1", Roles: platform.DeviceRoles}, Host: tenantHost}
	ctx, cancel := context.WithCancel(t.Context())
	if got, err := r.api.SmartREST(ctx, client, "x", []byte("1,"+own), 100); err != nil || string(got) != "9,1,"+own {
		t.Errorf("got %s, %v", got, err)
	}
	if got, err := r.api.SmartREST(ctx, client, "x", []byte("1,"+own+"\n1,"+own), len(own)+5); err != nil || string(got) != "9,1,"+own {
		t.Errorf("beyond the bytes: %s, %v", got, err)
	}
	cancel()
	if got, err := r.api.SmartREST(ctx, client, "x", []byte("1,"+own), 100); problem.KindOf(err) != problem.Unavailable {
		t.Errorf("cancelled: %s, %v", got, err)
	}
}
