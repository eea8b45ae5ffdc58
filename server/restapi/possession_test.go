package restapi_test

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"testing"

	"mooring/internal/pki"
	"mooring/server/platform"
)

// proof is the body that proves a holds its key.
func (a authority) proof(t testing.TB, code string) string {
	t.Helper()
	sum := sha256.Sum256([]byte(code))
	signature, err := ecdsa.SignASN1(rand.Reader, a.key, sum[:])
	check(t, err)
	body, err := json.Marshal(map[string]string{"proofOfPossessionSignedVerificationCode": base64.StdEncoding.EncodeToString(signature)})
	check(t, err)
	return string(body)
}

func popPath(tenant, fingerprint, call string) string {
	return "/tenant/tenants/" + tenant + "/trusted-certificates-pop/" + fingerprint + "/" + call
}

func TestProofOfPossession(t *testing.T) {
	r := newRig(t)
	a := newAuthority(t, "root")
	fp := r.upload(t, a, true)
	fresh := r.do(request{method: "GET", path: "/tenant/tenants/t1000/trusted-certificates/" + fp}).want(t, 200).tree(t)
	if fresh["proofOfPossessionValid"] != false || fresh["proofOfPossessionUnsignedVerificationCode"] != nil || fresh["proofOfPossessionVerificationCodeUsableUntil"] != nil {
		t.Errorf("before: %v", fresh)
	}
	none := r.do(request{method: "POST", path: popPath("t1000", fp, "pop"), body: a.proof(t, "")}).want(t, 422)
	if none.text(t, "error") != "tenants/Unprocessable Entity" || none.text(t, "message") != "Cannot process certificate data <'"+fp+"'> for tenant <'t1000'>." {
		t.Errorf("without a code: %s", none.body)
	}
	made := r.do(request{method: "POST", path: popPath("t1000", fp, "verification-code"), noAccept: true}).want(t, 200)
	code := made.text(t, "proofOfPossessionUnsignedVerificationCode")
	if made.text(t, "proofOfPossessionVerificationCodeUsableUntil") == "" || len(code) != 44 {
		t.Errorf("got %s", made.body)
	}
	bad := r.do(request{method: "POST", path: popPath("t1000", fp, "pop"), body: newAuthority(t, "other").proof(t, code)}).want(t, 400)
	if bad.text(t, "error") != "tenants/Bad Request" || bad.text(t, "message") != "Wrong Proof Of Possession plaintext used for tenant <'t1000'>. Certificate <'"+fp+"'>, usage not granted." {
		t.Errorf("got %s", bad.body)
	}
	if got := r.do(request{method: "POST", path: popPath("t1000", fp, "pop"), body: `{}`}).want(t, 422); got.text(t, "error") != "tenants/Invalid Data" {
		t.Errorf("got %s", got.body)
	}
	done := r.do(request{method: "POST", path: popPath("t1000", fp, "pop"), body: a.proof(t, code)}).want(t, 200)
	if done.tree(t)["proofOfPossessionValid"] != true {
		t.Errorf("got %s", done.body)
	}
	// A change of the name must not undo it.
	renamed := r.do(request{method: "PUT", path: "/tenant/tenants/t1000/trusted-certificates/" + fp, body: `{"name":"new"}`}).want(t, 200)
	if renamed.tree(t)["proofOfPossessionValid"] != true {
		t.Errorf("got %s", renamed.body)
	}
	gone := r.do(request{method: "POST", path: popPath("t1000", "00", "verification-code")}).want(t, 404)
	if gone.text(t, "error") != "certificate/Not Found" {
		t.Errorf("got %s", gone.body)
	}
}

func TestProofOfPossessionRights(t *testing.T) {
	r := newRig(t)
	fp := r.upload(t, newAuthority(t, "root"), true)
	r.boss(t)
	check(t, r.store.PutUser(t.Context(), platform.User{Tenant: tenant, Name: "reader", PasswordHash: r.hash(t, "admin"), Enabled: true,
		Roles: []platform.Role{platform.RoleTenantManagementRead}}))
	const boss = "management/boss"
	for _, call := range []string{"verification-code", "pop", "confirmed"} {
		r.do(request{method: "POST", path: popPath("t1000", fp, call), user: "-"}).want(t, 401)
		r.do(request{method: "POST", path: popPath("t1000", fp, call), user: "reader", body: `{}`}).want(t, 403)
		r.do(request{method: "POST", path: popPath("t2000", fp, call), body: `{}`}).want(t, 403)
	}
	r.do(request{method: "POST", path: popPath("t1000", fp, "confirmed")}).want(t, 403)
	r.do(request{method: "POST", path: popPath("t1000", fp, "verification-code"), user: boss}).want(t, 403)
	r.do(request{method: "POST", path: popPath("t2000", fp, "confirmed"), user: boss}).want(t, 404)
	r.do(request{method: "POST", path: popPath("t9999", fp, "confirmed"), user: boss}).want(t, 404)
	done := r.do(request{method: "POST", path: popPath("t1000", fp, "confirmed"), user: boss}).want(t, 200)
	if done.tree(t)["proofOfPossessionValid"] != true {
		t.Errorf("got %s", done.body)
	}
}

// boss adds a user who administers the instance.
func (r *rig) boss(t testing.TB) {
	t.Helper()
	check(t, r.store.PutUser(t.Context(), platform.User{Tenant: platform.Management, Name: "boss", PasswordHash: r.hash(t, "admin"), Enabled: true,
		Roles: platform.AdminRoles}))
}

// hash is the stored password of a user that there is.
func (r *rig) hash(t testing.TB, name string) string {
	t.Helper()
	u, err := r.store.User(t.Context(), tenant, name)
	check(t, err)
	return u.PasswordHash
}

func TestVerifyChain(t *testing.T) {
	r := newRig(t)
	const path = "/tenant/trusted-certificates/verify-cert-chain"
	r.boss(t)
	const boss = "management/boss"
	root := newAuthority(t, "root")
	fp := r.upload(t, root, true)
	issuing := root.intermediate(t, "issuing")
	leaf, deep := root.leaf(t, "dev1", 0x77), issuing.leaf(t, "dev2", 0x78)
	pem := func(certs ...[]byte) string {
		var text string
		for _, der := range certs {
			c, err := pki.ParseDER(der)
			check(t, err)
			text += string(pki.EncodePEM(c))
		}
		return text
	}
	shallow, whole := pem(leaf.Certificate[0]), pem(deep.Certificate[0], issuing.cert.Raw)
	file := func(user, text string, fields ...string) answer {
		body, contentType := form(t, "file", text, fields...)
		return r.do(request{method: "POST", path: path, user: user, body: body, header: http.Header{"Content-Type": {contentType}}})
	}
	header := func(user, chain, tenant string) answer {
		h := http.Header{"X-Cumulocity-Client-Cert-Chain": {chain}}
		if tenant != "" {
			h.Set("X-Cumulocity-TenantId", tenant)
		}
		return r.do(request{method: "POST", path: path, user: user, header: h})
	}
	oneLine := func(certs ...[]byte) string {
		var parts string
		for i, c := range certs {
			if i > 0 {
				parts += ","
			}
			for _, b := range []byte(pem(c)) {
				if b == '\n' {
					b = ' '
				}
				parts += string(b)
			}
		}
		return parts
	}

	good := file("", shallow).want(t, 200).tree(t)
	if good["successfullyValidated"] != true || good["tenantId"] != "t1000" || good["issuer"] != "CN=root" || good["subject"] != "CN=dev1" || good["hint"] != nil {
		t.Errorf("got %v", good)
	}
	if hinted := file("", whole).want(t, 200); hinted.text(t, "hint") == "" {
		t.Errorf("a chain of three: %s", hinted.body)
	}
	if got := header("", oneLine(deep.Certificate[0], issuing.cert.Raw), "").want(t, 200).text(t, "subject"); got != "CN=dev2" {
		t.Errorf("by header: %s", got)
	}
	if got := file(boss, shallow).want(t, 200).text(t, "tenantId"); got != "t1000" {
		t.Errorf("tenant from the chain: %s", got)
	}
	file(boss, shallow, "tenantId", "t1000").want(t, 200)
	file(boss, shallow, "tenantId", "t2000").want(t, 401)
	absent := file(boss, shallow, "tenantId", "t9999").want(t, 404)
	if absent.text(t, "error") != "Device Certificates/Not Found" || absent.text(t, "message") != "Tenant Id doesn't exists" {
		t.Errorf("got %s", absent.body)
	}
	file("", shallow, "tenantId", "t2000").want(t, 403)
	header("", oneLine(leaf.Certificate[0]), "t2000").want(t, 403)
	r.do(request{method: "POST", path: path, user: "-"}).want(t, 401)

	broken := file("", "rubbish").want(t, 400)
	if broken.text(t, "error") != "Device Certificates/Bad Request" || broken.text(t, "message") != "Cannot parse X509 certificate. : Incomplete data" {
		t.Errorf("got %s", broken.body)
	}
	r.do(request{method: "POST", path: path}).want(t, 400)
	five := [][]byte{leaf.Certificate[0], root.cert.Raw, root.cert.Raw, root.cert.Raw, root.cert.Raw}
	header("", oneLine(five...), "").want(t, 200)
	header("", oneLine(append(five, root.cert.Raw)...), "").want(t, 400)
	many := func(n int) string {
		chain := [][]byte{leaf.Certificate[0]}
		for len(chain) < n {
			chain = append(chain, root.cert.Raw)
		}
		return pem(chain...)
	}
	file("", many(9)).want(t, 200)
	file("", many(10)).want(t, 200)
	if got := file("", many(11)).want(t, 401); got.text(t, "reason") != string(platform.ReasonChainDepth) {
		t.Errorf("a chain of eleven: %s", got.body)
	}

	// Another tenant learns nothing of whose it is.
	foreign := r.do(request{method: "POST", path: path, host: otherHost, header: http.Header{"X-Cumulocity-Client-Cert-Chain": {oneLine(leaf.Certificate[0])}}}).want(t, 401)
	if foreign.text(t, "reason") != string(platform.ReasonUnknownIssuer) {
		t.Errorf("got %s", foreign.body)
	}

	r.do(request{method: "POST", path: popPath("t1000", fp, "confirmed"), user: boss}).want(t, 200)
	if got := file("", whole).want(t, 200).tree(t); got["hint"] != nil {
		t.Errorf("a hint after the proof: %v", got)
	}
	// Revocation is looked at before anything else.
	r.do(request{method: "PUT", path: "/tenant/trusted-certificates/settings/crl", body: `{"crls":[{"serialNumberInHex":"77"}]}`}).want(t, 204)
	r.do(request{method: "PUT", path: "/tenant/options/configuration/" + platform.OptionOfflineCheck.Key, body: `{"value":true}`}).want(t, 200)
	r.do(request{method: "PUT", path: "/tenant/tenants/t1000/trusted-certificates/" + fp, body: `{"status":"DISABLED"}`}).want(t, 200)
	revoked := file("", shallow).want(t, 401)
	if revoked.text(t, "error") != "security/Unauthorized" || revoked.text(t, "message") != "Invalid certificate chain!" || revoked.text(t, "reason") != string(platform.ReasonRevoked) {
		t.Errorf("got %s", revoked.body)
	}
	if got := file("", whole).want(t, 401).text(t, "reason"); got != string(platform.ReasonAnchorDisabled) {
		t.Errorf("disabled: %s", got)
	}
}
