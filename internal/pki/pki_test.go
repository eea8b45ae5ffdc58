package pki_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"mooring/internal/pki"
	"mooring/internal/problem"
)

func TestParseCertificateText(t *testing.T) {
	want := certificate(t, "n1")
	armoured := string(pki.EncodePEM(want))
	bare := pki.BareBase64(want)
	wrapped := strings.Join(strings.SplitAfter(bare, "A"), "\r\n\t")
	tests := []struct {
		name    string
		in      string
		wantErr error
	}{
		{name: "armour", in: armoured},
		{name: "armour with CRLF", in: strings.ReplaceAll(armoured, "\n", "\r\n")},
		{name: "indented armour", in: "    " + strings.ReplaceAll(armoured, "\n", "\n      ")},
		{name: "one line", in: strings.ReplaceAll(armoured, "\n", " ")},
		{name: "one line without spaces", in: strings.ReplaceAll(armoured, "\n", "")},
		{name: "older label", in: strings.ReplaceAll(armoured, "CERTIFICATE", "X509 CERTIFICATE")},
		{name: "bare", in: bare},
		{name: "bare with white space", in: "\n " + wrapped + "\n"},
		{name: "text before the armour", in: "subject=CN = x\n" + armoured},
		{name: "empty", in: "", wantErr: problem.Invalid},
		{name: "no base64", in: "hello, world", wantErr: problem.Invalid},
		{name: "base64 of nothing", in: base64.StdEncoding.EncodeToString([]byte("hello")), wantErr: problem.Invalid},
		{name: "no end line", in: strings.Replace(armoured, "-----END", "-----XXX", 1), wantErr: problem.Invalid},
		{name: "begin line cut off", in: "-----BEGIN CERT", wantErr: problem.Invalid},
		{name: "two certificates", in: armoured + armoured, wantErr: problem.Invalid},
		{name: "a private key", in: strings.ReplaceAll(armoured, "CERTIFICATE", "PRIVATE KEY"), wantErr: problem.Invalid},
		{name: "one byte more", in: base64.StdEncoding.EncodeToString(append(bytes.Clone(want.Raw), 0)), wantErr: problem.Invalid},
		{name: "longest", in: bare + strings.Repeat(" ", pki.MaxChainBytes-len(bare))},
		{name: "too long", in: bare + strings.Repeat(" ", pki.MaxChainBytes-len(bare)+1), wantErr: problem.TooLarge},
		{name: "too much DER", in: base64.StdEncoding.EncodeToString(make([]byte, pki.MaxCertificateBytes+1)), wantErr: problem.TooLarge},
		{name: "DER at the bound, but no certificate", in: base64.StdEncoding.EncodeToString(make([]byte, pki.MaxCertificateBytes)), wantErr: problem.Invalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := pki.ParseCertificateText(tt.in)
			if !errors.Is(err, tt.wantErr) {
				t.Fatalf("error = %v, want %v", err, tt.wantErr)
			}
			if err == nil && !got.Equal(want) {
				t.Error("another certificate")
			}
		})
	}
}

func TestParsePEMChain(t *testing.T) {
	a, b := certificate(t, "n1"), certificate(t, "n2")
	text := string(pki.EncodePEM(a, b))
	many := func(n int) string { return strings.Repeat(string(pki.EncodePEM(a)), n) }
	key := string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: []byte{1}}))
	tests := []struct {
		name    string
		in      string
		want    int
		wantErr error
	}{
		{name: "two", in: text, want: 2},
		{name: "as header", in: strings.ReplaceAll(text, "\n", " "), want: 2},
		{name: "with text around", in: "Bag Attributes\n  x: y\n" + text + "trailing\n", want: 2},
		{name: "one", in: many(1), want: 1},
		{name: "most", in: many(pki.MaxChainCertificates), want: pki.MaxChainCertificates},
		{name: "too many", in: many(pki.MaxChainCertificates + 1), wantErr: problem.TooLarge},
		{name: "longest", in: text + strings.Repeat("\n", pki.MaxChainBytes-len(text)), want: 2},
		{name: "too long", in: text + strings.Repeat("\n", pki.MaxChainBytes-len(text)+1), wantErr: problem.TooLarge},
		{name: "none", in: "nothing here", wantErr: problem.Invalid},
		{name: "empty", wantErr: problem.Invalid},
		{name: "with a key", in: text + key, wantErr: problem.Invalid},
		{name: "second one broken", in: text[:len(text)-60], wantErr: problem.Invalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			chain, err := pki.ParsePEMChain([]byte(tt.in))
			if !errors.Is(err, tt.wantErr) {
				t.Fatalf("error = %v, want %v", err, tt.wantErr)
			}
			if len(chain) != tt.want || len(chain) > 0 && !chain.Leaf().Equal(a) {
				t.Errorf("%d certificates, want %d, the first one first", len(chain), tt.want)
			}
		})
	}
	if pki.Chain(nil).Leaf() != nil {
		t.Error("an empty chain has a leaf")
	}
}

func TestSerialHex(t *testing.T) {
	tests := []struct {
		in      string
		want    string
		wantErr error
	}{
		{in: "0", want: "0"},
		{in: "00", want: "0"},
		{in: "1953d9222cd", want: "1953d9222cd"},
		{in: "01953D9222CD", want: "1953d9222cd"},
		{in: "01:95:3d:92:22:cd", want: "1953d9222cd"},
		{in: strings.Repeat("f", 64), want: strings.Repeat("f", 64)},
		{in: strings.Repeat("0", 65), wantErr: problem.Invalid},
		{in: strings.Repeat("0:", 64), want: "0"},
		{in: "", wantErr: problem.Invalid},
		{in: ":", wantErr: problem.Invalid},
		{in: "-1", wantErr: problem.Invalid},
		{in: "0x1", wantErr: problem.Invalid},
		{in: "1g", wantErr: problem.Invalid},
		{in: "1_2", wantErr: problem.Invalid},
		{in: " 1", wantErr: problem.Invalid},
		{in: "١", wantErr: problem.Invalid},
	}
	for _, tt := range tests {
		n, err := pki.ParseSerialHex(tt.in)
		if !errors.Is(err, tt.wantErr) {
			t.Errorf("%q: error = %v, want %v", tt.in, err, tt.wantErr)
		}
		if err == nil && pki.SerialHex(n) != tt.want {
			t.Errorf("%q: got %s, want %s", tt.in, pki.SerialHex(n), tt.want)
		}
	}
	// rest.md §1.4: the issuing time in milliseconds, as the platform shows it.
	if got := pki.SerialHex(big.NewInt(1740494742221)); got != "1953d9222cd" {
		t.Errorf("SerialHex = %s", got)
	}
}

const (
	wantFingerprint = "eb730af573b3ec5857e2713c0704559986d77277"
	wantSPKIHash    = "48eb4fffc690d0200158410d1cdedff875892cb10d77eeb9bb957add5fdead44"
)

// TestHashes: the expected values are OpenSSL's (x509 -fingerprint -sha1; pkey
// -pubin -outform DER | sha256sum) of testdata/name/n1.pem.
func TestHashes(t *testing.T) {
	c := certificate(t, "n1")
	if got := pki.Fingerprint(c); got != wantFingerprint {
		t.Errorf("Fingerprint = %s, want %s", got, wantFingerprint)
	}
	hash := pki.SPKIHash(c)
	if got := hex.EncodeToString(hash[:]); got != wantSPKIHash {
		t.Errorf("SPKIHash = %s, want %s", got, wantSPKIHash)
	}
	if got, err := pki.PublicKeyHash(c.PublicKey); got != hash || err != nil {
		t.Errorf("PublicKeyHash = %x, %v", got, err)
	}
	if _, err := pki.PublicKeyHash("no key"); !errors.Is(err, problem.Invalid) {
		t.Errorf("error = %v, want Invalid", err)
	}
}

func TestRoles(t *testing.T) {
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	other, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	begin, end := time.Unix(1000, 0), time.Unix(2000, 0)
	issue := func(template *x509.Certificate) *x509.Certificate {
		template.SerialNumber, template.NotBefore, template.NotAfter = big.NewInt(1), begin, end
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		c, err := pki.ParseDER(der)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	name := pkix.Name{CommonName: "x"}
	ca := issue(&x509.Certificate{Subject: name, BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageCertSign})
	if !pki.IsCA(ca) || !pki.SelfSigned(ca) || !pki.SelfIssued(ca) {
		t.Error("a self-signed CA certificate is not taken for one")
	}
	if !pki.IsCA(issue(&x509.Certificate{Subject: name, BasicConstraintsValid: true, IsCA: true})) {
		t.Error("key usage is optional")
	}
	if pki.IsCA(issue(&x509.Certificate{Subject: name, BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageDigitalSignature})) {
		t.Error("a CA certificate that may not sign certificates counts as CA")
	}
	if pki.IsCA(issue(&x509.Certificate{Subject: name})) {
		t.Error("a leaf counts as CA")
	}
	if !pki.KeyMatches(ca, key) || pki.KeyMatches(ca, other) || pki.KeyMatches(nil, key) || pki.KeyMatches(ca, nil) {
		t.Error("KeyMatches")
	}
	for at, want := range map[time.Time]bool{begin.Add(-1): false, begin: true, end: true, end.Add(1): false} {
		if got := pki.ValidAt(ca, at); got != want {
			t.Errorf("ValidAt(%v) = %v", at, got)
		}
	}
}

func FuzzParseCertificateText(f *testing.F) {
	c := certificate(f, "n1")
	f.Add(string(pki.EncodePEM(c)))
	f.Add(pki.BareBase64(c))
	f.Add("-----BEGIN CERTIFICATE-----")
	f.Fuzz(func(t *testing.T, s string) {
		c, err := pki.ParseCertificateText(s)
		if err != nil {
			if problem.KindOf(err) == problem.Internal {
				t.Errorf("error without a kind: %v", err)
			}
			return
		}
		again, err := pki.ParseCertificateText(pki.BareBase64(c))
		if err != nil || !again.Equal(c) {
			t.Errorf("reading what was written: %v", err)
		}
	})
}
