package trust_test

import (
	"crypto/x509"
	"testing"

	"mooring/server/platform"
)

// FuzzVerify mutates a leaf and its issuer. Whatever parses must be judged
// without panic, and admitted only if it is one of the certificates that were
// really signed.
func FuzzVerify(f *testing.F) {
	root := newRoot(f, "Root")
	issuing := root.ca(f, "Issuing")
	leaf := issuing.leaf(f, "dev1")
	self := newRoot(f, "dev2")
	s := newStore("t1")
	s.add("t1", root)
	s.add("t1", self)
	s.options["t1"] = "true"
	v := s.load(f)
	for _, c := range []*x509.Certificate{leaf.cert, issuing.cert, root.cert, self.cert} {
		f.Add(c.Raw, issuing.cert.Raw)
		f.Add(leaf.cert.Raw, c.Raw)
	}
	genuine := map[string]bool{}
	for _, p := range []*party{root, issuing, leaf, self} {
		genuine[string(p.cert.Raw)] = true
	}
	f.Fuzz(func(t *testing.T, first, next []byte) {
		var sent []*x509.Certificate
		for _, der := range [][]byte{first, next} {
			if c, err := x509.ParseCertificate(der); err == nil {
				sent = append(sent, c)
			}
		}
		got := v.Verify(sent, epoch)
		if got.Scope == platform.Full && !genuine[string(sent[0].Raw)] {
			t.Errorf("admitted a certificate nobody signed: %+v", got)
		}
		if (got.Scope == platform.Full) != (got.Reason == platform.Accepted) {
			t.Errorf("scope %v with reason %q", got.Scope, got.Reason)
		}
	})
}
