package trust

import (
	"crypto/sha256"
	"crypto/x509"
	"strings"
	"unicode"
	"unicode/utf8"

	"mooring/internal/bounded"
	"mooring/internal/deviceid"
	"mooring/internal/pki"
	"mooring/server/platform"
)

// maxFactBytes bounds the text of a name in a verdict: certificates may have
// names of kilobytes.
const maxFactBytes = 512

// factsOf says of c what logs and answers may tell.
func factsOf(c *x509.Certificate) platform.CertificateFacts {
	return platform.CertificateFacts{
		Subject:     bounded.Text(pki.JavaName(c.RawSubject), maxFactBytes),
		Issuer:      bounded.Text(pki.JavaName(c.RawIssuer), maxFactBytes),
		Serial:      pki.SerialHex(c.SerialNumber),
		Fingerprint: sha256.Sum256(c.Raw),
		NotBefore:   c.NotBefore,
		NotAfter:    c.NotAfter,
	}
}

// forbiddenInName are the characters that a device's common name must not
// have: ":" separates the parts of a client ID (mqtt.md §1.4), the others
// those of topics and paths.
const forbiddenInName = ":/+#"

// deviceName returns the common name of a leaf if it can be a device's: there
// is exactly one, of 1 to deviceid.MaxIDBytes bytes, without forbidden and
// control characters. Else problem says what is wrong.
func deviceName(leaf *x509.Certificate) (name, problem string) {
	cn, err := pki.CommonName(leaf.RawSubject)
	switch {
	case err != nil:
		return "", "the subject must have exactly one common name"
	case len(cn) > deviceid.MaxIDBytes:
		return "", "the common name is longer than 254 bytes"
	case !utf8.ValidString(cn):
		return "", "the common name is not UTF-8"
	case strings.ContainsAny(cn, forbiddenInName):
		return "", `the common name contains one of : / + #`
	case strings.ContainsFunc(cn, unicode.IsControl):
		return "", "the common name contains a control character"
	}
	return cn, ""
}
