package httpauth

import (
	"context"
	"crypto/x509"
	"errors"
	"net/http"

	"mooring/internal/pki"
	"mooring/internal/problem"
	"mooring/server/platform"
)

// chainHeader carries the intermediates, or the whole chain, of a client whose
// TLS library sends the leaf alone (rest.md §4.1).
const chainHeader = "X-Ssl-Cert-Chain"

type certificatesKey struct{}

// WithClientCertificates marks every request of a listener as one where a
// client certificate counts: on others it is not looked at (rest.md §7).
func WithClientCertificates(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), certificatesKey{}, true)))
	})
}

// ClientCertificates reports whether r came in where client certificates count.
func ClientCertificates(r *http.Request) bool {
	return r.Context().Value(certificatesKey{}) != nil
}

// Chain returns the certificates that the client sent, leaf first: those of
// the handshake, followed by those of the header that are not among them.
//
// Errors: problem.Unauthenticated if there is none, problem.Invalid if the
// header cannot be read.
func Chain(r *http.Request) (pki.Chain, error) {
	if !ClientCertificates(r) || r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return nil, noCredentials()
	}
	sent := pki.Chain(r.TLS.PeerCertificates)
	header := r.Header.Get(chainHeader)
	if header == "" {
		return sent, nil
	}
	more, err := pki.ParsePEMChain([]byte(header))
	if err != nil {
		return nil, problem.WithCode(problem.Invalid, "Device Certificates/Bad Request",
			"Cannot parse X509 certificate. : Incomplete data", err)
	}
	chain := append(pki.Chain(nil), sent...)
	for _, c := range more {
		if !contains(sent, c) {
			chain = append(chain, c)
		}
	}
	return chain, nil
}

func contains(chain pki.Chain, c *x509.Certificate) bool {
	for _, have := range chain {
		if have.Equal(c) {
			return true
		}
	}
	return false
}

// Verdict returns the decision on the certificates that r came with. Errors
// are those of Chain.
func (a *Authenticator) Verdict(r *http.Request) (platform.Verdict, error) {
	if a.Certificates == nil {
		return platform.Verdict{}, noCredentials()
	}
	chain, err := Chain(r)
	if err != nil {
		return platform.Verdict{}, err
	}
	return a.Certificates.Decide(chain, a.Now()), nil
}

// reEnrolments is what Certificates can do besides, where expired leaves have
// a grace window.
type reEnrolments interface {
	// AdmitReEnrolment makes a principal of a verdict whose scope is ReEnrolOnly
	// or Full.
	AdmitReEnrolment(ctx context.Context, v platform.Verdict) (platform.Principal, error)
}

// ReEnrolling is Principal for calls that renew a certificate: there, one that
// expired within its tenant's grace window counts as well.
func (a *Authenticator) ReEnrolling(r *http.Request) (platform.Principal, error) {
	grace, able := a.Certificates.(reEnrolments)
	if !able || len(r.Header.Values("Authorization")) > 0 {
		return a.Principal(r)
	}
	v, err := a.Verdict(r)
	if err != nil || v.Scope != platform.ReEnrolOnly {
		return a.Principal(r)
	}
	p, err := grace.AdmitReEnrolment(r.Context(), v)
	if err != nil {
		a.refuse(platform.Refusal{Tenant: v.Tenant, CN: v.Device, Door: DoorMTLS, Address: Address(r), Leaf: v.Leaf, Reason: a.ReasonOf(err)})
		return platform.Principal{}, err
	}
	return asDevice(p), nil
}

func (a *Authenticator) byCertificate(r *http.Request) (platform.Principal, error) {
	v, err := a.Verdict(r)
	if err != nil {
		return platform.Principal{}, err
	}
	refusal := platform.Refusal{Tenant: v.Tenant, CN: v.Device, Door: DoorMTLS, Address: Address(r), Leaf: v.Leaf}
	if v.Scope != platform.Full {
		refusal.Reason, refusal.Detail = v.Reason, v.Detail
		a.refuse(refusal)
		return platform.Principal{}, badChain(errors.New(string(v.Reason)))
	}
	p, err := a.Certificates.Admit(r.Context(), v, DoorMTLS)
	if err != nil {
		refusal.Reason = a.ReasonOf(err)
		a.refuse(refusal)
		return platform.Principal{}, err
	}
	return asDevice(p), nil
}
