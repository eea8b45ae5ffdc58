package restapi_test

import (
	"encoding/base64"
	"strconv"
	"strings"
	"testing"
)

// TestCurrentTenant is rest.md §4.5: a domain is a host name, without port.
func TestCurrentTenant(t *testing.T) {
	r := newRig(t)
	const path = "/tenant/currentTenant"
	if got := r.do(request{method: "GET", path: path}).want(t, 200); got.text(t, "domainName") != tenantHost || got.text(t, "name") != "t1000" || got.tree(t)["parent"] != nil {
		t.Errorf("got %s", got.body)
	}
	if got := r.do(request{method: "GET", path: path + "?withParent=true"}).want(t, 200); got.text(t, "parent") != "management" {
		t.Errorf("got %s", got.body)
	}
	management := r.do(request{method: "GET", path: path + "?withParent=true", user: "management/admin", host: "127.0.0.1:9443"}).want(t, 200)
	if management.text(t, "domainName") != "127.0.0.1" || management.tree(t)["parent"] != nil || management.tree(t)["allowCreateTenants"] != true {
		t.Errorf("got %s", management.body)
	}
}

// TestLoginOptionMembers are those that clients read (rest.md §4.4).
func TestLoginOptionMembers(t *testing.T) {
	r := newRig(t)
	r.do(request{method: "PUT", path: "/tenant/options/oauth.internal/basic-token.lifespan.seconds", body: `{"value":"7200"}`}).want(t, 200)
	options := r.do(request{method: "GET", path: "/tenant/loginOptions", user: "-"}).want(t, 200).items(t, "loginOptions")
	oauth, basic := options[0].(map[string]any), options[1].(map[string]any)
	for _, name := range []string{"tfaStrategy", "enforceStrength", "greenMinLength", "strengthValidity", "sessionConfiguration", "grantType", "initRequest"} {
		if oauth[name] == nil {
			t.Errorf("no %s in %v", name, oauth)
		}
	}
	if basic["authenticationRestrictions"] == nil || basic["id"] != "BASIC" {
		t.Errorf("got %v", basic)
	}
}

// TestTokenPolicyShown sees that the system option, which the web page reads,
// is what the tenant has set (rest.md §5.4).
func TestTokenPolicyShown(t *testing.T) {
	r := newRig(t)
	const path = "/tenant/system/options/device-registration/security-token.policy"
	for _, policy := range []string{"OPTIONAL", "REQUIRED", "IGNORED"} {
		if policy != "OPTIONAL" {
			r.do(request{method: "PUT", path: "/tenant/options/device-registration/security-token.policy", body: `{"value":"` + policy + `"}`}).want(t, 200)
		}
		if got := r.do(request{method: "GET", path: path}).want(t, 200); got.text(t, "value") != policy {
			t.Errorf("got %s, want %s", got.body, policy)
		}
	}
	if got := r.do(request{method: "GET", path: path, host: otherHost}).want(t, 200); got.text(t, "value") != "OPTIONAL" {
		t.Errorf("another tenant has %s", got.body)
	}
}

// TestCategoryMerges sees that the answer is the category as it is now
// (rest.md §4.7).
func TestCategoryMerges(t *testing.T) {
	r := newRig(t)
	r.do(request{method: "PUT", path: "/tenant/options/c", body: `{"a":"1","credentials.b":"s"}`}).want(t, 200)
	if got := r.do(request{method: "PUT", path: "/tenant/options/c", body: `{"d":true}`}).want(t, 200).tree(t); got["a"] != "1" || got["d"] != "true" || got["credentials.b"] != "<<Encrypted>>" {
		t.Errorf("got %v", got)
	}
}

// TestNotFoundTexts are those of rest.md §0.4 that other tests do not look at.
func TestNotFoundTexts(t *testing.T) {
	r := newRig(t)
	for path, want := range map[string]string{
		"/user/t1000/users/none":        "users/Not Found: Error retrieving user none! : Cannot find document with ID ID [type=com_cumulocity_model_idtype_GId, value=none]!",
		"/user/t1000/users/device_none": "users/Not Found: Error retrieving user device_none! : Cannot find document with ID ID [type=com_cumulocity_model_idtype_GId, value=device_none]!",
		"/features/none":                "inventory/Not Found: Finding device data from database failed : No managedObject for id 'none'!",
		"/user/t9/users":                "security/Not Found: There is no tenant with id = t9",
	} {
		got := r.do(request{method: "GET", path: path}).want(t, 404)
		if text := got.text(t, "error") + ": " + got.text(t, "message"); text != want {
			t.Errorf("%s: got %q, want %q", path, text, want)
		}
	}
}

// TestBulkSimpleGroups is the file of names and groups alone (rest.md §5.2):
// the groups are there at once, and the device in them once it has its password.
func TestBulkSimpleGroups(t *testing.T) {
	r := newRig(t)
	body, contentType := form(t, "file", "ID;PATH\nplain1;plant/hall 1\nplain2;plant/hall 1\n")
	bulk := r.do(request{method: "POST", path: "/devicecontrol/bulkNewDeviceRequests", body: body, header: map[string][]string{"Content-Type": {contentType}}}).want(t, 201)
	if !strings.Contains(string(bulk.body), `"numberOfCreated":2`) {
		t.Fatalf("got %s", bulk.body)
	}
	group := r.do(request{method: "GET", path: "/devicecontrol/newDeviceRequests/plain1"}).want(t, 200).text(t, "groupId")
	if second := r.do(request{method: "GET", path: "/devicecontrol/newDeviceRequests/plain2"}).want(t, 200).text(t, "groupId"); second != group {
		t.Errorf("groups %s and %s", group, second)
	}
	if hall := r.do(request{method: "GET", path: "/inventory/managedObjects/" + group}).want(t, 200); hall.text(t, "name") != "hall 1" {
		t.Errorf("got %s", hall.body)
	}
	password, err := r.vault.BootstrapPassword(t.Context())
	check(t, err)
	poll := request{method: "POST", path: "/devicecontrol/deviceCredentials", body: `{"id":"plain1"}`, user: "management/devicebootstrap", password: password.Reveal()}
	r.do(poll).want(t, 404)
	r.do(request{method: "PUT", path: "/devicecontrol/newDeviceRequests/plain1", body: `{"status":"ACCEPTED"}`}).want(t, 200)
	r.do(poll).want(t, 201)
	children := r.do(request{method: "GET", path: "/inventory/managedObjects/" + group + "/childAssets"}).want(t, 200).items(t, "references")
	if len(children) != 1 {
		t.Errorf("got %v", children)
	}
}

// TestDevicePassword is the PUT of rest.md §6.10 for a device that logs in by
// password, and its refusal for one that does by certificate.
func TestDevicePassword(t *testing.T) {
	r := newRig(t)
	r.device(t, tenant, "dev1", "secret-of-dev1")
	as := func(password string) answer {
		return r.do(request{method: "GET", path: "/user/currentUser", user: "device_dev1", password: password})
	}
	const path = "/user/t1000/users/device_dev1"
	as("secret-of-dev1").want(t, 200)
	r.do(request{method: "PUT", path: path, body: `{"password":"another-secret"}`}).want(t, 200)
	as("secret-of-dev1").want(t, 401)
	as("another-secret").want(t, 200)
	for n, want := range map[int]int{1024: 200, 1025: 422} {
		r.do(request{method: "PUT", path: path, body: `{"password":"` + strings.Repeat("x", n) + `"}`}).want(t, want)
	}
	r.do(request{method: "PUT", path: path, body: `{"password":"x"}`, host: otherHost}).want(t, 404)
	r.do(request{method: "PUT", path: path, body: `{"password":"x"}`, user: "device_dev1", password: strings.Repeat("x", 1024)}).want(t, 403)

	body, contentType := form(t, "file", "ID;AUTH_TYPE\ncert1;CERTIFICATES\n")
	r.do(request{method: "POST", path: "/devicecontrol/bulkNewDeviceRequests", body: body, header: map[string][]string{"Content-Type": {contentType}}}).want(t, 201)
	r.do(request{method: "PUT", path: "/user/t1000/users/device_cert1", body: `{"password":"x"}`}).want(t, 422)
}

// TestEveryRoute asks for every call that is described: nobody gets in without
// credentials but where it says so, and none of its roles lets nobody in
// (rest.md §0.3, §0.4).
func TestEveryRoute(t *testing.T) {
	r := newRig(t)
	r.do(request{method: "POST", path: "/user/t1000/users", body: `{"userName":"guest","password":"correct horse"}`}).want(t, 201)
	for _, c := range r.about.Calls() {
		method, path, _ := strings.Cut(c, " ")
		path = strings.NewReplacer("{tenant}", "t1000", "{", "", "}", "").Replace(path)
		about := r.about.Access(c)
		nobody := r.do(request{method: method, path: path, user: "-"})
		switch {
		case about.Certificate:
			nobody.want(t, 404)
			continue
		case about.Open:
			if nobody.status == 401 && !strings.HasPrefix(path, "/tenant/oauth") || nobody.status == 403 {
				t.Errorf("%s is open to anyone and answers %d", c, nobody.status)
			}
			continue
		case nobody.status != 401:
			t.Errorf("%s answers nobody with %d", c, nobody.status)
		}
		if got := r.do(request{method: method, path: path, user: "guest"}); len(about.Roles) > 0 && got.status != 403 {
			t.Errorf("%s answers one without role with %d %s", c, got.status, got.body)
		}
	}
}

// TestAddToTrustStore: a certificate that is not to be trusted yet is not.
func TestAddToTrustStore(t *testing.T) {
	r := newRig(t)
	for query, want := range map[string]string{"": "ENABLED", "?addToTrustStore=true": "ENABLED", "?addToTrustStore=false": "DISABLED"} {
		root := newAuthority(t, "Root"+query)
		body := `{"status":"ENABLED","autoRegistrationEnabled":true,"certInPemFormat":"` + base64.StdEncoding.EncodeToString(root.cert.Raw) + `"}`
		if got := r.do(request{method: "POST", path: "/tenant/tenants/t1000/trusted-certificates" + query, body: body}).want(t, 201); got.text(t, "status") != want {
			t.Errorf("%q: got %s, want %s", query, got.body, want)
		}
		device := r.do(request{method: "GET", path: "/user/currentUser", identity: root.leaf(t, "dev"+want, 1)})
		if trusted := device.status == 200; trusted != (want == "ENABLED") {
			t.Errorf("%q: a device below it gets %d", query, device.status)
		}
	}
}

func TestUsersByOwner(t *testing.T) {
	r := newRig(t)
	for query, want := range map[string]int{"": 1, "?owner=admin": 0, "?username=ad": 1, "?username=dm": 0, "?usernameContains=dm": 1} {
		if got := r.do(request{method: "GET", path: "/user/t1000/users" + query}).want(t, 200).items(t, "users"); len(got) != want {
			t.Errorf("%q: %d users, want %d", query, len(got), want)
		}
	}
}

// TestFurtherMembers of a new device request are kept, and none of them is
// taken for one of the server's (rest.md §5.1).
func TestFurtherMembers(t *testing.T) {
	r := newRig(t)
	const path = "/devicecontrol/newDeviceRequests"
	made := r.do(request{method: "POST", path: path, body: `{"id":"d1","room":"5","x":{"y":[1]},"none":null,"owner":"somebody","creationTime":"1970-01-01T00:00:00Z","self":"x","customProperties":{"a":1}}`}).want(t, 201)
	read := r.do(request{method: "GET", path: path + "/d1"}).want(t, 200)
	if string(made.body) != string(read.body) || read.text(t, "room") != "5" || read.text(t, "owner") != "admin" || !strings.Contains(string(read.body), `"x":{"y":[1]}`) ||
		!strings.Contains(string(read.body), `"customProperties":{"a":1}`) || strings.Contains(string(read.body), "none") {
		t.Errorf("made %s, read %s", made.body, read.body)
	}
	for size, want := range map[int]int{16<<10 - len(`room""`): 201, 16<<10 - len(`room""`) + 1: 422} {
		r.do(request{method: "POST", path: path, body: `{"id":"d` + strconv.Itoa(size) + `","room":"` + strings.Repeat("x", size) + `"}`}).want(t, want)
	}
	r.do(request{method: "POST", path: path, body: `{"id":"d3","customProperties":{"":1}}`}).want(t, 422)
	r.do(request{method: "POST", path: path, body: `{"id":"d4","":1}`}).want(t, 201)
}
