package estclient

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"mooring/internal/est"
	"mooring/internal/problem"
)

const (
	// maxDetailBytes bounds the server's words in an error.
	maxDetailBytes = 300
	// defaultRetry is how long to wait when a server says "later" without a
	// time, as long as thin-edge.io does.
	defaultRetry = 30 * time.Second
)

// do sends one request and returns the body of a successful answer.
func (c *Client) do(ctx context.Context, method, op string, body []byte, auth Authorization) ([]byte, error) {
	address, err := c.endpoint(op)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, RequestTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, problem.New(problem.Invalid, "the address of the EST server has the form https://host[:port]", err)
	}
	r.Header.Set("Accept", "*/*")
	switch {
	case body == nil:
	case strings.HasPrefix(op, "/"):
		r.Header.Set("Content-Type", "application/json")
	default:
		r.Header.Set("Content-Type", est.PKCS10Type)
		r.Header.Set("Content-Transfer-Encoding", est.TransferEncoding)
	}
	auth.apply(r)
	answer, err := c.transport().Do(r)
	if err != nil {
		return nil, unreachable(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(answer.Body, est.MaxBodyBytes+1))
	if err != nil {
		return nil, problem.New(problem.Unavailable, "the answer of the server was cut off", err)
	}
	if err := c.judge(answer, text); err != nil {
		return nil, err
	}
	return text, nil
}

// maxRedirects bounds how often one request is sent elsewhere.
const maxRedirects = 5

// withinOrigin follows a redirect to the same scheme, host and port (RFC 6454 §4)
// that leaves the method as it is: 301 to 303 would make a GET of a POST.
func withinOrigin(r *http.Request, via []*http.Request) error {
	first := via[0]
	if len(via) > maxRedirects || r.Method != first.Method || r.URL.Scheme != first.URL.Scheme || r.URL.User != nil ||
		!strings.EqualFold(r.URL.Hostname(), first.URL.Hostname()) || portOf(r.URL) != portOf(first.URL) {
		return http.ErrUseLastResponse
	}
	return nil
}

// portOf is that of HTTPS unless the URL has one.
func portOf(u *url.URL) string {
	if port := u.Port(); port != "" {
		return port
	}
	return "443"
}

// transport is c.HTTP without cookies and redirects to others.
func (c *Client) transport() *http.Client {
	client := http.Client{}
	if c.HTTP != nil {
		client = *c.HTTP
	}
	client.Jar = nil
	client.CheckRedirect = withinOrigin
	return &client
}

// unreachable explains why there is no answer. All of it may pass: networks
// come back and clocks are set.
func unreachable(err error) error {
	detail := "the server cannot be reached"
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		detail = "the certificate of the server is not accepted"
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		detail = "the certificate of the server has expired or is not yet valid, or the clock here is wrong"
	}
	if _, ok := errors.AsType[tls.AlertError](err); ok {
		detail = "the server refused the TLS connection"
	}
	return problem.New(problem.Unavailable, detail, err)
}

// kinds is what a status means to a device. Missing ones are Unavailable from
// 500 on and Invalid below.
var kinds = map[int]problem.Kind{
	http.StatusAccepted:              problem.Pending,
	http.StatusBadRequest:            problem.Invalid,
	http.StatusUnauthorized:          problem.Unauthenticated,
	http.StatusForbidden:             problem.Forbidden,
	http.StatusNotFound:              problem.NotFound,
	http.StatusMethodNotAllowed:      problem.MethodNotAllowed,
	http.StatusRequestTimeout:        problem.Unavailable,
	http.StatusConflict:              problem.Conflict,
	http.StatusRequestEntityTooLarge: problem.TooLarge,
	http.StatusUnprocessableEntity:   problem.Unprocessable,
	http.StatusTooManyRequests:       problem.TooMany,
}

// judge returns nil for a success, 200 or the 201 that the manual prints. An
// HTML page is no success: gateways answer so for a server that is away.
func (c *Client) judge(answer *http.Response, body []byte) error {
	success := answer.StatusCode == http.StatusOK || answer.StatusCode == http.StatusCreated
	if success && !est.IsHTML(body) {
		return nil
	}
	if success {
		return problem.New(problem.Unavailable, "the server answered with an HTML page: something stands in between, or the address is wrong", nil)
	}
	kind, ok := kinds[answer.StatusCode]
	if !ok {
		kind = problem.Invalid
		if answer.StatusCode >= 500 {
			kind = problem.Unavailable
		}
	}
	e := problem.New(kind, detail(answer, body), nil)
	wait, ok := est.RetryAfter(answer.Header.Get("Retry-After"), c.now())
	switch kind {
	case problem.Pending, problem.TooMany:
		if !ok {
			wait = defaultRetry
		}
		e.RetryAfter = wait
	case problem.Unavailable:
		e.RetryAfter = wait
	}
	return e
}

// detail is what the server says, with its status.
func detail(answer *http.Response, body []byte) string {
	status := "the server answered " + answer.Status
	if answer.StatusCode/100 == 3 {
		return oneLine(status + ", a redirect to " + answer.Header.Get("Location") + ", which is not followed: another server must be configured itself, and a POST is sent again for 307 and 308 alone")
	}
	if words := message(body); words != "" {
		return oneLine(words) + " (" + oneLine(status) + ")"
	}
	return oneLine(status)
}

// message takes the text out of the platform's JSON, plain text as it is, and
// nothing out of a page.
func message(body []byte) string {
	var e struct {
		Message string `json:"message"`
		Error   string `json:"error"`
	}
	if json.Unmarshal(body, &e) == nil {
		if e.Message != "" {
			return e.Message
		}
		return e.Error
	}
	if est.IsHTML(body) || !utf8.Valid(body) || bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) {
		return ""
	}
	return strings.TrimSpace(string(body))
}

// oneLine drops control characters, which could take over a terminal, and cuts
// between runes.
func oneLine(s string) string {
	if len(s) > maxDetailBytes {
		cut := maxDetailBytes
		for !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut] + "…"
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
}
