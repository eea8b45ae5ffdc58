// Package estclient is the client of EST over HTTPS (RFC 7030): it enrols a key
// with a one-time password, re-enrols it by what the device already has, and
// reads the server's trust anchors.
//
// Every error is a problem: Pending when the server decides later,
// Unauthenticated when it refuses the credentials, TooMany and Unavailable when
// to try again, anything else when trying again does not help. The server's own
// words are the detail, cut to one line. Redirects are followed within the origin
// (RFC 7030 §3.2.1), and a request keeps its method; to another server never,
// because the credentials are for one.
package estclient

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"mooring/internal/est"
	"mooring/internal/pki"
	"mooring/internal/problem"
	"mooring/internal/secret"
)

// RequestTimeout bounds one request with its answer. It is long because keys in
// hardware and links by satellite are slow.
const RequestTimeout = 2 * time.Minute

// Client talks to one EST server. Its fields are not to be changed once it is
// used; its methods may be called by several goroutines at once.
type Client struct {
	// BaseURL is "https://host[:port]", without a path. For a re-enrolment by
	// TLS certificate it names the port that asks for one.
	BaseURL string
	// Label names the tenant where the host does not (RFC 7030 §3.2.2). Empty
	// on Cumulocity.
	Label string
	// HTTP carries the requests and checks the server's certificate. Nil means
	// the system's trust anchors and no client certificate.
	HTTP *http.Client
	// TrustAnchors are what an issued certificate must lead to. Nil: any issuer
	// is good, because TLS has proved which server answers.
	TrustAnchors *x509.CertPool
	// Now is the time against which certificates are checked; nil is time.Now.
	Now func() time.Time

	mu  sync.Mutex // guards csr
	csr cachedCSR
}

// cachedCSR is the last request made. While a server decides, it wants the same
// bytes again (RFC 7030 §4.2.3), and a signature differs each time.
type cachedCSR struct {
	externalID string
	key        [32]byte
	der        []byte
	proves     bool      // it has an attestation
	asked      time.Time // when the server said whether it wants one
}

// Authorization is what a device shows at a re-enrolment. The zero value shows
// nothing but the certificate of the TLS connection.
type Authorization struct {
	bearer         secret.String
	user, password secret.String
}

// Bearer authorizes by a device token.
func Bearer(deviceToken secret.String) Authorization { return Authorization{bearer: deviceToken} }

// Basic authorizes by user and password.
func Basic(user string, password secret.String) Authorization {
	return Authorization{user: secret.New(user), password: password}
}

// Format hides the authorization from every verb; fmt would look into its
// fields, which are not exported.
func (Authorization) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("[redacted]")) }

func (a Authorization) apply(r *http.Request) {
	switch {
	case !a.bearer.IsZero():
		r.Header.Set("Authorization", "Bearer "+a.bearer.Reveal())
	case !a.user.IsZero():
		r.SetBasicAuth(a.user.Reveal(), a.password.Reveal())
	}
}

// CACerts asks for the certificates of the issuer (RFC 7030 §4.1), in the order
// in which they stand in the answer. They are as good as the TLS connection.
func (c *Client) CACerts(ctx context.Context) (pki.Chain, error) {
	body, err := c.do(ctx, http.MethodGet, est.OpCACerts, nil, Authorization{})
	if err != nil {
		return nil, err
	}
	return est.DecodeCertificates(body)
}

// Enrol asks for the first certificate of key (RFC 7030 §4.2.1), authenticated
// by otp. The returned chain is leaf first, without trust anchor; its leaf has
// key's public key and externalID as CN, and it leads to c.TrustAnchors.
//
// Errors: problem.Pending if the server decides later (202, §4.2.3; RetryAfter
// tells when to come back), problem.Unauthenticated if it refuses the OTP: it
// does not say whether that is unknown, wrong, spent or expired.
func (c *Client) Enrol(ctx context.Context, key crypto.Signer, externalID string, otp secret.String) (pki.Chain, error) {
	return c.enrol(ctx, est.OpEnrol, key, externalID, Basic(externalID, otp))
}

// ReEnrol asks for the next certificate of a device (RFC 7030 §4.2.2), for its
// present key or a new one. Results and errors are those of Enrol.
func (c *Client) ReEnrol(ctx context.Context, key crypto.Signer, externalID string, auth Authorization) (pki.Chain, error) {
	return c.enrol(ctx, est.OpReEnrol, key, externalID, auth)
}

func (c *Client) enrol(ctx context.Context, op string, key crypto.Signer, externalID string, auth Authorization) (pki.Chain, error) {
	csr, err := c.request(ctx, key, externalID, auth)
	if err != nil {
		return nil, err
	}
	body, err := c.do(ctx, http.MethodPost, op, est.EncodeRequest(csr), auth)
	if problem.KindOf(err) == problem.Unprocessable {
		c.keep(cachedCSR{}) // it stays as wrong as it is
	}
	if err != nil {
		return nil, err
	}
	certs, err := est.DecodeCertificates(body)
	if err != nil {
		return nil, err
	}
	return c.accept(certs, key, externalID)
}

// request returns the CSR for key, the same one for the same key, as long as what
// it proves is good.
func (c *Client) request(ctx context.Context, key crypto.Signer, externalID string, auth Authorization) ([]byte, error) {
	hash, err := pki.PublicKeyHash(key.Public())
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	made := c.csr
	c.mu.Unlock()
	if made.der == nil || made.key != hash || made.externalID != externalID {
		made = cachedCSR{externalID: externalID, key: hash}
	}
	if prover, ok := key.(Prover); ok {
		err = c.prove(ctx, &made, prover, auth)
	}
	if err == nil && made.der == nil {
		if made.der, err = pki.CreateCSR(rand.Reader, key, pkix.Name{CommonName: externalID}); err != nil {
			err = problem.New(problem.Internal, "the key cannot sign a certificate request", err)
		}
	}
	if err != nil {
		return nil, err
	}
	c.keep(made)
	return made.der, nil
}

func (c *Client) keep(made cachedCSR) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.csr = made
}

// endpoint returns the URL of an operation; one with a slash in front is a path.
func (c *Client) endpoint(op string) (string, error) {
	u, err := url.Parse(c.BaseURL)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return "", problem.New(problem.Invalid, "the address of the EST server has the form https://host[:port]", nil)
	}
	if strings.HasPrefix(op, "/") {
		return "https://" + u.Host + op, nil
	}
	path := est.PathPrefix + op
	if c.Label != "" {
		path = est.PathPrefix + url.PathEscape(c.Label) + "/" + op
	}
	return "https://" + u.Host + path, nil
}

func (c *Client) now() time.Time {
	if c.Now == nil {
		return time.Now()
	}
	return c.Now()
}
