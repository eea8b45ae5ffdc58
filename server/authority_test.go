package server_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509/pkix"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mooring/internal/est"
	"mooring/internal/pki"
	"mooring/server/servertest"
)

// Three Octobers pass. In the first nothing is due; in the second the server
// is down and renews when it starts; in the third it runs. Leaves from before
// each renewal connect after it, with the CA certificate of their time or
// without.
func TestThreeOctobers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := life{t, servertest.Start(t, servertest.Options{Easy: true})} // 1 January 2000
		first := l.authority()
		const notDue, renewed = "renewal for Tenant: 't1000' is not yet required", "was renewed for Tenant: 't1000'"

		l.until(2000, time.October, 2, 1)
		if n := l.audited(notDue); n != 0 {
			t.Errorf("%d audit records before the day", n)
		}
		l.until(2000, time.October, 2, 4)
		if got := l.authority(); !got.Equal(first) || l.audited(notDue) != 1 || l.audited(renewed) != 0 {
			t.Errorf("2000: valid until %v, %d not due, %d renewed", got.NotAfter, l.audited(notDue), l.audited(renewed))
		}

		l.until(2001, time.September, 1, 0)
		before := l.newDevice("dev1")
		l.wantConnected("enrolled", before)
		l.s.Stop()
		l.until(2001, time.November, 1, 0)
		l.s.Start()
		time.Sleep(time.Minute)
		second := l.authority()
		if n := l.audited(renewed); n != 1 {
			t.Errorf("2001: %d audit records of the renewal", n)
		}
		if second.Equal(first) || !bytes.Equal(second.RawSubject, first.RawSubject) ||
			!bytes.Equal(second.RawSubjectPublicKeyInfo, first.RawSubjectPublicKeyInfo) {
			t.Errorf("2001: the certificate is %v until %v", second.Subject, second.NotAfter)
		}
		if got, want := second.NotAfter.Sub(second.NotBefore), 1095*24*time.Hour; got != want {
			t.Errorf("2001: valid for %v, want %v", got, want)
		}
		l.wantConnected("before the renewal of 2001", before)
		l.wantConnected("with the CA certificate of then", before, first.Raw)
		l.wantConnected("with the CA certificate of now", before, second.Raw)

		l.until(2002, time.August, 1, 0)
		status, leaf := l.renew(before)
		if status != http.StatusOK {
			t.Fatalf("re-enrolment: %d", status)
		}
		after := &device{id: before.id, key: before.key, leaf: leaf}
		l.until(2002, time.November, 30, 0)
		l.wantConnected("before 2002, third certificate", after, second.Raw)
		third := l.authority()
		// 23 months are left in October 2003, 25 now. Audit records live for 60 days:
		// what was told in 2001 is gone, that nothing is due is there.
		if got := l.audited(renewed); !third.Equal(second) || got != 0 || l.audited(notDue) != 1 {
			t.Errorf("2002: %d renewals, %d not due; the CA ends on %v", got, l.audited(notDue), third.NotAfter)
		}
		l.until(2003, time.October, 2, 4)
		fourth := l.authority()
		if fourth.Equal(second) || l.audited(renewed) != 1 {
			t.Errorf("2003: %d renewals; the CA ends on %v", l.audited(renewed), fourth.NotAfter)
		}
		if d := l.newDevice("dev2"); d.leaf.CheckSignatureFrom(first) != nil {
			t.Error("the key is another one")
		}
	})
}

// A leaf that expired three days ago renews itself where the tenant allows
// seven days of grace, even across a renewal of the CA; eight days after its
// end, or without the option, it does not. For nothing else is it good.
func TestGraceWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := life{t, servertest.Start(t, servertest.Options{Easy: true})}
		l.until(2000, time.September, 29, 12)
		d := l.newDevice("dev1")
		l.wantConnected("fresh", d)
		refused := func(when string) {
			t.Helper()
			if status, _ := l.renew(d); status != http.StatusUnauthorized {
				t.Errorf("%s: re-enrolment answered %d, want 401", when, status)
			}
		}
		l.until(2001, time.October, 2, 12) // three days after; the CA was renewed at night
		if l.authority().NotBefore.Before(d.leaf.NotAfter) {
			t.Fatal("the test wants a CA certificate younger than the leaf's end")
		}
		refused("grace is off")
		setDays := func(days string) {
			l.s.Call(http.MethodPut, "/tenant/options/certificate-authority/re-enrolment.grace.days", map[string]string{"value": days}, nil)
		}
		setDays("2")
		refused("two days of grace")
		setDays("7")
		if code := l.connects(d); code != 5 {
			t.Errorf("MQTT took the expired leaf: CONNACK %d", code)
		}
		for path, want := range map[string]int{"/mooring/whoami": http.StatusUnauthorized, "/mooring/renewal": http.StatusOK, "/inventory/managedObjects": http.StatusUnauthorized} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+servertest.MTLS+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if status, body := l.do(req, d.identity()); status != want {
				t.Errorf("%s with an expired leaf: %d %s, want %d", path, status, body, want)
			}
		}
		status, body := l.post("https://"+servertest.MTLS+"/.well-known/est/simpleenroll", d.identity(), deviceCSR(t, d.key, d.id), func(*http.Request) {})
		if status != http.StatusUnauthorized {
			t.Errorf("simpleenroll with an expired leaf: %d %s", status, body)
		}
		status, leaf := l.renew(d)
		if status != http.StatusOK {
			t.Fatalf("re-enrolment within the window: %d", status)
		}
		l.wantConnected("renewed", &device{id: d.id, key: d.key, leaf: leaf})

		time.Sleep(time.Until(d.leaf.NotAfter.Add(7 * 24 * time.Hour)))
		if status, _ := l.renew(d); status != http.StatusOK {
			t.Errorf("at the end of the window: %d", status)
		}
		time.Sleep(2 * time.Second)
		refused("after the window")
	})
}

// The renewal window is told on mtls, once enrolled, and does not move.
func TestRenewalWindowIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := life{t, servertest.Start(t, servertest.Options{Easy: true})}
		d := l.newDevice("dev1")
		l.wantConnected("makes its user", d)
		ask := func() (start, end time.Time, retry float64) {
			t.Helper()
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+servertest.MTLS+"/mooring/renewal", nil)
			if err != nil {
				t.Fatal(err)
			}
			status, body := l.do(req, d.identity())
			var got struct {
				Start, End time.Time
				RetryAfter float64
			}
			if err := json.Unmarshal(body, &got); status != http.StatusOK || err != nil {
				t.Fatalf("%d %s", status, body)
			}
			return got.Start, got.End, got.RetryAfter
		}
		start, end, retry := ask()
		if !start.Before(end) || start.Before(d.leaf.NotBefore.Add(200*24*time.Hour)) || end.After(d.leaf.NotAfter) || retry != 14*86400 {
			t.Errorf("window %v to %v, ask again after %v s", start, end, retry)
		}
		time.Sleep(100 * 24 * time.Hour)
		if again, _, _ := ask(); !again.Equal(start) {
			t.Errorf("the window moved from %v to %v", start, again)
		}
		time.Sleep(time.Until(start))
		if _, _, retry := ask(); retry != 3600 {
			t.Errorf("inside the window: ask again after %v s, want 3600", retry)
		}
	})
}

// admin is a call of the tenant's administrator, whatever the answer.
func (l life) admin(method, path string) (int, string) {
	l.Helper()
	req, err := http.NewRequestWithContext(l.Context(), method, "https://"+servertest.HTTPS+path, nil)
	if err != nil {
		l.Fatal(err)
	}
	req.SetBasicAuth(servertest.Tenant+"/"+servertest.AdminUser, servertest.AdminPassword)
	req.Header.Set("Accept", "application/json")
	status, body := l.do(req, nil)
	return status, string(body)
}

// A renewal by REST leaves live sessions alone; a deletion ends them, and what
// the old key signed stays out when the authority is made anew.
func TestAuthorityLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := life{t, servertest.Start(t, servertest.Options{Easy: true})}
		const path = "/certificate-authority"
		call := func(method, path string, want int, text string) {
			t.Helper()
			if status, body := l.admin(method, path); status != want || !strings.Contains(body, text) {
				t.Errorf("%s %s = %d %s, want %d with %q", method, path, status, body, want, text)
			}
		}
		const notEligible = "Certificate Authority is not found or not eligible for renewal for tenant t1000"
		first := l.authority()
		call("GET", path, 200, `"renewable":false,"nearExpiry":false`)
		time.Sleep(time.Until(first.NotAfter.AddDate(0, -24, 0)))
		call("POST", path+"/renew", 404, notEligible)
		time.Sleep(time.Second)
		call("GET", path, 200, `"renewable":true,"nearExpiry":false`)

		d := l.newDevice("dev1")
		session, code := l.session(d, first.Raw)
		if code != 0 || !alive(session) {
			t.Fatalf("CONNACK %d", code)
		}
		call("POST", path+"/renew", 201, `"tenantCertificateAuthority":true`)
		if l.authority().Equal(first) {
			t.Error("the certificate is the old one")
		}
		if !alive(session) {
			t.Error("the renewal closed a session")
		}
		call("POST", path+"/renew", 404, notEligible)
		call("GET", "/tenant/tenants/t1000/trusted-certificates?certificateAuthority=true&withTotalElements=true", 200, `"totalElements":1`)

		call("DELETE", path, 204, "")
		ended(t, session)
		if code := l.connects(d, first.Raw); code != 5 {
			t.Errorf("after the deletion: CONNACK %d, want 5", code)
		}
		call("GET", path, 404, "Tenant Certificate Authority (CA) object not found for tenant t1000")
		call("DELETE", path, 404, "Tenant Certificate Authority (CA) object not found for tenant t1000")
		call("POST", path+"/renew", 404, notEligible)
		call("POST", path, 201, `"nearExpiry":false`)
		if code := l.connects(d); code != 5 {
			t.Errorf("the old key's leaf under a new authority: CONNACK %d, want 5", code)
		}
		l.wantConnected("enrolled anew", l.newDevice("dev1"))
	})
}

// option sets an option of the category certificate-authority.
func (l life) option(key, value string) {
	l.Helper()
	l.s.Call(http.MethodPut, "/tenant/options/certificate-authority/"+key, map[string]string{"value": value}, nil)
}

// Where the tenant wants to accept enrolments by hand, a device is told to
// come back until the operator has spoken; its OTP lasts that long.
func TestEnrolmentWaitsForTheOperator(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := life{t, servertest.Start(t, servertest.Options{Easy: true})}
		l.option("enrolment.approval", "manual")
		l.s.Register("dev1", "otp-of-dev1")
		key := newDeviceKey(t)
		ask := func(key *ecdsa.PrivateKey) (int, string, []byte) {
			t.Helper()
			// The same key in another request: ECDSA makes the bytes differ.
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+servertest.HTTPS+"/.well-known/est/simpleenroll",
				bytes.NewReader(deviceCSR(t, key, "dev1")))
			if err != nil {
				t.Fatal(err)
			}
			req.SetBasicAuth("dev1", "otp-of-dev1")
			client := l.s.HTTPClient(l.s.TLSConfig())
			defer client.CloseIdleConnections()
			res, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			return res.StatusCode, res.Header.Get("Retry-After"), body
		}
		status := func() string {
			t.Helper()
			var r struct{ Status string }
			l.s.Call(http.MethodGet, "/devicecontrol/newDeviceRequests/dev1", nil, &r)
			return r.Status
		}
		for range 100 {
			if code, retry, body := ask(key); code != http.StatusAccepted || retry != "60" {
				t.Fatalf("got %d, Retry-After %q: %s, want 202 and 60", code, retry, body)
			}
			time.Sleep(time.Minute)
		}
		if got := status(); got != "PENDING_ACCEPTANCE" {
			t.Errorf("status %s", got)
		}
		l.s.Call(http.MethodPut, "/devicecontrol/newDeviceRequests/dev1", map[string]string{"status": "ACCEPTED"}, nil)
		if code, _, body := ask(newDeviceKey(t)); code != http.StatusAccepted {
			t.Errorf("another key than the one accepted: %d %s", code, body)
		}
		l.s.Call(http.MethodPut, "/devicecontrol/newDeviceRequests/dev1", map[string]string{"status": "ACCEPTED"}, nil)
		if code, _, body := ask(key); code != http.StatusAccepted { // the operator accepted the other one
			t.Errorf("the first key: %d %s", code, body)
		}
		l.s.Call(http.MethodPut, "/devicecontrol/newDeviceRequests/dev1", map[string]string{"status": "ACCEPTED"}, nil)
		code, _, body := ask(key)
		l.wantConnected("accepted", &device{id: "dev1", key: key, leaf: l.issued(code, body)})
	})
}

// A tenant may want the subject of a re-enrolment as it is, and requests tied
// to their connection.
func TestStrictRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := life{t, servertest.Start(t, servertest.Options{Easy: true})}
		d := l.newDevice("dev1")
		l.wantConnected("makes its user", d)
		renewAs := func(organization string) (int, string) {
			t.Helper()
			subject := pkix.Name{CommonName: "dev1"}
			if organization != "" {
				subject.Organization = []string{organization}
			}
			der, err := pki.CreateCSR(rand.Reader, d.key, subject)
			if err != nil {
				t.Fatal(err)
			}
			status, body := l.post("https://"+servertest.MTLS+"/.well-known/est/simplereenroll", d.identity(), est.EncodeRequest(der), func(*http.Request) {})
			return status, string(body)
		}
		if status, body := renewAs("Acme"); status != http.StatusOK {
			t.Errorf("lenient: %d %s", status, body)
		}
		// The newest leaf has the other subject now: what counts is the one shown.
		l.option("re-enrolment.strict.subject", "true")
		if status, body := renewAs("Acme"); status != http.StatusUnprocessableEntity || !strings.Contains(body, "subject") {
			t.Errorf("strict, another subject: %d %s", status, body)
		}
		if status, body := renewAs(""); status != http.StatusOK {
			t.Errorf("strict, the same subject: %d %s", status, body)
		}
		l.option("tls-unique.required", "true")
		if status, body := renewAs(""); status != http.StatusBadRequest || !strings.Contains(body, "TLS 1.2") {
			t.Errorf("tls-unique required, over TLS 1.3: %d %s", status, body)
		}
	})
}
