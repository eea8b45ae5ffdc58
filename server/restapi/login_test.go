package restapi_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"mooring/server/platform"
)

const loginForm = "grant_type=PASSWORD&username=admin&password=correct+horse&tfa_code=undefined"

// login posts the form and returns the answer.
func (r *rig) login(path, form string) answer {
	return r.do(request{method: "POST", path: path, body: form, user: "-",
		header: http.Header{"Content-Type": {"application/x-www-form-urlencoded;charset=UTF-8"}}})
}

func (r *rig) token(t testing.TB) string {
	t.Helper()
	return r.login("/tenant/oauth/token", loginForm).want(t, 200).text(t, "access_token")
}

func TestLogin(t *testing.T) {
	r := newRig(t)
	tests := []struct {
		name, path, form string
		want             int
	}{
		{"by host", "/tenant/oauth/token", loginForm, 200},
		{"by tenant", "/tenant/oauth/token?tenant_id=t2000", loginForm, 200},
		{"wrong password", "/tenant/oauth/token", strings.Replace(loginForm, "correct", "wrong", 1), 401},
		{"unknown user", "/tenant/oauth/token", strings.Replace(loginForm, "admin", "nobody", 1), 401},
		{"unknown tenant", "/tenant/oauth/token?tenant_id=t3", loginForm, 401},
		{"another grant", "/tenant/oauth/token", strings.Replace(loginForm, "PASSWORD", "X", 1), 422},
		{"largest form", "/tenant/oauth/token", loginForm + "&x=" + strings.Repeat("x", 8<<10-len(loginForm)-3), 200},
		{"form too large", "/tenant/oauth/token", loginForm + "&x=" + strings.Repeat("x", 8<<10-len(loginForm)-2), 413},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { r.login(tt.path, tt.form).want(t, tt.want) })
	}
	option := r.do(request{method: "GET", path: "/tenant/loginOptions", user: "-"}).want(t, 200).items(t, "loginOptions")[0].(map[string]any)
	u, err := url.Parse(option["initRequest"].(string))
	check(t, err)
	r.login(u.RequestURI(), loginForm).want(t, 200)
}

func TestLoginEnds(t *testing.T) {
	current := request{method: "GET", path: "/user/currentUser"}
	tests := []struct {
		name string
		do   func(r *rig, token string)
	}{
		{"logout", func(r *rig, token string) {
			r.do(request{method: "POST", path: "/user/logout", bearer: token}).want(t, 200)
		}},
		{"all logged out", func(r *rig, _ string) {
			r.do(request{method: "POST", path: "/user/logout/t1000/allUsers"}).want(t, 200)
		}},
		{"new password", func(r *rig, _ string) {
			r.do(request{method: "PUT", path: "/user/t1000/users/admin", body: `{"password":"another horse"}`}).want(t, 200)
		}},
		{"own password", func(r *rig, token string) {
			const path = "/user/currentUser/password"
			r.do(request{method: "PUT", path: path, bearer: token, body: `{"currentUserPassword":"wrong","newPassword":"another horse"}`}).want(t, 403)
			r.do(request{method: "PUT", path: path, bearer: token, body: `{"currentUserPassword":"correct horse","newPassword":"short"}`}).want(t, 422)
			r.do(request{method: "PUT", path: path, bearer: token, body: `{"currentUserPassword":"correct horse","newPassword":"another horse"}`}).want(t, 200)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			token := r.token(t)
			with := current
			with.bearer = token
			r.do(with).want(t, 200)
			tt.do(r, token)
			r.do(with).want(t, 401)
		})
	}
}

func TestCookies(t *testing.T) {
	r := newRig(t)
	set := r.login("/tenant/oauth?tenant_id=t1000", loginForm).want(t, 200)
	cookies, xsrf := []string{}, ""
	for _, c := range (&http.Response{Header: set.header}).Cookies() {
		if !c.Secure || c.Path != "/" || c.HttpOnly != (c.Name == "authorization") {
			t.Errorf("cookie %v", c)
		}
		cookies = append(cookies, c.Name+"="+c.Value)
		if c.Name == "XSRF-TOKEN" {
			xsrf = c.Value
		}
	}
	header := http.Header{"Cookie": {strings.Join(cookies, "; ")}}
	r.do(request{method: "GET", path: "/user/currentUser", user: "-", header: header}).want(t, 200)
	post := request{method: "PUT", path: "/tenant/options/a/b", body: `{"value":"1"}`, user: "-", header: header}
	r.do(post).want(t, 401)
	header.Set("X-XSRF-TOKEN", xsrf+"x")
	r.do(post).want(t, 401)
	header.Set("X-XSRF-TOKEN", xsrf)
	r.do(post).want(t, 200)
	r.do(request{method: "POST", path: "/user/logout", user: "-", header: header}).want(t, 200)
	r.do(post).want(t, 401)
}

func TestPeople(t *testing.T) {
	r := newRig(t)
	const users = "/user/t1000/users"
	r.do(request{method: "POST", path: users, body: `{"userName":"ann","password":"correct horse","email":"a@example.com","customProperties":{"x":1}}`}).want(t, 201)
	r.do(request{method: "POST", path: users, body: `{"userName":"ann","password":"correct horse"}`}).want(t, 409)
	r.do(request{method: "POST", path: users, body: `{"userName":"device_x","password":"correct horse"}`}).want(t, 422)
	r.do(request{method: "POST", path: users, body: `{"password":"correct horse"}`}).want(t, 422)
	r.do(request{method: "POST", path: "/user/t2000/users", body: `{"userName":"ann","password":"correct horse"}`}).want(t, 404)
	r.do(request{method: "GET", path: "/devicecontrol/newDeviceRequests", user: "ann"}).want(t, 403)

	r.do(request{method: "POST", path: "/user/t1000/groups/3/users", body: `{"user":{"self":"https://x/user/t1000/users/ann"}}`}).want(t, 201)
	r.do(request{method: "GET", path: "/devicecontrol/newDeviceRequests", user: "ann"}).want(t, 200)
	if got := r.do(request{method: "GET", path: users + "/ann/groups"}).want(t, 200).items(t, "references"); len(got) != 1 {
		t.Errorf("groups %v", got)
	}
	if got := r.do(request{method: "GET", path: users + "?groups=3"}).want(t, 200).items(t, "users"); len(got) != 1 {
		t.Errorf("users %v", got)
	}
	if got := r.do(request{method: "GET", path: users + "?username=AN"}).want(t, 200).items(t, "users"); len(got) != 1 {
		t.Errorf("users %v", got)
	}
	r.do(request{method: "DELETE", path: "/user/t1000/groups/3/users/ann"}).want(t, 204)
	r.do(request{method: "GET", path: "/devicecontrol/newDeviceRequests", user: "ann"}).want(t, 403)

	r.do(request{method: "POST", path: users + "/ann/roles", body: `{"role":{"self":"/user/roles/ROLE_USER_MANAGEMENT_ADMIN"}}`}).want(t, 201)
	// Who may manage users gives nobody more than they have, and takes over nobody.
	r.do(request{method: "POST", path: users + "/ann/roles", user: "ann", body: `{"role":{"id":"ROLE_TENANT_ADMIN"}}`}).want(t, 403)
	r.do(request{method: "POST", path: "/user/t1000/groups/1/users", user: "ann", body: `{"user":{"id":"ann"}}`}).want(t, 403)
	r.do(request{method: "PUT", path: users + "/admin", user: "ann", body: `{"password":"another horse"}`}).want(t, 403)
	r.do(request{method: "DELETE", path: users + "/admin", user: "ann"}).want(t, 403)
	r.do(request{method: "PUT", path: users + "/ann", user: "ann", body: `{"enabled":false}`}).want(t, 403)
	r.do(request{method: "DELETE", path: users + "/ann", user: "ann"}).want(t, 403)

	r.do(request{method: "PUT", path: users + "/ann", body: `{"enabled":false}`}).want(t, 200)
	r.do(request{method: "GET", path: "/user/currentUser", user: "ann"}).want(t, 401)
	r.do(request{method: "DELETE", path: users + "/ann"}).want(t, 204)
	r.do(request{method: "DELETE", path: users + "/ann"}).want(t, 404)

	r.device(t, tenant, "dev1", "password1")
	r.do(request{method: "GET", path: "/tenant/currentTenant", user: "device_dev1", password: "password1"}).want(t, 200)
	r.do(request{method: "DELETE", path: users + "/device_dev1"}).want(t, 204)
	r.do(request{method: "GET", path: "/tenant/currentTenant", user: "device_dev1", password: "password1"}).want(t, 401)
}

func TestTenants(t *testing.T) {
	r := newRig(t)
	const path, body = "/tenant/tenants", `{"id":"t3000","adminName":"root","adminPass":"correct horse"}`
	r.do(request{method: "POST", path: path, body: body}).want(t, 403)
	r.do(request{method: "GET", path: path}).want(t, 403)
	made := r.do(request{method: "POST", path: path, user: "management/admin", body: body}).want(t, 201)
	if made.text(t, "domain") != "t3000.cloud.example.com" {
		t.Errorf("got %s", made.body)
	}
	r.do(request{method: "POST", path: path, user: "management/admin", body: body}).want(t, 409)
	r.do(request{method: "POST", path: path, user: "management/admin", body: `{"id":"t4"}`}).want(t, 422)
	drawn := r.do(request{method: "POST", path: path, user: "management/admin", body: `{"adminName":"root","adminPass":"correct horse"}`}).want(t, 201)
	if id := drawn.text(t, "id"); id[0] != 't' || len(id) < 2 {
		t.Errorf("drawn ID %s", id)
	}
	r.do(request{method: "GET", path: path + "/t3000", user: "management/admin"}).want(t, 200)
	for host, want := range map[string]string{"t3000.cloud.example.com:443": "t3000", "t1000.cloud.example.com": "t1000"} {
		name := map[string]string{"t3000": "root", "t1000": "admin"}[want]
		if got := r.do(request{method: "GET", path: "/tenant/currentTenant", host: host, user: name}).want(t, 200).text(t, "name"); got != want {
			t.Errorf("%s is %s", host, got)
		}
	}
	r.do(request{method: "GET", path: "/tenant/currentTenant", host: "x.cloud.example.com"}).want(t, 401)
}

func TestDeviceCredentials(t *testing.T) {
	r := newRig(t)
	const path, requests = "/devicecontrol/deviceCredentials", "/devicecontrol/newDeviceRequests"
	password, err := r.vault.BootstrapPassword(t.Context())
	check(t, err)
	poll := request{method: "POST", path: path, body: `{"id":"dev1"}`, user: "management/devicebootstrap", password: password.Reveal()}
	r.do(request{method: "POST", path: path, body: `{"id":"dev1"}`}).want(t, 403)
	r.do(poll).want(t, 404)
	r.do(request{method: "POST", path: requests, body: `{"id":"dev1"}`}).want(t, 201)
	r.do(request{method: "PUT", path: requests + "/dev1", body: `{"status":"ACCEPTED"}`}).want(t, 422)
	r.do(poll).want(t, 404)
	all := r.do(request{method: "POST", path: requests + "/acceptAll"}).want(t, 200)
	if string(all.body) != `[{"id":"dev1","successful":true}]` {
		t.Errorf("acceptAll %s", all.body)
	}
	got := r.do(poll).want(t, 201)
	if got.text(t, "username") != "device_dev1" || got.text(t, "tenantId") != "t1000" {
		t.Errorf("got %s", got.body)
	}
	r.do(request{method: "GET", path: "/tenant/currentTenant", user: "device_dev1", password: got.text(t, "password")}).want(t, 200)
	r.do(poll).want(t, 404)

	for _, elsewhere := range []request{
		{method: "GET", path: "/user/currentUser"}, {method: "GET", path: "/tenant/system/options"}, {method: "POST", path: "/user/logout"},
	} {
		elsewhere.user, elsewhere.password = poll.user, poll.password
		r.do(elsewhere).want(t, 403)
	}
	_, err = r.vault.RotateBootstrap(t.Context())
	check(t, err)
	r.do(poll).want(t, 401)
}

func TestCredentialOptions(t *testing.T) {
	r := newRig(t)
	const one = "/tenant/options/smtp/credentials.password"
	put := r.do(request{method: "PUT", path: one, body: `{"value":"s3cret"}`}).want(t, 200)
	get := r.do(request{method: "GET", path: one}).want(t, 200)
	list := r.do(request{method: "GET", path: "/tenant/options/smtp"}).want(t, 200)
	for _, a := range []answer{put, get, list} {
		if strings.Contains(string(a.body), "s3cret") || !strings.Contains(string(a.body), "<<Encrypted>>") {
			t.Errorf("got %s", a.body)
		}
	}
	key := platform.OptionKey{Category: "smtp", Key: "credentials.password"}
	stored, err := r.store.Option(t.Context(), tenant, key)
	check(t, err)
	if strings.Contains(stored.Value, "s3cret") {
		t.Error("stored in clear")
	}
	value, set, err := r.accounts.Credential(t.Context(), tenant, key)
	if err != nil || !set || value.Reveal() != "s3cret" {
		t.Errorf("read back: %t, %v", set, err)
	}
	const editable = "/tenant/options/a/b/editable"
	r.do(request{method: "PUT", path: editable, body: `{"editable":"false"}`}).want(t, 403)
	r.do(request{method: "PUT", path: editable, user: "management/admin", body: `{"editable":"x"}`}).want(t, 422)
	r.do(request{method: "PUT", path: editable, user: "management/admin", body: `{"editable":"false"}`}).want(t, 200)
	r.do(request{method: "PUT", path: "/tenant/options/a/b", body: `{"value":"1"}`}).want(t, 403)
	r.do(request{method: "PUT", path: editable, user: "management/admin", body: `{"editable":"true"}`}).want(t, 200)
	r.do(request{method: "PUT", path: "/tenant/options/a/b", body: `{"value":"1"}`}).want(t, 200)
	r.do(request{method: "PUT", path: "/tenant/options/mooring/logins.from", body: `{"value":"1"}`}).want(t, 403)
}
