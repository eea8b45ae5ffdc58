package restapi_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"mooring/server/platform"
)

const objectsPath = "/inventory/managedObjects"

// object creates an object and returns its ID.
func (r *rig) object(t testing.TB, body string) string {
	t.Helper()
	return r.do(request{method: "POST", path: objectsPath, body: body}).want(t, 201).text(t, "id")
}

// find lists the names of objects that a query of the URL finds.
func (r *rig) find(t testing.TB, q request, params ...string) []string {
	t.Helper()
	v := url.Values{"pageSize": {"100"}}
	for i := 0; i < len(params); i += 2 {
		v.Add(params[i], params[i+1])
	}
	q.method = "GET"
	if q.path == "" {
		q.path = objectsPath
	}
	q.path += "?" + v.Encode()
	names := []string{}
	for _, o := range r.do(q).want(t, 200).items(t, "managedObjects") {
		name, _ := o.(map[string]any)["name"].(string)
		names = append(names, name)
	}
	return names
}

func TestQueries(t *testing.T) {
	r := newRig(t)
	group := r.object(t, `{"name":"group","type":"c8y_DeviceGroup","c8y_IsDeviceGroup":{}}`)
	device := r.object(t, `{"name":"dev","type":"linux","c8y_IsDevice":{},"c8y_Availability":{"status":"AVAILABLE"}}`)
	r.object(t, `{"name":"other","type":"linux","n":5.5}`)
	r.do(request{method: "POST", path: objectsPath + "/" + group + "/childAssets", body: `{"managedObject":{"id":"` + device + `"}}`}).want(t, 201)
	for _, tt := range []struct {
		params []string
		want   string
	}{
		{[]string{"query", "$filter=(type eq 'linux') $orderby=name desc"}, "other dev"},
		{[]string{"query", "type eq 'linux'", "type", "c8y_DeviceGroup"}, "dev other"},
		{[]string{"q", "$filter=(type eq 'linux')"}, "dev"},
		{[]string{"q", "$orderby=name"}, "dev"},
		{[]string{"query", "bygroupid(" + group + ")"}, "dev"},
		{[]string{"query", "c8y_Availability.status eq 'AVAILABLE' or n gt 5f"}, "dev other"},
		{[]string{"text", "GRO"}, "group"},
		{[]string{"fragmentType", "n", "type", "linux"}, "other"},
		{[]string{"onlyRoots", "true"}, "group other"},
		{[]string{"childAssetId", device}, "group"},
	} {
		if got := r.find(t, request{}, tt.params...); strings.Join(got, " ") != tt.want {
			t.Errorf("%q: got %q, want %s", tt.params, got, tt.want)
		}
	}
	bad := r.do(request{method: "GET", path: objectsPath + "?query=name+is+a"}).want(t, 422)
	if bad.text(t, "error") != "inventory/Invalid Data" || bad.text(t, "message") != "Find by filter query failed : Query could not be understood." {
		t.Errorf("got %s", bad.body)
	}
	if n := r.do(request{method: "GET", path: objectsPath + "/count?query=" + url.QueryEscape("type eq 'linux'")}).want(t, 200); string(n.body) != "2" {
		t.Errorf("count is %s", n.body)
	}
	children := r.do(request{method: "GET", path: objectsPath + "/" + group + "/childAssets?query=" + url.QueryEscape("$filter=(name eq 'x*')")}).want(t, 200)
	if len(children.items(t, "references")) != 0 {
		t.Errorf("got %s", children.body)
	}
	r.do(request{method: "GET", path: objectsPath + "/" + group + "/childAssets?query=x"}).want(t, 422)
	page := r.do(request{method: "GET", path: objectsPath + "?pageSize=1&currentPage=2&withTotalElements=true&withTotalPages=true&query=" + url.QueryEscape("type eq 'linux'")}).want(t, 200)
	if s := page.tree(t)["statistics"].(map[string]any); fmt.Sprintf("%v %v", s["totalElements"], s["totalPages"]) != "2 2" || page.tree(t)["next"] != nil || !strings.Contains(page.text(t, "prev"), "query=type+eq+%27linux%27") {
		t.Errorf("got %s", page.body)
	}
}

func TestBulk(t *testing.T) {
	r := newRig(t)
	many := func(n int) string {
		return `{"managedObjects":[` + strings.Repeat(`{"name":"m"},`, n-1) + `{"name":"m"}]}`
	}
	for n, status := range map[int]int{49: 201, 50: 201, 51: 422} {
		got := r.do(request{method: "POST", path: objectsPath, body: many(n)}).want(t, status)
		if status == 201 && len(got.items(t, "managedObjects")) != n {
			t.Errorf("got %s", got.body)
		}
	}
	r.do(request{method: "POST", path: objectsPath, body: `{"managedObjects":[]}`}).want(t, 422)
	before := len(r.find(t, request{}))
	r.do(request{method: "POST", path: objectsPath, body: `{"managedObjects":[{"externalIds":[{"type":"a","externalId":"b"}]},{"externalIds":[{"type":"a","externalId":"b"}]}]}`}).want(t, 409)
	if after := len(r.find(t, request{})); after != before {
		t.Errorf("%d objects more", after-before)
	}
	one, two := r.object(t, `{"a":1,"b":2}`), r.object(t, `{}`)
	changed := r.do(request{method: "PUT", path: objectsPath, body: `{"managedObjects":[{"id":"` + one + `","a":null,"c":3},{"id":"` + two + `","name":"two"}]}`}).want(t, 200)
	if list := changed.items(t, "managedObjects"); list[1].(map[string]any)["name"] != "two" || list[0].(map[string]any)["a"] != nil {
		t.Errorf("got %s", changed.body)
	}
	o := r.do(request{method: "GET", path: objectsPath + "/" + one}).want(t, 200).tree(t)
	if o["a"] != nil || fmt.Sprintf("%v %v", o["b"], o["c"]) != "2 3" {
		t.Errorf("got %v", o)
	}
	r.do(request{method: "PUT", path: objectsPath, body: `{"managedObjects":[{"id":"` + one + `","name":"x"},{"id":"999999","name":"x"}]}`}).want(t, 404)
	r.do(request{method: "PUT", path: objectsPath, body: `{"managedObjects":[{"name":"x"}]}`}).want(t, 422)
	r.do(request{method: "PUT", path: objectsPath, body: `{}`}).want(t, 422)
	if o := r.do(request{method: "GET", path: objectsPath + "/" + one}).want(t, 200).tree(t); o["name"] != nil {
		t.Errorf("changed although another could not be: %v", o)
	}
}

// TestDeletion sees what goes with an object, as groups and devices are built.
func TestDeletion(t *testing.T) {
	tests := []struct{ what, query, left string }{
		{"group", "", "child dev service thing"},
		{"group", "?cascade=true", ""},
		{"dev", "", "child group service sub thing"},
		{"dev", "?cascade=true", "group sub"},
		{"thing", "?cascade=true", "child dev group service sub"},
		{"child", "?forceCascade=true", "dev group service sub"},
		{"child", "?cascade=true", "dev group service sub thing"},
	}
	for _, tt := range tests {
		r := newRig(t)
		ids := map[string]string{}
		for name, body := range map[string]string{"group": `"type":"c8y_DeviceGroup","c8y_IsDeviceGroup":{}`, "sub": `"c8y_IsDeviceGroup":{}`,
			"dev": `"c8y_IsDevice":{}`, "child": `"type":"c8y_MQTTChildDevice"`, "service": `"type":"c8y_Service"`, "thing": `"type":"x"`} {
			ids[name] = r.object(t, `{"name":"`+name+`",`+body+`}`)
		}
		for _, l := range []string{"group childAssets sub", "sub childAssets dev", "dev childDevices child", "dev childAdditions service", "child childAdditions thing"} {
			f := strings.Fields(l)
			r.do(request{method: "POST", path: objectsPath + "/" + ids[f[0]] + "/" + f[1], body: `{"managedObject":{"id":"` + ids[f[2]] + `"}}`}).want(t, 201)
		}
		r.do(request{method: "DELETE", path: objectsPath + "/" + ids[tt.what] + tt.query}).want(t, 204)
		r.do(request{method: "DELETE", path: objectsPath + "/" + ids[tt.what] + tt.query}).want(t, 404)
		left := r.find(t, request{})
		slices.Sort(left)
		if got := strings.Join(left, " "); got != tt.left {
			t.Errorf("%s%s: left %q, want %q", tt.what, tt.query, got, tt.left)
		}
	}
}

func TestDeleteWithDeviceUser(t *testing.T) {
	r := newRig(t)
	for query, status := range map[string]int{"": 200, "?withDeviceUser=true": 404} {
		name := "dev" + fmt.Sprint(len(query))
		id := r.device(t, tenant, name, "secret-of-"+name)
		r.do(request{method: "DELETE", path: objectsPath + "/" + id.String() + query}).want(t, 204)
		r.do(request{method: "GET", path: "/user/t1000/users/device_" + name}).want(t, status)
	}
}

func TestRelatives(t *testing.T) {
	r := newRig(t)
	top, mid, low := r.object(t, `{"name":"top","c8y_IsDeviceGroup":{}}`), r.object(t, `{"name":"mid","c8y_IsDeviceGroup":{}}`), r.object(t, `{"name":"low","c8y_IsDevice":{}}`)
	r.do(request{method: "POST", path: objectsPath + "/" + top + "/childAssets", body: `{"managedObject":{"id":"` + mid + `"}}`}).want(t, 201)
	several := r.do(request{method: "POST", path: objectsPath + "/" + mid + "/childAssets", body: `{"references":[{"managedObject":{"id":"` + low + `"}}]}`}).want(t, 201)
	if len(several.items(t, "references")) != 1 {
		t.Errorf("got %s", several.body)
	}
	list := func(id, query, member string) string {
		o := r.do(request{method: "GET", path: objectsPath + "/" + id + query}).want(t, 200).tree(t)[member].(map[string]any)
		var names []any
		for _, ref := range o["references"].([]any) {
			names = append(names, ref.(map[string]any)["managedObject"].(map[string]any)["name"])
		}
		return fmt.Sprint(names, " ", o["count"])
	}
	for _, tt := range []struct{ id, query, member, want string }{
		{mid, "", "childAssets", "[] <nil>"},
		{mid, "?withChildren=true", "childAssets", "[low] <nil>"},
		{mid, "?withChildren=true&skipChildrenNames=true", "childAssets", "[<nil>] <nil>"},
		{mid, "?withChildrenCount=true", "childAssets", "[] 1"},
		{low, "?withChildrenCount=true", "childAssets", "[] <nil>"},
		{low, "?withGroups=true", "assetParents", "[mid] <nil>"},
		{low, "?withParents=true", "assetParents", "[mid top] <nil>"},
		{low, "", "assetParents", "[] <nil>"},
	} {
		if got := list(tt.id, tt.query, tt.member); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.query, got, tt.want)
		}
	}
	// None or all.
	r.do(request{method: "POST", path: objectsPath + "/" + top + "/childDevices", body: `{"references":[{"managedObject":{"id":"` + low + `"}},{"managedObject":{"id":"999999"}}]}`}).want(t, 404)
	if got := r.do(request{method: "GET", path: objectsPath + "/" + top + "/childDevices"}).want(t, 200).items(t, "references"); len(got) != 0 {
		t.Errorf("got %v", got)
	}
	r.do(request{method: "DELETE", path: objectsPath + "/" + mid + "/childAssets", body: `{"references":[{"managedObject":{"id":"` + low + `"}},{"managedObject":{"id":"` + top + `"}}]}`}).want(t, 422)
	r.do(request{method: "DELETE", path: objectsPath + "/" + mid + "/childAssets", body: `{}`}).want(t, 422)
	r.do(request{method: "DELETE", path: objectsPath + "/" + mid + "/childAssets", body: `{"references":[{"managedObject":{"id":"` + low + `"}}]}`}).want(t, 204)
}

// TestDeviceRights lets a device work on what is its own and what is below that,
// and on nothing else.
func TestDeviceRights(t *testing.T) {
	r := newRig(t)
	id := r.device(t, tenant, "dev1", "secret-of-dev1").String()
	stranger := r.device(t, tenant, "dev2", "secret-of-dev2").String()
	foreign := r.device(t, other, "dev3", "secret-of-dev3").String()
	as := func(method, path, body string) answer {
		return r.do(request{method: method, path: path, body: body, user: "device_dev1", password: "secret-of-dev1"})
	}
	placed := r.object(t, `{"name":"placed"}`) // by the administrator, below the device
	r.do(request{method: "POST", path: objectsPath + "/" + id + "/childDevices", body: `{"managedObject":{"id":"` + placed + `"}}`}).want(t, 201)
	deep := r.object(t, `{"name":"deep"}`)
	r.do(request{method: "POST", path: objectsPath + "/" + placed + "/childAdditions", body: `{"managedObject":{"id":"` + deep + `"}}`}).want(t, 201)
	own := as("POST", objectsPath, `{"name":"own","owner":"admin"}`).want(t, 201)
	if own.text(t, "owner") != "device_dev1" {
		t.Errorf("got %s", own.body)
	}
	for _, path := range []string{id, placed, deep, own.text(t, "id")} {
		as("GET", objectsPath+"/"+path, "").want(t, 200)
		as("PUT", objectsPath+"/"+path, `{"x":1}`).want(t, 200)
	}
	for _, path := range []string{stranger, r.object(t, `{"name":"other"}`)} {
		as("GET", objectsPath+"/"+path, "").want(t, 403)
		as("PUT", objectsPath+"/"+path, `{"x":1}`).want(t, 403)
		as("PUT", objectsPath, `{"managedObjects":[{"id":"`+id+`","y":1},{"id":"`+path+`","y":1}]}`).want(t, 403)
		as("DELETE", objectsPath+"/"+path, "").want(t, 403)
		as("GET", objectsPath+"/"+path+"/childDevices", "").want(t, 403)
		as("GET", objectsPath+"/"+path+"/availability", "").want(t, 403)
		as("GET", objectsPath+"/"+path+"/supportedSeries", "").want(t, 403)
		as("GET", "/identity/globalIds/"+path+"/externalIds", "").want(t, 403)
		as("POST", objectsPath+"/"+id+"/childDevices", `{"managedObject":{"id":"`+path+`"}}`).want(t, 403)
		as("POST", objectsPath+"/"+path+"/childDevices", `{"managedObject":{"id":"`+id+`"}}`).want(t, 403)
	}
	for _, path := range []string{foreign, "999999"} {
		as("GET", objectsPath+"/"+path, "").want(t, 404)
		as("DELETE", objectsPath+"/"+path, "").want(t, 404)
		as("POST", objectsPath+"/"+id+"/childDevices", `{"managedObject":{"id":"`+path+`"}}`).want(t, 404)
	}
	sees := func(params ...string) string {
		names := r.find(t, request{user: "device_dev1", password: "secret-of-dev1"}, params...)
		slices.Sort(names)
		return strings.Join(names, " ")
	}
	for _, params := range [][]string{nil, {"query", "not has(nothing)"}, {"query", "id gt 0 or name eq '*'"}, {"query", "isinhierarchyof(" + id + "," + stranger + "," + foreign + ") or has(x) or id gt 0"}} {
		if got := sees(params...); got != "deep dev1 own placed" {
			t.Errorf("%q: sees %s", params, got)
		}
	}
	if got := sees("owner", "admin"); got != "deep placed" {
		t.Errorf("sees %s", got)
	}
	if got := sees("ids", stranger+","+foreign); got != "" {
		t.Errorf("sees %s", got)
	}
	if got := sees("query", "bygroupid("+foreign+") or name eq 'dev*'"); got != "dev1" {
		t.Errorf("sees %s", got)
	}
	as("PUT", objectsPath+"/"+id+"/user", `{"enabled":true}`).want(t, 403)
}

func TestTenancyOfQueries(t *testing.T) {
	r := newRig(t)
	r.object(t, `{"name":"mine","c8y_IsDevice":{},"secret":{"a":"b"}}`)
	asOther := request{user: "admin", host: otherHost}
	for _, q := range []string{"name eq 'mine'", "has(secret)", "secret.a eq 'b'", "secret.a eq '*'", "not(name eq 'x')", "id gt 0", "has(c8y_IsDevice) $orderby=secret.a", "isinhierarchyof(1,2,3,4,5,6,7,8,9,10)", "bygroupid(1,2,3,4)"} {
		if got := r.find(t, asOther, "query", q); len(got) != 0 {
			t.Errorf("%s finds %q of another tenant", q, got)
		}
	}
}

func TestAvailabilityAndSeries(t *testing.T) {
	r := newRig(t)
	id := r.device(t, tenant, "dev1", "secret-of-dev1")
	path := objectsPath + "/" + id.String()
	r.do(request{method: "GET", path: path + "/availability"}).want(t, 404)
	r.do(request{method: "PUT", path: path, body: `{"c8y_RequiredAvailability":{"responseInterval":30},"c8y_Availability":{"status":"AVAILABLE","lastMessage":"2026-01-10T08:00:00.000Z"},"c8y_Connection":{"status":"CONNECTED"}}`}).want(t, 200)
	want := `{"deviceId":"` + id.String() + `","externalId":"dev1","lastMessage":"2026-01-10T08:00:00.000Z","interval":"30 minutes","dataStatus":"AVAILABLE","connectionStatus":"CONNECTED"}`
	if got := r.do(request{method: "GET", path: path + "/availability"}).want(t, 200); string(got.body) != want {
		t.Errorf("got %s, want %s", got.body, want)
	}
	r.do(request{method: "PUT", path: path, body: `{"c8y_RequiredAvailability":{"responseInterval":"soon"},"c8y_Availability":[1],"c8y_LatestMeasurements":{"x":1}}`}).want(t, 200)
	if got := r.do(request{method: "GET", path: path + "/availability"}).want(t, 200); got.tree(t)["interval"] != nil || got.text(t, "connectionStatus") != "CONNECTED" {
		t.Errorf("got %s", got.body)
	}
	if got := r.do(request{method: "GET", path: path}).want(t, 200); got.tree(t)["c8y_LatestMeasurements"] != nil {
		t.Errorf("what only the server writes was kept: %s", got.body)
	}
	for i, body := range []string{`{"c8y_T":{"T":{"value":1.5,"unit":"C"}}}`, `{"c8y_T":{"T":{"value":2.50},"U":{"value":3}},"c8y_A":{"x":{"value":7}}}`} {
		_, err := r.values.CreateMeasurements(t.Context(), tenant, []platform.Measurement{{Source: id, Type: "m", Time: time.UnixMilli(1e12 + int64(i)), Body: json.RawMessage(body)}})
		check(t, err)
	}
	if got := r.do(request{method: "GET", path: path + "/supportedMeasurements"}).want(t, 200); string(got.body) != `{"c8y_SupportedMeasurements":["c8y_A","c8y_T"]}` {
		t.Errorf("got %s", got.body)
	}
	if got := r.do(request{method: "GET", path: path + "/supportedSeries"}).want(t, 200); string(got.body) != `{"c8y_SupportedSeries":["c8y_A.x","c8y_T.T","c8y_T.U"]}` {
		t.Errorf("got %s", got.body)
	}
	o := r.do(request{method: "GET", path: path + "?withLatestValues=true"}).want(t, 200).tree(t)["c8y_LatestMeasurements"].(map[string]any)
	if v := o["c8y_T"].(map[string]any)["T"].(map[string]any); fmt.Sprint(v["value"]) != "2.50" || o["c8y_A"] == nil {
		t.Errorf("got %v", o)
	}
	r.do(request{method: "GET", path: objectsPath + "/999999/supportedSeries"}).want(t, 404)
}

func TestIdentitySearch(t *testing.T) {
	r := newRig(t)
	id := r.device(t, tenant, "dev1", "secret-of-dev1").String()
	r.device(t, other, "dev2", "secret-of-dev2")
	found := r.do(request{method: "POST", path: "/identity/search", body: `{"externalIds":[{"type":"c8y_Serial","externalId":"dev1"},{"type":"c8y_Serial","externalId":"dev2"}]}`}).want(t, 200)
	if list := found.items(t, "externalIds"); len(list) != 1 || list[0].(map[string]any)["managedObject"].(map[string]any)["id"] != id {
		t.Errorf("got %s", found.body)
	}
	many := func(n int) string {
		return `{"externalIds":[` + strings.Repeat(`{"type":"a","externalId":"b"},`, n-1) + `{"type":"a","externalId":"b"}]}`
	}
	for body, status := range map[string]int{`{}`: 400, `{"externalIds":[]}`: 400, `{"externalIds":[{"type":"x"}]}`: 400, many(999): 200, many(1000): 200, many(1001): 400} {
		r.do(request{method: "POST", path: "/identity/search", body: body}).want(t, status)
	}
	if got := r.do(request{method: "HEAD", path: "/identity/externalIds/c8y_Serial/dev1"}).want(t, 200); len(got.body) != 0 {
		t.Errorf("got %s", got.body)
	}
	r.do(request{method: "HEAD", path: "/identity/externalIds/c8y_Serial/dev2"}).want(t, 404)
	r.do(request{method: "GET", path: "/identity"}).want(t, 200)
	r.do(request{method: "GET", path: "/inventory"}).want(t, 200)
}
