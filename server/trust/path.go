package trust

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"time"

	"mooring/internal/bounded"
	"mooring/internal/pki"
	"mooring/server/platform"
)

// finding is what the examination of one path brought to light.
type finding struct {
	reason platform.Reason
	detail string
	signed bool
	until  time.Time
}

// examinePath judges the path below + anchor.
func (t *Trust) examinePath(below []*x509.Certificate, a *anchor, leaf *x509.Certificate, now time.Time) finding {
	anchorCert, err := t.parsed.certificate(a)
	if err != nil {
		return finding{reason: platform.ReasonInternal, detail: "a trusted certificate cannot be parsed"}
	}
	path := []*x509.Certificate{leaf}
	if len(below) > 0 {
		path = append(slices.Clone(below), anchorCert)
	}
	if detail := weak(path); detail != "" {
		return finding{reason: platform.ReasonWeakKey, detail: detail, signed: unbroken(path) == ""}
	}
	if err := t.authorise(path, a, now); err != nil {
		return diagnose(path, now, err)
	}
	f := finding{signed: true, until: earliestEnd(path)}
	switch {
	case len(path) > t.cfg.MaxDepth:
		f.reason, f.detail = platform.ReasonChainDepth, fmt.Sprintf("%d certificates up to the trusted one, %d are allowed", len(path), t.cfg.MaxDepth)
	case !forClients(path):
		f.reason, f.detail = platform.ReasonKeyUsage, "an extended key usage without clientAuth"
	}
	return f
}

// authorise is nil if crypto/x509 accepts path at now, or has accepted its
// issuers before and the leaf is in order.
func (t *Trust) authorise(path []*x509.Certificate, a *anchor, now time.Time) error {
	leaf, issuers := path[0], path[1:]
	if len(issuers) == 0 {
		return verifyPath(path, now)
	}
	name := issuersKey(issuers, a)
	if t.issuers.accepted(name, now) {
		return checkLeaf(leaf, issuers[0], now)
	}
	// The signature nearest to the anchor first: it costs one check to refuse a
	// look-alike.
	if n := len(path); n > 2 {
		if err := path[n-2].CheckSignatureFrom(path[n-1]); err != nil {
			return err
		}
	}
	if err := verifyPath(path, now); err != nil {
		return err
	}
	for _, c := range issuers[:len(issuers)-1] {
		t.issuers.meet(c)
	}
	if plain(issuers) {
		t.issuers.accept(name, latestStart(issuers), earliestEnd(issuers))
	}
	return nil
}

// verifyPath asks crypto/x509 about exactly this path.
func verifyPath(path []*x509.Certificate, now time.Time) error {
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(path[len(path)-1])
	for i := 1; i < len(path)-1; i++ {
		between.AddCert(path[i])
	}
	chains, err := path[0].Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(chains, func(c []*x509.Certificate) bool { return slices.EqualFunc(c, path, (*x509.Certificate).Equal) }) {
		return errors.New("the certificates do not form this path")
	}
	return nil
}

// checkLeaf does for a leaf below known issuers what crypto/x509 would do.
func checkLeaf(leaf, issuer *x509.Certificate, now time.Time) error {
	if len(leaf.UnhandledCriticalExtensions) > 0 {
		return x509.UnhandledCriticalExtension{}
	}
	if !pki.ValidAt(leaf, now) {
		return x509.CertificateInvalidError{Cert: leaf, Reason: x509.Expired}
	}
	return leaf.CheckSignatureFrom(issuer)
}

// diagnose says why path was refused.
func diagnose(path []*x509.Certificate, now time.Time, cause error) finding {
	if detail := unbroken(path); detail != "" {
		return finding{reason: platform.ReasonChainInvalid, detail: detail}
	}
	for i, c := range path {
		if now.Before(c.NotBefore) {
			return finding{reason: platform.ReasonNotYetValid, detail: fmt.Sprintf("%s is valid from %s, the server's clock says %s",
				position(i, len(path)), stamp(c.NotBefore), stamp(now)), signed: true, until: c.NotBefore}
		}
		if now.After(c.NotAfter) {
			return finding{reason: platform.ReasonExpired, detail: fmt.Sprintf("%s was valid until %s, the server's clock says %s",
				position(i, len(path)), stamp(c.NotAfter), stamp(now)), signed: true}
		}
	}
	return finding{reason: platform.ReasonChainInvalid, detail: bounded.Text(cause.Error(), maxFactBytes), signed: true}
}

// unbroken is empty if each certificate of path was signed by the next, which
// may sign certificates; else it says which was not.
func unbroken(path []*x509.Certificate) string {
	for i := len(path) - 2; i >= 0; i-- {
		if err := path[i].CheckSignatureFrom(path[i+1]); err != nil {
			return bounded.Text(fmt.Sprintf("%s: %v", position(i, len(path)), err), maxFactBytes)
		}
	}
	return ""
}

func position(i, n int) string {
	switch {
	case i == 0:
		return "the leaf"
	case i == n-1:
		return "the trusted certificate"
	}
	return fmt.Sprintf("certificate %d of the chain", i+1)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// weak says which key or signature of path is too weak. The anchor's own
// signature counts for nothing.
func weak(path []*x509.Certificate) string {
	for i, c := range path {
		if err := pki.CheckKeyStrength(c.PublicKey); err != nil {
			return fmt.Sprintf("%s: %v", position(i, len(path)), err)
		}
		if i < len(path)-1 && weakSignature(c.SignatureAlgorithm) {
			return fmt.Sprintf("%s is signed with %s", position(i, len(path)), c.SignatureAlgorithm)
		}
	}
	return ""
}

func weakSignature(a x509.SignatureAlgorithm) bool {
	switch a {
	case x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1, x509.DSAWithSHA256:
		return true
	}
	return false
}

// forClients reports whether every certificate of path that restricts its
// extended key usage allows clientAuth.
func forClients(path []*x509.Certificate) bool {
	for _, c := range path {
		if len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage) == 0 {
			continue
		}
		if !slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageClientAuth) && !slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageAny) {
			return false
		}
	}
	return true
}

// bound are the extensions by which an issuer's effect depends on the leaf:
// nameConstraints, policyMappings, policyConstraints, extKeyUsage,
// inhibitAnyPolicy (RFC 5280 §4.2.1).
var bound = []asn1.ObjectIdentifier{{2, 5, 29, 30}, {2, 5, 29, 33}, {2, 5, 29, 36}, {2, 5, 29, 37}, {2, 5, 29, 54}}

// plain reports whether issuers are good for any leaf once they were for one.
func plain(issuers []*x509.Certificate) bool {
	for _, c := range issuers {
		for _, e := range c.Extensions {
			if slices.ContainsFunc(bound, e.Id.Equal) {
				return false
			}
		}
	}
	return true
}

func earliestEnd(certs []*x509.Certificate) time.Time {
	return slices.MinFunc(certs, func(a, b *x509.Certificate) int { return a.NotAfter.Compare(b.NotAfter) }).NotAfter
}

func latestStart(certs []*x509.Certificate) time.Time {
	return slices.MaxFunc(certs, func(a, b *x509.Certificate) int { return a.NotBefore.Compare(b.NotBefore) }).NotBefore
}

// issuersKey names a row of issuers that ends in a.
func issuersKey(issuers []*x509.Certificate, a *anchor) key {
	sums := make([]byte, 0, (len(issuers))*sha256.Size)
	for _, c := range issuers[:len(issuers)-1] {
		sum := sha256.Sum256(c.Raw)
		sums = append(sums, sum[:]...)
	}
	return keyOf('i', append(sums, a.sum[:]...))
}

// unanchored says why no trusted certificate stands behind sent. A stranger
// learns nothing from it: what it says depends on sent alone, and on
// intermediates whose key identifier only somebody knows who has seen them.
func (t *Trust) unanchored(sent []*x509.Certificate) (platform.Reason, string) {
	if detail := weak(sent); detail != "" {
		return platform.ReasonWeakKey, detail
	}
	if detail := unbroken(sent); detail != "" {
		return platform.ReasonChainInvalid, detail
	}
	top := sent[len(sent)-1]
	if weakSignature(top.SignatureAlgorithm) && !bytes.Equal(top.RawIssuer, top.RawSubject) {
		return platform.ReasonWeakKey, fmt.Sprintf("%s is signed with %s", position(len(sent)-1, len(sent)), top.SignatureAlgorithm)
	}
	detail := bounded.Text("issuer: "+pki.JavaName(top.RawIssuer), maxFactBytes)
	if t.issuers.knowsIssuerOf(top) {
		return platform.ReasonChainIncomplete, detail
	}
	return platform.ReasonUnknownIssuer, detail
}
