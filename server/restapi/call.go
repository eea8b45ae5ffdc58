package restapi

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"mooring/internal/problem"
	"mooring/server/c8yjson"
	"mooring/server/platform"
)

// call is one request on its way through a route.
type call struct {
	api    *API
	w      http.ResponseWriter
	r      *http.Request
	route  *route // nil until one is found
	who    platform.Principal
	values []string // of the path's parameters
	query  url.Values

	status  int
	started bool // an answer has begun
}

func (c *call) ctx() context.Context { return c.r.Context() }

func (c *call) tenant() platform.TenantID { return c.who.Tenant }

// area begins the code of errors that name none.
func (c *call) area() string {
	if c.route == nil {
		return "general"
	}
	return c.route.area
}

// param returns the decoded value of a path parameter.
func (c *call) param(name string) string {
	if i := slices.Index(c.route.names, name); i >= 0 && i < len(c.values) {
		return c.values[i]
	}
	return ""
}

// id reads a path parameter that is an identifier. What cannot be one is as
// little there as an unknown one.
func (c *call) id(name string) (platform.ID, error) {
	text := c.param(name)
	id, ok := platform.ParseID(text)
	if !ok {
		return 0, problem.New(problem.NotFound, notFoundText(c.area(), text), nil)
	}
	return id, nil
}

func notFoundText(area, id string) string {
	switch area {
	case "measurement", "event", "alarm":
		return "Finding " + area + " from database failed"
	case "identity":
		return "Global ID not found"
	case "audit":
		return "Finding audit data from database failed : No auditRecord for id '" + cut(id) + "'!"
	}
	return "Finding device data from database failed : No managedObject for id '" + cut(id) + "'!"
}

// readMode notes what is to become of data that the call brings (rest.md §0.2).
// A mode that is none counts as the usual one.
func (c *call) readMode() {
	switch m := platform.ProcessingMode(strings.ToUpper(c.r.Header.Get("X-Cumulocity-Processing-Mode"))); m {
	case platform.ModeTransient, platform.ModeQuiescent, platform.ModeCEP:
		c.r = c.r.WithContext(platform.WithMode(c.ctx(), m))
	}
}

// maxEcho bounds what of a client's text comes back in an error.
const maxEcho = 64

func cut(s string) string {
	for i := range s {
		if i > maxEcho {
			return s[:i] + "…"
		}
	}
	return s
}

// base is scheme and host that the client used, for links.
func (c *call) base() string {
	scheme := "http"
	if c.r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + c.host()
}

// host is the Host header, if it is one; it goes into links only.
func (c *call) host() string {
	for _, b := range []byte(c.r.Host) {
		switch {
		case b >= 'a' && b <= 'z', b >= 'A' && b <= 'Z', b >= '0' && b <= '9', b == '.', b == '-', b == '_', b == ':', b == '[', b == ']':
		default:
			return "localhost"
		}
	}
	if c.r.Host == "" {
		return "localhost"
	}
	return c.r.Host
}

// self is the URL that was asked for, absolute.
func (c *call) self() *url.URL {
	u, err := url.Parse(c.base() + c.r.URL.EscapedPath())
	if err != nil {
		u = &url.URL{Path: c.r.URL.Path}
	}
	u.RawQuery = c.r.URL.RawQuery
	return u
}

// body reads the JSON object of the request.
func (c *call) body() (c8yjson.Object, error) { return c8yjson.ReadObject(c.r.Body) }

// answer writes a status and a JSON body.
func (c *call) answer(status int, media string, encode func(*c8yjson.Writer)) {
	var w c8yjson.Writer
	encode(&w)
	c.bytes(status, media, w.Bytes())
}

// bytes writes a status and a body of any kind.
func (c *call) bytes(status int, media string, body []byte) {
	c.started, c.status = true, status
	h := c.w.Header()
	h.Set("Content-Type", media)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("X-Content-Type-Options", "nosniff")
	c.w.WriteHeader(status)
	_, _ = c.w.Write(body) // a client that went away is nobody's problem
}

// empty writes a status without a body.
func (c *call) empty(status int) {
	c.started, c.status = true, status
	if status != http.StatusNoContent {
		c.w.Header().Set("Content-Length", "0")
	}
	c.w.WriteHeader(status)
}

// written answers a POST or PUT: with a body only if the client asked for one
// by sending Accept (rest.md §0.2).
func (c *call) written(status int, media string, encode func(*c8yjson.Writer)) {
	if c.r.Header.Get("Accept") == "" {
		c.empty(status)
		return
	}
	c.answer(status, media, encode)
}

// created answers a POST that made something, with its URL.
func (c *call) created(location, media string, encode func(*c8yjson.Writer)) {
	c.w.Header().Set("Location", location)
	c.written(http.StatusCreated, media, encode)
}

// paging reads the part of a list that is asked for.
func (c *call) paging() (c8yjson.Paging, error) { return c8yjson.ParsePaging(c.query) }

// collection answers with one page of a list.
func collection[T any](c *call, media, key string, p c8yjson.Paging, list platform.List[T], item func(*c8yjson.Writer, T)) {
	c.answer(http.StatusOK, media, func(w *c8yjson.Writer) {
		c8yjson.Collection(w, c.self(), key, p, list, item)
	})
}
