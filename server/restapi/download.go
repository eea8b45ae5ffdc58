package restapi

import (
	"mime"
	"net/http"
	"strings"
	"time"

	"mooring/server/binary"
	"mooring/server/c8yjson"
)

// transferWithin is how long one piece of a file may take, either way; the
// bounds of a whole request are for small ones.
const transferWithin = 60 * time.Second

// patient gives a request whose body or answer is a file as long as it makes
// progress.
func (c *call) patient() {
	rc := http.NewResponseController(c.w)
	extend := func() {
		// Not every connection has deadlines; then there is nothing to extend.
		_ = rc.SetReadDeadline(time.Now().Add(transferWithin))
		_ = rc.SetWriteDeadline(time.Now().Add(transferWithin))
	}
	extend()
	c.r.Body = &pacedBody{c.r.Body, extend}
}

// pacedBody calls extend now and then.
type pacedBody struct {
	body
	extend func()
}

type body interface {
	Read(p []byte) (int, error)
	Close() error
}

func (b *pacedBody) Read(p []byte) (int, error) {
	b.extend()
	return b.body.Read(p)
}

// download answers with a file, or the ranges of it that the request asks for
// (RFC 9110 §14), under a name. A browser keeps it as a file, whatever it is.
func (c *call) download(content *binary.Content, name, media string) {
	if media == "" || strings.ContainsAny(media, "\r\n\x00") {
		media = octets
	}
	h := c.w.Header()
	h.Set("Content-Type", media)
	h.Set("ETag", content.ETag())
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "sandbox")
	if disposition := mime.FormatMediaType("attachment", map[string]string{"filename": name}); name != "" && disposition != "" {
		h.Set("Content-Disposition", disposition)
	} else {
		h.Set("Content-Disposition", "attachment")
	}
	w := &pacedWriter{ResponseWriter: c.w, call: c, extend: func() {
		_ = http.NewResponseController(c.w).SetWriteDeadline(time.Now().Add(transferWithin))
	}}
	w.extend()
	if !strings.HasPrefix(c.r.Header.Get("Range"), "bytes=") {
		c.r.Header.Del("Range") // a unit nobody knows is to be ignored (RFC 9110 §14.2)
	}
	http.ServeContent(w, c.r, "", content.At, content)
	if w.refused != 0 {
		h.Del("Content-Disposition")
		c.answer(w.refused, c8yjson.MediaError, func(j *c8yjson.Writer) {
			c8yjson.Error(j, "general/"+http.StatusText(w.refused), "The range or condition of the request does not fit the file.")
		})
	}
}

// pacedWriter notes the status of an answer and gives each piece its time.
type pacedWriter struct {
	http.ResponseWriter
	call    *call
	extend  func()
	refused int // a status that is answered in the API's own form
}

func (w *pacedWriter) WriteHeader(status int) {
	if status >= http.StatusBadRequest {
		w.refused = status
		return
	}
	w.call.started, w.call.status = true, status
	w.ResponseWriter.WriteHeader(status)
}

func (w *pacedWriter) Write(p []byte) (int, error) {
	if w.refused != 0 {
		return len(p), nil
	}
	w.extend()
	return w.ResponseWriter.Write(p)
}
