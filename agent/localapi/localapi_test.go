package localapi_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"mooring/internal/pki"
)

// What each call answers, right and wrong.
func TestCalls(t *testing.T) {
	d := newDevice(t)
	r := startAPI(t, d, policy(t, everybody()))
	digest := sha256.Sum256([]byte("text"))
	sign := func(hash string, digest []byte) string {
		return fmt.Sprintf(`{"hash":%q,"digest":%q}`, hash, base64.StdEncoding.EncodeToString(digest))
	}
	for _, row := range []struct {
		method, target, body string
		status               int
		contains             string
	}{
		{"GET", "/v1/status", "", 200, `{"state":"valid"}`},
		{"POST", "/v1/token", "", 200, `{"token":"token-1","expires":"2027-01-15T08:00:00Z"}`},
		{"GET", "/v1/chain", "", 409, "not enrolled"},
		{"POST", "/v1/publish", "200,c8y_T,T,1,C", 200, "{}"},
		{"POST", "/v1/publish?topic=measurement/measurements/create", "{}", 200, "{}"},
		{"POST", "/v1/publish?topic=s/uat", "x", 403, "local.publish"},
		{"POST", "/v1/publish?topic=measurement/%2B", "x", 403, "local.publish"},
		{"POST", "/v1/publish", "", 400, "nothing to publish"},
		{"POST", "/v1/publish", strings.Repeat("x", 128<<10), 200, "{}"},
		{"POST", "/v1/publish", strings.Repeat("x", 128<<10+1), 413, "at most 131072 bytes"},
		{"GET", "/v1/messages?topic=s/dat", "", 403, "local.subscribe"},
		{"GET", "/v1/messages?topic=%23", "", 403, "local.subscribe"},
		{"POST", "/v1/sign", sign("SHA-256", digest[:]), 200, `{"signature":"`},
		{"POST", "/v1/sign", sign("SHA-256", digest[:31]), 400, "as long as it says"},
		{"POST", "/v1/sign", sign("MD5", digest[:16]), 400, "hash must be"},
		{"POST", "/v1/sign", "{", 400, "no JSON"},
		{"GET", "/v1/sign", "", 405, ""},
		{"GET", "/v2/status", "", 404, ""},
	} {
		if status, text := r.call(row.method, row.target, row.body); status != row.status || !strings.Contains(text, row.contains) {
			t.Errorf("%s %s: got %d %s; want %d with %s", row.method, row.target, status, text, row.status, row.contains)
		}
	}
	if got := d.sent[:2]; got[0] != "s/us 200,c8y_T,T,1,C" || got[1] != "measurement/measurements/create {}" {
		t.Errorf("sent %q", got)
	}
	d.fail = errAway
	for _, target := range []string{"/v1/token", "/v1/publish"} {
		if status, text := r.call("POST", target, "x"); status != 503 || !strings.Contains(text, `"kind":"unavailable"`) {
			t.Errorf("%s without connection: got %d %s", target, status, text)
		}
	}
	if log := r.log.String(); !strings.Contains(log, "verb=token uid=") || strings.Contains(log, "token-1") {
		t.Errorf("log: %s", log)
	}
}

// A body that is not whole is no long one, and is not published.
func TestBrokenBody(t *testing.T) {
	d := newDevice(t)
	r := startAPI(t, d, policy(t, everybody()))
	for _, rest := range []string{"Content-Length: 90\r\n\r\n200,a", "Transfer-Encoding: chunked\r\n\r\n-9\r\n200,a,b,1\r\n0\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n9\r\n200"} {
		c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: r.path, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte("POST /v1/publish HTTP/1.1\r\nHost: x\r\n" + rest)); err != nil {
			t.Fatal(err)
		}
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		answer, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || answer.StatusCode != http.StatusBadRequest {
			t.Errorf("%q: got %v, %v; want 400", rest, answer, err)
		}
		_ = c.Close() // only read
	}
	if len(d.sent) != 0 {
		t.Errorf("sent %q", d.sent)
	}
}

// A signature is the key's.
func TestSign(t *testing.T) {
	d := newDevice(t)
	r := startAPI(t, d, policy(t, everybody()))
	digest := sha256.Sum256([]byte("text"))
	_, text := r.call("POST", "/v1/sign", fmt.Sprintf(`{"hash":"SHA-256","digest":%q}`, base64.StdEncoding.EncodeToString(digest[:])))
	var answer struct{ Signature []byte }
	if err := json.Unmarshal([]byte(text), &answer); err != nil || !ecdsa.VerifyASN1(&d.key.PublicKey, digest[:], answer.Signature) {
		t.Errorf("got %s, %v", text, err)
	}
}

// Who follows the chain is told of each one, once.
func TestFollowChain(t *testing.T) {
	d := newDevice(t)
	r := startAPI(t, d, policy(t, everybody()))
	answer := r.open("GET", "/v1/chain?follow", "")
	defer func() { _ = answer.Body.Close() }()
	lines := bufio.NewScanner(answer.Body)
	for serial := int64(1); serial < 4; serial++ {
		d.renew(t, serial)
		if !lines.Scan() {
			t.Fatal(lines.Err())
		}
		var event struct{ Fingerprint, Chain string }
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			t.Fatal(err)
		}
		chain, err := pki.ParsePEMChain([]byte(event.Chain))
		if err != nil || chain.Leaf().SerialNumber.Int64() != serial || event.Fingerprint != pki.Fingerprint(chain.Leaf()) {
			t.Errorf("got %v, %v; want serial %d", event, err, serial)
		}
	}
	if _, text := r.call("GET", "/v1/chain", ""); !strings.HasPrefix(text, "-----BEGIN CERTIFICATE-----") {
		t.Errorf("got %s", text)
	}
}

// Who follows the status is told of each change, once.
func TestFollowStatus(t *testing.T) {
	d := newDevice(t)
	r := startAPI(t, d, policy(t, everybody()))
	answer := r.open("GET", "/v1/status?follow", "")
	defer func() { _ = answer.Body.Close() }()
	lines := bufio.NewScanner(answer.Body)
	for _, state := range []string{"valid", "recovering", "valid"} {
		d.become(state)
		d.become(state)
		if !lines.Scan() || lines.Text() != `{"state":"`+state+`"}` {
			t.Fatalf("got %s, %v; want %s", lines.Text(), lines.Err(), state)
		}
	}
}

// What the server sends reaches who asked for it; the end of the API ends the
// stream at once.
func TestMessages(t *testing.T) {
	d := newDevice(t)
	r := startAPI(t, d, policy(t, everybody()))
	answer := r.open("GET", "/v1/messages?topic=s/ds&topic=s/dc/%23", "")
	defer func() { _ = answer.Body.Close() }()
	lines := bufio.NewScanner(answer.Body)
	for _, payload := range []string{"510,dev1", "two\nlines"} {
		d.send(payload)
		if !lines.Scan() {
			t.Fatal(lines.Err())
		}
		var event struct{ Topic, Payload string }
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil || event.Topic != "s/ds" || event.Payload != payload {
			t.Errorf("got %s, %v; want %q", lines.Text(), err, payload)
		}
	}
}

// The agent's own user may do all but sign, which takes a rule.
func TestRules(t *testing.T) {
	for rule, want := range map[string]int{"* status": 403, everybody(): 400} {
		r := startAPI(t, newDevice(t), policy(t, rule))
		for target, want := range map[string]int{"/v1/token": 200, "/v1/sign": want} {
			if status, text := r.call("POST", target, ""); status != want {
				t.Errorf("%s: %s: got %d %s, want %d", rule, target, status, text, want)
			}
		}
	}
}

// A user who calls too often is told when to come back.
func TestRate(t *testing.T) {
	p := policy(t, everybody())
	p.Rate = 2 // four at once
	r := startAPI(t, newDevice(t), p)
	for i := range 5 {
		answer := r.open("GET", "/v1/status", "")
		_ = answer.Body.Close()
		want := http.StatusOK
		if i == 4 {
			want = http.StatusTooManyRequests
			if answer.Header.Get("Retry-After") != "1" {
				t.Errorf("Retry-After: got %q", answer.Header.Get("Retry-After"))
			}
		}
		if answer.StatusCode != want {
			t.Errorf("call %d: got %d, want %d", i, answer.StatusCode, want)
		}
	}
}

// One user's connections leave seats to the others: the seventeenth is closed.
func TestSeatsOfOneUser(t *testing.T) {
	r := startAPI(t, newDevice(t), policy(t, everybody()))
	ask := func(nc net.Conn) bool {
		_ = nc.SetDeadline(time.Now().Add(10 * time.Second))
		fmt.Fprint(nc, "GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n")
		_, err := http.ReadResponse(bufio.NewReader(nc), nil)
		return err == nil
	}
	for i := range 17 {
		nc, err := net.Dial("unix", r.path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = nc.Close() }()
		if got := ask(nc); got != (i < 16) {
			t.Errorf("connection %d: answered %v", i+1, got)
		}
	}
}
