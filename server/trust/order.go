package trust

import (
	"bytes"
	"crypto/x509"

	"mooring/internal/pki"
)

// maxOrderSteps bounds the search for an order in which a chain would link;
// hostile chains have many certificates of one name.
const maxOrderSteps = 1000

// issuedByName reports whether the issuer that child names is called like
// parent. It costs no signature.
func issuedByName(child, parent *x509.Certificate) bool {
	return bytes.Equal(child.RawIssuer, parent.RawSubject)
}

// linked returns the part of chain, from the leaf, in which each certificate
// is followed by one of its issuer's name. ordered is false if the rest shows
// that the certificates were sent in a wrong order: the next issuer stands
// further behind, or another order would link all of them. A rest that has
// nothing to do with the leaf is no fault.
func linked(chain []*x509.Certificate) (prefix []*x509.Certificate, ordered bool) {
	n := 1
	for n < len(chain) && issuedByName(chain[n-1], chain[n]) {
		n++
	}
	if n == len(chain) {
		return chain, true
	}
	if top := chain[n-1]; !pki.SelfIssued(top) {
		for _, c := range chain[n:] {
			if issuedByName(top, c) {
				return chain[:n], false
			}
		}
	}
	return chain[:n], !linksInSomeOrder(chain)
}

// linksInSomeOrder reports whether an order exists in which each certificate
// is followed by its issuer by name.
func linksInSomeOrder(chain []*x509.Certificate) bool {
	s := orderSearch{chain: chain, used: make([]bool, len(chain))}
	for i := range chain {
		if s.extend(i, 1) {
			return true
		}
	}
	return false
}

type orderSearch struct {
	chain []*x509.Certificate
	used  []bool
	steps int
}

// extend reports whether the unused certificates can follow number at, which
// is the n-th of the order.
func (s *orderSearch) extend(at, n int) bool {
	if n == len(s.chain) {
		return true
	}
	s.used[at] = true
	defer func() { s.used[at] = false }()
	for i, c := range s.chain {
		if s.used[i] || !issuedByName(s.chain[at], c) {
			continue
		}
		if s.steps++; s.steps > maxOrderSteps {
			return false
		}
		if s.extend(i, n+1) {
			return true
		}
	}
	return false
}
