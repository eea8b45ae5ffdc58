package restapi_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"mooring/internal/secret"
	"mooring/server/platform"
)

func TestWhoGetsIn(t *testing.T) {
	r := newRig(t)
	r.device(t, tenant, "dev1", "secret-of-dev1")
	tests := []struct {
		name   string
		in     request
		want   int
		text   string
		scheme string
	}{
		{name: "nobody", in: request{user: "-"}, want: 401, text: "Full authentication is required to access this resource"},
		{name: "unknown user", in: request{user: "nobody"}, want: 401, text: "Invalid credentials! : Bad credentials"},
		{name: "wrong password", in: request{password: "wrong"}, want: 401, text: "Invalid credentials! : Bad credentials"},
		{name: "unknown tenant", in: request{user: "t9/admin"}, want: 401, text: "Invalid credentials! : Bad credentials"},
		{name: "unknown host", in: request{host: "nowhere.example.com"}, want: 401, text: "Invalid credentials! : Bad credentials"},
		{name: "unknown device", in: request{user: "device_dev2"}, want: 401, text: "Invalid credentials! : Bad credentials"},
		{name: "wrong device password", in: request{user: "device_dev1"}, want: 401, text: "Invalid credentials! : Bad credentials"},
		{name: "no token", in: request{bearer: "a.b.c"}, want: 401, text: "Invalid credentials! : Bad credentials"},
		{name: "browser", in: request{user: "-", header: http.Header{"Usexbasic": {"true"}}}, want: 401, scheme: "XBasic"},
		{name: "user", in: request{}, want: 200},
		{name: "user with tenant", in: request{user: "t1000/admin", host: "nowhere.example.com"}, want: 200},
		{name: "tenant before host", in: request{user: "t1000/admin", host: otherHost}, want: 200},
		{name: "host in capitals with port", in: request{host: "T1000.Example.Com:443"}, want: 200},
		{name: "device", in: request{user: "device_dev1", password: "secret-of-dev1"}, want: 200},
		{name: "device with tenant", in: request{user: "t1000/device_dev1", password: "secret-of-dev1"}, want: 200},
		{name: "device of another tenant", in: request{user: "t2000/device_dev1", password: "secret-of-dev1"}, want: 401},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.in.method, tt.in.path = "GET", "/tenant/currentTenant"
			got := r.do(tt.in).want(t, tt.want)
			if tt.want == 200 {
				if name := got.text(t, "name"); name != string(tenant) {
					t.Errorf("tenant is %s", name)
				}
				return
			}
			if tt.scheme == "" {
				tt.scheme = "Basic"
			}
			if h := got.header.Get("WWW-Authenticate"); h != tt.scheme+` realm="Cumulocity"` {
				t.Errorf("challenge is %q", h)
			}
			if tt.text != "" && (got.text(t, "message") != tt.text || got.text(t, "error") != "security/Unauthorized") {
				t.Errorf("got %s, want %q", got.body, tt.text)
			}
			if ct := got.header.Get("Content-Type"); ct != "application/vnd.com.nsn.cumulocity.error+json;charset=UTF-8;ver=0.9" {
				t.Errorf("Content-Type is %s", ct)
			}
		})
	}
}

// TestRoles goes through every call of the table and holds one who has no role
// to 403, or to a 404 where the thing itself is not there.
func TestRoles(t *testing.T) {
	r := newRig(t)
	ctx := context.Background()
	check(t, r.accounts.CreateUser(ctx, platform.Principal{User: "admin"}, platform.User{Tenant: tenant, Name: "guest", Enabled: true}, secret.New(adminPassword)))
	mine := r.do(request{method: "POST", path: "/inventory/managedObjects", body: `{"name":"x"}`}).want(t, 201).text(t, "id")
	tests := []struct {
		method, path, body string
		want               int
	}{
		{"GET", "/inventory/managedObjects/" + mine, "", 403},
		{"PUT", "/inventory/managedObjects/" + mine, "{}", 403},
		{"DELETE", "/inventory/managedObjects/" + mine, "", 403},
		{"GET", "/inventory/managedObjects/" + mine + "/childDevices", "", 403},
		{"POST", "/inventory/managedObjects/" + mine + "/childDevices", `{"managedObject":{"id":"1"}}`, 403},
		{"GET", "/inventory/managedObjects/" + mine + "/user", "", 403},
		{"PUT", "/inventory/managedObjects/" + mine + "/user", "{}", 403},
		{"GET", "/inventory/managedObjects/999999", "", 404},
		{"GET", "/inventory/managedObjects", "", 200}, // what is their own: nothing
		{"POST", "/inventory/managedObjects", "{}", 403},
		{"GET", "/identity/globalIds/" + mine + "/externalIds", "", 403},
		{"POST", "/identity/globalIds/" + mine + "/externalIds", `{"type":"a","externalId":"b"}`, 403},
		{"GET", "/measurement/measurements", "", 403},
		{"GET", "/measurement/measurements?source=" + mine, "", 403},
		{"POST", "/measurement/measurements", `{"source":{"id":"` + mine + `"},"type":"T","time":"2020-01-01T10:00:00Z"}`, 403},
		{"DELETE", "/measurement/measurements/1", "", 403},
		{"GET", "/event/events", "", 403},
		{"POST", "/event/events", `{"source":{"id":"` + mine + `"},"type":"T","text":"x","time":"2020-01-01T10:00:00Z"}`, 403},
		{"GET", "/alarm/alarms", "", 403},
		{"GET", "/alarm/alarms/count", "", 403},
		{"POST", "/alarm/alarms", `{"source":{"id":"` + mine + `"},"type":"T","text":"x","severity":"MAJOR","time":"2020-01-01T10:00:00Z"}`, 403},
		{"GET", "/tenant/currentTenant", "", 403},
		{"GET", "/tenant/options", "", 403},
		{"POST", "/tenant/options", "{}", 403},
		{"GET", "/tenant/options/a", "", 403},
		{"PUT", "/tenant/options/a", "{}", 403},
		{"GET", "/tenant/options/a/b", "", 403},
		{"PUT", "/tenant/options/a/b", "{}", 403},
		{"DELETE", "/tenant/options/a/b", "", 403},
		{"GET", "/tenant/system/options/system/version", "", 200},
		{"GET", "/features", "", 200},
		{"PUT", "/features/certificate-authority/by-tenant", `{"active":false}`, 403},
		{"GET", "/features/certificate-authority/by-tenant", "", 403},
		{"GET", "/user/currentUser", "", 200}, // everybody may read and change what they are
		{"PUT", "/user/currentUser", `{"firstName":"G"}`, 200},
		{"GET", "/user/t1000/users/guest", "", 200},
		{"PUT", "/user/t1000/users/guest", "{}", 403},
		{"DELETE", "/inventory/managedObjects?type=a", "", 403},
		{"GET", "/user/t1000/users", "", 403},
		{"GET", "/user/t1000/users/admin", "", 403},
		{"PUT", "/user/t1000/users/admin", "{}", 403},
		{"GET", "/audit/auditRecords", "", 403},
		{"POST", "/audit/auditRecords", "{}", 403},
		{"GET", "/tenant/tenants/t1000/trusted-certificates", "", 403},
		{"POST", "/tenant/tenants/t1000/trusted-certificates", "{}", 403},
		{"PUT", "/tenant/tenants/t1000/trusted-certificates/ab", "{}", 403},
		{"DELETE", "/tenant/tenants/t1000/trusted-certificates/ab", "", 403},
		{"GET", "/tenant/trusted-certificates/settings/crl", "", 403},
		{"PUT", "/tenant/trusted-certificates/settings/crl", "{}", 403},
		{"POST", "/certificate-authority", "", 403},
		{"GET", "/devicecontrol/newDeviceRequests", "", 403},
		{"POST", "/devicecontrol/newDeviceRequests", "{}", 403},
		{"PUT", "/devicecontrol/newDeviceRequests/x", "{}", 403},
		{"DELETE", "/devicecontrol/newDeviceRequests/x", "", 403},
		{"POST", "/devicecontrol/bulkNewDeviceRequests", "", 403},
		{"GET", "/mooring/refusals", "", 403},
	}
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.path, func(t *testing.T) {
			r.do(request{method: tt.method, path: tt.path, body: tt.body, user: "-"}).want(t, 401)
			r.do(request{method: tt.method, path: tt.path, body: tt.body, user: "guest"}).want(t, tt.want)
		})
	}
	if got := r.do(request{method: "GET", path: "/inventory/managedObjects", user: "guest"}).items(t, "managedObjects"); len(got) != 0 {
		t.Errorf("a guest sees %d objects", len(got))
	}
}

// TestTenantsAreApart tries with the IDs of one tenant as the administrator of
// another: nothing of it is there.
func TestTenantsAreApart(t *testing.T) {
	r := newRig(t)
	object := r.device(t, tenant, "dev1", "secret-of-dev1").String()
	post := func(path, body string) string {
		return r.do(request{method: "POST", path: path, body: body}).want(t, 201).text(t, "id")
	}
	common := `{"source":{"id":"` + object + `"},"type":"T","text":"x","severity":"MAJOR","time":"2020-01-01T10:00:00Z"}`
	measurement, event, alarm := post("/measurement/measurements", common), post("/event/events", common), post("/alarm/alarms", common)
	anchor := newAuthority(t, "root")
	fingerprint := r.upload(t, anchor, true)
	r.do(request{method: "PUT", path: "/tenant/options/a/b", body: `{"value":"1"}`}).want(t, 200)
	record := r.do(request{method: "GET", path: "/audit/auditRecords"}).want(t, 200).items(t, "auditRecords")[0].(map[string]any)["id"].(string)

	theirs := r.do(request{method: "POST", path: "/inventory/managedObjects", body: `{}`, host: otherHost}).want(t, 201).text(t, "id")
	for _, tt := range []struct{ method, path, body string }{
		{"GET", "/inventory/managedObjects/" + object, ""},
		{"PUT", "/inventory/managedObjects/" + object, `{"name":"stolen"}`},
		{"DELETE", "/inventory/managedObjects/" + object, ""},
		{"GET", "/inventory/managedObjects/" + object + "/user", ""},
		{"PUT", "/inventory/managedObjects/" + object + "/user", `{"enabled":false}`},
		{"GET", "/inventory/managedObjects/" + object + "/childDevices", ""},
		{"POST", "/inventory/managedObjects/" + object + "/childDevices", `{"managedObject":{"id":"` + theirs + `"}}`},
		{"POST", "/inventory/managedObjects/" + theirs + "/childDevices", `{"managedObject":{"id":"` + object + `"}}`},
		{"GET", "/identity/externalIds/c8y_Serial/dev1", ""},
		{"DELETE", "/identity/externalIds/c8y_Serial/dev1", ""},
		{"GET", "/identity/globalIds/" + object + "/externalIds", ""},
		{"POST", "/identity/globalIds/" + object + "/externalIds", `{"type":"a","externalId":"b"}`},
		{"POST", "/measurement/measurements", common},
		{"POST", "/event/events", common},
		{"POST", "/alarm/alarms", common},
		{"GET", "/measurement/measurements/" + measurement, ""},
		{"DELETE", "/measurement/measurements/" + measurement, ""},
		{"GET", "/event/events/" + event, ""},
		{"PUT", "/event/events/" + event, `{"text":"stolen"}`},
		{"DELETE", "/event/events/" + event, ""},
		{"GET", "/alarm/alarms/" + alarm, ""},
		{"PUT", "/alarm/alarms/" + alarm, `{"status":"CLEARED"}`},
		{"GET", "/tenant/options/a/b", ""},
		{"DELETE", "/tenant/options/a/b", ""},
		{"GET", "/user/t1000/users", ""},
		{"GET", "/user/t1000/users/admin", ""},
		{"PUT", "/user/t1000/users/admin", `{"enabled":false}`},
		{"GET", "/user/t2000/users/device_dev1", ""},
		{"GET", "/audit/auditRecords/" + record, ""},
		{"GET", "/tenant/tenants/t1000/trusted-certificates", ""},
		{"POST", "/tenant/tenants/t1000/trusted-certificates", `{"status":"ENABLED"}`},
		{"GET", "/tenant/tenants/t1000/trusted-certificates/" + fingerprint, ""},
		{"GET", "/tenant/tenants/t2000/trusted-certificates/" + fingerprint, ""},
		{"PUT", "/tenant/tenants/t2000/trusted-certificates/" + fingerprint, `{"status":"DISABLED"}`},
		{"DELETE", "/tenant/tenants/t2000/trusted-certificates/" + fingerprint, ""},
		{"GET", "/devicecontrol/newDeviceRequests/dev1", ""},
		{"DELETE", "/devicecontrol/newDeviceRequests/dev1", ""},
		{"DELETE", "/devicecontrol/bulkNewDeviceRequests/dev1", ""},
	} {
		t.Run(tt.method+" "+tt.path, func(t *testing.T) {
			r.do(request{method: tt.method, path: tt.path, body: tt.body, host: otherHost}).want(t, 404)
		})
	}
	for _, path := range []string{"/inventory/managedObjects?ids=" + object, "/measurement/measurements?source=" + object, "/event/events",
		"/alarm/alarms", "/devicecontrol/newDeviceRequests", "/user/t2000/users?onlyDevices=true", "/inventory/managedObjects?text=ev1"} {
		if got := r.do(request{method: "GET", path: path, host: otherHost}).want(t, 200); strings.Contains(string(got.body), `dev1"`) || strings.Contains(string(got.body), `"`+object+`"`) {
			t.Errorf("%s shows another tenant's: %s", path, got.body)
		}
	}
	// Nothing of it has changed.
	if got := r.do(request{method: "GET", path: "/inventory/managedObjects/" + object}).want(t, 200); got.text(t, "name") != "dev1" {
		t.Errorf("got %s", got.body)
	}
	r.do(request{method: "GET", path: "/tenant/currentTenant", user: "device_dev1", password: "secret-of-dev1"}).want(t, 200)
}

// TestDevicesAreApart tries as one device with what belongs to another of the
// same tenant.
func TestDevicesAreApart(t *testing.T) {
	r := newRig(t)
	mine := r.device(t, tenant, "dev1", "secret-of-dev1").String()
	theirs := r.device(t, tenant, "dev2", "secret-of-dev2").String()
	as := func(method, path, body string) answer {
		return r.do(request{method: method, path: path, body: body, user: "device_dev1", password: "secret-of-dev1"})
	}
	body := func(id string) string {
		return `{"source":{"id":"` + id + `"},"type":"T","text":"x","severity":"MAJOR","time":"2020-01-01T10:00:00Z"}`
	}
	event := r.do(request{method: "POST", path: "/event/events", body: body(theirs)}).want(t, 201).text(t, "id")
	for _, path := range []string{"/measurement/measurements", "/event/events", "/alarm/alarms"} {
		as("POST", path, body(mine)).want(t, 201)
		as("POST", path, body(theirs)).want(t, 403)
		as("GET", path+"?source="+mine, "").want(t, 200)
		as("GET", path+"?source="+theirs, "").want(t, 403)
		r.do(request{method: "POST", path: path, body: body(theirs)}).want(t, 201)
		// Without a source it lists what is its own.
		listed := as("GET", path, "").want(t, 200)
		if key := path[strings.LastIndex(path, "/")+1:]; len(listed.items(t, key)) != 1 || !strings.Contains(string(listed.body), `"source":{"id":"`+mine+`"`) {
			t.Errorf("%s: a device sees %s", path, listed.body)
		}
		as("DELETE", path+"?source="+mine, "").want(t, 403)
		as("GET", path+"?withSourceDevices=true&source="+theirs, "").want(t, 403)
	}
	as("GET", "/alarm/alarms/count?source="+theirs, "").want(t, 403)
	if n := as("GET", "/alarm/alarms/count", "").want(t, 200).body; string(n) != "1" {
		t.Errorf("a device counts %s alarms", n)
	}
	as("GET", "/measurement/measurements/series?dateFrom=2020-01-01&dateTo=2021-01-01&source="+theirs, "").want(t, 403)
	as("POST", "/alarm/alarms/upsert", body(theirs)).want(t, 403)
	as("PUT", "/alarm/alarms?source="+mine, `{"status":"CLEARED"}`).want(t, 403)
	as("GET", "/event/events/"+event, "").want(t, 403)
	as("DELETE", "/event/events/"+event, "").want(t, 403)
	as("PUT", "/inventory/managedObjects/"+mine, `{"c8y_X":{}}`).want(t, 200)
	as("PUT", "/inventory/managedObjects/"+theirs, `{"c8y_X":{}}`).want(t, 403)
	as("GET", "/inventory/managedObjects/"+theirs, "").want(t, 403)
	as("GET", "/identity/externalIds/c8y_Serial/dev1", "").want(t, 200)
	as("GET", "/identity/externalIds/c8y_Serial/dev2", "").want(t, 403)
	as("POST", "/inventory/managedObjects/"+mine+"/childDevices", `{"managedObject":{"id":"`+theirs+`"}}`).want(t, 403)
	as("POST", "/inventory/managedObjects/"+mine+"/childDevices", `{"name":"c","c8y_IsDevice":{}}`).want(t, 201)
	if got := as("GET", "/inventory/managedObjects", "").want(t, 200).items(t, "managedObjects"); len(got) != 2 {
		t.Errorf("a device sees %d objects, want its own and its child", len(got))
	}
	// It cannot give its object away, nor take another name for its owner.
	as("PUT", "/inventory/managedObjects/"+mine, `{"owner":"device_dev2"}`).want(t, 200)
	if got := r.do(request{method: "GET", path: "/inventory/managedObjects/" + mine}); got.text(t, "owner") != "device_dev1" {
		t.Errorf("got %s", got.body)
	}
	as("GET", "/user/t1000/users/device_dev1", "").want(t, 200)
	as("GET", "/user/t1000/users/device_dev2", "").want(t, 403)
	as("PUT", "/inventory/managedObjects/"+mine+"/user", `{"enabled":true}`).want(t, 403)
}
