// Package estapi is the EST front end (RFC 7030): it decodes requests below
// /.well-known/est/ for the certificate authority and writes its answers in
// the one form that every measured client accepts (contract est-interop.md §2).
//
//	GET  [label/]cacerts         the tenant's CA certificate
//	GET  [label/]csrattrs        that an attestation is asked for, else 204
//	POST [label/]simpleenroll    first leaf, Basic <external ID>:<OTP>
//	POST [label/]simplereenroll  next leaf, by device token, device password or client certificate
//	POST /mooring/attestation[/label]   challenge for an attestation, authenticated as either of those
//
// A label is a tenant ID, for clients whose host name does not tell the tenant.
package estapi

import (
	"context"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"mooring/internal/attestation"
	"mooring/internal/est"
	"mooring/internal/problem"
	"mooring/server/ca"
	"mooring/server/platform"
)

// Door is the name under which refusals are kept.
const Door = "est"

// CA issues leaves.
type CA interface {
	Certificate(ctx context.Context, tenant platform.TenantID) (der []byte, err error)
	Enrol(ctx context.Context, e ca.Enrolment) (leafDER []byte, err error)
	ReEnrol(ctx context.Context, r ca.ReEnrolment) (leafDER []byte, err error)

	WantsAttestation(ctx context.Context, tenant platform.TenantID) (bool, error)
	ChallengeEnrolling(ctx context.Context, e ca.Enrolment, keys platform.TPMKeys) (platform.TPMChallenge, error)
	ChallengeRenewing(ctx context.Context, p platform.Principal, keys platform.TPMKeys) (platform.TPMChallenge, error)
}

// Authenticator tells who sends a request and for which tenant.
type Authenticator interface {
	Principal(r *http.Request) (platform.Principal, error)
	// ReEnrolling is Principal that takes a certificate within its grace window too.
	ReEnrolling(r *http.Request) (platform.Principal, error)
	Tenant(r *http.Request) (platform.TenantID, error)
}

// Tenants finds the tenant that a label names.
type Tenants interface {
	Tenant(ctx context.Context, id platform.TenantID) (platform.Tenant, error)
}

// Refusals keeps the reasons why somebody was refused; Record never blocks.
type Refusals interface{ Record(platform.Refusal) }

// Config is what New needs.
type Config struct {
	CA       CA
	Auth     Authenticator
	Tenants  Tenants
	Refusals Refusals // nil: not kept
	// Observe is called after each request, for metrics; nil: not called.
	Observe func(operation string, status int, took time.Duration)
	Now     func() time.Time // nil: time.Now
	Log     *slog.Logger     // nil discards
}

// API serves EST on every path below est.PathPrefix.
type API struct {
	ca       CA
	auth     Authenticator
	tenants  Tenants
	refusals Refusals
	observe  func(operation string, status int, took time.Duration)
	now      func() time.Time
	log      *slog.Logger
}

var _ http.Handler = (*API)(nil)

// New returns the front end.
func New(c Config) *API {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Observe == nil {
		c.Observe = func(string, int, time.Duration) {}
	}
	return &API{ca: c.CA, auth: c.Auth, tenants: c.Tenants, refusals: c.Refusals, observe: c.Observe, now: c.Now, log: c.Log}
}

// call is one request on its way.
type call struct {
	*API
	w      http.ResponseWriter
	r      *http.Request
	label  platform.TenantID // empty: none
	status int               // zero until answered
}

// operation is how a path is served.
type operation struct {
	methods []string
	serve   func(*call) error
}

// operations are those offered; the other ones of RFC 7030 are 404.
var operations = map[string]operation{
	est.OpCACerts:  {[]string{http.MethodGet, http.MethodHead}, (*call).caCertificates},
	est.OpCSRAttrs: {[]string{http.MethodGet, http.MethodHead}, (*call).csrAttributes},
	est.OpEnrol:    {[]string{http.MethodPost}, (*call).enrol},
	est.OpReEnrol:  {[]string{http.MethodPost}, (*call).simpleReEnrol},
	opAttestation:  {[]string{http.MethodPost}, (*call).challenge},
}

// ServeHTTP answers one request. A panic is logged and answered as
// problem.Internal.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := a.now()
	c := &call{API: a, w: w, r: r}
	label, op, ok := parsePath(strings.TrimSuffix(r.URL.Path, "/"))
	c.label = platform.TenantID(label)
	if !ok {
		op = "unknown"
	}
	defer func() {
		if v := recover(); v != nil {
			if v == http.ErrAbortHandler {
				panic(v)
			}
			a.log.ErrorContext(r.Context(), "panic in a request", "operation", op, "panic", v, "stack", string(debug.Stack()))
			c.fail(problem.Internal)
		}
		a.observe(op, c.status, a.now().Sub(began))
	}()
	if err := c.dispatch(op); err != nil {
		c.fail(err)
	}
}

func (c *call) dispatch(name string) error {
	op, ok := operations[name]
	if !ok {
		return problem.New(problem.NotFound, "There is no such EST operation.", nil)
	}
	for _, m := range op.methods {
		if m == c.r.Method {
			return op.serve(c)
		}
	}
	c.w.Header().Set("Allow", strings.Join(op.methods, ", "))
	return problem.New(problem.MethodNotAllowed, "This EST operation is called with "+op.methods[0]+".", nil)
}

// caCertificates answers with the CA certificate that is in force, which is
// self-signed: some clients want the root here (est-interop.md §2).
func (c *call) caCertificates() error {
	tenant, err := c.tenant(c.r)
	if err != nil {
		return err
	}
	der, err := c.ca.Certificate(c.r.Context(), tenant)
	if err != nil {
		return err
	}
	return c.certificate(der, false)
}

// csrAttributes asks for an attestation where the tenant wants one. Nothing to ask
// for is 204 (est-interop.md §2 item 6), and so is a host of no tenant, unless a
// device shows its certificate there.
func (c *call) csrAttributes() error {
	tenant, err := c.tenant(c.r)
	if err != nil && c.label != "" {
		return err
	}
	if err != nil && c.r.TLS != nil && len(c.r.TLS.PeerCertificates) > 0 {
		var p platform.Principal
		p, err = c.auth.ReEnrolling(c.r)
		tenant = p.Tenant
	}
	wanted := false
	if err == nil {
		if wanted, err = c.ca.WantsAttestation(c.r.Context(), tenant); err != nil {
			return err
		}
	}
	if wanted {
		c.answer(http.StatusOK, est.CSRAttrsType, est.EncodeCSRAttributes(attestation.Attribute))
		return nil
	}
	c.status = http.StatusNoContent
	c.w.WriteHeader(c.status)
	return nil
}
