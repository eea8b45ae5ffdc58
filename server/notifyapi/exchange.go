package notifyapi

import (
	"context"
	"net/http"
	"strings"
	"time"

	"mooring/internal/problem"
	"mooring/server/httpauth"
	"mooring/server/platform"
)

// connectionTypes are offered at a handshake.
var connectionTypes = []string{"long-polling", "websocket"}

const bayeuxVersion = "1.0"

// exchange answers the messages of one client on one transport.
type exchange struct {
	api  *API
	r    *http.Request // of the poll, or of the upgrade
	path string
	// known is the session of the socket; nil on polls, which have to prove who
	// they are each time.
	known *session
	reads bool // the client reads answers though it asks for none
}

// authenticate finds out who sends a message: by the request itself, or by what a
// handshake carries. It counts as a POST, so that a cookie is worth nothing
// without its XSRF value.
func (x *exchange) authenticate(m *message) (platform.Principal, *http.Request, error) {
	login := x.r.Clone(context.WithoutCancel(x.r.Context()))
	login.Method, login.Body = http.MethodPost, http.NoBody
	if m != nil {
		if token := m.Ext.Authn.Token; token != "" && login.Header.Get("Authorization") == "" {
			scheme := "Basic "
			if strings.Count(token, ".") == 2 {
				scheme = "Bearer "
			}
			login.Header.Set("Authorization", scheme+token)
		}
		if xsrf := m.Ext.Authn.XSRFToken; xsrf != "" && login.Header.Get(httpauth.XSRFHeader) == "" {
			login.Header.Set(httpauth.XSRFHeader, xsrf)
		}
	}
	p, err := x.api.Auth.Principal(login)
	if err == nil && p.Has(platform.RoleDeviceBootstrap) {
		err = problem.New(problem.Forbidden, "Access is denied.", nil)
	}
	return p, login, err
}

// handshake makes a session.
func (x *exchange) handshake(m *message) (*session, reply) {
	answer := m.answer()
	answer.ClientID = ""
	p, login, err := x.authenticate(m)
	if err != nil {
		answer.Advice = &advice{Reconnect: "none"}
		return nil, answer.fail("403::Handshake denied")
	}
	s, err := x.api.open(x.path, p, login, string(m.Ext.Ack) == "true")
	if err != nil {
		answer.Advice = &advice{Reconnect: "handshake", Interval: 10_000}
		return nil, answer.fail("503::Too many sessions")
	}
	answer.Successful, answer.ClientID = true, s.id
	answer.Version, answer.MinimumVersion, answer.SupportedConnectionTypes = bayeuxVersion, bayeuxVersion, connectionTypes
	answer.Advice = x.retry()
	if s.acks {
		answer.Ext = &ext{Ack: true}
	}
	return s, answer
}

func (x *exchange) retry() *advice {
	return &advice{Reconnect: "retry", Timeout: x.api.Limits.Hold.Milliseconds()}
}

// session returns the session of a message, if its sender may speak for it.
func (x *exchange) session(m *message) *session {
	s := x.api.session(x.path, m.ClientID)
	switch {
	case s == nil:
		return nil
	case s == x.known:
		return s
	}
	x.reads = x.reads || s.reads
	p, _, err := x.authenticate(&message{})
	if err != nil && httpauth.HasLoginCookie(x.r) {
		// The XSRF value came with the handshake; who knows the clientId knows it.
		login := x.r.Clone(x.r.Context())
		login.Header.Set(httpauth.XSRFHeader, s.login.Header.Get(httpauth.XSRFHeader))
		p, err = x.api.Auth.Principal(login)
	}
	if err != nil || p.Tenant != s.who.Tenant || p.User != s.who.User {
		return nil
	}
	return s
}

// over answers a connect whose session ended while it was held. Who left needs no
// advice, and a client in Go gives up its process at "reconnect":"none".
func (x *exchange) over(s *session, answer reply) reply {
	if s.leftByItself() {
		answer.Advice = nil
		return answer
	}
	answer.Successful = false
	return x.unknown(answer)
}

func (x *exchange) unknown(answer reply) reply {
	answer.Advice = &advice{Reconnect: "handshake"}
	return answer.fail("402::Unknown client")
}

// meta answers every message but handshake and connect.
func (x *exchange) meta(s *session, m *message) reply {
	answer := m.answer()
	if s == nil {
		return x.unknown(answer)
	}
	switch m.Channel {
	case metaSubscribe, metaUnsubscribe:
		return x.subscription(s, m, answer)
	case metaDisconnect:
		s.disconnect()
		answer.Successful = true
		return answer
	}
	return answer.fail("403:" + m.Channel + ":Nothing can be published here")
}

func (x *exchange) subscription(s *session, m *message, answer reply) reply {
	names, ok := m.channels()
	if !ok {
		return answer.fail("403::Subscription missing")
	}
	for _, text := range names {
		c, ok := parseChannel(x.path, text)
		switch {
		case !ok:
			return answer.fail("404:" + text + ":Unknown channel")
		case m.Channel == metaUnsubscribe:
			s.unsubscribe(c)
		case !x.api.mayHear(x.r.Context(), s.principal(), c):
			return answer.fail("403:" + text + ":Access is denied")
		case !s.subscribe(c):
			return answer.fail("403:" + text + ":Too many subscriptions")
		}
	}
	answer.Successful = true
	return answer
}

// connect begins a connect: it returns how long to hold the answer. Whoever has
// lost their login loses the session.
func (x *exchange) connect(s *session, m *message) (hold time.Duration, answer reply, ok bool) {
	answer = m.answer()
	if s == nil {
		return 0, x.unknown(answer), false
	}
	if !s.recheck(x.r.Context()) {
		answer.Advice = &advice{Reconnect: "handshake"} // which is refused; see over
		return 0, answer.fail("403::Access is denied"), false
	}
	if n, has := m.batch(); has {
		s.acknowledge(n)
	}
	hold = x.api.Limits.Hold
	if t := m.Advice.Timeout; t != nil && *t >= 0 && *t < float64(hold.Milliseconds()) {
		hold = time.Duration(*t) * time.Millisecond
	}
	answer.Successful, answer.Advice = true, x.retry()
	return hold, answer, true
}
