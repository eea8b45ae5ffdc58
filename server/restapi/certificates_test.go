package restapi_test

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"time"

	"mooring/internal/pki"
	"mooring/server/platform"
)

// upload adds a trust anchor as an administrator does and returns its
// fingerprint.
func (r *rig) upload(t testing.TB, a authority, autoRegistration bool) string {
	t.Helper()
	auto := map[bool]string{true: "true", false: "false"}[autoRegistration]
	return r.do(request{method: "POST", path: "/tenant/tenants/t1000/trusted-certificates",
		body: `{"status":"ENABLED","name":"root","autoRegistrationEnabled":"` + auto + `","certInPemFormat":"` + base64.StdEncoding.EncodeToString(a.cert.Raw) + `"}`}).
		want(t, 201).text(t, "fingerprint")
}

func TestTrustedCertificates(t *testing.T) {
	r := newRig(t)
	const path = "/tenant/tenants/t1000/trusted-certificates"
	a := newAuthority(t, "root")
	armoured := strings.ReplaceAll(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})), "\n", `\n`)
	made := r.do(request{method: "POST", path: path, body: `{"status":"ENABLED","name":"root","certInPemFormat":"` + armoured + `"}`}).want(t, 201)
	fingerprint := made.text(t, "fingerprint")
	m := made.tree(t)
	if m["certInPemFormat"] != base64.StdEncoding.EncodeToString(a.cert.Raw) || m["subject"] != "CN=root" || m["serialNumber"] != a.cert.SerialNumber.String() ||
		m["algorithmName"] != "SHA256withECDSA" || m["autoRegistrationEnabled"] != false || m["tenantCertificateAuthority"] != false || fingerprint != pki.Fingerprint(a.cert) {
		t.Errorf("got %s", made.body)
	}
	again := r.do(request{method: "POST", path: path, body: `{"status":"ENABLED","certInPemFormat":"` + armoured + `"}`}).want(t, 409)
	if want := "Cannot add certificate - certificate with " + fingerprint + " fingerprint already exists. : Certificate with " + fingerprint + " fingerprint already exists."; again.text(t, "message") != want {
		t.Errorf("got %s, want %s", again.body, want)
	}
	r.do(request{method: "POST", path: path, body: `{"certInPemFormat":"` + armoured + `"}`}).want(t, 422)
	r.do(request{method: "POST", path: path, body: `{"status":"ENABLED","certInPemFormat":"rubbish"}`}).want(t, 422)
	second := newAuthority(t, "second")
	bulk := r.do(request{method: "POST", path: path + "/bulk", body: `{"certificates":[{"status":"DISABLED","certInPemFormat":"` + base64.StdEncoding.EncodeToString(second.cert.Raw) + `"}]}`}).want(t, 201)
	if got := bulk.items(t, "certificates"); len(got) != 1 {
		t.Errorf("got %s", bulk.body)
	}
	if got := r.do(request{method: "GET", path: path + "?pageSize=1000&withTotalPages=true"}).want(t, 200).items(t, "certificates"); len(got) != 2 {
		t.Errorf("%d certificates", len(got))
	}
	// As the JavaScript client sends it: the whole item.
	changed := r.do(request{method: "PUT", path: path + "/" + fingerprint, body: strings.Replace(string(made.body), `"ENABLED"`, `"DISABLED"`, 1)}).want(t, 200)
	if changed.text(t, "status") != "DISABLED" || changed.text(t, "name") != "root" {
		t.Errorf("got %s", changed.body)
	}
	r.do(request{method: "DELETE", path: path + "/" + fingerprint}).want(t, 204)
	gone := r.do(request{method: "GET", path: path + "/" + fingerprint}).want(t, 404)
	if gone.text(t, "error") != "certificate/Not Found" || gone.text(t, "message") != "Cannot find certificate with fingerprint "+fingerprint+"." {
		t.Errorf("got %s", gone.body)
	}
}

func TestCertificateAuthority(t *testing.T) {
	r := newRig(t)
	r.do(request{method: "PUT", path: "/features/certificate-authority/by-tenant", body: `{"key":"certificate-authority","active":false}`}).want(t, 200)
	r.do(request{method: "POST", path: "/certificate-authority"}).want(t, 404)
	r.do(request{method: "DELETE", path: "/features/certificate-authority/by-tenant"}).want(t, 200)
	if got := r.do(request{method: "GET", path: "/features/certificate-authority"}).want(t, 200); got.tree(t)["active"] != true || got.text(t, "strategy") != "DEFAULT" {
		t.Errorf("got %s", got.body)
	}
	made := r.do(request{method: "POST", path: "/certificate-authority"}).want(t, 201)
	if m := made.tree(t); m["tenantCertificateAuthority"] != true || m["autoRegistrationEnabled"] != true || m["status"] != "ENABLED" {
		t.Errorf("got %s", made.body)
	}
	r.do(request{method: "POST", path: "/certificate-authority"}).want(t, 409)
	list := r.do(request{method: "GET", path: "/tenant/tenants/t1000/trusted-certificates?certificateAuthority=true"}).want(t, 200).items(t, "certificates")
	if len(list) != 1 {
		t.Fatalf("%d certificates", len(list))
	}
	crl := r.do(request{method: "GET", path: "/crl/t1000.crl", user: "-"}).want(t, 200)
	if _, err := x509.ParseRevocationList(crl.body); err != nil || crl.header.Get("Content-Type") != "application/pkix-crl" {
		t.Errorf("%v, %s", err, crl.header)
	}
	r.do(request{method: "GET", path: "/crl/t2000.crl", user: "-"}).want(t, 404)
	r.do(request{method: "GET", path: "/crl/t1000.pem", user: "-"}).want(t, 404)
}

func TestRevocationList(t *testing.T) {
	r := newRig(t)
	const path = "/tenant/trusted-certificates/settings/crl"
	serials := func() map[string]string {
		got := r.do(request{method: "GET", path: path}).want(t, 200)
		list, err := x509.ParseRevocationList(got.body)
		check(t, err)
		found := map[string]string{}
		for _, e := range list.RevokedCertificateEntries {
			found[pki.SerialHex(e.SerialNumber)] = e.RevocationTime.UTC().Format("2006-01-02T15:04:05Z")
		}
		return found
	}
	if got := serials(); len(got) != 0 {
		t.Errorf("a new list has %v", got)
	}
	r.do(request{method: "PUT", path: path, body: `{"crls":[{"serialNumberInHex":"1000","revocationDate":"2023-01-11T16:12:36.288Z"},{"serialNumberInHex":"0B:8a"}]}`}).want(t, 204)
	r.do(request{method: "PUT", path: path, body: `{"crls":[{"serialNumberInHex":"01000","revocationDate":"2024-01-11T16:12:36Z"}]}`}).want(t, 204)
	if got := serials(); len(got) != 2 || got["1000"] != "2023-01-11T16:12:36Z" || got["b8a"] == "" {
		t.Errorf("got %v", got)
	}
	bad := r.do(request{method: "PUT", path: path, body: `{"crls":[{"serialNumberInHex":"1","revocationDate":"noon"}]}`}).want(t, 400)
	if bad.text(t, "message") != "Unsupported date time format, supported format:yyyy-MM-dd'T'HH:mm:ss.SSS'Z'" || bad.text(t, "error") != "Device Certificates/Bad Request" {
		t.Errorf("got %s", bad.body)
	}
	for _, body := range []string{`{"crls":[{"serialNumberInHex":"xyz"}]}`, `{"crls":[{}]}`} {
		r.do(request{method: "PUT", path: path, body: body}).want(t, 400)
	}
	r.do(request{method: "PUT", path: path, body: `{}`}).want(t, 422)

	file := func(text string) answer {
		body, contentType := form(t, "file", text)
		return r.do(request{method: "PUT", path: path, body: body, header: http.Header{"Content-Type": {"multipart/form-data", contentType}}})
	}
	file("\ufeffSERIALNO,DATE\n0b8a5b9dd501a88775399b9a048811a3,2024-01-17T10:48:51.000Z\n198f0bf5167,\nabc\n").want(t, 204)
	if got := serials(); len(got) != 5 || got["b8a5b9dd501a88775399b9a048811a3"] != "2024-01-17T10:48:51Z" || got["abc"] == "" {
		t.Errorf("got %v", got)
	}
	// The first of two entries stays, a date in the future becomes now, colons
	// and case do not matter.
	before := time.Now().Add(-time.Second)
	file("SERIALNO,DATE\n0A:BC:DE,2024-01-17T10:48:51.000Z\nabcde,2025-01-17T10:48:51.000Z\nf00,2999-01-01T00:00:00.000Z\n").want(t, 204)
	now, err := time.Parse(time.RFC3339, serials()["f00"])
	if got := serials(); got["abcde"] != "2024-01-17T10:48:51Z" || err != nil || now.Before(before.Truncate(time.Second)) || now.After(time.Now()) {
		t.Errorf("got %v, %v", got, err)
	}
	noon := file("SERIALNO,DATE\n1,noon\n").want(t, 400)
	if noon.text(t, "message") != "Unsupported date time format, supported format:yyyy-MM-dd'T'HH:mm:ss.SSS'Z'" {
		t.Errorf("got %s", noon.body)
	}
	file("SERIALNO,DATE\nxyz,\n").want(t, 400)
	rows := func(n int) string { return "SERIALNO,DATE\n" + strings.Repeat("abc,\n", n) }
	file(rows(4999)).want(t, 204)
	file(rows(5000)).want(t, 204)
	file(rows(5001)).want(t, 413)
}

// form is a multipart body with one file, and fields as name, value, ….
func form(t testing.TB, name, text string, fields ...string) (body, contentType string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	check(t, w.WriteField("object", "{}"))
	for i := 0; i < len(fields); i += 2 {
		check(t, w.WriteField(fields[i], fields[i+1]))
	}
	part, err := w.CreateFormFile(name, "list.csv")
	check(t, err)
	_, err = part.Write([]byte(text))
	check(t, err)
	check(t, w.Close())
	return b.String(), w.FormDataContentType()
}

// TestRevokedDevice revokes a certificate over REST and sees its next request
// refused, on the connection it has.
func TestRevokedDevice(t *testing.T) {
	r := newRig(t)
	a := newAuthority(t, "root")
	r.upload(t, a, true)
	leaf := a.leaf(t, "dev1", 0xabcdef)
	r.do(request{method: "GET", path: "/mooring/whoami", identity: leaf}).want(t, 200)
	r.do(request{method: "PUT", path: "/tenant/trusted-certificates/settings/crl", body: `{"crls":[{"serialNumberInHex":"abcdef"}]}`}).want(t, 204)
	r.do(request{method: "GET", path: "/mooring/whoami", identity: leaf}).want(t, 200) // both checks are off at first
	r.do(request{method: "PUT", path: "/tenant/options/configuration/" + platform.OptionOfflineCheck.Key, body: `{"value":true}`}).want(t, 200)
	got := r.do(request{method: "GET", path: "/mooring/whoami", identity: leaf}).want(t, 401)
	if got.text(t, "message") != "Invalid certificate chain!" {
		t.Errorf("got %s", got.body)
	}
	why := r.do(request{method: "GET", path: "/mooring/explain", identity: leaf}).want(t, 200)
	if why.text(t, "reason") != string(platform.ReasonRevoked) {
		t.Errorf("got %s", why.body)
	}
}
