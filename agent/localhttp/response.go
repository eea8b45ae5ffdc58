package localhttp

import (
	"net/http"
	"strconv"
	"time"
)

// response writes an answer. Up to maxHeld bytes are held back so that a short
// answer has a length; a longer or flushed one goes out in chunks, or to a
// caller of HTTP/1.0 until the connection closes.
type response struct {
	c        *conn
	method   string
	header   http.Header
	old      bool // HTTP/1.0: no chunks
	last     bool // the connection ends after this answer
	status   int
	held     []byte
	sent     bool // the header is out
	chunked  bool
	measured bool  // a length was stated
	owed     int64 // bytes of it that are still to come
	err      error
}

const maxHeld = 4 << 10

var (
	_ http.ResponseWriter = (*response)(nil)
	_ http.Flusher        = (*response)(nil)
)

// Header is http.ResponseWriter's.
func (w *response) Header() http.Header { return w.header }

// WriteHeader is http.ResponseWriter's. The first one counts.
func (w *response) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

// Write is http.ResponseWriter's.
func (w *response) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if w.bodiless() {
		return len(p), nil
	}
	if !w.sent && len(w.held)+len(p) <= maxHeld {
		w.held = append(w.held, p...)
		return len(p), nil
	}
	w.begin(-1)
	w.piece(w.held)
	w.held = nil
	w.piece(p)
	if w.err != nil {
		return 0, w.err
	}
	return len(p), nil
}

// Flush sends what was written.
func (w *response) Flush() {
	w.WriteHeader(http.StatusOK)
	w.begin(-1)
	w.piece(w.held)
	w.held = nil
	w.flush()
}

// finish sends what is left.
func (w *response) finish() error {
	w.WriteHeader(http.StatusOK)
	if !w.sent {
		w.begin(len(w.held))
		w.piece(w.held)
	} else if w.chunked {
		w.write([]byte("0\r\n\r\n"))
	}
	w.flush()
	if w.err == nil && w.owed != 0 {
		w.err = http.ErrContentLength // the caller waits for the rest: only closing ends that
	}
	return w.err
}

// proceed tells a caller that waits to send its body.
func (w *response) proceed() error {
	if !w.sent {
		w.write([]byte("HTTP/1.1 100 Continue\r\n\r\n"))
		w.flush()
	}
	return w.err
}

// bodiless reports whether the answer has no body by its nature
// (RFC 9112 §6.3).
func (w *response) bodiless() bool {
	return w.method == http.MethodHead || w.status == http.StatusNoContent || w.status == http.StatusNotModified
}

// begin sends the header; the body's length is -1 if nobody knows it yet.
func (w *response) begin(length int) {
	if w.sent {
		return
	}
	w.sent = true
	w.header.Del("Transfer-Encoding")
	stated, err := strconv.ParseInt(w.header.Get("Content-Length"), 10, 64)
	switch {
	case w.bodiless():
	case err == nil:
		w.owed, w.measured = stated, true
	case length >= 0:
		w.owed, w.measured = int64(length), true
		w.header.Set("Content-Length", strconv.Itoa(length))
	case w.old:
		w.last = true
	default:
		w.chunked = true
		w.header.Set("Transfer-Encoding", "chunked")
	}
	if w.last {
		w.header.Set("Connection", "close")
	}
	w.write([]byte("HTTP/1.1 " + strconv.Itoa(w.status) + " " + http.StatusText(w.status) + "\r\n"))
	if w.err == nil {
		w.err = w.header.Write(w.c.out)
	}
	w.write([]byte("\r\n"))
}

func (w *response) piece(p []byte) {
	if len(p) == 0 || w.bodiless() {
		return
	}
	if w.measured {
		if w.owed -= int64(len(p)); w.owed < 0 {
			w.err = http.ErrContentLength
			return
		}
	}
	if w.chunked {
		w.write(append(strconv.AppendInt(nil, int64(len(p)), 16), "\r\n"...))
		defer w.write([]byte("\r\n"))
	}
	w.write(p)
}

func (w *response) write(p []byte) {
	if w.err == nil {
		_ = w.c.nc.SetWriteDeadline(time.Now().Add(pieceLimit))
		_, w.err = w.c.out.Write(p)
	}
}

func (w *response) flush() {
	if w.err == nil {
		_ = w.c.nc.SetWriteDeadline(time.Now().Add(pieceLimit))
		w.err = w.c.out.Flush()
	}
}
