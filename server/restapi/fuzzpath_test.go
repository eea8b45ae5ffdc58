package restapi_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"mooring/server/platform"
)

// FuzzPath asks for any path, as the administrator of one tenant: no panic, no
// answer that blames the server, and nothing of the other tenant.
func FuzzPath(f *testing.F) {
	r := newRig(f)
	const marker = "belongs-to-another-tenant"
	id := r.device(f, other, marker, "secret-of-it").String()
	r.device(f, tenant, "dev1", "secret-of-dev1")
	for _, path := range []string{"/inventory/managedObjects/" + id, "/inventory/managedObjects/" + id + "/", "/identity/externalIds/c8y_Serial/" + marker,
		"/user/t2000/users/device_" + marker, "/user/t1000%2f..%2ft2000/users", "/tenant/tenants/t2000/trusted-certificates", "/identity/globalIds/" + id + "/externalIds",
		"/tenant/../tenant/tenants/t2000", "//inventory//managedObjects", "/inventory/managedObjects/%00", "/inventory/managedObjects/-1", "/crl/t2000.crl",
		"/inventory/managedObjects?text=" + marker, "/event/events?source=" + id, "/audit/auditRecords?source=" + id, "/devicecontrol/newDeviceRequests/" + marker,
		"/measurement/measurements?source=" + id, "/mooring/refusals?cn=" + marker, "/%zz", "/" + strings.Repeat("a/", 40)} {
		f.Add(path)
	}
	admin := platform.Principal{Tenant: tenant, User: "admin", Roles: platform.AdminRoles}
	f.Fuzz(func(t *testing.T, path string) {
		u, err := url.ParseRequestURI(path)
		if err != nil || u.Host != "" {
			return
		}
		req := (&http.Request{Method: http.MethodGet, URL: u, Host: tenantHost, Header: http.Header{"Accept": {"application/json"}}, Body: http.NoBody,
			RemoteAddr: "192.0.2.1:1", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}).WithContext(withAdmin(context.Background(), admin))
		w := httptest.NewRecorder()
		r.api.ServeHTTP(w, req)
		if w.Code >= 500 {
			t.Errorf("%q: %d %s", path, w.Code, w.Body)
		}
		if w.Code < 300 && strings.Contains(w.Body.String(), marker) && !strings.Contains(path, marker) {
			t.Errorf("%q shows the other tenant's device: %s", path, w.Body)
		}
		if w.Code < 300 && strings.Contains(w.Body.String(), `"id":"`+id+`"`) {
			t.Errorf("%q shows the other tenant's object: %s", path, w.Body)
		}
	})
}
