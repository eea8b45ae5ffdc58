package trust_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"mooring/internal/pki"
	"mooring/server/platform"
)

func TestVerifyChain(t *testing.T) {
	root := newRoot(t, "Root")
	issuing := root.ca(t, "Issuing")
	leaf := issuing.leaf(t, "dev1")
	direct := root.leaf(t, "dev1")
	self := newRoot(t, "dev1")
	other := newRoot(t, "Other")
	var broken = *leaf.cert
	broken.Signature = slices.Clone(broken.Signature)
	broken.Signature[len(broken.Signature)-1] ^= 1

	tests := []struct {
		name    string
		anchors []*party
		chain   []*x509.Certificate
		want    platform.Reason
		tenant  platform.TenantID // charged or admitted
		anchor  *party
	}{
		{name: "full chain with the anchor", anchors: []*party{root}, chain: chain(leaf, issuing, root), tenant: "t1", anchor: root},
		{name: "full chain without the anchor", anchors: []*party{root}, chain: chain(leaf, issuing), tenant: "t1", anchor: root},
		{name: "leaf alone, its issuer is the anchor", anchors: []*party{root}, chain: chain(direct), tenant: "t1", anchor: root},
		{name: "leaf alone, its issuer is an intermediate anchor", anchors: []*party{issuing}, chain: chain(leaf), tenant: "t1", anchor: issuing},
		{name: "whole chain, the anchor in its middle", anchors: []*party{issuing}, chain: chain(leaf, issuing, root), tenant: "t1", anchor: issuing},
		{name: "two anchors in the path, the nearest decides", anchors: []*party{root, issuing}, chain: chain(leaf, issuing, root), tenant: "t1", anchor: issuing},
		{name: "leaf is the anchor", anchors: []*party{self}, chain: chain(self), tenant: "t1", anchor: self},
		{name: "unrelated certificate behind a complete chain", anchors: []*party{root}, chain: chain(direct, root, other), tenant: "t1", anchor: root},

		{name: "none", chain: nil, want: platform.ReasonNoCertificate},
		{name: "nil in it", chain: []*x509.Certificate{nil}, want: platform.ReasonBroken},
		{name: "leaf alone, anchor further up", anchors: []*party{root}, chain: chain(leaf), want: platform.ReasonUnknownIssuer},
		{name: "unknown root", anchors: []*party{other}, chain: chain(leaf, issuing, root), want: platform.ReasonUnknownIssuer},
		{name: "no anchors at all", chain: chain(leaf, issuing), want: platform.ReasonUnknownIssuer},
		{name: "self-signed, not uploaded", anchors: []*party{root}, chain: chain(self), want: platform.ReasonUnknownIssuer},
		{name: "order: issuers swapped", anchors: []*party{root}, chain: chain(leaf, root, issuing), want: platform.ReasonChainOrder},
		{name: "order: root first", anchors: []*party{root}, chain: chain(root, issuing, leaf), want: platform.ReasonChainOrder},
		{name: "order: leaf last", anchors: []*party{root}, chain: chain(issuing, root, leaf), want: platform.ReasonChainOrder},
		{name: "order: a stranger before the issuer", anchors: []*party{root}, chain: chain(leaf, other, issuing), want: platform.ReasonChainOrder},
		{name: "leaf has the anchor's key and name, but is another certificate", anchors: []*party{self}, chain: chain(self.twin(t)), want: platform.ReasonUnknownIssuer},
		{name: "signature of the leaf broken", anchors: []*party{root}, chain: append([]*x509.Certificate{&broken}, chain(issuing, root)...), want: platform.ReasonChainInvalid},
		{name: "signature broken, nobody trusts it", chain: append([]*x509.Certificate{&broken}, chain(issuing, root)...), want: platform.ReasonChainInvalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newStore("t1")
			for _, a := range tt.anchors {
				s.add("t1", a)
			}
			verifier := s.load(t)
			for round := range 2 { // the second time the issuers are known
				got := verifier.Verify(tt.chain, epoch)
				checkVerdict(t, got, tt.want, tt.tenant)
				if tt.anchor != nil && got.Anchor != tt.anchor.fingerprint() {
					t.Errorf("round %d: anchor %s, want that of %s", round, got.Anchor, tt.anchor.cert.Subject)
				}
				if tt.want == platform.Accepted && got.Device != "dev1" {
					t.Errorf("device %q, want dev1", got.Device)
				}
			}
		})
	}
}

func checkVerdict(tb testing.TB, got platform.Verdict, want platform.Reason, tenant platform.TenantID) {
	tb.Helper()
	if got.Reason != want || got.Tenant != tenant {
		tb.Errorf("verdict %q (%s) for tenant %q, want %q for %q", got.Reason, got.Detail, got.Tenant, want, tenant)
	}
	if (got.Scope == platform.Full) != (want == platform.Accepted) {
		tb.Errorf("scope %v with reason %q", got.Scope, got.Reason)
	}
}

// one returns a Trust of tenant t1 with the given anchors.
func one(tb testing.TB, anchors ...*party) verifier {
	s := newStore("t1")
	for _, a := range anchors {
		s.add("t1", a)
	}
	return s.load(tb)
}

type verifier interface {
	Verify([]*x509.Certificate, time.Time) platform.Verdict
}

func TestVerifyDepth(t *testing.T) {
	for _, tt := range []struct {
		path int // certificates, leaf and anchor included
		want platform.Reason
	}{{9, platform.Accepted}, {10, platform.Accepted}, {11, platform.ReasonChainDepth}} {
		for _, withAnchor := range []bool{true, false} {
			t.Run(fmt.Sprintf("%d anchor sent %v", tt.path, withAnchor), func(t *testing.T) {
				root := newRoot(t, "Root")
				sent := []*party{root}
				for i := range tt.path - 2 {
					sent = append([]*party{sent[0].ca(t, fmt.Sprintf("CA %d", i))}, sent...)
				}
				sent = append([]*party{sent[0].leaf(t, "dev1")}, sent...)
				if !withAnchor {
					sent = sent[:len(sent)-1]
				}
				tenant := platform.TenantID("t1")
				if len(sent) > 10 {
					tenant = "" // refused before anything was verified
				}
				checkVerdict(t, one(t, root).Verify(chain(sent...), epoch), tt.want, tenant)
			})
		}
	}
}

func TestVerifyPathLen(t *testing.T) {
	// seed 000: A (pathlen 2) → B (1) → C (0) → device is the least that works.
	for _, tt := range []struct {
		pathlen [3]int
		want    platform.Reason
	}{
		{[3]int{2, 1, 0}, platform.Accepted},
		{[3]int{1, 1, 0}, platform.ReasonChainInvalid},
		{[3]int{2, 0, 0}, platform.ReasonChainInvalid},
	} {
		a := newRoot(t, "A", withPathLen(tt.pathlen[0]))
		b := a.ca(t, "B", withPathLen(tt.pathlen[1]))
		c := b.ca(t, "C", withPathLen(tt.pathlen[2]))
		v := one(t, a)
		for range 2 {
			checkVerdict(t, v.Verify(chain(c.leaf(t, "dev1"), c, b, a), epoch), tt.want, "t1")
		}
	}
}

func TestVerifyDates(t *testing.T) {
	day := 24 * time.Hour
	root := newRoot(t, "Root")
	issuing := root.ca(t, "Issuing", valid(epoch.Add(-10*day), epoch.Add(10*day)))
	leaf := issuing.leaf(t, "dev1", valid(epoch.Add(-5*day), epoch.Add(5*day)))
	lasting := issuing.leaf(t, "dev1", valid(epoch.Add(-20*day), epoch.Add(20*day)))
	tests := []struct {
		name  string
		chain []*x509.Certificate
		at    time.Time
		want  platform.Reason
		until time.Time
	}{
		{"leaf a second too early", chain(leaf, issuing), leaf.cert.NotBefore.Add(-time.Second), platform.ReasonNotYetValid, leaf.cert.NotBefore},
		{"leaf from its first second", chain(leaf, issuing), leaf.cert.NotBefore, platform.Accepted, leaf.cert.NotAfter},
		{"leaf to its last second", chain(leaf, issuing), leaf.cert.NotAfter, platform.Accepted, leaf.cert.NotAfter},
		{"leaf a second too late", chain(leaf, issuing), leaf.cert.NotAfter.Add(time.Second), platform.ReasonExpired, time.Time{}},
		{"issuer ends first", chain(lasting, issuing), epoch, platform.Accepted, issuing.cert.NotAfter},
		{"issuer expired", chain(lasting, issuing), issuing.cert.NotAfter.Add(time.Second), platform.ReasonExpired, time.Time{}},
		{"issuer not yet valid", chain(lasting, issuing), issuing.cert.NotBefore.Add(-time.Second), platform.ReasonNotYetValid, issuing.cert.NotBefore},
	}
	for _, warm := range []bool{false, true} {
		for _, tt := range tests {
			t.Run(fmt.Sprintf("%s, warm %v", tt.name, warm), func(t *testing.T) {
				v := one(t, root)
				if warm {
					v.Verify(chain(leaf, issuing), epoch)
				}
				got := v.Verify(tt.chain, tt.at)
				checkVerdict(t, got, tt.want, "t1")
				if !got.ValidUntil.Equal(tt.until) {
					t.Errorf("valid until %v, want %v", got.ValidUntil, tt.until)
				}
				if tt.want != platform.Accepted && !strings.Contains(got.Detail, "the server's clock says "+tt.at.Format(time.RFC3339)) {
					t.Errorf("detail %q does not name the clock", got.Detail)
				}
			})
		}
	}
}

func TestVerifyAnchorDates(t *testing.T) {
	root := newRoot(t, "Root", valid(epoch.AddDate(-2, 0, 0), epoch.Add(-time.Second)))
	leaf := root.leaf(t, "dev1")
	renewed := root.twin(t)
	checkVerdict(t, one(t, root).Verify(chain(leaf, root), epoch), platform.ReasonExpired, "t1")
	// A renewed CA has the same key and new dates: leaves from before connect,
	// whether or not they bring the older certificate.
	checkVerdict(t, one(t, renewed).Verify(chain(leaf, root), epoch), platform.Accepted, "t1")
	checkVerdict(t, one(t, root, renewed).Verify(chain(leaf, root), epoch), platform.Accepted, "t1")
	checkVerdict(t, one(t, root, renewed).Verify(chain(leaf), epoch), platform.Accepted, "t1")
}

func TestVerifyUsageAndStrength(t *testing.T) {
	root := newRoot(t, "Root")
	rsaKey := func(bits int) *rsa.PrivateKey {
		key, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	weakRoot := sign(t, nil, rsaKey(1024), "Weak", asCA)
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serverCA := root.ca(t, "Servers", withUsage(x509.ExtKeyUsageServerAuth))
	clientCA := root.ca(t, "Clients", withUsage(x509.ExtKeyUsageClientAuth))
	noSign := root.ca(t, "No signing", func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature })
	noCA := root.leaf(t, "No CA")
	rsaRoot := sign(t, nil, rsaKey(2048), "RSA", asCA)
	withSHA1 := func(c *x509.Certificate) { c.SignatureAlgorithm = x509.SHA1WithRSA }
	oldRoot := sign(t, nil, rsaKey(2048), "Old", asCA, withSHA1)

	tests := []struct {
		name   string
		anchor *party
		chain  []*x509.Certificate
		want   platform.Reason
	}{
		{"clientAuth", root, chain(root.leaf(t, "dev1", withUsage(x509.ExtKeyUsageClientAuth))), platform.Accepted},
		{"clientAuth and serverAuth", root, chain(root.leaf(t, "dev1", withUsage(x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth))), platform.Accepted},
		{"any", root, chain(root.leaf(t, "dev1", withUsage(x509.ExtKeyUsageAny))), platform.Accepted},
		{"serverAuth only", root, chain(root.leaf(t, "dev1", withUsage(x509.ExtKeyUsageServerAuth))), platform.ReasonKeyUsage},
		{"unknown usage only", root, chain(root.leaf(t, "dev1", func(c *x509.Certificate) { c.UnknownExtKeyUsage = []asn1.ObjectIdentifier{{1, 2, 3}} })), platform.ReasonKeyUsage},
		{"issuer for servers only", root, chain(serverCA.leaf(t, "dev1"), serverCA), platform.ReasonKeyUsage},
		{"issuer for clients", root, chain(clientCA.leaf(t, "dev1"), clientCA), platform.Accepted},
		{"RSA 2048", root, chain(sign(t, root, rsaKey(2048), "dev1")), platform.Accepted},
		{"RSA 1024", root, chain(sign(t, root, rsaKey(1024), "dev1")), platform.ReasonWeakKey},
		{"P-224", root, chain(sign(t, root, p224, "dev1")), platform.ReasonWeakKey},
		{"anchor RSA 1024", weakRoot, chain(weakRoot.leaf(t, "dev1"), weakRoot), platform.ReasonWeakKey},
		{"SHA-1", rsaRoot, chain(rsaRoot.leaf(t, "dev1", withSHA1), rsaRoot), platform.ReasonWeakKey},
		{"SHA-1, nobody trusts it", root, chain(rsaRoot.leaf(t, "dev1", withSHA1), rsaRoot), platform.ReasonWeakKey},
		{"anchor signed by itself with SHA-1", oldRoot, chain(oldRoot.leaf(t, "dev1"), oldRoot), platform.Accepted},
		{"issuer that may not sign", root, chain(noSign.leaf(t, "dev1"), noSign), platform.ReasonChainInvalid},
		{"issuer that is no CA", root, chain(noCA.leaf(t, "dev1"), noCA), platform.ReasonChainInvalid},
		{"unknown critical extension", root, chain(root.leaf(t, "dev1", func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}}}
		})), platform.ReasonChainInvalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := one(t, tt.anchor)
			for range 2 {
				v.Verify(chain(tt.anchor.leaf(t, "good")), epoch) // what it teaches must not help the bad
				if got := v.Verify(tt.chain, epoch); got.Reason != tt.want {
					t.Errorf("reason %q (%s), want %q", got.Reason, got.Detail, tt.want)
				}
			}
		})
	}
}

func TestVerifyNameConstraints(t *testing.T) {
	root := newRoot(t, "Root")
	limited := root.ca(t, "Limited", func(c *x509.Certificate) {
		c.PermittedDNSDomainsCritical, c.PermittedDNSDomains = true, []string{"example.com"}
	})
	named := func(name string) option { return func(c *x509.Certificate) { c.DNSNames = []string{name} } }
	v := one(t, root)
	for range 2 { // a good leaf must not open the way for a bad one
		checkVerdict(t, v.Verify(chain(limited.leaf(t, "dev1", named("dev1.example.com")), limited), epoch), platform.Accepted, "t1")
		checkVerdict(t, v.Verify(chain(limited.leaf(t, "dev1", named("dev1.example.org")), limited), epoch), platform.ReasonChainInvalid, "t1")
	}
}

func TestVerifyName(t *testing.T) {
	root := newRoot(t, "Root")
	v := one(t, root)
	for _, tt := range []struct {
		name string
		cn   string
		want platform.Reason
	}{
		{"plain", "dev1", platform.Accepted},
		{"space, dot, dash, star", "*.my dev-1", platform.Accepted},
		{"not ASCII", "gerät", platform.Accepted},
		{"254 bytes", strings.Repeat("x", 254), platform.Accepted},
		{"255 bytes", strings.Repeat("x", 255), platform.ReasonBadName},
		{"colon", "d:dev1", platform.ReasonBadName},
		{"slash", "t1/dev1", platform.ReasonBadName},
		{"plus", "dev+1", platform.ReasonBadName},
		{"hash", "#", platform.ReasonBadName},
		{"control", "dev\x01", platform.ReasonBadName},
		{"line feed", "dev\n1", platform.ReasonBadName},
		{"empty", "", platform.ReasonBadName},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := v.Verify(chain(root.leaf(t, tt.cn)), epoch)
			checkVerdict(t, got, tt.want, "t1")
			if want := map[bool]string{true: tt.cn}[tt.want == platform.Accepted]; got.Device != want {
				t.Errorf("device %q, want %q", got.Device, want)
			}
		})
	}
	twice := root.leaf(t, "dev1", func(c *x509.Certificate) {
		c.Subject.ExtraNames = []pkix.AttributeTypeAndValue{{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "dev1"}, {Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "dev2"}}
	})
	checkVerdict(t, v.Verify(chain(twice), epoch), platform.ReasonBadName, "t1")
}

func TestVerifyIncomplete(t *testing.T) {
	root := newRoot(t, "Root")
	issuing := root.ca(t, "Issuing")
	v := one(t, root)
	checkVerdict(t, v.Verify(chain(issuing.leaf(t, "dev1")), epoch), platform.ReasonUnknownIssuer, "")
	checkVerdict(t, v.Verify(chain(issuing.leaf(t, "dev2"), issuing), epoch), platform.Accepted, "t1")
	checkVerdict(t, v.Verify(chain(issuing.leaf(t, "dev1")), epoch), platform.ReasonChainIncomplete, "")
	stranger := newRoot(t, "Issuing")
	checkVerdict(t, v.Verify(chain(stranger.leaf(t, "dev1")), epoch), platform.ReasonUnknownIssuer, "")
}

func TestVerifyRevoked(t *testing.T) {
	root := newRoot(t, "Root", withSerial(0x0a01))
	issuing := root.ca(t, "Issuing", withSerial(0x0a02))
	leaf := issuing.leaf(t, "dev1", withSerial(0x0a03))
	renewed := root.twin(t, withSerial(0x0a04))
	for _, tt := range []struct {
		name   string
		serial int64
		option string
		want   platform.Reason
	}{
		{"nothing listed", 1, "true", platform.Accepted},
		{"leaf", 0x0a03, "true", platform.ReasonRevoked},
		{"intermediate", 0x0a02, "true", platform.ReasonRevoked},
		{"anchor", 0x0a01, "true", platform.ReasonRevoked},
		{"another certificate of the anchor's key", 0x0a04, "true", platform.ReasonRevoked},
		{"check off", 0x0a03, "false", platform.Accepted},
		{"check not set", 0x0a03, "", platform.Accepted},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newStore("t1", "t2")
			s.add("t1", root)
			s.add("t1", renewed)
			if tt.option != "" {
				s.options["t1"] = tt.option
			}
			s.options["t2"] = "true"
			s.revoked["t1"] = []platform.Revocation{{Serial: big.NewInt(tt.serial), At: epoch}}
			s.revoked["t2"] = []platform.Revocation{{Serial: leaf.cert.SerialNumber, At: epoch}} // another tenant's list
			v := s.load(t)
			for _, sent := range [][]*x509.Certificate{chain(leaf, issuing), chain(leaf, issuing, root)} {
				checkVerdict(t, v.Verify(sent, epoch), tt.want, "t1")
			}
		})
	}
}

func TestVerifySerials(t *testing.T) {
	root := newRoot(t, "Root", withSerial(0xff))
	issuing := root.ca(t, "Issuing", withSerial(0x0a))
	got := one(t, root).Verify(chain(issuing.leaf(t, "dev1", withSerial(1)), issuing), epoch)
	if want := []string{"1", "a", "ff"}; !slices.Equal(got.Serials, want) {
		t.Errorf("serials %v, want %v", got.Serials, want)
	}
}

func TestVerifyBounds(t *testing.T) {
	root := newRoot(t, "Root")
	names := func(n int) option {
		return func(c *x509.Certificate) {
			for i := range n {
				c.DNSNames = append(c.DNSNames, fmt.Sprintf("n%d.example.com", i))
			}
		}
	}
	big := root.leaf(t, "dev1", names(5000))
	if len(big.cert.Raw) <= pki.MaxCertificateBytes {
		t.Fatal("certificate is not too large")
	}
	checkVerdict(t, one(t, root).Verify(chain(big), epoch), platform.ReasonBroken, "")
	large := root.leaf(t, "dev1", names(500))
	checkVerdict(t, one(t, root).Verify(chain(large), epoch), platform.Accepted, "t1")
	var many []*x509.Certificate
	for range 9 {
		many = append(many, large.cert)
	}
	if got := one(t, root).Verify(many, epoch); got.Reason != platform.ReasonBroken {
		t.Errorf("%d KiB: reason %q, want %q", 9*len(large.cert.Raw)>>10, got.Reason, platform.ReasonBroken)
	}
}
