package estclient

import (
	"bytes"
	"crypto"
	"crypto/x509"

	"mooring/internal/pki"
	"mooring/internal/problem"
)

// accept finds our leaf among certs, puts its issuers behind it and holds the
// result to what was asked for.
func (c *Client) accept(certs pki.Chain, key crypto.Signer, externalID string) (pki.Chain, error) {
	var leaf *x509.Certificate
	for _, cert := range certs {
		if pki.KeyMatches(cert, key) {
			leaf = cert
			break
		}
	}
	if leaf == nil {
		return nil, problem.New(problem.Invalid, "the server issued a certificate for another key than ours", nil)
	}
	cn, err := pki.CommonName(leaf.RawSubject)
	if err != nil || cn != externalID {
		return nil, problem.New(problem.Invalid, "the server issued a certificate for another device than this one", err)
	}
	switch {
	case leaf.IsCA:
		return nil, problem.New(problem.Invalid, "the server issued a certificate of an authority, not of a device", nil)
	case !forClients(leaf):
		return nil, problem.New(problem.Invalid, "the server issued a certificate that is not for TLS clients", nil)
	}
	chain := order(leaf, certs)
	if c.TrustAnchors == nil {
		return chain, nil
	}
	_, err = leaf.Verify(x509.VerifyOptions{
		Roots:         c.TrustAnchors,
		Intermediates: chain.Intermediates(),
		CurrentTime:   c.now(),
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return nil, problem.New(problem.Invalid, "the issued certificate does not lead to a trust anchor", err)
	}
	return chain, nil
}

// forClients reports whether leaf may be shown to a server: RFC 5280 §4.2.1.12
// lets a certificate without extended key usages serve for all.
func forClients(leaf *x509.Certificate) bool {
	if len(leaf.ExtKeyUsage)+len(leaf.UnknownExtKeyUsage) == 0 {
		return true
	}
	for _, usage := range leaf.ExtKeyUsage {
		if usage == x509.ExtKeyUsageClientAuth || usage == x509.ExtKeyUsageAny {
			return true
		}
	}
	return false
}

// order returns leaf and its issuers among certs, each once, without the
// self-issued one at the end.
func order(leaf *x509.Certificate, certs pki.Chain) pki.Chain {
	chain := pki.Chain{leaf}
	for len(chain) <= len(certs) {
		last := chain[len(chain)-1]
		next := issuer(last, certs)
		if next == nil || pki.SelfIssued(next) {
			break
		}
		chain = append(chain, next)
	}
	return chain
}

func issuer(of *x509.Certificate, certs pki.Chain) *x509.Certificate {
	if pki.SelfIssued(of) {
		return nil
	}
	for _, c := range certs {
		if bytes.Equal(c.RawSubject, of.RawIssuer) && of.CheckSignatureFrom(c) == nil {
			return c
		}
	}
	return nil
}
