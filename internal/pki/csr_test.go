package pki_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mooring/internal/pki"
	"mooring/internal/problem"
)

func csrVector(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "csr", name+".pem"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		t.Fatalf("%s is no PEM", name)
	}
	return block.Bytes
}

func TestCheckCSRVectors(t *testing.T) {
	tests := []struct {
		in      string
		wantErr error
		about   string // part of the error
	}{
		{in: "openssl-p256"},
		{in: "openssl-p384"},
		{in: "openssl-p521"},
		{in: "openssl-ed"},
		{in: "openssl-r2048"},
		{in: "openssl-r4096"},
		{in: "openssl-p256-noca"},
		{in: "openssl-p256-unkok"},
		{in: "openssl-p256-sha1"},
		{in: "strongswan-r2048"},
		{in: "strongswan-p256-challenge"},
		{in: "keytool-p256-bc"},
		{in: "openssl-r1024", wantErr: problem.Unprocessable, about: "2048"},
		{in: "openssl-p224", wantErr: problem.Unprocessable, about: "curve"},
		{in: "openssl-p192", wantErr: problem.Invalid, about: "curve"},
		{in: "openssl-k256", wantErr: problem.Invalid, about: "curve"},
		{in: "openssl-p256-ca", wantErr: problem.Unprocessable, about: "CA certificate"},
		{in: "openssl-p256-badbc", wantErr: problem.Invalid, about: "basic constraints"},
		{in: "openssl-p256-unk", wantErr: problem.Unprocessable, about: "1.3.6.1.4.1.99999.1"},
		{in: "openssl-p256-twocn", wantErr: problem.Unprocessable, about: "exactly one CN"},
		{in: "openssl-p256-twocn-rdn", wantErr: problem.Unprocessable, about: "exactly one CN"},
		{in: "openssl-p256-nocn", wantErr: problem.Unprocessable, about: "exactly one CN"},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			der := csrVector(t, tt.in)
			csr, err := pki.CheckCSR(der, "dev1")
			if !errors.Is(err, tt.wantErr) || (err == nil) != (tt.wantErr == nil) {
				t.Fatalf("error = %v, want %v", err, tt.wantErr)
			}
			if err != nil {
				if !strings.Contains(err.Error(), tt.about) {
					t.Errorf("error %q does not speak of %q", err, tt.about)
				}
				return
			}
			if got, err := pki.CommonName(csr.RawSubject); got != "dev1" || err != nil {
				t.Errorf("CN %q, %v", got, err)
			}
		})
	}
}

func TestCheckCSRTampered(t *testing.T) {
	good := csrVector(t, "openssl-p256")
	at := bytes.Index(good, []byte("dev1"))
	other := bytes.Clone(good)
	other[at+3] = '2'
	tests := []struct {
		name    string
		der     []byte
		cn      string
		wantErr error
	}{
		{name: "subject changed after signing", der: other, cn: "dev2", wantErr: problem.Unprocessable},
		{name: "another device", der: good, cn: "dev2", wantErr: problem.Unprocessable},
		{name: "prefix of the ID", der: good, cn: "dev", wantErr: problem.Unprocessable},
		{name: "case differs", der: good, cn: "Dev1", wantErr: problem.Unprocessable},
		{name: "empty ID", der: csrVector(t, "openssl-p256-nocn"), cn: "", wantErr: problem.Unprocessable},
		{name: "one byte more", der: append(bytes.Clone(good), 0), cn: "dev1", wantErr: problem.Invalid},
		{name: "one byte less", der: good[:len(good)-1], cn: "dev1", wantErr: problem.Invalid},
		{name: "empty", cn: "dev1", wantErr: problem.Invalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := pki.CheckCSR(tt.der, tt.cn); !errors.Is(err, tt.wantErr) {
				t.Errorf("error = %v, want %v", err, tt.wantErr)
			}
		})
	}
}

// TestCheckCSRSize pads a request to the limit; Ed25519 signatures have one
// length.
func TestCheckCSRSize(t *testing.T) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	padded := func(n int) []byte {
		der, err := pki.CreateCSR(rand.Reader, key, pkix.Name{CommonName: "dev1", Organization: []string{strings.Repeat("x", n)}})
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	base := 10_000
	pad := base + pki.MaxCSRBytes - len(padded(base))
	for n, wantErr := range map[int]error{-1: nil, 0: nil, 1: problem.TooLarge} {
		der := padded(pad + n)
		if len(der) != pki.MaxCSRBytes+n {
			t.Fatalf("%d bytes, want %d", len(der), pki.MaxCSRBytes+n)
		}
		if _, err := pki.CheckCSR(der, "dev1"); !errors.Is(err, wantErr) {
			t.Errorf("%+d: error = %v, want %v", n, err, wantErr)
		}
	}
}

func TestCreateCSR(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := pki.CreateCSR(rand.Reader, key, pkix.Name{CommonName: "dév 1", Organization: []string{"Acme"}})
	if err != nil {
		t.Fatal(err)
	}
	csr, err := pki.CheckCSR(der, "dév 1")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := pki.JavaName(csr.RawSubject), "CN=dév 1, O=Acme"; got != want {
		t.Errorf("subject %q, want %q", got, want)
	}
	if !pki.SamePublicKey(csr.PublicKey, key.Public()) || len(csr.Extensions) != 0 {
		t.Errorf("another key, or extensions: %v", csr.Extensions)
	}
}

func FuzzCheckCSR(f *testing.F) {
	names, err := filepath.Glob("testdata/csr/*.pem")
	if err != nil || len(names) == 0 {
		f.Fatal("no vectors", err)
	}
	for _, n := range names {
		f.Add(csrVector(f, strings.TrimSuffix(filepath.Base(n), ".pem")))
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		csr, err := pki.CheckCSR(der, "dev1")
		if err != nil {
			if problem.KindOf(err) == problem.Internal {
				t.Errorf("error without a kind: %v", err)
			}
			return
		}
		if csr.CheckSignature() != nil || pki.CheckKeyStrength(csr.PublicKey) != nil {
			t.Error("a request without proof of possession passed")
		}
		if _, err := x509.ParseCertificateRequest(csr.Raw); err != nil {
			t.Error(err)
		}
	})
}
