package restapi_test

import (
	"context"
	"strings"
	"testing"

	"mooring/server/httpauth"
	"mooring/server/platform"
)

// withAdmin is how a listener that has authenticated its peer says so.
func withAdmin(ctx context.Context, p platform.Principal) context.Context {
	return httpauth.WithPrincipal(ctx, p)
}

func TestOptions(t *testing.T) {
	r := newRig(t)
	const all = "/tenant/options"
	if got := r.do(request{method: "POST", path: all, body: `{"category":"configuration","key":"x.y","value":5}`}).want(t, 200); got.text(t, "value") != "5" {
		t.Errorf("got %s", got.body)
	}
	r.do(request{method: "PUT", path: all + "/configuration/crl.offline.check.enabled", body: `{"value":true}`}).want(t, 200)
	r.do(request{method: "PUT", path: all + "/configuration", body: `{"a":"1","x.y":"6"}`}).want(t, 200)
	if got := r.do(request{method: "GET", path: all + "/configuration"}).want(t, 200).tree(t); got["x.y"] != "6" || got["a"] != "1" || got["crl.offline.check.enabled"] != "true" {
		t.Errorf("got %v", got)
	}
	if got := r.do(request{method: "GET", path: all + "/nothing"}).want(t, 200); string(got.body) != "{}" {
		t.Errorf("got %s", got.body)
	}
	if got := r.do(request{method: "GET", path: all + "?pageSize=2"}).want(t, 200); len(got.items(t, "options")) != 2 || got.tree(t)["next"] == nil {
		t.Errorf("got %s", got.body)
	}
	if got := r.do(request{method: "GET", path: all + "?pageSize=2&currentPage=2"}).want(t, 200); len(got.items(t, "options")) != 1 || got.tree(t)["next"] != nil {
		t.Errorf("got %s", got.body)
	}
	if got := r.do(request{method: "GET", path: all + "?currentPage=9"}).want(t, 200); len(got.items(t, "options")) != 0 {
		t.Errorf("got %s", got.body)
	}
	r.do(request{method: "DELETE", path: all + "/configuration/a"}).want(t, 204)
	gone := r.do(request{method: "DELETE", path: all + "/configuration/a"}).want(t, 404)
	if gone.text(t, "error") != "options/Not Found" || gone.text(t, "message") != "Unable to find option by given key: configuration/a" {
		t.Errorf("got %s", gone.body)
	}
	r.do(request{method: "GET", path: all + "/configuration/a"}).want(t, 404)
	r.do(request{method: "PUT", path: all + "/configuration/a", body: `{}`}).want(t, 422)
	r.do(request{method: "PUT", path: all + "/a%2Fb/c", body: `{"value":"x"}`}).want(t, 422)
}

func TestSystemOptions(t *testing.T) {
	r := newRig(t)
	if got := r.do(request{method: "GET", path: "/tenant/system/options/system/version"}).want(t, 200); got.text(t, "value") != "1.0" {
		t.Errorf("got %s", got.body)
	}
	if got := r.do(request{method: "GET", path: "/tenant/system/options"}).want(t, 200).items(t, "options"); len(got) < 4 {
		t.Errorf("%d options", len(got))
	}
	r.do(request{method: "GET", path: "/tenant/system/options/a/b"}).want(t, 404)
}

func TestLoginOptions(t *testing.T) {
	r := newRig(t)
	if got := r.do(request{method: "GET", path: "/tenant/loginOptions", user: "-"}).want(t, 200).items(t, "loginOptions"); len(got) != 2 {
		t.Errorf("got %v", got)
	}
	got := r.do(request{method: "GET", path: "/tenant/loginOptions?tenantId=t1&management=true", user: "-"}).want(t, 400)
	if got.text(t, "error") != "LoginOptions/Bad Request" || got.text(t, "message") != "Do not use 'management' flag while querying loginOptions of tenant with id t1" {
		t.Errorf("got %s", got.body)
	}
}

func TestFeatures(t *testing.T) {
	r := newRig(t)
	if got := r.do(request{method: "GET", path: "/features"}).want(t, 200); !strings.HasPrefix(string(got.body), `[{"key":"certificate-authority"`) {
		t.Errorf("got %s", got.body)
	}
	r.do(request{method: "GET", path: "/features/none"}).want(t, 404)
	r.do(request{method: "PUT", path: "/features/none", body: `{"active":true}`}).want(t, 404)
	r.do(request{method: "PUT", path: "/features/certificate-authority", body: `{}`}).want(t, 422)
	// Only management may look at, and change, other tenants.
	byTenant := "/features/certificate-authority/by-tenant"
	r.do(request{method: "GET", path: byTenant}).want(t, 403)
	r.do(request{method: "PUT", path: byTenant + "/t1000", body: `{"active":false}`}).want(t, 403)
	r.do(request{method: "PUT", path: byTenant + "/t1000", body: `{"active":false}`, user: "management/admin"}).want(t, 200)
	if got := r.do(request{method: "GET", path: byTenant, user: "management/admin"}).want(t, 200); !strings.Contains(string(got.body), `{"tenantId":"t1000","active":false}`) {
		t.Errorf("got %s", got.body)
	}
	if got := r.do(request{method: "GET", path: "/features/certificate-authority"}).want(t, 200); got.tree(t)["active"] != false || got.text(t, "strategy") != "TENANT" {
		t.Errorf("got %s", got.body)
	}
	r.do(request{method: "DELETE", path: byTenant + "/t9", user: "management/admin"}).want(t, 404)
	r.do(request{method: "DELETE", path: byTenant + "/t1000", user: "management/admin"}).want(t, 200)
}

func TestUsers(t *testing.T) {
	r := newRig(t)
	r.device(t, tenant, "dev1", "secret-of-dev1")
	me := r.do(request{method: "GET", path: "/user/currentUser"}).want(t, 200)
	if me.text(t, "userName") != "admin" || len(me.items(t, "effectiveRoles")) != len(platform.AdminRoles) {
		t.Errorf("got %s", me.body)
	}
	if strings.Contains(string(me.body), "argon2") {
		t.Errorf("the hash of the password is shown: %s", me.body)
	}
	list := r.do(request{method: "GET", path: "/user/t1000/users"}).want(t, 200)
	if got := list.items(t, "users"); len(got) != 1 || strings.Contains(string(list.body), "argon2") {
		t.Errorf("got %s", list.body)
	}
	devices := r.do(request{method: "GET", path: "/user/t1000/users?onlyDevices=true"}).want(t, 200)
	if got := devices.items(t, "users"); len(got) != 1 || got[0].(map[string]any)["userName"] != "device_dev1" {
		t.Errorf("got %s", devices.body)
	}
	missing := r.do(request{method: "GET", path: "/user/t1000/users/device_none"}).want(t, 404)
	if missing.text(t, "error") != "users/Not Found" {
		t.Errorf("got %s", missing.body)
	}
	r.do(request{method: "GET", path: "/user/t1000/userByName/admin"}).want(t, 200)
	r.do(request{method: "PUT", path: "/user/t1000/users/admin", body: `{"password":"short"}`}).want(t, 422)
	r.do(request{method: "PUT", path: "/user/t1000/users/admin", body: `{"password":"another horse"}`}).want(t, 200)
	r.do(request{method: "GET", path: "/user/currentUser"}).want(t, 401)
	r.do(request{method: "GET", path: "/user/currentUser", password: "another horse"}).want(t, 200)
}

func TestAudit(t *testing.T) {
	r := newRig(t)
	made := r.do(request{method: "POST", path: "/audit/auditRecords", body: `{"activity":"a","text":"by hand","time":"2020-01-01T10:00:00Z","type":"Test","user":"somebody","source":{"id":"5"},
		"application":"app","changes":[{"attribute":"x","newValue":"1"}]}`}).want(t, 201)
	if made.text(t, "application") != "app" || made.items(t, "changes")[0].(map[string]any)["newValue"] != "1" || made.header.Get("Location") != made.text(t, "self") {
		t.Errorf("got %s, at %s", made.body, made.header.Get("Location"))
	}
	if one := r.do(request{method: "GET", path: "/audit/auditRecords/" + made.text(t, "id")}).want(t, 200); string(one.body) != string(made.body) {
		t.Errorf("kept as %s, made as %s", one.body, made.body)
	}
	if got := r.do(request{method: "GET", path: "/audit/auditRecords?application=app"}).items(t, "auditRecords"); len(got) != 1 {
		t.Errorf("got %v", got)
	}
	r.do(request{method: "POST", path: "/audit/auditRecords", body: `{"activity":"a","text":"x","time":"2020-01-01T10:00:00Z","type":"Test","changes":5}`}).want(t, 422)
	list := r.do(request{method: "GET", path: "/audit/auditRecords?type=Test"}).want(t, 200)
	got := list.items(t, "auditRecords")
	if len(got) != 1 {
		t.Fatalf("got %s", list.body)
	}
	record := got[0].(map[string]any)
	if record["text"] != "by hand" || record["user"] != "admin" || record["time"] != "2020-01-01T10:00:00.000Z" {
		t.Errorf("got %v", record)
	}
	r.do(request{method: "GET", path: "/audit/auditRecords/" + record["id"].(string)}).want(t, 200)
	r.do(request{method: "GET", path: "/audit/auditRecords/999999"}).want(t, 404)
	r.do(request{method: "GET", path: "/audit/auditRecords?dateFrom=noon"}).want(t, 422)
	if got := r.do(request{method: "GET", path: "/audit/auditRecords?type=Test&dateFrom=2020-01-02"}).want(t, 200).items(t, "auditRecords"); len(got) != 0 {
		t.Errorf("%d records", len(got))
	}
	r.do(request{method: "POST", path: "/certificate-authority"}).want(t, 201)
	if got := r.do(request{method: "GET", path: "/audit/auditRecords?type=TenantCertificateAuthority"}).want(t, 200).items(t, "auditRecords"); len(got) != 1 {
		t.Errorf("%d records of the certificate authority", len(got))
	}
}
