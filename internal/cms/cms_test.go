package cms_test

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mooring/internal/cms"
	"mooring/internal/pki"
	"mooring/internal/problem"
)

func file(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func certificate(t testing.TB, name string) *x509.Certificate {
	t.Helper()
	c, err := pki.ParseCertificateText(string(file(t, name)))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestEncodeAsOpenSSL: the same certificates give OpenSSL's bytes, made by
// "openssl crl2pkcs7 -nocrl -certfile leaf.pem -certfile ca.pem".
func TestEncodeAsOpenSSL(t *testing.T) {
	leaf, issuer := certificate(t, "leaf.pem"), certificate(t, "ca.pem")
	for name, certs := range map[string][]*x509.Certificate{
		"openssl-leaf.p7": {leaf},
		"openssl-both.p7": {issuer, leaf},
	} {
		got, err := cms.EncodeCertsOnly(certs...)
		if err != nil {
			t.Fatal(err)
		}
		if want := file(t, name); !bytes.Equal(got, want) {
			t.Errorf("%s: got\n%x, want\n%x", name, got, want)
		}
	}
}

func TestEncodeCounts(t *testing.T) {
	leaf := certificate(t, "leaf.pem")
	for n, ok := range map[int]bool{0: false, 1: true, 15: true, 16: true, 17: false} {
		certs := make([]*x509.Certificate, n)
		for i := range certs {
			certs[i] = leaf
		}
		der, err := cms.EncodeCertsOnly(certs...)
		if (err == nil) != ok {
			t.Errorf("%d certificates: %v", n, err)
		}
		if ok {
			if chain, err := cms.ParseCertsOnly(der); err != nil || len(chain) != n {
				t.Errorf("%d certificates: read %d, %v", n, len(chain), err)
			}
		}
	}
}

// Pieces of BER by hand.
const (
	oidSignedData = "06092a864886f70d010702"
	oidData       = "06092a864886f70d010701"
	oidEnveloped  = "06092a864886f70d010703"
)

func unhex(t testing.TB, parts ...string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(parts, ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// ber is the object as the real platform writes it (contract est-interop.md
// §1): indefinite lengths outside, DER certificates inside.
func ber(t testing.TB, sets string, certs ...*x509.Certificate) []byte {
	var raw string
	for _, c := range certs {
		raw += hex.EncodeToString(c.Raw)
	}
	return unhex(t, "3080", oidSignedData, "a080", "3080", "020101", sets, "3080", oidData, "0000",
		"a080", raw, "0000", sets, "0000", "0000", "0000")
}

func TestParseCertsOnly(t *testing.T) {
	leaf, issuer := certificate(t, "leaf.pem"), certificate(t, "ca.pem")
	der := file(t, "openssl-leaf.p7")
	sixteen := slicesOf(leaf, 16)
	var seventeen []byte
	for range 17 {
		seventeen = append(seventeen, leaf.Raw...)
	}
	wrap := func(certs string) []byte {
		return unhex(t, "3080", oidSignedData, "a080", "3080", "020101", "3100", "300b", oidData, certs, "3100", "0000", "0000", "0000")
	}
	tests := []struct {
		name    string
		in      []byte
		want    []*x509.Certificate
		wantErr error
	}{
		{name: "OpenSSL, one", in: der, want: []*x509.Certificate{leaf}},
		{name: "OpenSSL, two", in: file(t, "openssl-both.p7"), want: []*x509.Certificate{leaf, issuer}},
		{name: "BER", in: ber(t, "3100", leaf), want: []*x509.Certificate{leaf}},
		{name: "BER with empty indefinite sets", in: ber(t, "31800000", leaf), want: []*x509.Certificate{leaf}},
		{name: "BER keeps its order", in: ber(t, "3100", issuer, leaf), want: []*x509.Certificate{issuer, leaf}},
		{name: "most", in: ber(t, "3100", sixteen...), want: sixteen},
		{name: "too many", in: wrap("a080" + hex.EncodeToString(seventeen) + "0000"), wantErr: problem.TooLarge},
		{name: "signed, BER", in: file(t, "openssl-signed-ber.p7"), wantErr: problem.Invalid},
		{name: "no certificates", in: wrap("a000"), wantErr: problem.Invalid},
		{name: "certificates left out", in: wrap(""), wantErr: problem.Invalid},
		{name: "no certificate inside", in: wrap("a0033001ff"), wantErr: problem.Invalid},
		{name: "enveloped", in: bytes.Replace(der, unhex(t, oidSignedData), unhex(t, oidEnveloped), 1), wantErr: problem.Invalid},
		{name: "a bare certificate", in: leaf.Raw, wantErr: problem.Invalid},
		{name: "one byte more", in: append(bytes.Clone(der), 0), wantErr: problem.Invalid},
		{name: "one byte less", in: der[:len(der)-1], wantErr: problem.Invalid},
		{name: "BER without its end", in: ber(t, "3100", leaf)[:350], wantErr: problem.Invalid},
		{name: "empty", wantErr: problem.Invalid},
		{name: "text", in: []byte("MIIB"), wantErr: problem.Invalid},
		{name: "longest, no object", in: make([]byte, cms.MaxBytes), wantErr: problem.Invalid},
		{name: "too long", in: make([]byte, cms.MaxBytes+1), wantErr: problem.TooLarge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := cms.ParseCertsOnly(tt.in)
			if !errors.Is(err, tt.wantErr) {
				t.Fatalf("error = %v, want %v", err, tt.wantErr)
			}
			if len(got) != len(tt.want) {
				t.Fatalf("%d certificates, want %d", len(got), len(tt.want))
			}
			for i := range got {
				if !got[i].Equal(tt.want[i]) {
					t.Errorf("certificate %d is another one", i)
				}
			}
		})
	}
}

func slicesOf(c *x509.Certificate, n int) []*x509.Certificate {
	s := make([]*x509.Certificate, n)
	for i := range s {
		s[i] = c
	}
	return s
}

func FuzzParseCertsOnly(f *testing.F) {
	leaf := certificate(f, "leaf.pem")
	f.Add(file(f, "openssl-leaf.p7"))
	f.Add(file(f, "openssl-both.p7"))
	f.Add(file(f, "openssl-signed-ber.p7"))
	f.Add(ber(f, "3100", leaf))
	f.Add(ber(f, "31800000", leaf))
	f.Fuzz(func(t *testing.T, b []byte) {
		chain, err := cms.ParseCertsOnly(b)
		if err != nil {
			if k := problem.KindOf(err); k != problem.Invalid && k != problem.TooLarge {
				t.Errorf("kind %v: %v", k, err)
			}
			return
		}
		der, err := cms.EncodeCertsOnly(chain...)
		if err != nil {
			t.Fatal(err)
		}
		again, err := cms.ParseCertsOnly(der)
		if err != nil || len(again) != len(chain) {
			t.Errorf("reading what was written: %d of %d, %v", len(again), len(chain), err)
		}
	})
}
