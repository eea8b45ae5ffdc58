package restapi_test

import (
	"encoding/pem"
	"net/http"
	"strings"
	"testing"

	"mooring/internal/secret"

	"mooring/internal/jwt"
	"mooring/server/platform"
)

func TestDeviceToken(t *testing.T) {
	r := newRig(t)
	a := newAuthority(t, "root")
	r.upload(t, a, true)
	leaf := a.leaf(t, "dev1", 0x198f0bf5167)
	const path = "/devicecontrol/deviceAccessToken"

	got := r.do(request{method: "POST", path: path, identity: leaf, noAccept: true}).want(t, 200)
	token := got.text(t, "accessToken")
	claims, err := jwt.Parse(token)
	check(t, err)
	if claims.Subject != "device_dev1" || claims.Tenant != string(tenant) {
		t.Errorf("claims are %+v", claims)
	}
	if me := r.do(request{method: "GET", path: "/user/currentUser", bearer: token}).want(t, 200); me.text(t, "userName") != "device_dev1" {
		t.Errorf("got %s", me.body)
	}
	if where := r.do(request{method: "HEAD", path: "/tenant/currentTenant", bearer: token}).want(t, 200); len(where.body) != 0 || where.header.Get("Content-Length") == "0" {
		t.Errorf("HEAD gives %q, %v", where.body, where.header)
	}
	// The certificate is recorded as provisioned, for the x509 tab.
	user := r.do(request{method: "GET", path: "/user/t1000/users/device_dev1?withCertificates=true"}).want(t, 200)
	if certs := user.items(t, "provisionedCertificates"); len(certs) != 1 || certs[0].(map[string]any)["serialNumber"] != "198f0bf5167" {
		t.Errorf("got %s", user.body)
	}
	if user := r.do(request{method: "GET", path: "/user/t1000/users/device_dev1"}).want(t, 200); strings.Contains(string(user.body), "provisioned") {
		t.Errorf("got %s", user.body)
	}
	// Without a certificate, and where certificates do not count.
	r.do(request{method: "POST", path: path, mtls: true}).want(t, 401)
	r.do(request{method: "POST", path: path}).want(t, 404)
	r.do(request{method: "POST", path: path, identity: leaf, user: "admin"}).want(t, 403)
	r.do(request{method: "GET", path: "/mooring/whoami"}).want(t, 404)
	r.do(request{method: "GET", path: "/mooring/explain"}).want(t, 404)
	// A disabled device is out at once, with its certificate and its token.
	r.do(request{method: "PUT", path: "/user/t1000/users/device_dev1", body: `{"enabled":false}`}).want(t, 200)
	r.do(request{method: "GET", path: "/user/currentUser", bearer: token}).want(t, 401)
	if got := r.do(request{method: "POST", path: path, identity: leaf}); got.status != 401 && got.status != 403 {
		t.Errorf("got %d %s", got.status, got.body)
	}
	r.do(request{method: "PUT", path: "/user/t1000/users/device_dev1", body: `{"enabled":true}`}).want(t, 200)
	r.do(request{method: "GET", path: "/user/currentUser", bearer: token}).want(t, 200)
	r.do(request{method: "GET", path: "/user/currentUser", identity: leaf}).want(t, 200)
}

func TestChainInHeader(t *testing.T) {
	r := newRig(t)
	root := newAuthority(t, "root")
	r.upload(t, root, true)
	inter := root.intermediate(t, "inter")
	leaf := inter.leaf(t, "dev1", 77)
	oneLine := func(ders ...[]byte) string {
		var b strings.Builder
		for _, der := range ders {
			b.WriteString(strings.ReplaceAll(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), "\n", " "))
		}
		return b.String()
	}
	const path = "/devicecontrol/deviceAccessToken"
	do := func(header string) answer {
		h := http.Header{}
		if header != "" {
			h["X-Ssl-Cert-Chain"] = []string{header}
		}
		return r.do(request{method: "POST", path: path, identity: leaf, header: h})
	}
	if got := do("").want(t, 401); got.text(t, "message") != "Invalid certificate chain!" || got.text(t, "error") != "security/Unauthorized" {
		t.Errorf("got %s", got.body)
	}
	do(oneLine(inter.cert.Raw)).want(t, 200)                                     // intermediates alone
	do(oneLine(leaf.Certificate[0], inter.cert.Raw)).want(t, 200)                // the whole chain
	do(oneLine(leaf.Certificate[0], inter.cert.Raw, root.cert.Raw)).want(t, 200) // with the anchor
	if got := do("-----BEGIN CERTIFICATE----- MIIB").want(t, 400); got.text(t, "error") != "Device Certificates/Bad Request" || got.text(t, "message") != "Cannot parse X509 certificate. : Incomplete data" {
		t.Errorf("got %s", got.body)
	}
}

func TestExplain(t *testing.T) {
	r := newRig(t)
	stranger := newAuthority(t, "unknown root").leaf(t, "dev1", 5)
	why := r.do(request{method: "GET", path: "/mooring/explain", identity: stranger}).want(t, 200)
	if why.text(t, "reason") != string(platform.ReasonUnknownIssuer) || why.text(t, "serial") != "5" || why.tree(t)["last_refusal"] != nil {
		t.Errorf("got %s", why.body)
	}
	r.do(request{method: "GET", path: "/mooring/whoami", identity: stranger}).want(t, 401)
	why = r.do(request{method: "GET", path: "/mooring/explain", identity: stranger}).want(t, 200)
	if last, ok := why.tree(t)["last_refusal"].(map[string]any); !ok || last["door"] != "mtls" || last["reason"] != string(platform.ReasonUnknownIssuer) {
		t.Errorf("got %s", why.body)
	}
	// Another certificate of the same name hears nothing of it.
	twin := newAuthority(t, "unknown root").leaf(t, "dev1", 5)
	if why := r.do(request{method: "GET", path: "/mooring/explain", identity: twin}).want(t, 200); why.tree(t)["last_refusal"] != nil {
		t.Errorf("got %s", why.body)
	}
	r.do(request{method: "GET", path: "/mooring/explain", mtls: true}).want(t, 401)

	a := newAuthority(t, "root")
	r.upload(t, a, false)
	unregistered := a.leaf(t, "dev2", 6)
	r.do(request{method: "GET", path: "/mooring/whoami", identity: unregistered})
	why = r.do(request{method: "GET", path: "/mooring/explain", identity: unregistered}).want(t, 200)
	if last, ok := why.tree(t)["last_refusal"].(map[string]any); why.text(t, "reason") != "accepted" || !ok || last["reason"] != string(platform.ReasonNotRegistered) {
		t.Errorf("got %s", why.body)
	}
	// The tenant's administrator sees it; what no tenant's anchor signed goes to management.
	if got := r.do(request{method: "GET", path: "/mooring/refusals?cn=dev2"}).want(t, 200).items(t, "refusals"); len(got) != 1 {
		t.Errorf("%d refusals of dev2", len(got))
	}
	if got := r.do(request{method: "GET", path: "/mooring/refusals?cn=dev1"}).want(t, 200).items(t, "refusals"); len(got) != 0 {
		t.Errorf("%d refusals of dev1 at the tenant", len(got))
	}
	if got := r.do(request{method: "GET", path: "/mooring/refusals?cn=dev1", user: "management/admin"}).want(t, 200).items(t, "refusals"); len(got) != 1 {
		t.Errorf("%d refusals of dev1 at management", len(got))
	}
}

func TestRegistrations(t *testing.T) {
	r := newRig(t)
	const path = "/devicecontrol/newDeviceRequests"
	made := r.do(request{method: "POST", path: path, body: `{"id":"dev1","enrollmentToken":"v8Kq-one-time-password-0123","type":"thin-edge.io"}`}).want(t, 201)
	if made.text(t, "status") != "ACCEPTED" || strings.Contains(string(made.body), "v8Kq") {
		t.Errorf("got %s", made.body)
	}
	waiting := r.do(request{method: "POST", path: path, body: `{"id":"dev2"}`}).want(t, 201)
	if waiting.text(t, "status") != "WAITING_FOR_CONNECTION" || waiting.text(t, "tenantId") != string(tenant) {
		t.Errorf("got %s", waiting.body)
	}
	again := r.do(request{method: "POST", path: path, body: `{"id":"dev2"}`}).want(t, 422)
	if again.text(t, "error") != "devicecontrol/Non Unique Result" || again.text(t, "message") != "NewDeviceRequest for id = dev2 already exists." {
		t.Errorf("got %s", again.body)
	}
	r.do(request{method: "POST", path: path, body: `{"id":"has space"}`}).want(t, 422)
	r.do(request{method: "POST", path: path, body: `{}`}).want(t, 422)
	if got := r.do(request{method: "GET", path: path}).want(t, 200).items(t, "newDeviceRequests"); len(got) != 2 {
		t.Errorf("%d requests", len(got))
	}
	r.do(request{method: "PUT", path: path + "/dev2", body: `{"status":"BLOCKED"}`}).want(t, 422)
	r.do(request{method: "PUT", path: path + "/dev2", body: `{}`}).want(t, 422)
	_, _ = r.requests.Fetch(t.Context(), tenant, "dev2", secret.String{}) // nothing yet, but it asked
	if got := r.do(request{method: "PUT", path: path + "/dev2", body: `{"status":"ACCEPTED"}`}).want(t, 200); got.text(t, "status") != "ACCEPTED" {
		t.Errorf("got %s", got.body)
	}
	r.do(request{method: "GET", path: path + "/limit"}).want(t, 200)
	r.do(request{method: "POST", path: path + "/acceptAll", body: `{}`}).want(t, 200)
	r.do(request{method: "DELETE", path: path + "/dev2"}).want(t, 204)
	if got := r.do(request{method: "GET", path: path + "/dev2"}).want(t, 404); got.text(t, "error") != "devicecontrol/Not Found" {
		t.Errorf("got %s", got.body)
	}

	body, contentType := form(t, "file", "ID\tAUTH_TYPE\tENROLLMENT_OTP\nbulk1\tCERTIFICATES\tone-time-password\nbad id\tCERTIFICATES\tx\n")
	bulk := r.do(request{method: "POST", path: "/devicecontrol/bulkNewDeviceRequests", body: body, header: http.Header{"Content-Type": {contentType}}, noAccept: true}).want(t, 201)
	m := bulk.tree(t)
	for name, want := range map[string]string{"numberOfAll": "2", "numberOfCreated": "1", "numberOfFailed": "1", "numberOfSuccessful": "1"} {
		if got := m[name].(interface{ String() string }).String(); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	if len(bulk.items(t, "failedCreationList")) != 1 || len(bulk.items(t, "credentialUpdatedList")) != 0 {
		t.Errorf("got %s", bulk.body)
	}
	r.do(request{method: "GET", path: "/identity/externalIds/c8y_Serial/bulk1"}).want(t, 200)
	r.do(request{method: "POST", path: "/devicecontrol/bulkNewDeviceRequests", body: "{}"}).want(t, 400)
	body, contentType = form(t, "other", "ID\nx\n")
	r.do(request{method: "POST", path: "/devicecontrol/bulkNewDeviceRequests", body: body, header: http.Header{"Content-Type": {contentType}}}).want(t, 422)
	r.do(request{method: "DELETE", path: "/devicecontrol/bulkNewDeviceRequests/bulk1"}).want(t, 204)
	r.do(request{method: "DELETE", path: "/devicecontrol/bulkNewDeviceRequests/bulk1"}).want(t, 404)
}

func TestObjectUser(t *testing.T) {
	r := newRig(t)
	path := "/inventory/managedObjects/" + r.device(t, tenant, "dev1", "secret-of-dev1").String() + "/user"
	if got := r.do(request{method: "GET", path: path}).want(t, 200); got.text(t, "userName") != "device_dev1" || got.tree(t)["enabled"] != true {
		t.Errorf("got %s", got.body)
	}
	device := request{method: "GET", path: "/tenant/currentTenant", user: "device_dev1", password: "secret-of-dev1"}
	r.do(device).want(t, 200)
	if got := r.do(request{method: "PUT", path: path, body: `{"enabled":false}`}).want(t, 200); got.tree(t)["enabled"] != false {
		t.Errorf("got %s", got.body)
	}
	r.do(device).want(t, 401)
	none := r.do(request{method: "POST", path: "/inventory/managedObjects", body: `{}`}).want(t, 201).text(t, "id")
	r.do(request{method: "GET", path: "/inventory/managedObjects/" + none + "/user"}).want(t, 404)
}
