// Package restapi is the REST front end (contract rest.md): one file a
// resource, each a list of routes and their handlers, which decode a request
// to a service's command and encode its answer.
//
// To add a resource: its file with a method that returns its routes, a row in
// New, its services in Config, its JSON in server/c8yjson.
package restapi

import (
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"mooring/internal/problem"
	"mooring/server/c8yjson"
	"mooring/server/platform"
)

// maxQueryBytes bounds the query of a URL; the longest are lists of IDs.
const maxQueryBytes = 64 << 10

// API serves the REST calls.
type API struct {
	Config
	auth    Authenticator
	now     func() time.Time
	log     *slog.Logger
	root    *node
	about   []byte // the description of the API
	docs    []byte // and the page that lists it
	metrics metrics
}

var _ http.Handler = (*API)(nil)

// New returns the API on the services of c.
func New(c Config) *API {
	a := &API{Config: c, auth: c.Auth, now: c.Now, log: c.Log, root: newNode(), metrics: metrics{counts: map[metric]*atomic.Uint64{}}}
	if a.now == nil {
		a.now = time.Now
	}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	for _, r := range a.routes() {
		r.area = areaOf(r.path)
		a.root.add(r)
	}
	a.about, a.docs = a.describe()
	return a
}

// routes lists every call.
func (a *API) routes() []route {
	return slices.Concat(
		a.inventoryRoutes(), a.managedObjectRoutes(), a.binaryRoutes(), a.childRoutes(), a.softwareRoutes(), a.identityRoutes(),
		a.measurementRoutes(), a.eventRoutes(), a.eventBinaryRoutes(), a.alarmRoutes(), a.operationRoutes(), a.bulkOperationRoutes(), a.retentionRoutes(),
		a.tenantRoutes(), a.tenantsRoutes(), a.loginRoutes(), a.groupRoutes(), a.inventoryRoleRoutes(), a.optionRoutes(), a.systemOptionRoutes(), a.featureRoutes(),
		a.userRoutes(), a.auditRoutes(),
		a.trustedCertificateRoutes(), a.possessionRoutes(), a.chainRoutes(), a.revocationRoutes(), a.authorityRoutes(),
		a.registrationRoutes(), a.deviceTokenRoutes(), a.mooringRoutes(), a.attestationRoutes(), a.smartRESTRoutes(), a.notificationRoutes(), a.linkRoutes(), a.descriptionRoutes(),
	)
}

// areas names the area of error codes where it is not the first segment of
// the path (rest.md §0.4).
var areas = map[string]string{"user": "users", "notification2": "reliable-notification", "crl": "Certificate Authority (CA)", "certificate-authority": "Certificate Authority (CA)"}

func areaOf(path string) string {
	first, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if first == "tenant" && strings.HasPrefix(rest, "options") || strings.HasPrefix(rest, "system/options") {
		return "options"
	}
	if area, ok := areas[first]; ok {
		return area
	}
	return first
}

// Handles reports whether the path of r begins like one of ours, for who
// serves other things beside the API.
func (a *API) Handles(r *http.Request) bool {
	segments, ok := splitPath(r.URL.EscapedPath())
	return ok && len(segments) > 0 && a.root.literal[segments[0]] != nil
}

// ServeHTTP answers one request. A panic of a handler is logged and answered
// as problem.Internal.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	c := &call{api: a, w: w, r: r}
	defer func() {
		if v := recover(); v != nil {
			if v == http.ErrAbortHandler {
				panic(v)
			}
			a.log.ErrorContext(r.Context(), "panic in a request", "method", r.Method, "path", r.URL.Path, "panic", v, "stack", string(debug.Stack()))
			c.fail(problem.Internal)
		}
		a.finish(c, began)
	}()
	if err := c.serve(); err != nil {
		c.fail(err)
	}
}

// serve finds the route, admits the caller and runs the handler.
func (c *call) serve() error {
	segments, ok := splitPath(c.r.URL.EscapedPath())
	if !ok || len(c.r.URL.RawQuery) > maxQueryBytes {
		return problem.New(problem.Invalid, "The URL is malformed or too long.", nil)
	}
	n, values := c.api.root.find(segments)
	if n == nil {
		return problem.WithCode(problem.NotFound, "general/Not Found", "There is nothing at this path.", nil)
	}
	method := effectiveMethod(c.r)
	if c.route = n.route(method); c.route == nil {
		c.w.Header().Set("Allow", n.allow())
		return problem.New(problem.MethodNotAllowed, "The method "+cut(method)+" is not allowed here.", nil)
	}
	var err error
	if c.query, err = url.ParseQuery(c.r.URL.RawQuery); err != nil {
		return problem.New(problem.Invalid, "The query of the URL is malformed.", err)
	}
	c.values = values
	bound := int64(c8yjson.MaxBodyBytes)
	if c.route.maxBody > 0 {
		bound = c.route.maxBody
	}
	c.r.Body = http.MaxBytesReader(c.w, c.r.Body, bound)
	if err := c.admit(); err != nil {
		return err
	}
	c.readMode()
	c.r = c.r.WithContext(platform.Metered(c.ctx()))
	return c.route.serve(c)
}

func (a *API) finish(c *call, began time.Time) {
	name := ""
	if c.route != nil {
		name = c.route.method + " " + c.route.path
	}
	a.metrics.count(name, c.status)
	a.log.LogAttrs(c.r.Context(), slog.LevelDebug, "request", slog.String("method", c.r.Method), slog.String("path", c.r.URL.Path),
		slog.Int("status", c.status), slog.String("tenant", string(c.who.Tenant)), slog.String("user", c.who.User),
		slog.String("address", c.r.RemoteAddr), slog.Duration("took", time.Since(began)))
}

// actor is who is written into the audit log.
func (c *call) actor() platform.Principal { return c.who }
