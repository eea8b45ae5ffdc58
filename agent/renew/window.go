package renew

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"time"

	"mooring/internal/problem"
)

const (
	windowPath = "/mooring/renewal"
	// maxWindowAnswer bounds the answer, which has about a hundred bytes.
	maxWindowAnswer = 4 << 10
)

// Window is when the server wants a certificate to be renewed.
type Window struct {
	Start, End time.Time     // zero: it has no wish
	AskAgain   time.Duration // how long the answer is good for; zero if it does not say
}

// AskWindow asks the server when certificate should be renewed.
//
// Errors: problem.NotFound if this server does not tell, others if it cannot be
// asked now.
func AskWindow(ctx context.Context, e Endpoint, certificate tls.Certificate) (Window, error) {
	if e.Address == "" {
		return Window{}, problem.New(problem.NotFound, "no port for HTTPS with certificate is configured", nil)
	}
	transport := e.Transport(&certificate)
	transport.DisableKeepAlives = true
	defer transport.CloseIdleConnections()
	client := http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+e.Address+windowPath, nil)
	if err != nil {
		return Window{}, err
	}
	req.Header.Set("Accept", "application/json")
	res, err := client.Do(req)
	if err != nil {
		return Window{}, problem.New(problem.Unavailable, "the server cannot be asked", err)
	}
	defer func() { _ = res.Body.Close() }()
	again := retryAfter(res.Header)
	switch res.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return Window{AskAgain: again}, problem.New(problem.NotFound, "the server does not tell when to renew", nil)
	default:
		return Window{AskAgain: again}, problem.New(problem.Unavailable, "the server answered "+res.Status, nil)
	}
	var said struct{ Start, End time.Time }
	text, err := io.ReadAll(io.LimitReader(res.Body, maxWindowAnswer+1))
	if err == nil && len(text) > maxWindowAnswer {
		err = problem.New(problem.Invalid, "the server's answer is too long", nil)
	}
	if err == nil {
		err = json.Unmarshal(text, &said)
	}
	if err != nil || !said.End.After(said.Start) {
		return Window{AskAgain: again}, problem.New(problem.NotFound, "the server's answer is no renewal window", err)
	}
	return Window{Start: said.Start, End: said.End, AskAgain: again}, nil
}

// retryAfter reads the header in seconds, as this server writes it (RFC 9110
// §10.2.3).
func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.ParseUint(h.Get("Retry-After"), 10, 31)
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
}
