package restapi_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"net/http"
	"strings"
	"testing"
	"time"

	"mooring/server/platform"
)

func TestTPMMakers(t *testing.T) {
	r := newRig(t)
	const path = "/mooring/tpm/makers"
	a, b := newAuthority(t, "maker a"), newAuthority(t, "maker b")
	text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})) + string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: b.cert.Raw}))
	asPEM := http.Header{"Content-Type": {"application/x-pem-file"}}
	add := func(q request) answer {
		q.method, q.path, q.header = "POST", path, asPEM
		return r.do(q)
	}
	if got := string(add(request{body: text}).want(t, 201).body); !strings.Contains(got, `"added":2`) {
		t.Error(got)
	}
	if got := string(add(request{body: text}).want(t, 201).body); !strings.Contains(got, `"added":0`) {
		t.Error(got)
	}
	add(request{body: "hello"}).want(t, 422)
	add(request{body: strings.Repeat("x", 4<<20+1)}).want(t, 413)
	add(request{body: text, user: "-"}).want(t, 401)
	r.device(t, tenant, "dev1", "device-password")
	add(request{body: text, user: "device_dev1", password: "device-password"}).want(t, 403)
	r.do(request{method: "GET", path: path, user: "device_dev1", password: "device-password"}).want(t, 403)

	list := r.do(request{method: "GET", path: path}).want(t, 200)
	if len(list.items(t, "makers")) != 2 || !strings.Contains(string(list.body), "CN=maker a") {
		t.Errorf("%s", list.body)
	}
	if others := r.do(request{method: "GET", path: path, host: otherHost}).want(t, 200); len(others.items(t, "makers")) != 0 {
		t.Errorf("of another tenant: %s", others.body)
	}
	sum := sha256.Sum256(a.cert.Raw)
	one := path + "/" + strings.ToUpper(hex.EncodeToString(sum[:]))
	r.do(request{method: "DELETE", path: one, host: otherHost}).want(t, 404)
	r.do(request{method: "DELETE", path: one}).want(t, 204)
	r.do(request{method: "DELETE", path: one}).want(t, 404)
	if left := r.do(request{method: "GET", path: path}); len(left.items(t, "makers")) != 1 {
		t.Errorf("%s", left.body)
	}
}

func TestTPMOfDevice(t *testing.T) {
	r := newRig(t)
	const path = "/mooring/tpm/devices/dev%2E1"
	hash := strings.Repeat("aB", sha256.Size)
	if got := r.do(request{method: "GET", path: path}).want(t, 200).tree(t); len(got) != 1 || got["deviceId"] != "dev.1" {
		t.Errorf("%v", got)
	}
	for _, bad := range []string{"", hash[2:], hash + "00", "zz" + hash[2:]} {
		r.do(request{method: "PUT", path: path, body: `{"ekSha256":"` + bad + `"}`}).want(t, 422)
	}
	put := r.do(request{method: "PUT", path: path, body: `{"ekSha256":"` + hash + `"}`}).want(t, 200)
	if put.text(t, "ekSha256") != strings.ToLower(hash) {
		t.Errorf("%s", put.body)
	}
	if got := r.do(request{method: "GET", path: path, host: otherHost}).want(t, 200).tree(t); len(got) != 1 {
		t.Errorf("of another tenant: %v", got)
	}
	r.do(request{method: "DELETE", path: path, host: otherHost}).want(t, 404)
	r.do(request{method: "DELETE", path: path}).want(t, 204)
	r.do(request{method: "DELETE", path: path}).want(t, 404)
}

func TestAttestations(t *testing.T) {
	r := newRig(t)
	for n, device := range []string{"dev1", "dev2", "dev1"} {
		at := time.Now().Add(time.Duration(n) * time.Second)
		c := platform.IssuedCertificate{Tenant: tenant, Serial: string(rune('a' + n)), ExternalID: device, Certificate: []byte{1}, NotBefore: at, NotAfter: at, IssuedAt: at}
		check(t, r.store.Issue(t.Context(), platform.Issue{Certificate: c, Attestation: &platform.Attestation{EKHash: [32]byte{0xee}, Pinned: n == 1, Model: "model"}}))
	}
	const path = "/mooring/tpm/attestations"
	all := r.do(request{method: "GET", path: path}).want(t, 200)
	if len(all.items(t, "attestations")) != 3 || !strings.Contains(string(all.body), `"by":"note"`) {
		t.Errorf("%s", all.body)
	}
	one := r.do(request{method: "GET", path: path + "?deviceId=dev1&pageSize=1"}).want(t, 200)
	if items := one.items(t, "attestations"); len(items) != 1 || items[0].(map[string]any)["serial"] != "c" {
		t.Errorf("%s", one.body)
	}
	if others := r.do(request{method: "GET", path: path, host: otherHost}); len(others.items(t, "attestations")) != 0 {
		t.Errorf("of another tenant: %s", others.body)
	}
	if last := r.do(request{method: "GET", path: "/mooring/tpm/devices/dev1"}).want(t, 200).tree(t)["last"].(map[string]any); last["serial"] != "c" || last["model"] != "model" {
		t.Errorf("%v", last)
	}
}
