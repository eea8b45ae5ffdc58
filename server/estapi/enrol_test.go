package estapi_test

import (
	"bytes"
	"crypto/tls"
	"encoding/pem"
	"net/http"
	"strings"
	"testing"
	"time"

	"mooring/internal/est"
	"mooring/server/ca"
	"mooring/server/platform"
)

func TestSimpleEnrol(t *testing.T) {
	r := newRig(t, ca.Limits{})
	text := string(csr(t, newKey(t), "dev1"))
	der, err := est.DecodeRequest([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	lines := string(est.EncodeRequest(der))
	armoured := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
	tests := []struct {
		name string
		ask  ask
	}{
		{name: "one line", ask: ask{basic: "dev1:otp:with:colons", body: []byte(text)}},
		{name: "lines", ask: ask{basic: "dev1:otp:with:colons", body: []byte(lines)}},
		{name: "CRLF lines", ask: ask{basic: "dev1:otp:with:colons", body: []byte(strings.ReplaceAll(lines, "\n", "\r\n"))}},
		{name: "armour", ask: ask{basic: "dev1:otp:with:colons", body: armoured}},
		{name: "DER", ask: ask{basic: "dev1:otp:with:colons", body: der}},
		{name: "wrong transfer encoding", ask: ask{basic: "dev1:otp:with:colons", body: der,
			header: http.Header{"Content-Transfer-Encoding": {"base64"}, "Content-Type": {"application/x-www-form-urlencoded"}}}},
		{name: "Accept of the command line", ask: ask{basic: "dev1:otp:with:colons", body: []byte(text), header: http.Header{"Accept": {"application/json"}}}},
		{name: "tenant named", ask: ask{basic: "t1000/dev1:otp:with:colons", body: []byte(text), host: "t2000.example.com"}},
		{name: "label", ask: ask{path: "t1000/", basic: "dev1:otp:with:colons", body: []byte(text), host: "t2000.example.com"}},
		{name: "label and tenant", ask: ask{path: "t1000/", basic: "t1000/dev1:otp:with:colons", body: []byte(text)}},
		{name: "on mtls without certificate", ask: ask{server: r.mtls, basic: "dev1:otp:with:colons", body: []byte(text)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r.t = t
			r.register(tenant, "dev1", "otp:with:colons")
			tt.ask.path += "simpleenroll"
			leaf := r.do(tt.ask).leaf(t)
			if leaf.Subject.CommonName != "dev1" || leaf.CheckSignatureFrom(r.authority) != nil {
				t.Errorf("leaf of %q", leaf.Subject.CommonName)
			}
		})
	}
}

// TestRecipe holds an answer to est-interop.md §2: what one client or another
// fails without.
func TestRecipe(t *testing.T) {
	r := newRig(t, ca.Limits{})
	r.register(tenant, "dev1", "otp")
	got := r.do(ask{path: "simpleenroll", basic: "dev1:otp", body: csr(t, newKey(t), "dev1")})
	got.leaf(t)
	want := map[string]string{
		"Content-Type":              "application/pkcs7-mime; smime-type=certs-only",
		"Content-Transfer-Encoding": "base64",
	}
	for name, value := range want {
		if g := got.Header.Values(name); len(g) != 1 || g[0] != value {
			t.Errorf("%s = %q, want %q", name, g, value)
		}
	}
	if got.StatusCode != 200 {
		t.Errorf("status = %d, want 200", got.StatusCode)
	}
	if got.ContentLength != int64(len(got.body)) || len(got.TransferEncoding) > 0 {
		t.Errorf("length %d of %d bytes, transfer encoding %v", got.ContentLength, len(got.body), got.TransferEncoding)
	}
	if n := len(got.body); n > 1001 || bytes.Count(got.body, []byte("\n")) != 1 || got.body[n-1] != '\n' {
		t.Errorf("body of %d bytes with %d line ends, want one line of at most 1,000 characters", n, bytes.Count(got.body, []byte("\n")))
	}
	var head bytes.Buffer
	if err := got.Header.Write(&head); err != nil || head.Len() > 1000 {
		t.Errorf("headers of %d bytes, want fewer than 1 KiB", head.Len())
	}
	cacerts := r.do(ask{method: http.MethodGet, path: "cacerts"})
	if c := cacerts.leaf(t); !c.Equal(r.authority) || len(cacerts.body) > 1001 {
		t.Errorf("cacerts: %d bytes of %v", len(cacerts.body), c.Subject)
	}
	if got := r.do(ask{method: http.MethodHead, path: "cacerts"}); got.StatusCode != 200 || got.ContentLength != int64(len(cacerts.body)) {
		t.Errorf("HEAD cacerts: status %d, length %d", got.StatusCode, got.ContentLength)
	}
}

func TestPKCS10Answer(t *testing.T) {
	tests := []struct {
		accept string
		bare   bool
	}{
		{accept: "application/pkcs10", bare: true},
		{accept: "Application/PKCS10; q=1", bare: true},
		{accept: "application/pkcs10, application/pkcs7-mime"},
		{accept: "*/*"},
		{accept: ""},
	}
	r := newRig(t, ca.Limits{})
	for _, tt := range tests {
		t.Run(tt.accept, func(t *testing.T) {
			r.t = t
			r.register(tenant, "dev1", "otp")
			k := newKey(t)
			got := r.do(ask{path: "simpleenroll", basic: "dev1:otp", body: csr(t, k, "dev1"), header: http.Header{"Accept": {tt.accept}}})
			if !tt.bare {
				got.leaf(t)
				return
			}
			der, err := est.DecodeRequest(got.body)
			if err != nil || got.Header.Get("Content-Type") != "application/pkcs10" || got.Header.Get("Content-Transfer-Encoding") != "base64" {
				t.Fatalf("headers %v, %v", got.Header, err)
			}
			if c := parse(t, der); !k.PublicKey.Equal(c.PublicKey) {
				t.Error("the certificate has another key")
			}
		})
	}
}

func TestLostAnswer(t *testing.T) {
	r := newRig(t, ca.Limits{})
	r.register(tenant, "dev1", "otp")
	k := newKey(t)
	first := r.do(ask{path: "simpleenroll", basic: "dev1:otp", body: csr(t, k, "dev1")}).leaf(t)
	again := r.do(ask{path: "simpleenroll", basic: "dev1:otp", body: csr(t, k, "dev1")}).leaf(t)
	if !first.Equal(again) {
		t.Error("the same key got another leaf")
	}
	if got := r.do(ask{path: "simpleenroll", basic: "dev1:otp", body: csr(t, newKey(t), "dev1")}); got.StatusCode != 401 {
		t.Errorf("another key: status %d, want 401", got.StatusCode)
	}
}

func TestReEnrol(t *testing.T) {
	r := newRig(t, ca.Limits{})
	r.register(tenant, "dev1", "otp")
	r.addUser("dev1", "")
	k := newKey(t)
	leaf := r.do(ask{path: "simpleenroll", basic: "dev1:otp", body: csr(t, k, "dev1")}).leaf(t)
	certificate := &tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: k}
	token, err := r.tokens.Issue(t.Context(), platform.Principal{Tenant: tenant, Device: "dev1"}, "t1000.example.com")
	if err != nil {
		t.Fatal(err)
	}
	const text401 = "Full authentication is required to access this resource"
	tests := []struct {
		name   string
		ask    ask
		cn     string
		status int
		text   string
	}{
		{name: "token", ask: ask{path: "simplereenroll", bearer: token}, status: 200},
		{name: "token on simpleenroll", ask: ask{path: "simpleenroll", bearer: token}, status: 200},
		{name: "certificate on mtls", ask: ask{server: r.mtls, path: "simplereenroll", client: certificate}, status: 200},
		{name: "certificate on mtls to simpleenroll", ask: ask{server: r.mtls, path: "simpleenroll", client: certificate}, status: 200},
		{name: "certificate on https", ask: ask{path: "simplereenroll", client: certificate}, status: 401, text: text401},
		{name: "nothing", ask: ask{path: "simplereenroll"}, status: 401, text: text401},
		{name: "nothing to simpleenroll", ask: ask{path: "simpleenroll"}, status: 401, text: text401},
		{name: "wrong token", ask: ask{path: "simplereenroll", bearer: token + "x"}, status: 401},
		{name: "wrong token beside a certificate", ask: ask{server: r.mtls, path: "simplereenroll", client: certificate, bearer: "x"}, status: 401},
		{name: "the OTP", ask: ask{path: "simplereenroll", basic: "dev1:otp"}, status: 401},
		{name: "a person", ask: ask{path: "simplereenroll", basic: "admin:admin-password"}, status: 403, text: "Access is denied."},
		{name: "a person to simpleenroll", ask: ask{path: "simpleenroll", basic: "admin:admin-password"}, status: 401},
		{name: "own label", ask: ask{path: "t1000/simplereenroll", bearer: token}, status: 200},
		{name: "another tenant's label", ask: ask{path: "t2000/simplereenroll", bearer: token}, status: 401},
		{name: "unknown label", ask: ask{path: "t9/simplereenroll", bearer: token}, status: 404},
		{name: "another CN", ask: ask{path: "simplereenroll", bearer: token}, cn: "dev2", status: 422},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r.t = t
			cn := tt.cn
			if cn == "" {
				cn = "dev1"
			}
			next := newKey(t)
			tt.ask.body = csr(t, next, cn)
			got := r.do(tt.ask)
			if got.StatusCode != tt.status || !strings.Contains(string(got.body), tt.text) {
				t.Fatalf("status %d, want %d: %s", got.StatusCode, tt.status, got.body)
			}
			if tt.status == 200 && !next.PublicKey.Equal(got.leaf(t).PublicKey) {
				t.Error("the leaf has another key than the request")
			}
		})
	}
}

func TestPasswordConverts(t *testing.T) {
	for _, path := range []string{"simpleenroll", "simplereenroll"} {
		for _, user := range []string{"device_dev1", "t1000/device_dev1"} {
			t.Run(path+" "+user, func(t *testing.T) {
				r := newRig(t, ca.Limits{})
				r.addUser("dev1", "pass:word")
				if got := r.do(ask{path: path, basic: user + ":pass-word", body: csr(t, newKey(t), "dev1")}); got.StatusCode != 401 {
					t.Errorf("wrong password: status %d", got.StatusCode)
				}
				r.do(ask{path: path, basic: user + ":pass:word", body: csr(t, newKey(t), "dev1")}).leaf(t)
				u, err := r.store.DeviceUser(t.Context(), tenant, "dev1")
				if err != nil || u.Credential != platform.CredentialCertificate {
					t.Errorf("device user = %+v, %v, want one with a certificate", u, err)
				}
			})
		}
	}
}

func TestPasswordUnderALabel(t *testing.T) {
	r := newRig(t, ca.Limits{})
	r.addUser("dev1", "password")
	r.do(ask{path: "t1000/simplereenroll", host: "t2000.example.com", basic: "device_dev1:password", body: csr(t, newKey(t), "dev1")}).leaf(t)
}

// TestDeviceNamedLikeAUser: an external ID may begin as a device user does.
func TestDeviceNamedLikeAUser(t *testing.T) {
	r := newRig(t, ca.Limits{})
	r.register(tenant, "device_001", "otp")
	leaf := r.do(ask{path: "simpleenroll", basic: "device_001:otp", body: csr(t, newKey(t), "device_001")}).leaf(t)
	if leaf.Subject.CommonName != "device_001" {
		t.Errorf("CN = %q", leaf.Subject.CommonName)
	}
}

func TestRateLimit(t *testing.T) {
	r := newRig(t, ca.Limits{Guess: ca.Rate{Burst: 2, Every: 90 * time.Second}})
	r.register(tenant, "dev1", "otp")
	body := csr(t, newKey(t), "dev1")
	for i, want := range []int{401, 401, 429} {
		got := r.do(ask{path: "simpleenroll", basic: "dev1:guess", body: body})
		if got.StatusCode != want {
			t.Fatalf("guess %d: status %d, want %d", i+1, got.StatusCode, want)
		}
		if after := got.Header.Get("Retry-After"); want == 429 && after != "90" {
			t.Errorf("Retry-After = %q, want whole seconds, 90", after)
		}
	}
}
