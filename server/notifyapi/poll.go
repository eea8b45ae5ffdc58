package notifyapi

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"mooring/internal/problem"
	"mooring/server/httpauth"
)

// poll serves one request of long polling. All messages of it are answered
// together; a connect that comes alone is held until there is news.
func (a *API) poll(w http.ResponseWriter, r *http.Request, path string) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxPostBytes))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		http.Error(w, "The body is too large.", http.StatusRequestEntityTooLarge)
		return
	}
	if err != nil {
		return // the client is gone
	}
	x := &exchange{api: a, r: r, path: path}
	if a.speaksLines(r, body) {
		p, _, err := x.authenticate(nil)
		if err != nil {
			a.deny(w, r, err)
			return
		}
		x.lines(w, p.Tenant, body)
		return
	}
	messages, err := parseMessages(body)
	if err != nil {
		a.refuse(w, r, err)
		return
	}
	if _, _, err := x.authenticate(&messages[0]); err != nil && !httpauth.HasLoginCookie(r) {
		a.deny(w, r, err)
		return
	}
	_, x.reads = splitCometD(r)
	out := x.pollAll(w, messages)
	x.send(w, out)
}

// deny refuses who did not prove who they are.
func (a *API) deny(w http.ResponseWriter, r *http.Request, err error) {
	if problem.KindOf(err) == problem.Unauthenticated {
		httpauth.Challenge(w, r)
	}
	a.refuse(w, r, err)
}

// send writes messages. Who sends no Accept gets nothing (rest.md §6.12), but for
// clients made of CometD's own: outside a browser they send none and read the body.
func (x *exchange) send(w http.ResponseWriter, messages [][]byte) {
	if x.r.Header.Get("Accept") == "" && !x.reads {
		w.Header().Set("Content-Length", "0")
		w.WriteHeader(http.StatusOK)
		return
	}
	text := join(messages)
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(text) // a client that went away is nobody's problem
}

// pollAll answers the messages of one request.
func (x *exchange) pollAll(w http.ResponseWriter, messages []message) [][]byte {
	var out [][]byte
	for i := range messages {
		m := &messages[i]
		switch m.Channel {
		case metaHandshake:
			made, answer := x.handshake(m)
			if made != nil {
				made.reads = x.reads
			}
			out = append(out, answer.encode())
		case metaConnect:
			s := x.session(m)
			hold, answer, ok := x.connect(s, m)
			if !ok {
				out = append(out, answer.encode())
				continue
			}
			if len(messages) > 1 {
				hold = 0 // the other answers shall not wait
			}
			out = append(out, x.held(w, s, hold, answer)...)
		default:
			out = append(out, x.meta(x.session(m), m).encode())
		}
	}
	return out
}

// held waits until there is news for s, at most hold, and returns it with the
// answer to the connect behind it.
func (x *exchange) held(w http.ResponseWriter, s *session, hold time.Duration, answer reply) [][]byte {
	// The server's bounds on a request are for those that are answered at once.
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{})
	_ = control.SetWriteDeadline(time.Now().Add(hold + writeWithin))
	over := s.begin()
	defer s.finish(over, x.api.Limits.Expire)
	timer := time.NewTimer(hold)
	defer timer.Stop()
	for {
		news, ready := s.waiting()
		if ready {
			break
		}
		select {
		case <-news:
			continue
		case <-timer.C:
		case <-over: // the client has connected anew
			return [][]byte{answer.encode()}
		case <-x.r.Context().Done():
			return nil // what is queued waits for the next connect
		}
		break
	}
	if s.isOver() {
		return [][]byte{x.over(s, answer).encode()}
	}
	events, number := s.take()
	if number > 0 {
		answer.Ext = &ext{Ack: number}
	}
	return append(events[:len(events):len(events)], answer.encode())
}
