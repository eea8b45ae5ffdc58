package agent

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"mooring/agent/renew"
	"mooring/internal/est"
	"mooring/internal/lifecycle"
	"mooring/internal/pki"
	"mooring/internal/problem"
)

const (
	// askTimeAgain is how often a server is asked for the time while the clock here
	// is not to be relied upon.
	askTimeAgain = time.Hour
	// askTimeLimit bounds one question.
	askTimeLimit = 30 * time.Second
	// clockApart is how far ahead of a server's time a clock counts as wrong.
	clockApart = 24 * time.Hour
)

// timeAsk is when the server is asked for the time. The loop owns it, but for
// what it is told.
type timeAsk struct {
	asked    time.Time // by the monotonic clock
	asking   bool
	disputed bool // the server's certificate has expired by the clock here alone
}

// timeTold is an answer.
type timeTold struct{ disputed bool }

// trusted reports whether certificates may be judged by the clock.
func (a *Agent) trusted() bool { return a.clock.Trusted() && !a.time.disputed }

// badClock notes that err may come from a wrong clock: the server's certificate
// is not valid at this time.
func (a *Agent) badClock(err error) {
	invalid, ok := errors.AsType[x509.CertificateInvalidError](err)
	if ok && invalid.Reason == x509.Expired {
		select {
		case a.clockDoubt <- struct{}{}:
		default: // noted already
		}
	}
}

// askTime asks the server for the time if there is reason to. doubt says that
// the server's certificate is not valid by the clock here.
func (a *Agent) askTime(ctx context.Context, beside *sync.WaitGroup, doubt bool) {
	wait := askTimeAgain
	if doubt {
		wait = askTimeLimit
	}
	early := !a.time.asked.IsZero() && time.Since(a.time.asked) < wait
	if a.time.asking || early || !doubt && (!a.state.Online || a.state.TimeTrusted) {
		return
	}
	a.time.asking, a.time.asked = true, time.Now()
	beside.Go(func() {
		told := a.serverTime(ctx)
		select {
		case a.timeTold <- told:
		case <-ctx.Done():
		}
	})
}

// takeTime goes on with an answer.
func (a *Agent) takeTime(ctx context.Context, beside *sync.WaitGroup, told timeTold) {
	a.time.asking, a.time.disputed = false, told.disputed
	a.tick(ctx, beside)
}

// serverTime reads the Date of an answer of the server. Its certificate may be
// not yet valid, or valid no longer, by the clock here; all else is checked, and
// the certificate again at the time that the server tells.
//
// A time that is later than the floor is taken. An earlier one than that of the
// clock here is not: whoever has stolen the key of an expired certificate could
// tell it. It only means that the clock is in doubt.
func (a *Agent) serverTime(ctx context.Context) timeTold {
	date, err := a.askDate(ctx)
	now := a.clock.Now()
	switch {
	case err != nil:
		a.log.Debug("the server does not tell the time", "err", err)
	case now.Sub(date) > clockApart:
		a.log.Warn("the clock here is ahead of the server's; nothing is renewed and nothing counts as expired until it is set",
			"server", date, "now", now)
		a.setError("clock", "the clock here is ahead of the server's: it says "+now.UTC().Format(time.RFC3339)+
			", the server "+date.UTC().Format(time.RFC3339), "")
		return timeTold{disputed: true}
	case a.clock.Synchronise(date):
		a.log.Info("the server told the time", "time", date, "wall", a.clock.Wall())
	}
	return timeTold{}
}

// askDate returns a server's time for which its certificate is good.
func (a *Agent) askDate(ctx context.Context) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeLimit)
	defer cancel()
	var verify func(at time.Time) error
	transport := renew.Endpoint{TrustAnchors: a.endpoint.TrustAnchors, Now: a.clock.Now, DialContext: a.endpoint.DialContext}.Transport(nil)
	transport.DisableKeepAlives = true
	transport.TLSClientConfig.InsecureSkipVerify = true // VerifyConnection does it, but for the time
	transport.TLSClientConfig.VerifyConnection = func(s tls.ConnectionState) (err error) {
		verify, err = a.butForTime(s)
		return err
	}
	client := http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+a.cfg.Address(a.cfg.HTTPSPort)+est.PathPrefix+est.OpCACerts, nil)
	if err != nil {
		return time.Time{}, err
	}
	answer, err := client.Do(request)
	if err != nil {
		return time.Time{}, err
	}
	_, _ = io.CopyN(io.Discard, answer.Body, 1) // the head is enough
	_ = answer.Body.Close()
	date, err := http.ParseTime(answer.Header.Get("Date"))
	if err != nil {
		return time.Time{}, problem.New(problem.Invalid, "the server's answer has no date", err)
	}
	return date, verify(date)
}

// butForTime checks the server's certificate at some time at which it may be
// valid, and returns the check at any other.
func (a *Agent) butForTime(s tls.ConnectionState) (func(at time.Time) error, error) {
	chain := pki.Chain(s.PeerCertificates)
	verify := func(at time.Time) error {
		_, err := chain.Leaf().Verify(x509.VerifyOptions{Roots: a.endpoint.TrustAnchors, Intermediates: chain.Intermediates(),
			DNSName: s.ServerName, CurrentTime: at})
		return err
	}
	begin, end := chain.Leaf().NotBefore, chain.Leaf().NotAfter
	for _, c := range append(chain[1:len(chain):len(chain)], a.anchorList...) {
		if c.NotBefore.After(begin) {
			begin = c.NotBefore
		}
		if c.NotAfter.Before(end) {
			end = c.NotAfter
		}
	}
	err := verify(begin)
	for _, at := range []time.Time{chain.Leaf().NotBefore, end, a.clock.Now()} {
		if err != nil {
			err = verify(at)
		}
	}
	return verify, err
}

// timeEvent is TimeTrust with what is known now.
func (a *Agent) timeEvent() lifecycle.Event {
	return lifecycle.Event{Kind: lifecycle.TimeTrust, Trusted: a.trusted()}
}
