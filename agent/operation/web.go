package operation

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"mooring/internal/bounded"
	"mooring/internal/jwt"
	"mooring/internal/secret"
)

const (
	// headerLimit bounds the wait for the head of an answer.
	headerLimit  = time.Minute
	maxRedirects = 5
)

// web speaks HTTP to the own server, with a device token, and to others without.
type web struct {
	m      *Manager
	token  secret.String
	tenant string // of the token
	own    *http.Transport
	others *http.Transport
	// plain allows HTTP without TLS: what comes is checked otherwise.
	plain bool
}

func (m *Manager) newWeb() *web {
	w := &web{m: m, own: m.transport(m.cfg.TrustAnchors)}
	pool := m.cfg.TrustAnchors
	if pool != nil {
		if system, err := x509.SystemCertPool(); err == nil {
			pool = system
		}
	}
	w.others = m.transport(pool)
	return w
}

func (m *Manager) transport(anchors *x509.CertPool) *http.Transport {
	return &http.Transport{
		DialContext:           m.cfg.DialContext,
		TLSClientConfig:       &tls.Config{RootCAs: anchors, Time: m.cfg.Now, MinVersion: tls.VersionTLS12},
		ResponseHeaderTimeout: headerLimit,
		DisableKeepAlives:     true,
		DisableCompression:    true,
	}
}

// client follows redirects; each request is judged by itself.
func (w *web) client() *http.Client {
	return &http.Client{Transport: w, CheckRedirect: func(_ *http.Request, via []*http.Request) error {
		if len(via) > maxRedirects {
			return errRedirects
		}
		return nil
	}}
}

var (
	errPlain     = errors.New("http without TLS is for files with a digest or signature alone")
	errRedirects = errors.New("too many redirects")
	errScheme    = errors.New("neither https nor http")
)

// RoundTrip implements http.RoundTripper. The token goes to the configured host
// and port, over TLS, and nowhere else.
func (w *web) RoundTrip(r *http.Request) (*http.Response, error) {
	switch {
	case r.URL.Scheme == "https" && w.isOwn(r.URL):
		r = r.Clone(r.Context())
		r.URL.Host = net.JoinHostPort(w.m.cfg.Server, strconv.Itoa(w.m.cfg.Port))
		r.Host = ""
		r.Header.Set("Authorization", "Bearer "+w.token.Reveal())
		return w.own.RoundTrip(r)
	case r.URL.Scheme == "https" || r.URL.Scheme == "http" && w.plain:
		return w.others.RoundTrip(r)
	case r.URL.Scheme == "http":
		return nil, errPlain
	}
	return nil, fmt.Errorf("%w: %s", errScheme, bounded.Text(r.URL.Scheme, 20))
}

// isOwn reports whether a URL is of the own tenant: by the configured name, or
// by the tenant's ID in the same domain, as the platform writes links (contract
// mqtt.md §5.1).
func (w *web) isOwn(u *url.URL) bool {
	host, server := strings.ToLower(u.Hostname()), strings.ToLower(w.m.cfg.Server)
	if port := u.Port(); port != "" && port != "443" && port != strconv.Itoa(w.m.cfg.Port) {
		return false
	}
	if host == server {
		return true
	}
	_, domain, _ := strings.Cut(server, ".")
	return w.tenant != "" && strings.Contains(domain, ".") && host == strings.ToLower(w.tenant)+"."+domain
}

// login gets a token.
func (w *web) login(ctx context.Context) error {
	token, err := w.m.cfg.Uplink.Token(ctx)
	if err != nil {
		return err
	}
	claims, err := jwt.ParseBearer(token.Reveal())
	if err != nil {
		return err
	}
	w.token, w.tenant = token, claims.Tenant
	return nil
}

// do sends what build makes. A token that the server refuses is replaced once.
func (w *web) do(ctx context.Context, build func() (*http.Request, error)) (*http.Response, error) {
	for try := 0; ; try++ {
		if err := w.login(ctx); err != nil {
			return nil, err
		}
		r, err := build()
		if err != nil {
			return nil, err
		}
		own := w.isOwn(r.URL)
		answer, err := w.client().Do(r)
		if err != nil || answer.StatusCode != http.StatusUnauthorized || !own || try > 0 {
			return answer, err
		}
		_ = answer.Body.Close() // asked again
		w.m.cfg.Uplink.Forget(ctx, w.token)
	}
}
