package doctor

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"mooring/agent/identity"
	"mooring/internal/est"
	"mooring/internal/jwt"
	"mooring/internal/pki"
	"mooring/internal/secret"
)

const (
	// answerLimit bounds one question over HTTPS.
	answerLimit = 15 * time.Second
	maxAnswer   = 256 << 10

	clockWarning = 10 * time.Second
	clockError   = 5 * time.Minute
)

var errTooMuch = errors.New("its answer is longer than 256 KiB")

// httpsCode is tlsCode for what may also have gone wrong after the handshake.
func httpsCode(err error) Code {
	if code := tlsCode(err, true); code != "M199" && code != "M109" {
		return code
	}
	return "M173"
}

// answer is that of a server to one question.
type answer struct {
	status int
	header http.Header
	body   []byte
	asked  time.Time // by the wall clock, in the middle of the exchange
}

func (a *answer) isHTML() bool { return est.IsHTML(a.body) }

// ask puts one question on a connection of its own. Its error is one of TCP,
// TLS or HTTP.
func (e *exam) ask(ctx context.Context, d *door, id *identity.Identity, method, path string, bearer secret.String) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, answerLimit+e.shakeLimit())
	defer cancel()
	conn, s := e.handshake(ctx, d, tls.VersionTLS12, tls.VersionTLS13, id)
	if s.err != nil {
		return nil, s.err
	}
	defer func() { _ = conn.Close() }()
	if id != nil || !bearer.IsZero() { // only to a server that is who it says
		if err := e.verifyServer(conn.ConnectionState().PeerCertificates, e.now()); err != nil {
			return nil, err
		}
	}
	_ = conn.SetDeadline(time.Now().Add(answerLimit)) // fails on closed connections only
	r, err := http.NewRequestWithContext(ctx, method, "https://"+e.cfg.Address(d.port)+path, nil)
	if err != nil {
		return nil, err
	}
	r.Close = true
	r.Header.Set("Accept", "application/json")
	if id != nil && len(id.Chain) > 1 { // rest.md §4.1: some servers look there alone
		r.Header.Set("X-Ssl-Cert-Chain", strings.ReplaceAll(string(pki.EncodePEM(id.Chain[1:]...)), "\n", " "))
	}
	if !bearer.IsZero() {
		r.Header.Set("Authorization", "Bearer "+bearer.Reveal())
	}
	begin := e.o.Now()
	if err := r.Write(conn); err != nil {
		return nil, s.slowly(afterWrite(conn, err))
	}
	limited := &io.LimitedReader{R: conn, N: maxAnswer + 1}
	res, err := http.ReadResponse(bufio.NewReader(limited), r)
	if err != nil {
		return nil, s.slowly(err)
	}
	middle := begin.Add(e.o.Now().Sub(begin) / 2)
	body, err := io.ReadAll(res.Body)
	if err == nil && limited.N <= 0 {
		err = errTooMuch
	}
	if err != nil {
		return nil, err
	}
	return &answer{status: res.StatusCode, header: res.Header, body: body, asked: middle}, nil
}

// afterWrite prefers what the server said before it closed.
func afterWrite(conn io.Reader, err error) error {
	if _, said := conn.Read(make([]byte, 1)); said != nil && said != io.EOF {
		return said
	}
	return err
}

// judgeClock compares the clocks by the Date of any answer over HTTPS, also by
// that of a server that could not be verified: a wrong clock is one reason for
// that.
func (e *exam) judgeClock(ctx context.Context, d *door) {
	if !d.answers {
		return
	}
	a, err := e.ask(ctx, d, nil, http.MethodGet, est.PathPrefix+est.OpCACerts, secret.String{})
	if err != nil {
		return // est says so
	}
	date, err := http.ParseTime(a.header.Get("Date"))
	if err != nil {
		e.skip("clock", "the server does not say what time it has")
		return
	}
	// The Date is cut to seconds: half of one is the best guess.
	offset := date.Add(500 * time.Millisecond).Sub(a.asked)
	e.offset = &offset
	detail := "this device " + e.o.Now().UTC().Format(time.RFC3339) + ", server " + date.UTC().Format(time.RFC3339)
	switch off := offset.Abs(); {
	case offset >= clockError:
		if !e.has("M032") {
			e.find("clock", "M032", detail)
		}
	case off >= clockError:
		e.find("clock", "M030", detail)
	case off >= clockWarning:
		e.find("clock", "M031", detail)
	default:
		e.ok("clock", "within %v of the server's", max(off, time.Second).Round(time.Second))
	}
	// By our clock that cannot be: it is never before what our certificate says.
	if e.id != nil && e.id.Chain.Leaf().NotBefore.After(date.Add(clockWarning)) {
		e.find("certificate", "M056", "valid from "+e.id.Chain.Leaf().NotBefore.UTC().Format(time.RFC3339)+", server "+date.UTC().Format(time.RFC3339))
	}
}

// est looks whether certificates can be had.
func (e *exam) est(ctx context.Context, d *door) {
	if !d.usable {
		return
	}
	a, err := e.ask(ctx, d, nil, http.MethodGet, est.PathPrefix+est.OpCACerts, secret.String{})
	switch {
	case ctx.Err() != nil: // M198 says so
	case err != nil:
		e.find("est", "M173", err.Error())
	case a.isHTML():
		e.find("est", "M171", http.StatusText(a.status))
	case a.status >= 500:
		e.find("est", "M172", http.StatusText(a.status))
	case a.status == http.StatusOK:
		certs, err := est.DecodeCertificates(a.body)
		if err != nil {
			e.fail("est", "M170", err)
			return
		}
		e.ok("est", "answers, CA %s", certs[0].Subject)
	default:
		e.ok("est", "something answers with status %d, without CA certificates", a.status)
	}
}

// explanation is the server's view of a certificate (GET /mooring/explain).
type explanation struct {
	Reason      string       `json:"reason"`
	Detail      string       `json:"detail"`
	LastRefusal *explanation `json:"last_refusal"`
}

// present shows the certificate over HTTPS and reports whether the server
// refuses it.
func (e *exam) present(ctx context.Context, d *door) (refused bool) {
	const check = "whoami"
	if d.port == 0 {
		e.skip(check, "no port for HTTPS with certificate is configured")
		return false
	}
	if !d.usable {
		return false
	}
	a, err := e.ask(ctx, d, e.id, http.MethodGet, "/mooring/whoami", secret.String{})
	switch {
	case ctx.Err() != nil:
	case err != nil:
		e.find(check, httpsCode(err), err.Error())
		return true
	case a.isHTML():
		e.find(check, "M171", http.StatusText(a.status))
	case a.status == http.StatusUnauthorized, a.status == http.StatusForbidden:
		e.explain(ctx, check, d)
		return true
	case a.status == http.StatusOK:
		var who struct {
			Fingerprint string `json:"fingerprint_sha256"`
		}
		_ = json.Unmarshal(a.body, &who) // what is no JSON names no certificate
		switch who.Fingerprint {
		case "":
			e.skip(check, "the server does not tell which certificate it saw")
		case e.id.FingerprintHex():
			e.ok(check, "the server accepts the certificate")
		default:
			e.find(check, "M141", who.Fingerprint)
			return true
		}
	default:
		e.skip(check, "the server does not tell which certificate it saw")
	}
	return false
}

// explain asks the server why it refuses the device.
func (e *exam) explain(ctx context.Context, check string, d *door) {
	x := e.explanation(ctx, d)
	code, known := reasons[x.Reason]
	switch {
	case known:
	case x.Reason != "":
		code = "M199"
	default:
		code = "M120"
	}
	if e.has(code) {
		return
	}
	e.find(check, code, x.Detail)
	switch code {
	case "M120", "M121", "M123":
		e.rootMissing(e.id.Chain)
	}
}

// explanation is zero if the server does not explain.
func (e *exam) explanation(ctx context.Context, d *door) (x explanation) {
	if !d.usable {
		return x
	}
	a, err := e.ask(ctx, d, e.id, http.MethodGet, "/mooring/explain", secret.String{})
	if err != nil || a.status != http.StatusOK || json.Unmarshal(a.body, &x) != nil {
		return explanation{}
	}
	if x.Reason == "accepted" {
		if x.LastRefusal == nil {
			return explanation{}
		}
		x = *x.LastRefusal
	}
	return x
}

func (e *exam) has(code Code) bool {
	for _, f := range e.findings {
		if f.Code == code {
			return true
		}
	}
	return false
}

// tokenOverHTTPS gets a device token by certificate (contract rest.md §4.1),
// which disturbs no session, and tries it.
func (e *exam) tokenOverHTTPS(ctx context.Context, https, mtls *door) {
	const check = "token mtls"
	if mtls.port == 0 || !mtls.usable {
		return
	}
	a, err := e.ask(ctx, mtls, e.id, http.MethodPost, "/devicecontrol/deviceAccessToken", secret.String{})
	switch {
	case ctx.Err() != nil:
	case err != nil:
		e.find(check, httpsCode(err), err.Error())
	case a.isHTML():
		e.find(check, "M171", http.StatusText(a.status))
	case a.status == http.StatusNotFound || a.status == http.StatusMethodNotAllowed:
		e.skip(check, "the server gives no tokens over HTTPS")
	case a.status >= 300:
		e.find(check, "M160", http.StatusText(a.status)+": "+string(bytes.TrimSpace(a.body)))
	default:
		var said struct{ AccessToken secret.String }
		_ = json.Unmarshal(a.body, &said) // no token is then in it
		e.tryToken(ctx, check, https, said.AccessToken)
	}
}

// tryToken uses a token where devices use theirs.
func (e *exam) tryToken(ctx context.Context, check string, https *door, token secret.String) {
	claims, ok := e.readToken(check, token.Reveal())
	if !ok {
		return
	}
	if !https.usable {
		e.ok(check, "for %s, to %s", claims.Subject, claims.Expires.UTC().Format(time.RFC3339))
		return
	}
	a, err := e.ask(ctx, https, nil, http.MethodGet, "/identity/externalIds/c8y_Serial/"+url.PathEscape(e.id.Chain.Leaf().Subject.CommonName), token)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		e.find(check, "M173", err.Error())
	case a.status == http.StatusUnauthorized:
		e.find(check, "M161", string(bytes.TrimSpace(a.body)))
	case a.isHTML():
		e.find(check, "M171", http.StatusText(a.status))
	case a.status >= 500:
		e.find(check, "M172", http.StatusText(a.status))
	default:
		e.ok(check, "the server accepts it; for %s, to %s", claims.Subject, claims.Expires.UTC().Format(time.RFC3339))
	}
}

// readToken reads a device token, or finds that it is none.
func (e *exam) readToken(check, token string) (jwt.Claims, bool) {
	claims, err := jwt.ParseBearer(token)
	if err != nil {
		e.fail(check, "M162", err)
	}
	return claims, err == nil
}
