package pki

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"strings"
	"unicode/utf8"

	"mooring/internal/problem"
)

// attribute is AttributeTypeAndValue of RFC 5280 §4.1.2.4 with its value
// undecoded, because its string type varies.
type attribute struct {
	Type  asn1.ObjectIdentifier
	Value asn1.RawValue
}

type relativeNameSET []attribute

func parseName(raw []byte) ([]relativeNameSET, error) {
	var names []relativeNameSET
	rest, err := asn1.Unmarshal(raw, &names)
	if err != nil || len(rest) > 0 {
		return nil, problem.New(problem.Invalid, "a subject cannot be read", err)
	}
	return names, nil
}

// text decodes the string types of DirectoryString and IA5String; anything else
// is "#" and the hexadecimal DER, as RFC 4514 §2.4 writes it.
func (a attribute) text() string {
	if s, ok := a.decoded(); ok {
		return s
	}
	return "#" + hex.EncodeToString(a.Value.FullBytes)
}

func (a attribute) decoded() (string, bool) {
	if a.Value.Class == asn1.ClassUniversal && a.Value.Tag == asn1.TagT61String {
		return latin1(a.Value.Bytes), true
	}
	var s string
	_, err := asn1.Unmarshal(a.Value.FullBytes, &s)
	return s, err == nil
}

// latin1 reads a TeletexString, which in practice holds UTF-8 or Latin-1.
func latin1(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	runes := make([]rune, len(b))
	for i, c := range b {
		runes[i] = rune(c)
	}
	return string(runes)
}

// keywords are the names Java's X500Principal gives to attribute types.
var keywords = map[string]string{
	"2.5.4.3":                    "CN",
	"2.5.4.4":                    "SURNAME",
	"2.5.4.5":                    "SERIALNUMBER",
	"2.5.4.6":                    "C",
	"2.5.4.7":                    "L",
	"2.5.4.8":                    "ST",
	"2.5.4.9":                    "STREET",
	"2.5.4.10":                   "O",
	"2.5.4.11":                   "OU",
	"2.5.4.12":                   "T",
	"2.5.4.42":                   "GIVENNAME",
	"2.5.4.43":                   "INITIALS",
	"2.5.4.44":                   "GENERATION",
	"2.5.4.46":                   "DNQ",
	"0.9.2342.19200300.100.1.1":  "UID",
	"0.9.2342.19200300.100.1.25": "DC",
	"1.2.840.113549.1.9.1":       "EMAILADDRESS",
}

// JavaName writes a subject or issuer in DER as the platform shows it: most
// specific first, separated by comma and space, e-mail as EMAILADDRESS=. A name
// that cannot be read is written as its hexadecimal DER.
func JavaName(raw []byte) string {
	names, err := parseName(raw)
	if err != nil {
		return "#" + hex.EncodeToString(raw)
	}
	parts := make([]string, 0, len(names))
	for i := len(names) - 1; i >= 0; i-- {
		values := make([]string, len(names[i]))
		for j, a := range names[i] {
			values[j] = keyword(a.Type) + "=" + a.quoted()
		}
		parts = append(parts, strings.Join(values, " + "))
	}
	return strings.Join(parts, ", ")
}

func keyword(id asn1.ObjectIdentifier) string {
	if k, ok := keywords[id.String()]; ok {
		return k
	}
	return "OID." + id.String()
}

// quoted is text in quotation marks if it could be misread.
func (a attribute) quoted() string {
	s, ok := a.decoded()
	plain := !strings.ContainsAny(s, ",+=\n<>#;\\\"") && strings.TrimSpace(s) == s && !strings.Contains(s, "  ")
	if plain || !ok {
		return a.text()
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// algorithmNames are Java's names of signature algorithms.
var algorithmNames = map[x509.SignatureAlgorithm]string{
	x509.MD2WithRSA:       "MD2withRSA",
	x509.MD5WithRSA:       "MD5withRSA",
	x509.SHA1WithRSA:      "SHA1withRSA",
	x509.SHA256WithRSA:    "SHA256withRSA",
	x509.SHA384WithRSA:    "SHA384withRSA",
	x509.SHA512WithRSA:    "SHA512withRSA",
	x509.SHA256WithRSAPSS: "RSASSA-PSS",
	x509.SHA384WithRSAPSS: "RSASSA-PSS",
	x509.SHA512WithRSAPSS: "RSASSA-PSS",
	x509.ECDSAWithSHA1:    "SHA1withECDSA",
	x509.ECDSAWithSHA256:  "SHA256withECDSA",
	x509.ECDSAWithSHA384:  "SHA384withECDSA",
	x509.ECDSAWithSHA512:  "SHA512withECDSA",
	x509.PureEd25519:      "Ed25519",
}

// algorithmIDs are those that crypto/x509 does not know, or only with certain
// parameters.
var algorithmIDs = map[string]string{
	"1.2.840.113549.1.1.10": "RSASSA-PSS",
	"1.3.101.113":           "Ed448",
}

// AlgorithmName names the algorithm c is signed with as Java does, an unknown
// one by its object identifier.
func AlgorithmName(c *x509.Certificate) string {
	if name, ok := algorithmNames[c.SignatureAlgorithm]; ok {
		return name
	}
	var outer struct {
		TBS       asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}
	if _, err := asn1.Unmarshal(c.Raw, &outer); err != nil {
		return "unknown"
	}
	id := outer.Algorithm.Algorithm.String()
	if name, ok := algorithmIDs[id]; ok {
		return name
	}
	return id
}
