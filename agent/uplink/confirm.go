package uplink

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"mooring/agent/dial"
	"mooring/internal/jwt"
	"mooring/internal/problem"
)

const (
	whoamiPath  = "/mooring/whoami"
	explainPath = "/mooring/explain"
	// maxAnswer bounds the answers of both; they have a few hundred bytes.
	maxAnswer = 16 << 10
)

// confirmWaits is between the questions which certificate the server saw. A
// server whose port cannot be reached by then is believed by its token.
var confirmWaits = []time.Duration{time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second}

// whoami is the server's view of the certificate of one TLS connection.
type whoami struct {
	Device      string `json:"device"`
	Fingerprint string `json:"fingerprint_sha256"`
}

// confirm returns the fingerprint of the certificate that authenticated.
func (u *Uplink) confirm(ctx context.Context, s *session) ([32]byte, error) {
	if !s.credential.Confirm || u.isConfirmed(s.credential) {
		return s.credential.Fingerprint, nil
	}
	named, err := u.askWhoami(ctx, s)
	if err == nil && named == s.credential.Fingerprint {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.confirmed = named
	}
	return named, err
}

// confirmLater confirms a connection that is up already.
func (u *Uplink) confirmLater(ctx context.Context, s *session) {
	named, err := u.confirm(ctx, s)
	switch {
	case err == nil:
		u.cfg.Report(Event{Kind: Up, Generation: s.credential.Generation, Fingerprint: named})
	case ctx.Err() == nil:
		u.log.Warn("the server does not tell by which certificate the device is connected", "err", err)
	}
}

func (u *Uplink) isConfirmed(c *Credential) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.confirmed == c.Fingerprint
}

func (u *Uplink) askWhoami(ctx context.Context, s *session) ([32]byte, error) {
	for i := 0; ; i++ {
		named, err := u.whoami(ctx, s.credential)
		switch {
		case err == nil:
			return named, nil
		case ctx.Err() != nil:
			return [32]byte{}, err
		case problem.KindOf(err) == problem.NotFound || u.cfg.MTLS == "":
			return u.confirmByToken(ctx, s)
		case problem.KindOf(err) == problem.Unauthenticated || problem.KindOf(err) == problem.Forbidden:
			return [32]byte{}, err
		case i == len(confirmWaits):
			u.log.Warn("the server cannot be asked which certificate it saw", "err", err)
			return u.confirmByToken(ctx, s)
		}
		wait(ctx, nil, confirmWaits[i])
	}
}

// confirmByToken is for servers that cannot be asked, as the original platform
// cannot. The platform gives tokens to certificate sessions alone (contract
// mqtt.md §7.2), so one that arrives on a connection for which the server asked
// for the certificate, as none does that resumes, proves the certificate. What is
// in the token does not matter: it is opaque to its bearer (RFC 6749 §1.4).
func (u *Uplink) confirmByToken(ctx context.Context, s *session) ([32]byte, error) {
	if !s.asked.Load() {
		return [32]byte{}, problem.New(problem.Unavailable, "this connection does not show which certificate authenticated", nil)
	}
	text, err := u.askToken(ctx, s)
	if err != nil {
		return [32]byte{}, err
	}
	if _, err := jwt.ParseBearer(text); err != nil {
		return [32]byte{}, err
	}
	return s.credential.Fingerprint, nil
}

func (u *Uplink) whoami(ctx context.Context, c *Credential) ([32]byte, error) {
	var w whoami
	var named [32]byte
	if u.cfg.MTLS == "" {
		return named, problem.New(problem.NotFound, "no port for HTTPS with certificate", nil)
	}
	if err := u.ask(ctx, c, whoamiPath, &w); err != nil {
		return named, err
	}
	sum, err := hex.DecodeString(w.Fingerprint)
	if err != nil || len(sum) != len(named) || w.Device != u.cfg.DeviceID {
		return named, problem.New(problem.Invalid, "the server's answer names no certificate of this device", err)
	}
	copy(named[:], sum)
	return named, nil
}

// ask gets one JSON answer over a fresh TLS connection with c. It never
// resumes: the answer is about this very handshake.
func (u *Uplink) ask(ctx context.Context, c *Credential, path string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, u.cfg.HandshakeLimit)
	defer cancel()
	transport := &http.Transport{
		DialContext:       u.cfg.DialContext,
		TLSClientConfig:   u.tlsConfig(c, u.cfg.MTLS, func() {}),
		DisableKeepAlives: true,
	}
	client := http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+u.cfg.MTLS+path, nil)
	if err != nil {
		return err
	}
	r.Header.Set("Accept", "application/json")
	answer, err := client.Do(r)
	if err != nil {
		return problem.New(problem.Unavailable, "the server cannot be asked", err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	if err != nil || len(text) > maxAnswer {
		return problem.New(problem.Unavailable, "the server's answer was cut off", err)
	}
	if answer.StatusCode != http.StatusOK {
		return problem.New(kindOf(answer.StatusCode), "the server answered "+answer.Status, nil)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return problem.New(problem.NotFound, "the server's answer is not for us", err)
	}
	return nil
}

func kindOf(status int) problem.Kind {
	switch status {
	case http.StatusUnauthorized:
		return problem.Unauthenticated
	case http.StatusForbidden:
		return problem.Forbidden
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return problem.NotFound
	}
	return problem.Unavailable
}

// explanation is the server's verdict on a certificate.
type explanation struct {
	Reason      string       `json:"reason"`
	Detail      string       `json:"detail"`
	LastRefusal *explanation `json:"last_refusal"`
}

// accepted is the reason of a certificate that is all right; what was refused
// then is something else, and stands in the last refusal.
const accepted = "accepted"

// explained makes an event of a failed connection, and of a refusal one with
// the server's reason if it tells.
func (u *Uplink) explained(ctx context.Context, c *Credential, err error) Event {
	e := failure(c.Generation, err)
	if e.Kind != Refused || u.cfg.MTLS == "" {
		return e
	}
	var x explanation
	if askErr := u.ask(ctx, c, explainPath, &x); askErr != nil {
		u.log.Debug("the server does not explain", "err", askErr)
		return e
	}
	if x.Reason == accepted && x.LastRefusal != nil {
		x = *x.LastRefusal
	}
	if x.Reason != "" && x.Reason != accepted {
		e.Reason, e.Detail = cut(x.Reason), cut(x.Detail)
	}
	return e
}

// Unreached explains an error that kept this side from speaking to the server,
// and reports whether it is one.
func Unreached(err error) (reason, detail string, ok bool) {
	if v, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "server certificate", cut(fmt.Sprintf("the server's certificate is not accepted, or the clock here is wrong: %v", v)), true
	}
	if p, ok := errors.AsType[*dial.ProxyError](err); ok {
		return "proxy", cut(p.Error()), true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "unreachable", "what answers there does not speak TLS: a login page of the network, a proxy, or another service on that port", true
	}
	// crypto/tls has no type for it: alert 70 of the server, or its choice of a version.
	if err != nil && (strings.Contains(err.Error(), "tls: protocol version not supported") || strings.Contains(err.Error(), "tls: server selected unsupported protocol version")) {
		return "tls version", "the server has neither TLS 1.2 nor TLS 1.3", true
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && !isRemoteAlert(err) {
		return "unreachable", cut(fmt.Sprintf("the server cannot be reached: %v", op)), true
	}
	return "", "", false
}

// failure tells a refusal by the server from a connection that did not come
// about. A server that speaks TLS 1.3 refuses a certificate only after the
// handshake, in place of the CONNACK.
func failure(generation uint32, err error) Event {
	e := Event{Kind: Failed, Generation: generation, Reason: "unreachable", Detail: "the server cannot be reached", Err: err}
	reason, detail, unreached := Unreached(err)
	switch {
	case IsKeyFault(err):
		k, _ := errors.AsType[keyFault](err)
		e.Reason, e.Detail = "key store", "the key of the device does not sign: "+k.Error()
	case refusedByCONNACK(err):
		e.Kind, e.Reason, e.Detail = Refused, "not authorised", "the server refused the device: "+err.Error()
	case isRemoteAlert(err) && !unreached:
		e.Kind, e.Reason, e.Detail = Refused, "certificate refused", "the server refused the certificate in the TLS handshake"
	case problem.KindOf(err) == problem.Unauthenticated || problem.KindOf(err) == problem.Forbidden:
		e.Kind, e.Reason, e.Detail = Refused, "not authorised", "the server does not accept the certificate for HTTPS"
	case unreached:
		e.Reason, e.Detail = reason, detail
	case errors.Is(err, packets.ErrorRefusedServerUnavailable):
		e.Reason, e.Detail = "unavailable", "the server says that it is not available"
	case errors.Is(err, errTooLong) || errors.Is(err, errSuback):
		e.Reason, e.Detail = "protocol", err.Error()
	default:
		e.Detail = unready(err)
	}
	e.Detail = cut(e.Detail)
	return e
}

// ended explains the end of a good connection. No reason means that we wanted it.
func ended(generation uint32, why error) Event {
	e := Event{Kind: Down, Generation: generation, Detail: "the connection ended", Err: why}
	switch {
	case errors.Is(why, errReplaced) || errors.Is(why, context.Canceled):
	case errors.Is(why, io.EOF):
		e.Reason, e.Detail = "disconnected", "the server closed the connection"
	default:
		e.Reason, e.Detail = "disconnected", cut("the connection ended: "+why.Error())
	}
	return e
}

// unready says why a connection did not get as far as its first message, or
// showed no certificate.
func unready(err error) string {
	if p, ok := errors.AsType[*problem.Error](err); ok && p.Detail != "" {
		return p.Detail
	}
	return "the connection broke before the server was ready: " + err.Error()
}
