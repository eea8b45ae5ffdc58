package est_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"mooring/internal/est"
	"mooring/internal/pki"
	"mooring/internal/problem"
)

// sequence is a DER SEQUENCE of n bytes in all, n > 130.
func sequence(n int) []byte {
	return append([]byte{0x30, 0x82, byte((n - 4) >> 8), byte(n - 4)}, bytes.Repeat([]byte{7}, n-4)...)
}

func TestDecodeRequest(t *testing.T) {
	der := sequence(300)
	text := base64.StdEncoding.EncodeToString(der)
	wrapped := string(est.EncodeRequest(der))
	armoured := "-----BEGIN CERTIFICATE REQUEST-----\n" + wrapped + "-----END CERTIFICATE REQUEST-----\n"
	tests := []struct {
		name    string
		in      string
		wantErr error
	}{
		{name: "go-c8y: one line", in: text},
		{name: "thin-edge: 64 columns", in: wrapped},
		{name: "curl: CRLF", in: strings.ReplaceAll(wrapped, "\n", "\r\n")},
		{name: "spaces and tabs", in: " \t" + strings.ReplaceAll(wrapped, "\n", " \t")},
		{name: "armour", in: armoured},
		{name: "older armour", in: strings.ReplaceAll(armoured, "CERTIFICATE", "NEW CERTIFICATE")},
		{name: "text before the armour", in: "Certificate Request:\n" + armoured},
		{name: "armour on one line", in: strings.ReplaceAll(armoured, "\n", " ")},
		{name: "armour without an end", in: strings.ReplaceAll(armoured, "-----END CERTIFICATE REQUEST-----", "")},
		{name: "DER", in: string(der)},
		{name: "empty", in: "", wantErr: problem.Invalid},
		{name: "white space", in: " \r\n", wantErr: problem.Invalid},
		{name: "no base64", in: "{\"csr\":1}", wantErr: problem.Invalid},
		{name: "padding missing", in: strings.TrimRight(base64.StdEncoding.EncodeToString(sequence(301)), "="), wantErr: problem.Invalid},
		{name: "base64url", in: base64.URLEncoding.EncodeToString(append(der, 0xfb, 0xff)), wantErr: problem.Invalid},
		{name: "base64 of something else", in: base64.StdEncoding.EncodeToString([]byte("hello")), wantErr: problem.Invalid},
		{name: "longest", in: text + strings.Repeat("\n", est.MaxBodyBytes-len(text))},
		{name: "too long", in: text + strings.Repeat("\n", est.MaxBodyBytes-len(text)+1), wantErr: problem.TooLarge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := est.DecodeRequest([]byte(tt.in))
			if !errors.Is(err, tt.wantErr) {
				t.Fatalf("error = %v, want %v", err, tt.wantErr)
			}
			if err == nil && !bytes.Equal(got, der) {
				t.Errorf("got %x, want %x", got, der)
			}
		})
	}
}

// TestEncodeCertificates holds the recipe of est-interop.md §2: one line and
// LF up to 1,000 characters, 64 columns above.
func TestEncodeCertificates(t *testing.T) {
	tests := []struct{ der, lines, longest int }{
		{der: 200, lines: 1, longest: 268},
		{der: 747, lines: 1, longest: 996},
		{der: 748, lines: 1, longest: 1000},
		{der: 750, lines: 1, longest: 1000},
		{der: 751, lines: 16, longest: 64},
		{der: 768, lines: 16, longest: 64},
		{der: 769, lines: 17, longest: 64},
	}
	for _, tt := range tests {
		der := sequence(tt.der)
		body := string(est.EncodeCertificates(der))
		lines := strings.Split(strings.TrimSuffix(body, "\n"), "\n")
		if !strings.HasSuffix(body, "\n") || strings.HasSuffix(body, "\n\n") || len(lines) != tt.lines || len(lines[0]) != tt.longest {
			t.Errorf("%d bytes: %d lines of %d, want %d of %d and one LF at the end", tt.der, len(lines), len(lines[0]), tt.lines, tt.longest)
		}
		if got, err := est.DecodeRequest([]byte(body)); err != nil || !bytes.Equal(got, der) {
			t.Errorf("%d bytes: read back %d, %v", tt.der, len(got), err)
		}
	}
	if got := string(est.EncodePKCS10Certificate(sequence(200))); strings.Count(got, "\n") != 5 || strings.Index(got, "\n") != 64 {
		t.Errorf("PKCS#10 certificate: %q", got)
	}
	if got := est.EncodeCertificates(nil); len(got) != 0 {
		t.Errorf("nothing: %q", got)
	}
}

func cmsVector(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "cms", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDecodeCertificates(t *testing.T) {
	der := cmsVector(t, "openssl-leaf.p7")
	body := string(est.EncodeCertificates(der))
	tests := []struct {
		name    string
		in      string
		wantErr error
	}{
		{name: "base64", in: body},
		{name: "64 columns without LF at the end", in: strings.TrimRight(string(est.EncodeRequest(der)), "\n")},
		{name: "DER", in: string(der)},
		{name: "armour", in: "-----BEGIN PKCS7-----\n" + body + "-----END PKCS7-----\n"},
		{name: "HTML", in: "\n<!DOCTYPE html><html>", wantErr: problem.Invalid},
		{name: "HTML with byte order mark", in: "\ufeff<html>", wantErr: problem.Invalid},
		{name: "JSON", in: `{"error":"x"}`, wantErr: problem.Invalid},
		{name: "empty", in: "", wantErr: problem.Invalid},
		{name: "no CMS object", in: string(est.EncodeRequest(sequence(300))), wantErr: problem.Invalid},
		{name: "longest", in: body + strings.Repeat(" ", est.MaxBodyBytes-len(body))},
		{name: "too long", in: body + strings.Repeat(" ", est.MaxBodyBytes-len(body)+1), wantErr: problem.TooLarge},
	}
	want, err := pki.ParseCertificateText(string(cmsVector(t, "leaf.pem")))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			chain, err := est.DecodeCertificates([]byte(tt.in))
			if !errors.Is(err, tt.wantErr) {
				t.Fatalf("error = %v, want %v", err, tt.wantErr)
			}
			if err == nil && (len(chain) != 1 || !chain[0].Equal(want)) {
				t.Errorf("%d certificates, or another one", len(chain))
			}
		})
	}
}

// TestOpenSSLReadsUs: the body as curl scripts of the vendor's guide use it.
func TestOpenSSLReadsUs(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		if os.Getenv("REQUIRE_HSM") == "1" {
			t.Fatal("openssl is not installed; apt install openssl")
		}
		t.Skip("openssl is not installed")
	}
	script := openssl + " base64 -d | " + openssl + " pkcs7 -inform DER -print_certs -noout"
	for _, der := range [][]byte{cmsVector(t, "openssl-both.p7"), cmsVector(t, "openssl-leaf.p7")} {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", script)
		cmd.Stdin = bytes.NewReader(est.EncodeRequest(der))
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "dev1") {
			t.Errorf("openssl: %v\n%s", err, out)
		}
	}
}

func FuzzDecodeRequest(f *testing.F) {
	f.Add(est.EncodeRequest(sequence(300)))
	f.Add(sequence(200))
	f.Add([]byte("-----BEGIN X-----MAA=-----END X-----"))
	f.Fuzz(func(t *testing.T, body []byte) {
		der, err := est.DecodeRequest(body)
		if err != nil {
			return
		}
		if again, err := est.DecodeRequest(est.EncodeRequest(der)); len(der) < est.MaxBodyBytes/2 && (err != nil || !bytes.Equal(again, der)) {
			t.Errorf("reading what was written: %v", err)
		}
	})
}
