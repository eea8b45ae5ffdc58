package servertest

import (
	"crypto/sha256"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
)

// loseOneIn is how rarely an EST answer is lost: one in so many.
const loseOneIn = 4

// faults stands before the HTTP front ends and makes trouble a client must bear.
type faults struct {
	easy      bool
	intercept func(http.Handler) http.Handler // or nil

	mu      sync.Mutex // guards the fields below
	rand    *rand.Rand
	decided map[string]bool // device user names that were asked to come back
	counts  Counts
	issued  map[[32]byte]bool // digests of the answers
}

// Counts tell how much trouble there was.
type Counts struct {
	DecidedLater int
	AnswersLost  int
	Issued       int // certificates, those of lost answers included; one that is given again counts once
}

func newFaults(opts Options) *faults {
	return &faults{easy: opts.Easy, intercept: opts.Intercept, rand: rand.New(rand.NewPCG(opts.Seed, 0)), decided: map[string]bool{}, issued: map[[32]byte]bool{}}
}

// Counts returns what happened so far.
func (s *Server) Counts() Counts {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	return s.faults.counts
}

func (f *faults) middleware(next http.Handler) http.Handler {
	if f.intercept != nil {
		next = f.intercept(next)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/.well-known/est/simple") {
			next.ServeHTTP(w, r)
			return
		}
		if f.decideLater(r) {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(http.StatusAccepted)
			return
		}
		recorded := httptest.NewRecorder()
		next.ServeHTTP(recorded, r)
		if f.loseAnswer(recorded) {
			panic(http.ErrAbortHandler) // the connection breaks; the server has done its work
		}
		for name, values := range recorded.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(recorded.Code)
		_, _ = w.Write(recorded.Body.Bytes()) // the client may have gone
	})
}

// decideLater is true for the first simpleenroll of each device (202, RFC 7030
// §4.2.3).
func (f *faults) decideLater(r *http.Request) bool {
	user, _, _ := r.BasicAuth()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.easy || !strings.HasSuffix(r.URL.Path, "/simpleenroll") || f.decided[user] {
		return false
	}
	f.decided[user] = true
	f.counts.DecidedLater++
	return true
}

func (f *faults) loseAnswer(answer *httptest.ResponseRecorder) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if answer.Code == http.StatusOK {
		f.issued[sha256.Sum256(answer.Body.Bytes())] = true
		f.counts.Issued = len(f.issued)
	}
	lose := !f.easy && f.rand.IntN(loseOneIn) == 0
	if lose {
		f.counts.AnswersLost++
	}
	return lose
}
