package interop_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// maxESTBody is the longest request that the server reads (internal/est).
const maxESTBody = 64 << 10

// TestBadEnrolments: each bad request has a clear answer, issues nothing and
// leaves the one-time password good.
func TestBadEnrolments(t *testing.T) {
	t.Parallel()
	s := launch{}.start(t, t.TempDir())
	s.authority(t)
	key := newKey(t)
	der := func(t *testing.T, cn string) []byte {
		text, err := base64.StdEncoding.DecodeString(request(t, key, cn))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	encoded := base64.StdEncoding.EncodeToString
	tests := []struct {
		name   string
		otp    string // empty: the right one
		body   func(t *testing.T, id string) string
		status int
		code   string
	}{
		{"wrong password", "wrong", nil, http.StatusUnauthorized, "security/Unauthorized"},
		{"right password with a letter more", "otp-of-bad-1x", nil, http.StatusUnauthorized, "security/Unauthorized"},
		{"malformed, wrong password", "wrong", func(*testing.T, string) string { return "x" }, http.StatusUnauthorized, "security/Unauthorized"},
		{"common name of another", "", func(t *testing.T, _ string) string { return request(t, key, "bad-0") }, http.StatusUnprocessableEntity, ""},
		{"no common name", "", func(t *testing.T, _ string) string { return request(t, key, "") }, http.StatusUnprocessableEntity, ""},
		{"empty", "", func(*testing.T, string) string { return "" }, http.StatusBadRequest, ""},
		{"not base64", "", func(*testing.T, string) string { return "%%%%" }, http.StatusBadRequest, ""},
		{"base64 of nothing useful", "", func(*testing.T, string) string { return encoded([]byte("hello")) }, http.StatusBadRequest, ""},
		{"cut", "", func(t *testing.T, id string) string { d := der(t, id); return encoded(d[:len(d)-1]) }, http.StatusBadRequest, ""},
		{"one byte more", "", func(t *testing.T, id string) string { return encoded(append(der(t, id), 0)) }, http.StatusBadRequest, ""},
		{"signature broken", "", func(t *testing.T, id string) string { d := der(t, id); d[len(d)-1] ^= 1; return encoded(d) }, http.StatusUnprocessableEntity, ""},
		{"certificate as request", "", func(t *testing.T, _ string) string {
			block, _ := pem.Decode([]byte(readFile(t, s.rootFile())))
			return encoded(block.Bytes)
		}, http.StatusBadRequest, ""},
		{"weak key", "", weakRequest, http.StatusUnprocessableEntity, ""},
		{"one byte too long", "", func(*testing.T, string) string { return strings.Repeat("A", maxESTBody+1) }, http.StatusRequestEntityTooLarge, ""},
		{"as long as may be", "", func(*testing.T, string) string { return strings.Repeat("A", maxESTBody) }, http.StatusBadRequest, ""},
	}
	for n, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			id := fmt.Sprintf("bad-%d", n)
			password := "otp-of-" + id
			s.register(t, id, password)
			body, otp := request(t, key, id), password
			if tt.otp != "" {
				otp = tt.otp
			}
			if tt.body != nil {
				body = tt.body(t, id)
			}
			a := s.est(t, id, otp, body)
			t.Log(a)
			if a.status != tt.status {
				t.Errorf("want status %d: %s", tt.status, a)
			}
			a.explained(t, tt.code)
			if got := issued(t, s, id); len(got) != 0 {
				t.Errorf("issued %v", got)
			}
			if a := s.est(t, id, password, request(t, newKey(t), id)); a.status != http.StatusOK {
				t.Errorf("the password is lost: %s", a)
			}
		})
	}
}

func weakRequest(t *testing.T, id string) string {
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	return request(t, key, id)
}

// explained: a refusal is JSON for people and programs, and no certificate.
func (a answer) explained(t testing.TB, code string) {
	t.Helper()
	var told struct{ Error, Message string }
	if err := json.Unmarshal(a.body, &told); err != nil || told.Error == "" || told.Message == "" || code != "" && told.Error != code {
		t.Errorf("no explanation: %s", a)
	}
}

// TestSpentPassword: a password works once, and who failed with it learns no
// more than a stranger.
func TestSpentPassword(t *testing.T) {
	t.Parallel()
	s := launch{}.start(t, t.TempDir())
	s.authority(t)
	s.register(t, "once", "otp-of-once")
	first := newKey(t)
	if a := s.est(t, "once", "otp-of-once", request(t, first, "once")); a.status != http.StatusOK {
		t.Fatal(a)
	}
	again := s.est(t, "once", "otp-of-once", request(t, first, "once"))
	if again.status != http.StatusOK || len(issued(t, s, "once")) != 1 {
		t.Errorf("the same key asks again: %s, issued %v", again, issued(t, s, "once"))
	}
	spent := s.est(t, "once", "otp-of-once", request(t, newKey(t), "once"))
	unknown := s.est(t, "nobody", "otp-of-once", request(t, newKey(t), "nobody"))
	if spent.status != http.StatusUnauthorized || unknown.status != spent.status || !bytes.Equal(spent.body, unknown.body) {
		t.Errorf("spent: %s, unknown: %s", spent, unknown)
	}
	if got := issued(t, s, "once"); len(got) != 1 {
		t.Errorf("issued %v", got)
	}
}

// TestBrokenRows: broken rows of a file of registrations fail alone, each with
// its reason.
func TestBrokenRows(t *testing.T) {
	t.Parallel()
	s := launch{}.start(t, t.TempDir())
	s.authority(t)
	const header = "ID;AUTH_TYPE;ENROLLMENT_OTP\n"
	rows := []struct{ row, id string }{ // id: empty if the row is good
		{"good-1;CERTIFICATES;otp-of-good-1", ""},
		{"short;CERTIFICATES", "short"},
		{"long;CERTIFICATES;otp;more", "long"},
		{";CERTIFICATES;otp", "nameless"},
		{"a:b;CERTIFICATES;otp", "a:b"},
		{`"open;CERTIFICATES;otp`, "open"},
		{"kind;MAGIC;otp", "kind"},
		{"both;BASIC;otp", "both"},
		{"wide;CERTIFICATES;" + strings.Repeat("x", 33), "wide"},
		{"good-2;CERTIFICATES;otp-of-good-2", ""},
	}
	var file strings.Builder
	file.WriteString(header)
	bad := 0
	for _, r := range rows {
		file.WriteString(r.row + "\n")
		if r.id != "" {
			bad++
		}
	}
	a := s.bulk(t, file.String())
	var result struct {
		NumberOfAll, NumberOfSuccessful, NumberOfFailed int
		FailedCreationList                              []struct{ FailureReason, Line string }
	}
	if err := json.Unmarshal(a.body, &result); err != nil {
		t.Fatalf("%v: %s", err, a)
	}
	if result.NumberOfAll != len(rows) || result.NumberOfFailed != bad || result.NumberOfSuccessful != len(rows)-bad || len(result.FailedCreationList) != bad {
		t.Errorf("want %d of %d rows to fail: %s", bad, len(rows), a)
	}
	if slices.ContainsFunc(result.FailedCreationList, func(f struct{ FailureReason, Line string }) bool { return f.FailureReason == "" }) {
		t.Errorf("a failure without reason: %s", a)
	}
	if strings.Contains(string(a.body), "otp") {
		t.Errorf("a password is in the answer: %s", a)
	}
	for _, id := range []string{"good-1", "good-2"} {
		if a := s.est(t, id, "otp-of-"+id, request(t, newKey(t), id)); a.status != http.StatusOK {
			t.Errorf("%s: %s", id, a)
		}
	}
	for _, id := range []string{"short", "long", "open", "kind", "both", "wide"} {
		if a := s.admin(t, http.MethodGet, "/identity/externalIds/c8y_Serial/"+id, "", nil); a.status != http.StatusNotFound {
			t.Errorf("%s is there: %s", id, a)
		}
	}
	for name, text := range map[string]string{"empty": "", "header without ID": "NAME;AUTH_TYPE\nx;CERTIFICATES\n", "NULs": "\x00\x00\x00"} {
		if a := s.bulk(t, text); a.status == http.StatusCreated && strings.Contains(string(a.body), `"numberOfSuccessful":1`) || a.status >= 500 {
			t.Errorf("%s: %s", name, a)
		}
	}
}
