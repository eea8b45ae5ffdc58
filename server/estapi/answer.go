package estapi

import (
	"crypto/x509"
	"errors"
	"math"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"mooring/internal/cms"
	"mooring/internal/est"
	"mooring/internal/problem"
	"mooring/server/c8yjson"
	"mooring/server/httpauth"
)

// outcome is how a kind of problem goes over the wire.
type outcome struct {
	status int
	code   string // of problems that name none
	text   string // of problems that have none, or whose text is withheld
}

var outcomes = map[problem.Kind]outcome{
	problem.Invalid:          {http.StatusBadRequest, "est/Bad Request", "The request is malformed."},
	problem.Unprocessable:    {http.StatusUnprocessableEntity, "est/Unprocessable Entity", "The request breaks a rule."},
	problem.Unauthenticated:  {http.StatusUnauthorized, "security/Unauthorized", "Full authentication is required to access this resource"},
	problem.Forbidden:        {http.StatusForbidden, "security/Forbidden", "Access is denied."},
	problem.NotFound:         {http.StatusNotFound, "est/Not Found", "Not found."},
	problem.MethodNotAllowed: {http.StatusMethodNotAllowed, "est/Method Not Allowed", "Method not allowed."},
	problem.Conflict:         {http.StatusConflict, "est/Conflict", "The request conflicts with another."},
	problem.TooLarge:         {http.StatusRequestEntityTooLarge, "est/Payload Too Large", "The request is too long."},
	problem.TooMany:          {http.StatusTooManyRequests, "est/Too Many Requests", "Too many attempts, try again later."},
	problem.Pending:          {http.StatusAccepted, "est/Pending", "The request is not decided yet, ask again."},
	problem.Unavailable:      {http.StatusServiceUnavailable, "est/Service Unavailable", "The server cannot answer now, try again."},
	problem.Internal:         {http.StatusInternalServerError, "est/Internal Error", "Internal server error."},
}

// certificate answers with one certificate. A leaf goes to clients that accept
// only application/pkcs10 as itself (rest.md §1.3).
func (c *call) certificate(der []byte, isLeaf bool) error {
	if isLeaf && acceptsOnlyPKCS10(c.r.Header.Values("Accept")) {
		c.answer(http.StatusOK, est.PKCS10Type, est.EncodePKCS10Certificate(der))
		return nil
	}
	object, err := cms.EncodeCertsOnly(&x509.Certificate{Raw: der})
	if err != nil {
		return err
	}
	c.answer(http.StatusOK, est.CertsOnlyType, est.EncodeCertificates(object))
	return nil
}

// answer writes a body, in one piece and with its length: strongSwan and
// libest do not read chunks.
func (c *call) answer(status int, contentType string, body []byte) {
	h := c.w.Header()
	h.Set("Content-Type", contentType)
	if status == http.StatusOK && contentType != c8yjson.MediaJSON {
		h.Set("Content-Transfer-Encoding", est.TransferEncoding)
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	c.status = status
	c.w.WriteHeader(status)
	if c.r.Method != http.MethodHead {
		_, _ = c.w.Write(body) // the client has gone: there is nobody to tell
	}
}

// fail answers with a problem, unless an answer has begun.
func (c *call) fail(err error) {
	kind := problem.KindOf(err)
	out := outcomes[kind]
	if (kind == problem.Internal || kind == problem.Unavailable) && c.r.Context().Err() == nil { // else the client went away
		c.log.ErrorContext(c.r.Context(), "EST request failed", "path", c.r.URL.Path, "err", err)
	}
	if c.status != 0 {
		return
	}
	if p, ok := errors.AsType[*problem.Error](err); ok && kind != problem.Internal {
		if p.Code != "" {
			out.code = p.Code
		}
		if p.Detail != "" {
			out.text = p.Detail
		}
	}
	if kind == problem.Unauthenticated {
		httpauth.Challenge(c.w, c.r)
	}
	if wait := problem.RetryAfter(err); wait > 0 {
		c.w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	}
	if acceptsText(c.r.Header.Values("Accept")) {
		c.answer(out.status, "text/plain; charset=utf-8", []byte(out.text+"\n"))
		return
	}
	var w c8yjson.Writer
	c8yjson.Error(&w, out.code, out.text)
	c.answer(out.status, c8yjson.MediaError, w.Bytes())
}

// detailOf is the public text of err.
func detailOf(err error) string {
	if p, ok := errors.AsType[*problem.Error](err); ok {
		return p.Detail
	}
	return ""
}

// codeOf is the code of err, empty if it has none.
func codeOf(err error) string {
	if p, ok := errors.AsType[*problem.Error](err); ok {
		return p.Code
	}
	return ""
}

// acceptsOnlyPKCS10 reports whether Accept asks for application/pkcs10 and not
// for a certs-only object.
func acceptsOnlyPKCS10(accept []string) bool {
	found := false
	for _, t := range mediaTypes(accept) {
		if t == "application/pkcs7-mime" {
			return false
		}
		found = found || t == est.PKCS10Type
	}
	return found
}

// acceptsText reports whether an error should be plain text: Accept is there
// and no JSON fits it (est-interop.md §2 item 10).
func acceptsText(accept []string) bool {
	types := mediaTypes(accept)
	for _, t := range types {
		if t == "*/*" || t == "application/*" || strings.Contains(t, "json") {
			return false
		}
	}
	return len(types) > 0
}

// maxAcceptTypes bounds how much of an Accept header is looked at; it is ours.
const maxAcceptTypes = 32

// mediaTypes are the types in an Accept header, lower-case, without parameters.
func mediaTypes(accept []string) []string {
	var types []string
	for part := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		if len(types) == maxAcceptTypes {
			break
		}
		if t, _, err := mime.ParseMediaType(part); err == nil {
			types = append(types, t)
		}
	}
	return types
}
