package doctor

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"

	"mooring/internal/deviceid"
	"mooring/internal/pki"
)

// overdue is the part of a certificate's life that is left when renewal should
// long be over: it starts at a third.
const overdue = 6

// chain looks at what the device shows the server. What is wrong with it may
// be all right for the server, so the examination goes on.
func (e *exam) chain(chain pki.Chain) {
	before := len(e.findings)
	leaf := chain.Leaf()
	e.chainNames(leaf)
	e.chainDates(chain)
	e.chainOrder(chain)
	if !forClients(leaf) {
		e.find("certificate", "M059", "")
	}
	for _, c := range chain {
		if err := pki.CheckKeyStrength(c.PublicKey); err != nil {
			e.fail("certificate", "M062", err)
		} else if weakSignature(c) {
			e.find("certificate", "M062", c.SignatureAlgorithm.String()+" in the certificate of "+c.Subject.String())
		}
	}
	if !slices.ContainsFunc(e.findings[before:], func(f Finding) bool { return f.Level == Error }) {
		e.ok("certificate", "serial %s of %s, valid to %s, %d in the chain", pki.SerialHex(leaf.SerialNumber), leaf.Issuer, leaf.NotAfter.UTC().Format(time.RFC3339), len(chain))
	}
}

func (e *exam) chainNames(leaf *x509.Certificate) {
	cn := leaf.Subject.CommonName
	if e.cfg.DeviceID != "" && cn != e.cfg.DeviceID {
		e.find("certificate", "M053", fmt.Sprintf("CN %q, device_id %q", cn, e.cfg.DeviceID))
	}
	if err := deviceid.ValidExternalID(cn); err != nil {
		e.find("certificate", "M054", fmt.Sprintf("CN %q: %v", cn, err))
	}
}

func (e *exam) chainDates(chain pki.Chain) {
	now := e.now()
	dates := func(c *x509.Certificate) string {
		return fmt.Sprintf("%s, valid from %s to %s; here it is %s", c.Subject, c.NotBefore.UTC().Format(time.RFC3339), c.NotAfter.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	leaf := chain.Leaf()
	switch life := leaf.NotAfter.Sub(leaf.NotBefore); {
	case now.After(leaf.NotAfter):
		e.find("certificate", "M055", dates(leaf))
	case leaf.NotAfter.Sub(now) < life/overdue:
		e.find("certificate", "M057", dates(leaf))
	}
	for _, c := range chain[1:] {
		if now.After(c.NotAfter) {
			e.find("certificate", "M061", dates(c))
		}
	}
}

func (e *exam) chainOrder(chain pki.Chain) {
	for i, c := range chain[:len(chain)-1] {
		issuer := chain[i+1]
		switch {
		case !pki.IsCA(issuer):
			e.find("certificate", "M058", issuer.Subject.String())
		case c.CheckSignatureFrom(issuer) != nil:
			e.find("certificate", "M051", fmt.Sprintf("%s is not issued by %s", c.Subject, issuer.Subject))
		}
	}
	if pki.SelfSigned(chain.Leaf()) {
		e.find("certificate", "M060", chain.Leaf().Subject.String())
	}
}

// rootMissing tells of a chain that ends before its anchor, which is all right
// where the server knows the last issuer and a likely cause where it refuses.
func (e *exam) rootMissing(chain pki.Chain) {
	if last := chain[len(chain)-1]; !pki.SelfSigned(last) {
		e.find("certificate", "M052", fmt.Sprintf("the last of %d certificates is issued by %s", len(chain), last.Issuer))
	}
}

// forClients reports whether leaf may authenticate a client: it names no
// extended usage, or that one.
func forClients(leaf *x509.Certificate) bool {
	return len(leaf.ExtKeyUsage)+len(leaf.UnknownExtKeyUsage) == 0 || slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageClientAuth) ||
		slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageAny)
}

func weakSignature(c *x509.Certificate) bool {
	name := c.SignatureAlgorithm.String()
	return !pki.SelfSigned(c) && (strings.HasPrefix(name, "MD") || strings.Contains(name, "SHA1"))
}
