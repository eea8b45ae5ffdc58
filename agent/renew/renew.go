// Package renew gets the next certificate of a device by what it already has:
// a device token, or the present certificate in the TLS handshake (RFC 7030
// §4.2.2).
package renew

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"time"

	"mooring/agent/enrol"
	"mooring/internal/est/estclient"
	"mooring/internal/pki"
	"mooring/internal/problem"
	"mooring/internal/secret"
)

// Tokens gives device tokens; the uplink does.
type Tokens interface {
	// Token returns a token that is not known to be useless.
	Token(ctx context.Context) (secret.String, error)
	// Forget drops a token that a server refused.
	Forget(ctx context.Context, token secret.String)
}

// Server re-enrols; estclient.Client does.
type Server interface {
	ReEnrol(ctx context.Context, key crypto.Signer, externalID string, auth estclient.Authorization) (pki.Chain, error)
}

// ByToken asks once, and a second time with a fresh token if the first is
// refused: servers forget tokens before their time.
func ByToken(ctx context.Context, s Server, tokens Tokens, key crypto.Signer, deviceID string) enrol.Outcome {
	for try := 1; ; try++ {
		token, err := tokens.Token(ctx)
		if err != nil {
			return enrol.Judge(nil, err)
		}
		chain, err := s.ReEnrol(ctx, key, deviceID, estclient.Bearer(token))
		if problem.KindOf(err) != problem.Unauthenticated || try == 2 {
			return enrol.Judge(chain, err)
		}
		tokens.Forget(ctx, token)
	}
}

// handshakeLimit leaves room for keys in slow hardware, unless it was measured.
const handshakeLimit = 60 * time.Second

// Endpoint is where and how to re-enrol by certificate.
type Endpoint struct {
	Address      string // host:port of HTTPS that asks for a certificate
	TrustAnchors *x509.CertPool
	Now          func() time.Time
	DialContext  func(ctx context.Context, network, addr string) (net.Conn, error)
	// HandshakeLimit bounds a TLS handshake; zero means 60 s.
	HandshakeLimit time.Duration
}

// ByCertificate asks once, presenting certificate.
func ByCertificate(ctx context.Context, e Endpoint, certificate tls.Certificate, key crypto.Signer, deviceID string) enrol.Outcome {
	if e.Address == "" {
		return enrol.Judge(nil, problem.New(problem.Unavailable, "no port for HTTPS with certificate is configured", nil))
	}
	transport := e.Transport(&certificate)
	defer transport.CloseIdleConnections()
	client := &estclient.Client{BaseURL: "https://" + e.Address, HTTP: &http.Client{Transport: transport}, Now: e.Now}
	return enrol.Judge(client.ReEnrol(ctx, key, deviceID, estclient.Authorization{}))
}

// Transport speaks HTTPS to the endpoint, presenting certificate to a server
// that asks if it is not nil.
func (e Endpoint) Transport(certificate *tls.Certificate) *http.Transport {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: e.TrustAnchors, Time: e.Now}
	if certificate != nil {
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return certificate, nil }
	}
	limit := e.HandshakeLimit
	if limit <= 0 {
		limit = handshakeLimit
	}
	return &http.Transport{DialContext: e.DialContext, TLSClientConfig: cfg, TLSHandshakeTimeout: limit, MaxResponseHeaderBytes: 64 << 10}
}
