package crlcheck

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"mooring/internal/bounded"
	"mooring/internal/pki"
	"mooring/server/platform"
)

// Bounds of one fetch.
const (
	// MaxListBytes bounds a list; the largest of public authorities have a few
	// mebibytes.
	MaxListBytes = 10 << 20
	// fetchWithin bounds a fetch from all distribution points together.
	fetchWithin = 5 * time.Second
	// maxRedirects is how often a server may point elsewhere.
	maxRedirects = 3
	// maxHeaderBytes bounds the header of an answer.
	maxHeaderBytes = 64 << 10
	// maxDetail bounds what is told of a failure.
	maxDetail = 256
)

// fetch starts to fetch l, unless that runs already or too many do. c.mu is
// held.
func (c *Checker) fetch(l *list) {
	if l.fetching != nil || c.stopped || c.fetching >= maxFetches || c.fetches[l.tenant] >= maxTenantFetches {
		return
	}
	done := make(chan struct{})
	l.fetching = done
	c.fetching++
	c.fetches[l.tenant]++
	held := l.content
	c.all.Go(func() {
		ctx, cancel := context.WithTimeout(c.base, fetchWithin)
		defer cancel()
		got, err := c.fetchAny(ctx, l, held)
		changed, failing := c.fetched(l, got, err)
		if failing {
			c.report(l, err)
		}
		if changed {
			c.cfg.Changed(l.tenant)
		}
		close(done)
	})
}

// fetched puts the outcome of a fetch in place. changed: verdicts may differ;
// failing: this is the first failure after the list was good, or never was.
func (c *Checker) fetched(l *list, got *content, err error) (changed, failing bool) {
	now := c.cfg.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	l.fetching = nil
	c.fetching--
	if c.fetches[l.tenant]--; c.fetches[l.tenant] == 0 {
		delete(c.fetches, l.tenant)
	}
	if err != nil {
		c.counters.failed.Add(1)
		failing = l.failure == "" && c.base.Err() == nil
		l.failure, l.nextTry = bounded.Text(err.Error(), maxDetail), now.Add(retryAfter)
		return false, failing
	}
	c.counters.fetched.Add(1)
	changed = !l.content.usable(now) || !l.content.sameAs(got)
	l.failure, l.nextTry = "", earlier(got.until, now.Add(maxAge))
	if soonest := now.Add(retryAfter); l.nextTry.Before(soonest) {
		l.nextTry = soonest
	}
	if c.lists[l.key] != l {
		return false, false // dropped in the meantime
	}
	c.serials += got.size() - l.content.size()
	l.content = got
	for c.serials > maxSerials && c.dropOldest(func(o *list) bool { return o != l && o.content.size() > 0 }) {
	}
	return changed, false
}

// report tells who can act that a list cannot be had.
func (c *Checker) report(l *list, cause error) {
	issuer := bounded.Text(pki.JavaName(l.issuer.RawSubject), maxDetail)
	c.cfg.Log.Warn("revocation list not available", "tenant", l.tenant, "issuer", issuer, "url", l.urls[0], "err", cause)
	if c.cfg.Audits == nil {
		return
	}
	err := c.cfg.Audits.AppendAudit(context.Background(), platform.AuditRecord{
		Tenant: l.tenant, At: platform.Millis(c.cfg.Now()), Type: "TrustedCertificates", Severity: "warning",
		Activity: fmt.Sprintf("Certificate revocation list not available for '%s'.", l.tenant),
		Text:     fmt.Sprintf("Issuer: '%s'.\n URL: '%s'.\n Reason: %s", issuer, l.urls[0], bounded.Text(cause.Error(), maxDetail)),
	})
	if err != nil {
		c.cfg.Log.Error("audit record not written", "tenant", l.tenant, "err", err)
	}
}

// fetchAny takes the first distribution point that has a good list.
func (c *Checker) fetchAny(ctx context.Context, l *list, held *content) (*content, error) {
	var errs []error
	for _, u := range l.urls {
		body, err := c.get(ctx, u)
		if err == nil {
			var got *content
			c.parsing.Lock()
			got, err = parse(body, l.issuer, l.urls, c.cfg.Now())
			c.parsing.Unlock()
			if err == nil && held.usable(c.cfg.Now()) && got.from.Before(held.from) {
				err = errors.New("the list is older than the one before")
			}
			if err == nil {
				return got, nil
			}
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

func (c *Checker) get(ctx context.Context, u string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return nil, err
	}
	res, err := c.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the answer is %s", res.Status)
	}
	if res.ContentLength > MaxListBytes {
		return nil, errTooLarge
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, MaxListBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read the list: %w", err)
	}
	if len(body) > MaxListBytes {
		return nil, errTooLarge
	}
	return body, nil
}

var (
	errTooLarge = fmt.Errorf("the list is larger than %d bytes", MaxListBytes)
	errPrivate  = errors.New("the address is in a private, loopback or reserved network")
)

// newClient looks at each address it dials, after names are resolved and at
// every redirect, so that no name leads into a network it must not.
func newClient(allowPrivate bool) *http.Client {
	dialer := &net.Dialer{Timeout: fetchWithin}
	if !allowPrivate {
		dialer.Control = func(_, address string, _ syscall.RawConn) error {
			at, err := netip.ParseAddrPort(address)
			if err != nil {
				return err
			}
			if !public(at.Addr()) {
				return errPrivate
			}
			return nil
		}
	}
	return &http.Client{
		Transport: &http.Transport{
			Proxy: nil, DialContext: dialer.DialContext, DisableKeepAlives: true, DisableCompression: true,
			TLSHandshakeTimeout: fetchWithin, ResponseHeaderTimeout: fetchWithin, MaxResponseHeaderBytes: maxHeaderBytes,
		},
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects {
				return fmt.Errorf("more than %d redirects", maxRedirects)
			}
			if len(fetchable([]string{req.URL.String()})) == 0 {
				return errors.New("the redirect leads to what cannot be fetched")
			}
			return nil
		},
	}
}

// reserved are networks that nobody's public list is in (IANA special-purpose
// registries), among them those that carry IPv4 addresses inside IPv6 ones.
var reserved = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("::/96"), netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("100::/64"), netip.MustParsePrefix("2001::/23"), netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("fec0::/10"),
}

// public reports whether a is an address of the Internet.
func public(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if !a.IsGlobalUnicast() || a.IsPrivate() {
		return false
	}
	for _, p := range reserved {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
