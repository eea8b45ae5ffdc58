package c8yjson

import (
	"crypto/x509"
	"encoding/base64"

	"mooring/internal/pki"
	"mooring/server/platform"
)

// TrustedCertificate writes c (rest.md §3.1). Facts of the certificate itself
// are left out if it cannot be parsed, which an upload makes sure of.
func TrustedCertificate(w *Writer, base string, c platform.TrustedCertificate) {
	w.Open('{')
	trustedMembers(w, base, c)
	w.Close('}')
}

// CertificateAuthority writes the trusted certificate of a tenant CA with
// where it stands in its life: members that the real platform does not send.
func CertificateAuthority(w *Writer, base string, c platform.TrustedCertificate, renewable, nearExpiry bool) {
	w.Open('{')
	trustedMembers(w, base, c)
	w.Bool("renewable", renewable)
	w.Bool("nearExpiry", nearExpiry)
	w.Close('}')
}

func trustedMembers(w *Writer, base string, c platform.TrustedCertificate) {
	status := "DISABLED"
	if c.Enabled {
		status = "ENABLED"
	}
	w.Text("fingerprint", c.Fingerprint)
	w.Text("name", c.Name)
	w.Text("status", status)
	w.Bool("autoRegistrationEnabled", c.AutoRegistration)
	w.Bool("tenantCertificateAuthority", c.IsTenantCA)
	w.Bool("proofOfPossessionValid", c.Proven)
	if c.ProofCode != "" {
		w.Text("proofOfPossessionUnsignedVerificationCode", c.ProofCode)
		w.Time("proofOfPossessionVerificationCodeUsableUntil", c.ProofUntil)
	}
	w.Text("certInPemFormat", base64.StdEncoding.EncodeToString(c.Certificate))
	if x, err := x509.ParseCertificate(c.Certificate); err == nil {
		w.Text("subject", pki.JavaName(x.RawSubject))
		w.Text("issuer", pki.JavaName(x.RawIssuer))
		w.Text("serialNumber", x.SerialNumber.String())
		w.Text("algorithmName", pki.AlgorithmName(x))
		w.Int("version", int64(x.Version))
		w.Time("notBefore", x.NotBefore)
		w.Time("notAfter", x.NotAfter)
	}
	w.Link("self", base, "/tenant/tenants/", string(c.Tenant), "/trusted-certificates/", c.Fingerprint)
}

// CertificateInput is a trusted certificate as a client sends it. Absent
// members are nil.
type CertificateInput struct {
	Text             string // certInPemFormat, in any of its forms
	Name             *string
	Status           *string // "ENABLED" or "DISABLED" unless the client is wrong
	AutoRegistration *bool
}

// ParseTrustedCertificate reads the body of a create or an update; read-only
// members that clients send back are ignored.
func ParseTrustedCertificate(o Object) (CertificateInput, error) {
	var in CertificateInput
	var err error
	if in.Text, err = o.Text("certInPemFormat"); err != nil {
		return in, err
	}
	for name, into := range map[string]**string{"name": &in.Name, "status": &in.Status} {
		if o.Has(name) {
			s, err := o.Text(name)
			if err != nil {
				return in, err
			}
			*into = &s
		}
	}
	auto, set, err := o.Bool("autoRegistrationEnabled")
	if set {
		in.AutoRegistration = &auto
	}
	return in, err
}
