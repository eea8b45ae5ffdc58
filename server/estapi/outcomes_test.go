package estapi

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"mooring/internal/problem"
)

func TestEveryKindHasAnOutcome(t *testing.T) {
	for _, kind := range problem.Kinds {
		out, ok := outcomes[kind]
		if !ok || http.StatusText(out.status) == "" || out.code == "" || out.text == "" {
			t.Errorf("%s: %+v", kind, out)
		}
	}
	if len(outcomes) != len(problem.Kinds) {
		t.Errorf("%d outcomes for %d kinds", len(outcomes), len(problem.Kinds))
	}
}

func TestInternalTextIsWithheld(t *testing.T) {
	for _, err := range []error{errors.New("secret path"), problem.New(problem.Internal, "secret path", nil)} {
		w := httptest.NewRecorder()
		(&call{API: New(Config{}), w: w, r: httptest.NewRequest(http.MethodPost, "/", nil)}).fail(err)
		if w.Code != 500 || strings.Contains(w.Body.String(), "secret") {
			t.Errorf("status %d: %s", w.Code, w.Body)
		}
	}
}

func TestRetryAfterIsRoundedUp(t *testing.T) {
	for wait, want := range map[time.Duration]string{0: "", time.Nanosecond: "1", time.Second: "1", time.Second + 1: "2"} {
		w := httptest.NewRecorder()
		p := problem.New(problem.Pending, "", nil)
		p.RetryAfter = wait
		(&call{API: New(Config{}), w: w, r: httptest.NewRequest(http.MethodPost, "/", nil)}).fail(p)
		if got := w.Header().Get("Retry-After"); got != want || w.Code != 202 {
			t.Errorf("%v: status %d, Retry-After = %q, want %q", wait, w.Code, got, want)
		}
	}
}

func TestPanicIsInternal(t *testing.T) {
	w := httptest.NewRecorder()
	var observed int
	api := New(Config{Observe: func(_ string, status int, _ time.Duration) { observed = status }}) // no CA: it panics
	api.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/.well-known/est/cacerts", nil))
	if w.Code != 500 || observed != 500 {
		t.Errorf("status %d, observed %d", w.Code, observed)
	}
}
