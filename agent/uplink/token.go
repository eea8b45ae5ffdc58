package uplink

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"mooring/internal/bounded"
	"mooring/internal/jwt"
	"mooring/internal/problem"
	"mooring/internal/secret"
)

const (
	tokenTries = 3
	// tokenLimit bounds the wait for one token, as thin-edge.io's does.
	tokenLimit = 20 * time.Second
	// maxDetail bounds what a server says, in bytes.
	maxDetail = 300
)

// tokenCache keeps the last device token. busy is held while one is fetched.
type tokenCache struct {
	busy chan struct{}

	text       string
	claims     jwt.Claims
	generation uint32 // the certificate it was given for
}

// Token returns a device token that is good for at least half its life, or as
// long as it lasts if no newer one can be had. It waits for a connection until
// ctx ends.
func (u *Uplink) Token(ctx context.Context) (secret.String, jwt.Claims, error) {
	c := &u.tokens
	select {
	case c.busy <- struct{}{}:
		defer func() { <-c.busy }()
	case <-ctx.Done():
		return secret.String{}, jwt.Claims{}, notConnected(ctx)
	}
	want, _, _ := u.state()
	if want != nil && want.Generation != c.generation {
		c.text = "" // a token dies with its certificate's session on some servers
	}
	if c.text != "" && u.cfg.Now().Before(c.claims.HalfLife()) {
		return secret.New(c.text), c.claims, nil
	}
	err := u.fetchToken(ctx)
	if err != nil && (c.text == "" || c.claims.ExpiredAt(u.cfg.Now())) {
		return secret.String{}, jwt.Claims{}, err
	}
	return secret.New(c.text), c.claims, nil
}

// Forget drops token if it is the one kept: a server answered it with 401.
func (u *Uplink) Forget(ctx context.Context, token secret.String) {
	select {
	case u.tokens.busy <- struct{}{}:
		defer func() { <-u.tokens.busy }()
	case <-ctx.Done():
		return
	}
	if u.tokens.text == token.Reveal() {
		u.tokens.text = ""
	}
}

// fetchToken fills the cache. The caller holds busy.
func (u *Uplink) fetchToken(ctx context.Context) error {
	var last error
	for range tokenTries {
		s, err := u.session(ctx)
		if err != nil {
			return errors.Join(last, err)
		}
		text, err := u.askToken(ctx, s)
		if err == nil {
			claims, err := jwt.ParseBearer(text)
			if err != nil {
				return err
			}
			if s.vouches(claims.IssuedAt) {
				u.cfg.Observe(claims.IssuedAt)
			} else {
				u.log.Warn("a token from the future tells no time", "issued_at", claims.IssuedAt)
			}
			u.tokens.text, u.tokens.claims, u.tokens.generation = text, claims, s.credential.Generation
			return nil
		}
		last = err
	}
	return last
}

// askToken asks for a token on one connection (contract mqtt.md §7.2).
func (u *Uplink) askToken(ctx context.Context, s *session) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, tokenLimit)
	defer cancel()
	noAnswer := problem.New(problem.Unavailable, "the server gave no device token in time", nil)
	select {
	case <-s.tokenReady:
	case <-ctx.Done():
		return "", noAnswer
	}
	select {
	case <-s.tokens: // an answer to somebody who gave up
	default:
	}
	if err := s.deliver(ctx, topicTokenAsk, 0, []byte{}, answerLimit); err != nil {
		return "", problem.New(problem.Unavailable, "the connection ended", err)
	}
	select {
	case text := <-s.tokens:
		return text, nil
	case <-ctx.Done():
		return "", noAnswer
	}
}

// session waits for a connection.
func (u *Uplink) session(ctx context.Context) (*session, error) {
	for {
		_, s, changed := u.state()
		if s != nil {
			return s, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, notConnected(ctx)
		}
	}
}

func notConnected(ctx context.Context) error {
	return problem.New(problem.Unavailable, "the device is not connected", context.Cause(ctx))
}

// refusedByCONNACK reports whether the server said no for good: 3, "server
// unavailable", is temporary and counts as a failure.
func refusedByCONNACK(err error) bool {
	for _, refusal := range []error{packets.ErrorRefusedBadProtocolVersion, packets.ErrorRefusedIDRejected,
		packets.ErrorRefusedBadUsernameOrPassword, packets.ErrorRefusedNotAuthorised} {
		if errors.Is(err, refusal) {
			return true
		}
	}
	return false
}

// isRemoteAlert recognises an alert of the server; crypto/tls wraps it in an
// OpError of that name.
func isRemoteAlert(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "remote error"
}

// cut bounds foreign text to one line.
func cut(s string) string { return bounded.Text(bounded.OneLine(s), maxDetail) }
