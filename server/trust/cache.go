package trust

import (
	"crypto/x509"
	"sync"
	"time"
)

// maxIssuers bounds how many rows of issuers are remembered; each takes about
// 100 bytes.
const maxIssuers = 16_384

// issuerCache remembers rows of issuers, from the leaf's up to an anchor, that
// crypto/x509 has accepted, so that the next leaf costs one signature check.
//
// Key: the certificates themselves. What it holds is a fact about them that no
// change of the snapshot touches; it is limited by their dates. Bound: two
// maps of half the limit, the older of which is dropped when the newer is
// full.
type issuerCache struct {
	mu       sync.RWMutex // guards the maps
	new, old map[key]span
	half     int
}

// span is when all certificates of a row are valid, both ends included.
type span struct{ from, until time.Time }

func newIssuerCache(limit int) *issuerCache {
	return &issuerCache{new: map[key]span{}, half: max(limit/2, 1)}
}

// meet remembers an intermediate that stood in an accepted row.
func (c *issuerCache) meet(intermediate *x509.Certificate) {
	if len(intermediate.SubjectKeyId) > 0 {
		c.put(subjectKey(intermediate.RawSubject, intermediate.SubjectKeyId), span{})
	}
}

// knowsIssuerOf reports whether the issuer of child has been met: then child
// was sent without the intermediates above it.
func (c *issuerCache) knowsIssuerOf(child *x509.Certificate) bool {
	if len(child.AuthorityKeyId) == 0 {
		return false
	}
	_, _, ok := c.find(subjectKey(child.RawIssuer, child.AuthorityKeyId))
	return ok
}

// accepted reports whether the row name has been accepted and is in date.
func (c *issuerCache) accepted(name key, now time.Time) bool {
	s, fresh, ok := c.find(name)
	if !ok || now.Before(s.from) || now.After(s.until) {
		return false
	}
	if !fresh {
		c.put(name, s)
	}
	return true
}

func (c *issuerCache) find(name key) (s span, fresh, ok bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if s, ok = c.new[name]; ok {
		return s, true, true
	}
	s, ok = c.old[name]
	return s, false, ok
}

func (c *issuerCache) accept(name key, from, until time.Time) { c.put(name, span{from, until}) }

func (c *issuerCache) put(name key, s span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.new) >= c.half {
		c.old, c.new = c.new, make(map[key]span, len(c.new))
	}
	c.new[name] = s
}
