package restapi

import (
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"mooring/internal/problem"
	"mooring/server/c8yjson"
	"mooring/server/httpauth"
)

// outcome is how a kind of problem goes over the wire: the status, and the
// code of problems that name none. A code that begins with "/" follows the
// area of the call: "inventory/Not Found" (rest.md §0.4).
type outcome struct {
	status int
	code   string
}

var outcomes = map[problem.Kind]outcome{
	problem.Invalid:          {http.StatusBadRequest, "/Bad Request"},
	problem.Unprocessable:    {http.StatusUnprocessableEntity, "/Invalid Data"},
	problem.Unauthenticated:  {http.StatusUnauthorized, "security/Unauthorized"},
	problem.Forbidden:        {http.StatusForbidden, "security/Forbidden"},
	problem.NotFound:         {http.StatusNotFound, "/Not Found"},
	problem.MethodNotAllowed: {http.StatusMethodNotAllowed, "general/Method Not Allowed"},
	problem.Conflict:         {http.StatusConflict, "/Duplicate"},
	problem.TooLarge:         {http.StatusRequestEntityTooLarge, "general/Payload Too Large"},
	problem.TooMany:          {http.StatusTooManyRequests, "general/Too Many Requests"},
	problem.Pending:          {http.StatusAccepted, "general/Pending"},
	problem.Unavailable:      {http.StatusServiceUnavailable, "general/Service Unavailable"},
	problem.Internal:         {http.StatusInternalServerError, "general/Internal Error"},
}

// texts of problems that carry none, or whose text is withheld.
var defaultTexts = map[problem.Kind]string{
	problem.Forbidden:   "Access is denied.",
	problem.NotFound:    "Not found.",
	problem.Unavailable: "The server cannot answer now, try again.",
	problem.Internal:    "Internal server error.",
}

func forbidden() error {
	return problem.WithCode(problem.Forbidden, "security/Forbidden", "Access is denied.", nil)
}

// fail answers with a problem, unless an answer has begun already.
func (c *call) fail(err error) {
	kind := problem.KindOf(err)
	out := outcomes[kind]
	code, message := out.code, publicText(err)
	if p, ok := errors.AsType[*problem.Error](err); ok && p.Code != "" && kind != problem.Internal {
		code = p.Code
	}
	if strings.HasPrefix(code, "/") {
		code = c.area() + code
	}
	c.logFailure(kind, err)
	if c.started {
		return
	}
	if kind == problem.Unauthenticated {
		httpauth.Challenge(c.w, c.r)
	}
	if wait := problem.RetryAfter(err); wait > 0 {
		c.w.Header().Set("Retry-After", strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10))
	}
	c.answer(out.status, c8yjson.MediaError, func(w *c8yjson.Writer) { c8yjson.Error(w, code, message) })
}

// publicText is what may be told of err.
func publicText(err error) string {
	kind := problem.KindOf(err)
	if p, ok := errors.AsType[*problem.Error](err); ok && kind != problem.Internal && p.Detail != "" {
		return p.Detail
	}
	if text := defaultTexts[kind]; text != "" {
		return text
	}
	return http.StatusText(outcomes[kind].status)
}

// logFailure writes one line: what is our fault or the machine's as an error,
// the rest, which any client can cause, for who wants to see it.
func (c *call) logFailure(kind problem.Kind, err error) {
	level := slog.LevelDebug
	switch kind {
	case problem.Internal:
		level = slog.LevelError
	case problem.Unavailable:
		level = slog.LevelWarn
	}
	c.api.log.LogAttrs(c.r.Context(), level, "request refused", slog.String("method", c.r.Method),
		slog.String("path", c.r.URL.Path), slog.String("tenant", string(c.who.Tenant)), slog.String("user", c.who.User), slog.Any("err", err))
}
