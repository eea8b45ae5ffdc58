package pki_test

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mooring/internal/pki"
)

func certificate(t testing.TB, name string) *x509.Certificate {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "name", name+".pem"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := pki.ParseCertificateText(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestJava: want is what Java 17 prints, see testdata/README.md.
func TestJava(t *testing.T) {
	tests := []struct{ in, name, algorithm string }{
		{"n1", `EMAILADDRESS=a@example.com, OU=R, O="Acme, Inc.", L=Munich, ST=Bavaria, C=DE`, "SHA256withECDSA"},
		{"n2", `O="x \"y\" \\ z", CN=a + OU=b`, "SHA256withECDSA"},
		{"n3", `CN="ü  ñ", UID=u, DC=com, STREET=st, DNQ=q, GENERATION=II, INITIALS=I, GIVENNAME=G, SURNAME=S, T=T, SERIALNUMBER=77`, "SHA256withECDSA"},
		{"n4", `L="a=b;c<d>e", OU="#hash", O="trail ", CN=" lead"`, "SHA256withECDSA"},
		{"n5", `CN=x, OID.2.5.4.15=Private, OID.2.5.4.17=80331`, "SHA256withECDSA"},
		{"a1", "CN=rsa384", "SHA384withRSA"},
		{"a2", "CN=pss", "RSASSA-PSS"},
		{"a3", "CN=ed", "Ed25519"},
		{"a4", "CN=ed448", "Ed448"},
		{"a5", "CN=e", "SHA512withECDSA"},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			c := certificate(t, tt.in)
			if got := pki.JavaName(c.RawSubject); got != tt.name {
				t.Errorf("name %s, want %s", got, tt.name)
			}
			if got := pki.AlgorithmName(c); got != tt.algorithm {
				t.Errorf("algorithm %s, want %s", got, tt.algorithm)
			}
		})
	}
}

func TestJavaNameOfUnusualValues(t *testing.T) {
	// Names of one RDN with CN, by the tag and bytes of its value.
	name := func(tag byte, value string) []byte {
		b := append([]byte{tag, byte(len(value))}, value...)
		b = append([]byte{6, 3, 0x55, 4, 3}, b...)
		for _, t := range []byte{0x30, 0x31, 0x30} {
			b = append([]byte{t, byte(len(b))}, b...)
		}
		return b
	}
	tests := []struct {
		name string
		in   []byte
		want string
	}{
		{name: "BMPString", in: name(0x1e, "\x00h\x00\xe9"), want: "CN=hé"},
		{name: "TeletexString in Latin-1", in: name(0x14, "h\xe9"), want: "CN=hé"},
		{name: "TeletexString in UTF-8", in: name(0x14, "hé"), want: "CN=hé"},
		{name: "broken UTF8String", in: name(0x0c, "h\xe9"), want: "CN=#0c0268e9"},
		{name: "INTEGER", in: name(0x02, "\x07"), want: "CN=#020107"},
		{name: "empty", in: []byte{0x30, 0}, want: ""},
		{name: "broken", in: []byte{0x30, 5, 1}, want: "#300501"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := pki.JavaName(tt.in); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func FuzzJavaName(f *testing.F) {
	for _, n := range []string{"n1", "n2", "n3", "n4", "n5"} {
		f.Add(certificate(f, n).RawSubject)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if got := pki.JavaName(raw); len(raw) > 0 && got == "" && strings.TrimLeft(string(raw), "\x00\x30") != "" {
			if _, err := pki.CommonName(raw); err == nil {
				t.Errorf("a name with CN is printed empty: %x", raw)
			}
		}
	})
}
