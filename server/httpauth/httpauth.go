// Package httpauth finds out who sends an HTTP request and for which tenant
// (contract rest.md §0.3, §4.1, §7).
//
// In this order: the principal a listener has put into the context (the admin
// socket); the Authorization header, Basic or Bearer, which decides alone if it
// is there; the cookie of a login; the client certificate, on listeners wrapped by
// WithClientCertificates only. What was wrong is never told apart to the peer.
package httpauth

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"mooring/internal/problem"
	"mooring/internal/secret"
	"mooring/server/platform"
)

// Accounts knows people and tenants.
type Accounts interface {
	Authenticate(ctx context.Context, tenant platform.TenantID, user string, password secret.String, address string) (platform.Principal, error)
	// Resume lets in who came by a person's token, if the login still holds.
	Resume(ctx context.Context, p platform.Principal) (platform.Principal, error)
	TenantForHost(ctx context.Context, host string) (platform.TenantID, error)
	Tenant(ctx context.Context, id platform.TenantID) (platform.Tenant, error)
}

// Devices knows device users.
type Devices interface {
	// Password authenticates the device user "device_<external ID>".
	Password(ctx context.Context, tenant platform.TenantID, user string, password secret.String, address string) (platform.Principal, error)
	// CheckDevice is an error unless the device user is there and enabled, and the
	// certificate that its token was given for trusted still.
	CheckDevice(ctx context.Context, p platform.Principal) error
}

// Tokens reads device tokens. It says nothing of the device user.
type Tokens interface {
	Verify(ctx context.Context, token string) (platform.Principal, error)
}

// Certificates decides about client certificates.
type Certificates interface {
	Decide(chain []*x509.Certificate, now time.Time) platform.Verdict
	// Admit makes a principal of a verdict whose scope is Full.
	Admit(ctx context.Context, v platform.Verdict, door string) (platform.Principal, error)
}

// Refusals keeps the reasons why somebody was refused; Record never blocks.
type Refusals interface{ Record(platform.Refusal) }

// Config says whom an Authenticator asks.
type Config struct {
	Accounts     Accounts
	Devices      Devices
	Tokens       Tokens
	Certificates Certificates // nil: no client certificates
	Refusals     Refusals     // nil: not kept
	// ReasonOf finds the reason in an error of Admit, Password or CheckDevice;
	// nil: bad credentials.
	ReasonOf func(error) platform.Reason
	Now      func() time.Time // nil is time.Now
	Log      *slog.Logger     // nil discards
}

// Doors under which refusals are kept.
const (
	DoorREST = "rest"
	DoorMTLS = "mtls"
)

// Authenticator answers who sends a request.
type Authenticator struct {
	Config
}

// New returns an Authenticator that asks those named in c.
func New(c Config) *Authenticator {
	if c.ReasonOf == nil {
		c.ReasonOf = func(error) platform.Reason { return platform.ReasonBadCredentials }
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Authenticator{Config: c}
}

// errors that say one thing each (rest.md §0.4).
func noCredentials() error {
	return problem.WithCode(problem.Unauthenticated, "security/Unauthorized",
		"Full authentication is required to access this resource", nil)
}

func badCredentials(cause error) error {
	return problem.WithCode(problem.Unauthenticated, "security/Unauthorized", "Invalid credentials! : Bad credentials", cause)
}

func badChain(cause error) error {
	return problem.WithCode(problem.Unauthenticated, "security/Unauthorized", "Invalid certificate chain!", cause)
}

type principalKey struct{}

// WithPrincipal returns a context in which every request is p's. It is for
// listeners that have authenticated the peer themselves.
func WithPrincipal(ctx context.Context, p platform.Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// Principal returns who sends r.
//
// Errors: problem.Unauthenticated without credentials or with wrong ones;
// problem.Forbidden or TooMany as the services asked say it; problem.Invalid
// for an unreadable certificate chain in a header.
func (a *Authenticator) Principal(r *http.Request) (platform.Principal, error) {
	if p, ok := r.Context().Value(principalKey{}).(platform.Principal); ok {
		return p, nil
	}
	switch headers := r.Header.Values("Authorization"); {
	case len(headers) == 1 && headers[0] != "":
		return a.byHeader(r, headers[0])
	case len(headers) > 1:
		return platform.Principal{}, badCredentials(errors.New("more than one Authorization header"))
	case cookieToken(r) != "":
		return a.byCookie(r)
	case ClientCertificates(r):
		return a.byCertificate(r)
	}
	return platform.Principal{}, noCredentials()
}

// Tenant returns the tenant that r is for, before anybody is authenticated:
// the one named in Basic credentials, else that of the host name.
//
// Errors: problem.Unauthenticated if the credentials name no tenant that is
// there, problem.NotFound if the host name has none.
func (a *Authenticator) Tenant(r *http.Request) (platform.TenantID, error) {
	if p, ok := r.Context().Value(principalKey{}).(platform.Principal); ok {
		return p.Tenant, nil
	}
	if c, ok := BasicCredentials(r); ok && c.Tenant != "" {
		return a.named(r.Context(), c.Tenant)
	}
	return a.Accounts.TenantForHost(r.Context(), r.Host)
}

func (a *Authenticator) named(ctx context.Context, name string) (platform.TenantID, error) {
	t, err := a.Accounts.Tenant(ctx, platform.TenantID(name))
	if errors.Is(err, problem.NotFound) {
		return "", badCredentials(err)
	}
	return t.ID, err
}

// Challenge names the ways to authenticate in the header of a 401. Its name is
// written as in the RFC, because libest compares bytes; browsers that sent
// UseXBasic shall not ask the user.
func Challenge(w http.ResponseWriter, r *http.Request) {
	scheme := "Basic"
	if r.Header.Get("UseXBasic") == "true" {
		scheme = "XBasic"
	}
	w.Header()["WWW-Authenticate"] = []string{scheme + ` realm="Cumulocity"`}
}

// Address returns the host of the peer, without port.
func Address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

func (a *Authenticator) refuse(r platform.Refusal) {
	if a.Refusals == nil {
		return
	}
	if r.Tenant == "" {
		r.Tenant = platform.Management
	}
	if r.At.IsZero() {
		r.At = a.Now()
	}
	a.Refusals.Record(r)
}

// deviceOf returns the external ID in the name of a device user.
func deviceOf(user string) (string, bool) {
	id, ok := strings.CutPrefix(user, "device_")
	return id, ok && id != ""
}
