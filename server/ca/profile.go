package ca

import (
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"math/big"
	"net/url"
	"time"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// Bounds and defaults of a profile.
const (
	defaultValidity = 365 * 24 * time.Hour // rest.md §1.4: one year
	defaultBackdate = 5 * time.Minute      // for devices whose clock is a little slow
	minValidity     = time.Hour
	maxValidity     = 365 * 24 * time.Hour
	maxBackdate     = 24 * time.Hour
	// maxCDPBytes keeps a P-256 answer under 1,000 characters (design decision 11).
	maxCDPBytes = 100
	// maxTenantInCDP is the room left for a tenant ID in the URL.
	maxTenantInCDP = 32
	serialBytes    = 16 // 128 bits with the top one clear (design decision 16)
	// maxSubjectBytes bounds the subject that a leaf copies from its request:
	// clients on microcontrollers read leaves of 1,024 bytes (rest.md §1.3).
	maxSubjectBytes = 1024
)

// ProfileConfig says what leaves look like.
type ProfileConfig struct {
	// Validity is the time from notBefore to notAfter. Zero means 365 days,
	// which is also the most.
	Validity time.Duration
	// Backdate is how long before now a leaf begins. Zero means 5 minutes.
	Backdate time.Duration
	// CRLBase is the public base URL of this server, "https://example.com".
	// Leaves then name CRLBase/crl/<tenant>.crl; empty: they name no list.
	CRLBase string
}

// Profile is a checked ProfileConfig. It cannot be changed.
type Profile struct {
	validity, backdate time.Duration
	crlBase            string
}

// NewProfile checks c.
func NewProfile(c ProfileConfig) (*Profile, error) {
	p := &Profile{validity: c.Validity, backdate: c.Backdate, crlBase: c.CRLBase}
	if p.validity == 0 {
		p.validity = defaultValidity
	}
	if p.backdate == 0 {
		p.backdate = defaultBackdate
	}
	if p.validity < minValidity || p.validity > maxValidity {
		return nil, fmt.Errorf("validity of leaves is %v, want %v to %v", p.validity, minValidity, maxValidity)
	}
	if p.backdate < 0 || p.backdate > maxBackdate || p.backdate >= p.validity {
		return nil, fmt.Errorf("leaves begin %v before they are issued, want at most %v and less than their validity", p.backdate, maxBackdate)
	}
	return p, checkCRLBase(c.CRLBase)
}

func checkCRLBase(base string) error {
	if base == "" {
		return nil
	}
	u, err := url.Parse(base)
	if err != nil {
		return fmt.Errorf("base URL of revocation lists: %w", err)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return fmt.Errorf("base URL of revocation lists is %q, want http(s)://host[:port][/path]", base)
	}
	if room := maxCDPBytes - len(cdpURL(base, "")); room < maxTenantInCDP {
		return fmt.Errorf("base URL of revocation lists is %q, want %d bytes less: leaves get too long for some clients", base, maxTenantInCDP-room)
	}
	return nil
}

func cdpURL(base string, tenant platform.TenantID) string {
	for len(base) > 0 && base[len(base)-1] == '/' {
		base = base[:len(base)-1]
	}
	return base + "/crl/" + url.PathEscape(string(tenant)) + ".crl"
}

// distributionPoint is where a tenant's list is, empty if leaves name none: no
// base is set or the tenant's name makes the URL longer than maxCDPBytes.
func (p *Profile) distributionPoint(tenant platform.TenantID) string {
	if p.crlBase == "" {
		return ""
	}
	if u := cdpURL(p.crlBase, tenant); len(u) <= maxCDPBytes {
		return u
	}
	return ""
}

// offlineList names a tenant's offline list: where it can be read, or by a
// name alone if the server does not know its own address. It is never empty,
// because RFC 5280 §5.2.5 forbids an empty scope.
func (p *Profile) offlineList(tenant platform.TenantID) string {
	if p.crlBase == "" {
		return "urn:mooring:offline-list:" + url.PathEscape(string(tenant))
	}
	return p.crlBase + "/tenant/trusted-certificates/settings/crl"
}

// template is a leaf for a checked request.
func (p *Profile) template(tenant platform.TenantID, csr *x509.CertificateRequest, now time.Time) (*x509.Certificate, error) {
	if len(csr.RawSubject) > maxSubjectBytes {
		return nil, problem.New(problem.Unprocessable, "the subject of the certificate request is longer than 1,024 bytes", nil)
	}
	notBefore := now.Add(-p.backdate).UTC().Truncate(time.Second)
	leaf := &x509.Certificate{
		SerialNumber:          newSerial(),
		RawSubject:            csr.RawSubject,
		NotBefore:             notBefore,
		NotAfter:              notBefore.Add(p.validity),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
		SubjectKeyId:          subjectKeyID(csr.RawSubjectPublicKeyInfo),
	}
	if u := p.distributionPoint(tenant); u != "" {
		leaf.CRLDistributionPoints = []string{u}
	}
	return leaf, nil
}

// newSerial returns a random positive number of at most 127 bits.
func newSerial() *big.Int {
	b := make([]byte, serialBytes)
	rand.Read(b) // never fails, crypto/rand
	b[0] &= 0x7f
	n := new(big.Int).SetBytes(b)
	if n.Sign() == 0 {
		n.SetInt64(1)
	}
	return n
}
