package restapi_test

import (
	"context"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"mooring/internal/secret"
	"mooring/server/platform"
)

// Who may do what with the certificate authority, and what the answers say.
func TestAuthorityCalls(t *testing.T) {
	r := newRig(t)
	const path = "/certificate-authority"
	reader := platform.User{Tenant: tenant, Name: "reader", Enabled: true, Roles: []platform.Role{platform.RoleTenantManagementRead}, Created: time.Now()}
	nobody := reader
	nobody.Name, nobody.Roles = "nobody", []platform.Role{platform.RoleInventoryAdmin}
	for _, u := range []platform.User{reader, nobody} {
		check(t, r.store.PutUser(context.Background(), u))
		check(t, r.accounts.SetPassword(context.Background(), platform.Principal{Tenant: tenant, User: "admin", Roles: platform.AdminRoles}, tenant, u.Name, secret.New(adminPassword)))
	}
	const missing = "Tenant Certificate Authority (CA) object not found for tenant t1000"
	steps := []struct {
		name, method, path, user string
		want                     int
		text                     string
	}{
		{"read before", "GET", path, "", 404, missing},
		{"delete before", "DELETE", path, "", 404, missing},
		{"renew before", "POST", path + "/renew", "", 404, "Certificate Authority is not found or not eligible for renewal for tenant t1000"},
		{"create", "POST", path, "", 201, `"renewable":false,"nearExpiry":false}`},
		{"read", "GET", path, "", 200, `"tenantCertificateAuthority":true`},
		{"read by a reader", "GET", path, "reader", 200, `"renewable":false`},
		{"read by another", "GET", path, "nobody", 403, "Access is denied."},
		{"read by nobody", "GET", path, "-", 401, "Full authentication"},
		{"renew by a reader", "POST", path + "/renew", "reader", 403, "Access is denied."},
		{"renew by nobody", "POST", path + "/renew", "-", 401, "Full authentication"},
		{"renew a fresh one", "POST", path + "/renew", "", 404, `"Certificate Authority (CA)/Not Found"`},
		{"delete by a reader", "DELETE", path, "reader", 403, "Access is denied."},
		{"delete", "DELETE", path, "", 204, ""},
		{"read after", "GET", path, "", 404, missing},
		{"feature off", "PUT", "/features/certificate-authority/by-tenant", "", 200, ""},
		{"renew without the feature", "POST", path + "/renew", "", 404, "This feature is disabled"},
		{"create without the feature", "POST", path, "", 404, "This feature is disabled"},
	}
	for _, s := range steps {
		q := request{method: s.method, path: s.path, user: s.user}
		if s.method == "PUT" {
			q.body = `{"active":false}`
		}
		if got := r.do(q); got.status != s.want || !strings.Contains(string(got.body), s.text) {
			t.Errorf("%s: %d %s, want %d with %s", s.name, got.status, got.body, s.want, s.text)
		}
	}
}

// The renewal window is for who shows a certificate, where certificates count.
func TestRenewalWindowCalls(t *testing.T) {
	r := newRig(t)
	root := newAuthority(t, "Root")
	r.do(request{method: "POST", path: "/tenant/tenants/t1000/trusted-certificates", body: `{"status":"ENABLED","autoRegistrationEnabled":true,"name":"r","certInPemFormat":"` + base64.StdEncoding.EncodeToString(root.cert.Raw) + `"}`}).want(t, 201)
	identity := root.leaf(t, "dev1", 7)
	const path = "/mooring/renewal"
	r.do(request{method: "GET", path: path}).want(t, 404)
	r.do(request{method: "GET", path: path, mtls: true}).want(t, 401)
	r.do(request{method: "GET", path: path, mtls: true, user: "admin"}).want(t, 403)
	r.do(request{method: "GET", path: path, identity: newAuthority(t, "Other").leaf(t, "dev1", 8)}).want(t, 401)
	got := r.do(request{method: "GET", path: path, identity: identity}).want(t, 200)
	if retry := got.header.Get("Retry-After"); retry != "1209600" {
		t.Errorf("Retry-After %q, want a fortnight", retry)
	}
	start, err := time.Parse(time.RFC3339, got.text(t, "start"))
	check(t, err)
	end, err := time.Parse(time.RFC3339, got.text(t, "end"))
	check(t, err)
	if !start.Before(end) || time.Until(start) < 200*24*time.Hour {
		t.Errorf("window %v to %v", start, end)
	}
}
