package pki

import (
	"crypto"
	"crypto/x509"
	"slices"

	"mooring/internal/problem"
)

// OrderChain makes a chain of certificates that come in any order: the leaf, then
// each issuer. The leaf is the certificate of public; if public is nil, the only
// one that issued none of the others. Of several with that key it is the one that
// is valid longest. What is in the list twice counts once; rest is what has no
// part in the chain, in its order.
//
// Errors: problem.Invalid if there is no leaf, or if it cannot be told;
// problem.TooLarge above MaxChainCertificates.
func OrderChain(certs []*x509.Certificate, public crypto.PublicKey) (chain Chain, rest []*x509.Certificate, err error) {
	if len(certs) > MaxChainCertificates {
		return nil, nil, problem.New(problem.TooLarge, "more than 16 certificates in the chain", nil)
	}
	for _, c := range certs {
		if !slices.ContainsFunc(rest, c.Equal) {
			rest = append(rest, c)
		}
	}
	at, err := leafOf(rest, public)
	for at >= 0 && err == nil {
		c := rest[at]
		chain, rest = append(chain, c), slices.Delete(rest, at, at+1)
		at = slices.IndexFunc(rest, func(issuer *x509.Certificate) bool { return issued(issuer, c) })
	}
	return chain, rest, err
}

func leafOf(certs []*x509.Certificate, public crypto.PublicKey) (int, error) {
	found := -1
	for i, c := range certs {
		switch {
		case public != nil && (!SamePublicKey(c.PublicKey, public) || found >= 0 && !c.NotAfter.After(certs[found].NotAfter)):
		case public == nil && slices.ContainsFunc(certs, func(other *x509.Certificate) bool { return other != c && issued(c, other) }):
		case public == nil && found >= 0:
			return -1, problem.New(problem.Invalid, "two certificates issued none of the others, so either may be the device's: "+certs[found].Subject.String()+" and "+c.Subject.String(), nil)
		default:
			found = i
		}
	}
	if found < 0 {
		return -1, problem.New(problem.Invalid, "no certificate is that of the key, or at the end of a chain", nil)
	}
	return found, nil
}

func issued(issuer, c *x509.Certificate) bool {
	return string(issuer.RawSubject) == string(c.RawIssuer) && c.CheckSignatureFrom(issuer) == nil
}
