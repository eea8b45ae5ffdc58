package localhttp

import (
	"io"
	"net/http"
	"sync"
	"time"
)

// maxDrained is how much of a body nobody read is read for the next request's
// sake; beyond it the connection ends.
const maxDrained = 64 << 10

// body is a request's body with its bounds. Whoever reads it may be another
// goroutine than the handler's, and may still be at it when the handler ends.
type body struct {
	c        *conn
	mu       sync.Mutex
	w        *response
	in       io.ReadCloser
	left     int64 // bytes that may still come, if bounded
	bounded  bool
	expected bool // the caller waits for "100 Continue"
	ended    bool // read to its end
	closed   bool
	atEnd    func() // called once, then
}

// Read reads the next piece, which has its time.
func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return 0, http.ErrBodyReadAfterClose
	}
	return b.read(p)
}

func (b *body) read(p []byte) (int, error) {
	if b.ended || len(p) == 0 {
		return 0, io.EOF
	}
	if b.expected {
		b.expected = false
		if err := b.w.proceed(); err != nil {
			return 0, err
		}
	}
	if b.bounded && int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	_ = b.c.nc.SetReadDeadline(time.Now().Add(pieceLimit))
	n, err := b.in.Read(p)
	if b.bounded && int64(n) > b.left {
		return int(b.left), &http.MaxBytesError{Limit: int64(b.c.s.MaxBody)}
	}
	b.left -= int64(n)
	if err == io.EOF {
		b.ended = true
		b.atEnd()
	}
	return n, err
}

// Close leaves the rest to drain.
func (b *body) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	return nil
}

// drain reads what the handler left and reports whether it reached the end.
func (b *body) drain() bool {
	if !b.mu.TryLock() { // somebody waits for bytes that do not come
		return false
	}
	defer b.mu.Unlock()
	b.closed = true
	if b.ended {
		return true
	}
	if b.expected { // never asked for: it may come or not
		return false
	}
	p := make([]byte, 4<<10)
	for total := 0; !b.ended && total < maxDrained; {
		n, err := b.read(p)
		if total += n; err != nil {
			break
		}
	}
	return b.ended
}
