// Package crlcheck fetches the revocation lists that certificates point to,
// keeps them until their next update, and says what is on them.
//
// Who asks is in the middle of a handshake. It gets what is in memory; for a
// list that has not been seen yet it waits, for patience at most, while the
// list is fetched in the background. What cannot be had is ListUnknown: what
// that means is the tenant's choice, not ours.
//
// The addresses come from strangers' certificates. A fetch speaks http or
// https only, never to a loopback, private or link-local network unless that
// is allowed, and is bounded in time, bytes, redirects and number.
//
// Memory: about 40 bytes a listed serial, at most maxSerials of them, and for
// each fetch that runs, at most maxFetches, about twice the size of its list.
package crlcheck

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"mooring/internal/pki"
	"mooring/server/platform"
)

// Bounds of what certificates can make the server do.
const (
	// maxURLs is how many distribution points of a certificate are tried.
	maxURLs = 4
	// maxURLBytes bounds one of them.
	maxURLBytes = 1024
	// maxFetches is how many fetches run at once, maxTenantFetches of them for
	// one tenant.
	maxFetches, maxTenantFetches = 8, 2
	// maxLists is how many lists are kept, maxTenantLists of one tenant; those
	// not asked for lately go first.
	maxLists, maxTenantLists = 4096, 64
	// maxSerials bounds the serials of all lists together.
	maxSerials = 2_000_000
)

// Times of a list.
const (
	// patience is how long a handshake waits for a list not seen yet.
	patience = time.Second
	// maxAge is after how long a list is fetched again although its next update
	// is later: issuers revoke before it.
	maxAge = 24 * time.Hour
	// retryAfter is how long a fetch that failed is not repeated.
	retryAfter = time.Minute
	// idleFor is after how long a list that nobody asked for is forgotten.
	idleFor = 30 * 24 * time.Hour
	// lookEvery is how often lists are looked at whose time has come.
	lookEvery = time.Minute
)

// Audits records that a list cannot be had.
type Audits interface {
	AppendAudit(ctx context.Context, records ...platform.AuditRecord) error
}

// Config is what New needs.
type Config struct {
	// AllowPrivate lets fetches into loopback, private and link-local networks.
	AllowPrivate bool
	// Audits hears of failures; nil: nobody does.
	Audits Audits
	// Changed is called when what the lists of a tenant say has changed; nil:
	// nobody is.
	Changed func(platform.TenantID)
	Now     func() time.Time // nil: time.Now
	Log     *slog.Logger     // nil discards
}

// Checker knows the lists. Its methods may be called at once from anywhere.
type Checker struct {
	cfg    Config
	client *http.Client
	base   context.Context // of every fetch
	stop   context.CancelFunc
	all    sync.WaitGroup // fetches that run; added to under mu, unless stopped

	counters counters

	parsing sync.Mutex // held while a list is read, which takes memory and time

	mu       sync.Mutex // guards the rest, and the fields of every list
	lists    map[listKey]*list
	counts   map[platform.TenantID]int
	fetches  map[platform.TenantID]int
	fetching int
	serials  int
	stopped  bool
}

// listKey names a list: SHA-256, cut to 128 bits, of tenant, issuer and URLs.
type listKey [16]byte

// list is one list, fetched or to be fetched.
type list struct {
	key    listKey
	tenant platform.TenantID
	urls   []string
	issuer *x509.Certificate

	used     time.Time
	content  *content      // nil: none yet
	nextTry  time.Time     // when to fetch, or fetch again
	fetching chan struct{} // closed when the fetch ends; nil: none runs
	failure  string        // of the last fetch; empty: it went well
}

// New returns a Checker without lists.
func New(cfg Config) *Checker {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Changed == nil {
		cfg.Changed = func(platform.TenantID) {}
	}
	c := &Checker{cfg: cfg, client: newClient(cfg.AllowPrivate), lists: map[listKey]*list{},
		counts: map[platform.TenantID]int{}, fetches: map[platform.TenantID]int{}}
	c.base, c.stop = context.WithCancel(context.Background())
	return c
}

// Entry says where cert would appear if issuer revoked it. ok is false if it
// names no list that can be fetched.
func (c *Checker) Entry(tenant platform.TenantID, cert, issuer *x509.Certificate) (e platform.ListEntry, ok bool) {
	urls := fetchable(cert.CRLDistributionPoints)
	if len(urls) == 0 || cert.SerialNumber.Sign() < 0 {
		return platform.ListEntry{}, false
	}
	return platform.ListEntry{List: platform.ListKey(keyOf(tenant, issuer, urls)), Serial: pki.SerialHex(cert.SerialNumber)}, true
}

// fetchable picks what can be fetched at all.
func fetchable(points []string) []string {
	var urls []string
	for _, p := range points {
		if len(p) > maxURLBytes || len(urls) == maxURLs {
			continue
		}
		if u, err := url.Parse(p); err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil {
			urls = append(urls, p)
		}
	}
	return urls
}

func keyOf(tenant platform.TenantID, issuer *x509.Certificate, urls []string) listKey {
	var b bytes.Buffer
	part := func(p []byte) {
		b.Write(binary.BigEndian.AppendUint32(nil, uint32(len(p))))
		b.Write(p)
	}
	part([]byte(tenant))
	part(issuer.RawSubject)
	part(issuer.RawSubjectPublicKeyInfo)
	for _, u := range urls {
		part([]byte(u))
	}
	sum := sha256.Sum256(b.Bytes())
	return listKey(sum[:16])
}

// Ask says what the list of cert, issued by issuer, says of it at now. It waits
// at most patience, and only for a list that is being fetched and of which
// there is none to go by.
func (c *Checker) Ask(tenant platform.TenantID, cert, issuer *x509.Certificate, now time.Time) platform.ListAnswer {
	urls := fetchable(cert.CRLDistributionPoints)
	if len(urls) == 0 {
		return c.counters.answered(platform.ListAnswer{State: platform.ListUnknown, Until: now.Add(retryAfter), Detail: "the certificate names no list that can be fetched"})
	}
	c.mu.Lock()
	l := c.list(tenant, issuer, urls, now)
	if !now.Before(l.nextTry) {
		c.fetch(l)
	}
	done, usable := l.fetching, l.content.usable(now)
	c.mu.Unlock()
	if done != nil && !usable {
		timeout := time.NewTimer(patience)
		defer timeout.Stop()
		select {
		case <-done:
		case <-timeout.C:
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counters.answered(l.answer(cert, now))
}

// answer goes by what has been fetched. c.mu is held.
func (l *list) answer(cert *x509.Certificate, now time.Time) platform.ListAnswer {
	a := platform.ListAnswer{State: platform.ListUnknown, Until: l.nextTry, Detail: l.failure}
	switch {
	case l.content.usable(now):
		a = l.content.answer(cert)
	case a.Detail == "":
		a.Detail = "the list is being fetched"
	}
	if soonest := now.Add(patience); a.Until.Before(soonest) {
		a.Until = soonest
	}
	return a
}

// IsRevoked looks again at an entry that Ask has answered. It never waits; a
// list that is not there any more revokes nobody.
func (c *Checker) IsRevoked(e platform.ListEntry) bool {
	serial, err := pki.ParseSerialHex(e.Serial)
	if err != nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.lists[listKey(e.List)]
	if l == nil || l.content == nil {
		return false
	}
	l.used = c.cfg.Now()
	return l.content.has(serial)
}

// Run fetches lists again when their time has come, until ctx ends, so that
// live sessions are judged by them, too. Then it ends the fetches that run and
// begins no more.
func (c *Checker) Run(ctx context.Context) {
	every := time.NewTicker(lookEvery)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			c.mu.Lock()
			c.stopped = true
			c.mu.Unlock()
			c.stop()
			c.all.Wait()
			return
		case <-every.C:
			c.refresh(c.cfg.Now())
		}
	}
}

func (c *Checker) refresh(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.lists {
		switch {
		case now.Sub(l.used) > idleFor && l.fetching == nil:
			c.drop(l)
		case !now.Before(l.nextTry):
			c.fetch(l)
		}
	}
}

// list finds or makes the list. c.mu is held.
func (c *Checker) list(tenant platform.TenantID, issuer *x509.Certificate, urls []string, now time.Time) *list {
	k := keyOf(tenant, issuer, urls)
	l := c.lists[k]
	if l == nil {
		if c.counts[tenant] >= maxTenantLists {
			c.dropOldest(func(o *list) bool { return o.tenant == tenant })
		}
		if len(c.lists) >= maxLists {
			c.dropOldest(func(*list) bool { return true })
		}
		l = &list{key: k, tenant: tenant, urls: urls, issuer: issuer, nextTry: now}
		c.lists[k] = l
		c.counts[tenant]++
	}
	l.used = now
	return l
}

// dropOldest forgets, of the lists that which holds for, the one not asked for
// longest. c.mu is held.
func (c *Checker) dropOldest(which func(*list) bool) bool {
	var oldest *list
	for _, l := range c.lists {
		if which(l) && (oldest == nil || l.used.Before(oldest.used)) {
			oldest = l
		}
	}
	if oldest == nil {
		return false
	}
	c.drop(oldest)
	return true
}

// drop forgets a list; a fetch of it that runs ends for nothing. c.mu is held.
func (c *Checker) drop(l *list) {
	delete(c.lists, l.key)
	if c.counts[l.tenant]--; c.counts[l.tenant] == 0 {
		delete(c.counts, l.tenant)
	}
	c.serials -= l.content.size()
}
