package attestation

import (
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"mooring/internal/pki"
)

// OIDs of the TCG EK Credential Profile §3.1.2 and of RFC 5280.
var (
	oidManufacturer = asn1.ObjectIdentifier{2, 23, 133, 2, 1}
	oidModel        = asn1.ObjectIdentifier{2, 23, 133, 2, 2}
	oidVersion      = asn1.ObjectIdentifier{2, 23, 133, 2, 3}
	oidEKUsage      = asn1.ObjectIdentifier{2, 23, 133, 8, 1}
	oidAltName      = asn1.ObjectIdentifier{2, 5, 29, 17}
)

// maxText bounds what is kept of a TPM's description.
const maxText = 64

// Endorsement is the certificate of an endorsement key.
type Endorsement struct {
	Certificate *x509.Certificate
	// Manufacturer is that of the TPM as its maker writes it, such as "id:53544D20",
	// Model and Firmware likewise. Empty: not said.
	Manufacturer, Model, Firmware string
}

// ParseEndorsement reads the certificate of an endorsement key. What follows it
// is passed over: the memory of some TPMs is longer than the certificate in it.
//
// Errors: FlawEKBroken, FlawEKUse.
func ParseEndorsement(der []byte) (*Endorsement, error) {
	in := cryptobyte.String(der)
	var one cryptobyte.String
	if len(der) > MaxCertificate || !in.ReadASN1Element(&one, cbasn1.SEQUENCE) {
		return nil, FlawEKBroken
	}
	cert, err := x509.ParseCertificate(one)
	if err != nil {
		return nil, FlawEKBroken
	}
	e := &Endorsement{Certificate: cert}
	for _, extension := range cert.Extensions {
		if extension.Id.Equal(oidAltName) {
			e.describe(extension.Value)
		}
	}
	named := len(cert.ExtKeyUsage) + len(cert.UnknownExtKeyUsage)
	forEK := slices.ContainsFunc(cert.UnknownExtKeyUsage, oidEKUsage.Equal)
	if cert.IsCA || named > 0 && !forEK {
		return nil, FlawEKUse
	}
	return e, nil
}

// describe reads a subject alternative name, in which makers say what the TPM is,
// each attribute in a set of its own or all in one:
//
//	SEQUENCE { [4] { SEQUENCE { SET { SEQUENCE { OID, string } … } … } } … }
func (e *Endorsement) describe(names cryptobyte.String) {
	var list cryptobyte.String
	if !names.ReadASN1(&list, cbasn1.SEQUENCE) {
		return
	}
	for !list.Empty() {
		var general, rdns cryptobyte.String
		var tag cbasn1.Tag
		if !list.ReadAnyASN1(&general, &tag) {
			return
		}
		if tag != cbasn1.Tag(4).Constructed().ContextSpecific() || !general.ReadASN1(&rdns, cbasn1.SEQUENCE) {
			continue
		}
		for !rdns.Empty() {
			var set cryptobyte.String
			if !rdns.ReadASN1(&set, cbasn1.SET) || !e.describeSet(set) {
				return
			}
		}
	}
}

func (e *Endorsement) describeSet(set cryptobyte.String) bool {
	for !set.Empty() {
		var attribute, value cryptobyte.String
		var id asn1.ObjectIdentifier
		var tag cbasn1.Tag
		if !set.ReadASN1(&attribute, cbasn1.SEQUENCE) || !attribute.ReadASN1ObjectIdentifier(&id) || !attribute.ReadAnyASN1(&value, &tag) {
			return false
		}
		switch {
		case id.Equal(oidManufacturer):
			e.Manufacturer = plain(value)
		case id.Equal(oidModel):
			e.Model = plain(value)
		case id.Equal(oidVersion):
			e.Firmware = plain(value)
		}
	}
	return true
}

// plain cuts text, and drops what could take over a terminal.
func plain(b []byte) string {
	text := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(string(b), ""))
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "")
	}
	return text
}

// For says whether the certificate is that of key: FlawEKMismatch.
func (e *Endorsement) For(key crypto.PublicKey) error {
	if !equal(e.Certificate.PublicKey, key) {
		return FlawEKMismatch
	}
	return nil
}

// Verify follows the certificate to one of anchors, at now. With expired, it is
// judged as of the day when it began: a TPM is no worse for its age, and some
// makers let certificates end that nobody can replace.
//
// Errors: FlawEKExpired, FlawEKUntrusted.
func (e *Endorsement) Verify(anchors, others []*x509.Certificate, now time.Time, expired bool) error {
	leaf := *e.Certificate
	// crypto/x509 does not read a directory name there; describe did.
	leaf.UnhandledCriticalExtensions = slices.DeleteFunc(slices.Clone(leaf.UnhandledCriticalExtensions), oidAltName.Equal)
	options := x509.VerifyOptions{Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}
	for _, c := range anchors {
		options.Roots.AddCert(c)
	}
	for _, c := range others {
		options.Intermediates.AddCert(c)
	}
	_, err := leaf.Verify(options)
	if isExpired(err) && expired {
		options.CurrentTime = leaf.NotBefore
		_, err = leaf.Verify(options)
	}
	switch {
	case err == nil:
		return nil
	case isExpired(err):
		return FlawEKExpired
	}
	return FlawEKUntrusted
}

func isExpired(err error) bool {
	invalid, ok := errors.AsType[x509.CertificateInvalidError](err)
	return ok && invalid.Reason == x509.Expired
}

// Issuers parses what came along with the certificate of an endorsement key;
// what cannot be read is of no use and left out.
func Issuers(list [][]byte) []*x509.Certificate {
	var certs []*x509.Certificate
	for _, der := range list {
		if c, err := x509.ParseCertificate(der); err == nil && c.IsCA && pki.CheckKeyStrength(c.PublicKey) == nil {
			certs = append(certs, c)
		}
	}
	return certs
}
