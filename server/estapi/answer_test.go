package estapi_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"mooring/internal/est"
	"mooring/server/ca"
	"mooring/server/platform"
)

func parse(t testing.TB, der []byte) *x509.Certificate {
	t.Helper()
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestRefusals(t *testing.T) {
	r := newRig(t, ca.Limits{})
	good := csr(t, newKey(t), "dev1")
	const refused = "No newDeviceRequest found for this ID. It may already be registered, check the audit logs for details."
	const noCA = "Tenant CA certificate is either missing, expired, or has a validity of less than one year"
	tests := []struct {
		name   string
		ask    ask
		status int
		code   string
		text   string
		kept   platform.Refusal // tenant, CN and reason; zero: none
	}{
		{name: "wrong OTP", ask: ask{path: "simpleenroll", basic: "dev1:wrong", body: good}, status: 401, code: "security/Unauthorized", text: refused,
			kept: platform.Refusal{Tenant: tenant, CN: "dev1", Reason: platform.ReasonBadOTP}},
		{name: "unknown device", ask: ask{path: "simpleenroll", basic: "dev9:otp", body: good}, status: 401, code: "security/Unauthorized", text: refused,
			kept: platform.Refusal{Tenant: platform.Management, CN: "dev9", Reason: platform.ReasonBadOTP}},
		{name: "wrong OTP and a broken body", ask: ask{path: "simpleenroll", basic: "dev1:wrong", body: []byte("!")}, status: 401, code: "security/Unauthorized",
			text: refused, kept: platform.Refusal{Tenant: tenant, CN: "dev1", Reason: platform.ReasonBadOTP}},
		{name: "broken body", ask: ask{path: "simpleenroll", basic: "dev1:otp", body: []byte("!")}, status: 400, code: "est/Bad Request",
			text: "neither DER nor base64", kept: platform.Refusal{Tenant: tenant, CN: "dev1", Reason: platform.ReasonBadCSR}},
		{name: "empty body", ask: ask{path: "simpleenroll", basic: "dev1:otp"}, status: 400, code: "est/Bad Request",
			kept: platform.Refusal{Tenant: tenant, CN: "dev1", Reason: platform.ReasonBadCSR}},
		{name: "other CN", ask: ask{path: "simpleenroll", basic: "dev1:otp", body: csr(t, newKey(t), "dev2")}, status: 422, code: "est/Unprocessable Entity",
			kept: platform.Refusal{Tenant: tenant, CN: "dev1", Reason: platform.ReasonBadCSR}},
		{name: "body too long", ask: ask{path: "simpleenroll", basic: "dev1:otp", body: []byte(strings.Repeat("A", est.MaxBodyBytes+1))}, status: 413,
			code: "est/Payload Too Large"},
		{name: "longest body", ask: ask{path: "simpleenroll", basic: "dev1:otp", body: append(good, strings.Repeat("\n", est.MaxBodyBytes-len(good))...)}, status: 200},
		{name: "tenant without authority", ask: ask{path: "simpleenroll", basic: "t2000/dev1:otp", body: good}, status: 404,
			code: "Certificate Authority (CA)/Not Found", text: noCA},
		{name: "cacerts without authority", ask: ask{method: "GET", path: "t2000/cacerts"}, status: 404, code: "Certificate Authority (CA)/Not Found", text: noCA},
		{name: "unknown tenant", ask: ask{path: "simpleenroll", basic: "t9/dev1:otp", body: good}, status: 401, code: "security/Unauthorized"},
		{name: "unknown host", ask: ask{path: "simpleenroll", host: "nowhere.example.com", basic: "dev1:otp", body: good}, status: 404},
		{name: "unknown label", ask: ask{path: "t9/simpleenroll", basic: "dev1:otp", body: good}, status: 404, code: "security/Not Found", text: "There is no tenant with id = t9"},
		{name: "label and tenant differ", ask: ask{path: "t1000/simpleenroll", basic: "t2000/dev1:otp", body: good}, status: 401, code: "security/Unauthorized"},
		{name: "an operation as label", ask: ask{method: "GET", path: "cacerts/cacerts"}, status: 404, code: "est/Not Found"},
		{name: "two labels", ask: ask{method: "GET", path: "t1000/x/cacerts"}, status: 404, code: "est/Not Found"},
		{name: "serverkeygen", ask: ask{path: "serverkeygen"}, status: 404, code: "est/Not Found"},
		{name: "fullcmc", ask: ask{path: "fullcmc"}, status: 404, code: "est/Not Found"},
		{name: "GET simpleenroll", ask: ask{method: "GET", path: "simpleenroll"}, status: 405, code: "est/Method Not Allowed"},
		{name: "POST cacerts", ask: ask{path: "cacerts"}, status: 405, code: "est/Method Not Allowed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r.t = t
			r.register(tenant, "dev1", "otp")
			r.register(other, "dev1", "otp")
			r.refusals.all = nil
			got := r.do(tt.ask)
			if got.StatusCode != tt.status {
				t.Fatalf("status %d, want %d: %s", got.StatusCode, tt.status, got.body)
			}
			if kept := r.refusals.last(); kept.Tenant != tt.kept.Tenant || kept.CN != tt.kept.CN || kept.Reason != tt.kept.Reason {
				t.Errorf("kept refusal = %+v, want %+v", kept, tt.kept)
			} else if kept.CN != "" && (kept.Door != "est" || kept.Address != "127.0.0.1" || kept.Detail == "" || kept.At.IsZero()) {
				t.Errorf("kept refusal = %+v, want door, address, detail and time", kept)
			}
			if tt.status == 200 {
				return
			}
			var body struct{ Error, Message, Info string }
			if err := json.Unmarshal(got.body, &body); err != nil {
				t.Fatalf("%v in %s", err, got.body)
			}
			if tt.code != "" && body.Error != tt.code || !strings.Contains(body.Message, tt.text) || body.Message == "" || body.Info == "" {
				t.Errorf("body = %+v, want error %q and %q in the message", body, tt.code, tt.text)
			}
			if want := "application/vnd.com.nsn.cumulocity.error+json;charset=UTF-8;ver=0.9"; got.Header.Get("Content-Type") != want {
				t.Errorf("Content-Type = %q, want %q", got.Header.Get("Content-Type"), want)
			}
			if challenge := got.Header.Get("Www-Authenticate"); (challenge == `Basic realm="Cumulocity"`) != (tt.status == 401) {
				t.Errorf("challenge = %q with status %d", challenge, tt.status)
			}
			if allow := got.Header.Get("Allow"); (allow != "") != (tt.status == 405) {
				t.Errorf("Allow = %q with status %d", allow, tt.status)
			}
			if got.ContentLength != int64(len(got.body)) {
				t.Errorf("length %d of %d bytes", got.ContentLength, len(got.body))
			}
		})
	}
}

func TestBodyOfUnknownLength(t *testing.T) {
	r := newRig(t, ca.Limits{})
	r.register(tenant, "dev1", "otp")
	for n, want := range map[int]int{est.MaxBodyBytes: 400, est.MaxBodyBytes + 1: 413} {
		body := io.MultiReader(strings.NewReader(strings.Repeat("A", n))) // hides its length: sent in chunks
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.https.URL+"/.well-known/est/simpleenroll", body)
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth("dev1", "otp")
		res, err := r.https.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%d bytes: status %d, want %d", n, res.StatusCode, want)
		}
	}
}

func TestErrorsInText(t *testing.T) {
	tests := []struct {
		accept string
		json   bool
	}{
		{accept: "", json: true},
		{accept: "*/*", json: true},
		{accept: "application/json", json: true},
		{accept: "application/vnd.com.nsn.cumulocity.error+json;ver=0.9", json: true},
		{accept: "application/pkcs7-mime, */*;q=0.1", json: true},
		{accept: "application/pkcs7-mime"},
		{accept: "application/pkcs10"},
		{accept: "text/plain"},
	}
	r := newRig(t, ca.Limits{})
	for _, tt := range tests {
		t.Run(tt.accept, func(t *testing.T) {
			r.t = t
			got := r.do(ask{path: "simpleenroll", header: http.Header{"Accept": {tt.accept}}})
			if got.StatusCode != 401 || json.Valid(got.body) != tt.json {
				t.Errorf("status %d, body %s", got.StatusCode, got.body)
			}
			if isText := strings.HasPrefix(got.Header.Get("Content-Type"), "text/plain"); isText == tt.json {
				t.Errorf("Content-Type = %q", got.Header.Get("Content-Type"))
			}
		})
	}
}

// TestChallengeOnTheWire reads bytes: libest compares the name of the header
// as the RFC spells it, and gives up when the first answer has no challenge.
func TestChallengeOnTheWire(t *testing.T) {
	r := newRig(t, ca.Limits{})
	config := r.https.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	config.NextProtos = nil
	conn, err := tls.Dial("tcp", r.https.Listener.Addr().String(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	fmt.Fprint(conn, "POST /.well-known/est/simpleenroll HTTP/1.1\r\nHost: t1000.example.com\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
	text, err := io.ReadAll(bufio.NewReader(conn))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "\r\nWWW-Authenticate: Basic realm=\"Cumulocity\"\r\n") {
		t.Errorf("no challenge as libest wants it in\n%s", text)
	}
	if !strings.Contains(string(text), "\r\nContent-Length: ") || strings.Contains(string(text), "chunked") {
		t.Errorf("no length in\n%s", text)
	}
}

func TestCSRAttributes(t *testing.T) {
	r := newRig(t, ca.Limits{})
	for path, want := range map[string]int{"csrattrs": 204, "t1000/csrattrs": 204, "t9/csrattrs": 404} {
		if got := r.do(ask{method: http.MethodGet, path: path}); got.StatusCode != want || want == 204 && len(got.body) > 0 {
			t.Errorf("%s: status %d with %d bytes, want %d", path, got.StatusCode, len(got.body), want)
		}
	}
}

func TestTrailingSlash(t *testing.T) {
	r := newRig(t, ca.Limits{})
	r.do(ask{method: http.MethodGet, path: "cacerts/"}).leaf(t)
}

// TestOpenSSLReadsTheAnswer lets another implementation judge the DER.
func TestOpenSSLReadsTheAnswer(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		if os.Getenv("REQUIRE_HSM") == "1" {
			t.Fatal("openssl is not installed")
		}
		t.Skip("openssl is not installed")
	}
	r := newRig(t, ca.Limits{})
	r.register(tenant, "dev1", "otp")
	got := r.do(ask{path: "simpleenroll", basic: "dev1:otp", body: csr(t, newKey(t), "dev1")})
	got.leaf(t)
	der, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(got.body)))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(openssl, "pkcs7", "-inform", "DER", "-print_certs", "-noout")
	cmd.Stdin = strings.NewReader(string(der))
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Count(string(out), "subject=") != 1 || !strings.Contains(string(out), "dev1") {
		t.Errorf("openssl: %v\n%s", err, out)
	}
}
