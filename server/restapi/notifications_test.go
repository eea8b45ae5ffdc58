package restapi_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"mooring/server/platform"
)

func TestNotificationSubscriptions(t *testing.T) {
	r := newRig(t)
	id := r.device(t, tenant, "dev1", "secret-of-dev1").String()
	foreign := r.device(t, other, "dev2", "secret-of-dev2").String()
	const all = "/notification2/subscriptions"
	made := r.do(request{method: "POST", path: all, body: `{"context":"mo","source":{"id":"` + id + `"},"subscription":"news",
		"subscriptionFilter":{"apis":["alarms","events"],"typeFilter":"'a' or 'b'"},"fragmentsToCopy":["c8y_A"]}`}).want(t, 201)
	one := all + "/" + made.text(t, "id")
	if got := made.header.Get("Location"); !strings.HasSuffix(got, one) {
		t.Errorf("Location is %s", got)
	}
	r.do(request{method: "POST", path: all, body: `{"context":"tenant","subscription":"all","nonPersistent":true}`, noAccept: true}).want(t, 201)
	again := r.do(request{method: "POST", path: all, body: `{"context":"mo","source":{"id":"` + id + `"},"subscription":"news"}`}).want(t, 409)
	if again.text(t, "error") != "reliable-notification/Duplicate" ||
		again.text(t, "message") != "Subscription with source <'"+id+"'>, context <'mo'> & subscription <'news'> already exists!" {
		t.Errorf("got %s", again.body)
	}
	if got := r.do(request{method: "GET", path: one}).want(t, 200); string(got.body) != string(made.body) ||
		!strings.Contains(string(got.body), `"subscriptionFilter":{"apis":["alarms","events"],"typeFilter":"'a' or 'b'"},"fragmentsToCopy":["c8y_A"],"nonPersistent":false`) {
		t.Errorf("got %s", got.body)
	}
	for query, want := range map[string]int{"": 2, "?context=mo": 1, "?context=tenant": 1, "?source=" + id: 1, "?source=999": 0, "?source=x": 0,
		"?subscription=all": 1, "?typeFilter=" + url.QueryEscape("'a' or 'b'"): 1, "?pageSize=1": 1} {
		if got := r.do(request{method: "GET", path: all + query}).want(t, 200).items(t, "subscriptions"); len(got) != want {
			t.Errorf("%s: got %d, want %d", query, len(got), want)
		}
	}
	refused := []struct {
		method, path, body string
		want               int
	}{
		{"POST", all, `{"context":"mo","source":{"id":"999"},"subscription":"x"}`, 404},
		{"POST", all, `{"context":"mo","source":{"id":"` + foreign + `"},"subscription":"x"}`, 404},
		{"POST", all, `{"context":"mo","subscription":"x"}`, 422},
		{"POST", all, `{"context":"tenant"}`, 422},
		{"POST", all, `{"context":"tenant","subscription":"a-b"}`, 422},
		{"POST", all, `{"context":"tenant","subscription":"x","subscriptionFilter":{"apis":["measurements"]}}`, 422},
		{"POST", all, `{"context":"tenant","subscription":"x","subscriptionFilter":{"apis":"alarms"}}`, 422},
		{"POST", all, `{"context":"tenant","subscription":"x","fragmentsToCopy":[null]}`, 422},
		{"POST", all, `{"context":"tenant","subscription":"x","nonPersistent":"maybe"}`, 422},
		{"GET", all + "?context=x", "", 422},
		{"GET", all + "/999", "", 404},
		{"GET", all + "/x", "", 404},
		{"DELETE", all, "", 422},
		{"DELETE", all + "?context=mo", "", 422},
		{"DELETE", all + "/999", "", 404},
	}
	for _, tt := range refused {
		got := r.do(request{method: tt.method, path: tt.path, body: tt.body})
		if got.status != tt.want {
			t.Errorf("%s %s %s: got %d %s, want %d", tt.method, tt.path, tt.body, got.status, got.body, tt.want)
		}
	}
	// Nobody but an administrator of notifications, and no other tenant.
	device := request{method: "GET", path: all, user: "device_dev1", password: "secret-of-dev1"}
	r.do(device).want(t, 403)
	r.do(request{method: "GET", path: one, host: otherHost}).want(t, 404)
	r.do(request{method: "DELETE", path: one, host: otherHost}).want(t, 404)
	r.do(request{method: "DELETE", path: all + "?source=" + id, host: otherHost}).want(t, 204)
	r.do(request{method: "DELETE", path: all + "?context=tenant"}).want(t, 204)
	if got := r.do(request{method: "GET", path: all}).want(t, 200).items(t, "subscriptions"); len(got) != 1 {
		t.Errorf("left are %v", got)
	}
	r.do(request{method: "DELETE", path: one}).want(t, 204)
	r.do(request{method: "DELETE", path: one}).want(t, 404)
	r.do(request{method: "GET", path: "/notification2"}).want(t, 200)
}

func TestNotificationTokens(t *testing.T) {
	r := newRig(t)
	const path = "/notification2/token"
	shared := r.do(request{method: "POST", path: path, body: `{"subscriber":"us","subscription":"news","shared":true}`}).want(t, 200).text(t, "token")
	token := r.do(request{method: "POST", path: path, body: `{"subscriber":"me","subscription":"news","expiresInMinutes":90,"type":"notification","signed":true}`}).
		want(t, 200).text(t, "token")
	tests := []struct {
		body string
		want int
	}{
		{`{"subscriber":"me","subscription":"news"}`, 200},
		{`{"subscriber":"me","subscription":"news","nonPersistent":true,"expiresInMinutes":1,"signed":false}`, 200},
		{`{"subscriber":"me","subscription":"news","expiresInMinutes":0}`, 422},
		{`{"subscriber":"me","subscription":"news","expiresInMinutes":-1}`, 422},
		{`{"subscriber":"me","subscription":"news","expiresInMinutes":5256000}`, 200},
		{`{"subscriber":"me","subscription":"news","expiresInMinutes":5256001}`, 422},
		{`{"subscriber":"me","subscription":"news","expiresInMinutes":"x"}`, 422},
		{`{"subscriber":"` + strings.Repeat("x", 128) + `","subscription":"news"}`, 200},
		{`{"subscriber":"` + strings.Repeat("x", 129) + `","subscription":"news"}`, 422},
		{`{"subscriber":"a\nb","subscription":"news"}`, 422},
		{`{"subscriber":"me","subscription":"a/b"}`, 422},
		{`{"subscriber":"me"}`, 422},
		{`{"subscription":"news"}`, 422},
		{`{"subscriber":"me","subscription":"news","type":"other"}`, 422},
	}
	for _, tt := range tests {
		if got := r.do(request{method: "POST", path: path, body: tt.body}); got.status != tt.want {
			t.Errorf("%.80s: got %d %s, want %d", tt.body, got.status, got.body, tt.want)
		}
	}
	r.device(t, tenant, "dev1", "secret-of-dev1")
	r.do(request{method: "POST", path: path, body: tests[0].body, user: "device_dev1", password: "secret-of-dev1"}).want(t, 403)

	unsubscribe := "/notification2/unsubscribe?token="
	done := r.do(request{method: "POST", path: unsubscribe + token}).want(t, 200)
	if done.text(t, "result") != "DONE" {
		t.Errorf("got %s", done.body)
	}
	r.do(request{method: "POST", path: unsubscribe + shared}).want(t, 503) // nobody of them is registered
	r.do(request{method: "POST", path: unsubscribe + token, host: otherHost}).want(t, 403)
	r.do(request{method: "POST", path: unsubscribe + "x"}).want(t, 401)
	r.do(request{method: "POST", path: unsubscribe}).want(t, 401)
	// A token for notifications opens nothing else.
	r.do(request{method: "GET", path: "/user/currentUser", bearer: token}).want(t, 401)
}

// TestProcessingModes sees that a request says what becomes of its data.
func TestProcessingModes(t *testing.T) {
	r := newRig(t)
	id := r.device(t, tenant, "dev1", "secret-of-dev1").String()
	for mode, stored := range map[platform.ProcessingMode]bool{"": true, "PERSISTENT": true, "quiescent": true, "TRANSIENT": false, "CEP": false, "odd": true} {
		q := request{method: "POST", path: "/event/events", header: map[string][]string{"X-Cumulocity-Processing-Mode": {string(mode)}},
			body: fmt.Sprintf(`{"source":{"id":"%s"},"type":"e%s","text":"x","time":"2020-01-01T10:00:00Z"}`, id, mode)}
		r.do(q).want(t, 201)
		got := r.do(request{method: "GET", path: "/event/events?type=e" + string(mode)}).want(t, 200).items(t, "events")
		if len(got) == 1 != stored {
			t.Errorf("mode %q: %d are stored", mode, len(got))
		}
	}
}
