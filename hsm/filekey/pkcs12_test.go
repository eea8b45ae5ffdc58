package filekey_test

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mooring/hsm/filekey"
	"mooring/internal/pki"
)

// The vectors were written by OpenSSL and keytool (testdata/pkcs12/README).
func TestParsePKCS12(t *testing.T) {
	files, err := filepath.Glob("testdata/pkcs12/*.p12")
	if err != nil || len(files) < 7 {
		t.Fatalf("%d vectors: %v", len(files), err)
	}
	for _, file := range files {
		b := read(t, file)
		if !filekey.MaybePKCS12(b) {
			t.Errorf("%s is not taken for PKCS#12", file)
		}
		signer, certs, err := filekey.ParsePKCS12(t.Context(), b, []byte("correct horse"))
		if err != nil || len(certs) != 2 {
			t.Errorf("%s: %d certificates, %v", file, len(certs), err)
			continue
		}
		if strings.Contains(file, "trust") {
			if signer != nil {
				t.Errorf("%s: a key in a trust store", file)
			}
		} else if err := pki.SignVerify(signer); err != nil || !pki.KeyMatches(certs[0], signer) {
			t.Errorf("%s: not the key of its certificate (%v)", file, err)
		}
		if _, _, err := filekey.ParsePKCS12(t.Context(), b, nil); !errors.Is(err, filekey.ErrEncrypted) {
			t.Errorf("%s without passphrase: %v", file, err)
		}
		if _, _, err := filekey.ParsePKCS12(t.Context(), b, []byte("wrong")); err == nil || errors.Is(err, filekey.ErrEncrypted) {
			t.Errorf("%s with a wrong passphrase: %v", file, err)
		}
	}
	for name, b := range map[string][]byte{"empty": nil, "PEM": []byte("-----BEGIN"), "cut": read(t, files[0])[:100], "too long": bytes.Repeat([]byte("0"), 256<<10+1)} {
		if _, _, err := filekey.ParsePKCS12(t.Context(), b, []byte("correct horse")); err == nil {
			t.Errorf("%s was read", name)
		}
	}
}

// A file may ask for as many rounds of hashing as it likes; the caller waits as
// long as it likes.
func TestParsePKCS12Ends(t *testing.T) {
	b := read(t, "testdata/pkcs12/ec.p12")
	at := bytes.LastIndex(b, []byte{2, 2, 8, 0}) // 2,048 rounds for the MAC, the end of its sequence
	mac := bytes.LastIndex(b[:at], []byte{0x30, 0x31}) - 2
	if at != len(b)-4 || b[mac] != 0x30 || int(b[mac+1]) != len(b)-mac-2 {
		t.Fatal("the vector is laid out otherwise")
	}
	b = append(b[:at], 2, 3, 0x7f, 0xff, 0xff) // 8 million: a second or more
	b[mac+1]++
	b[3]++
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := filekey.ParsePKCS12(ctx, b, []byte("correct horse")); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want the end of the caller's patience", err)
	}
}

// FuzzParsePKCS12: nothing makes it panic.
func FuzzParsePKCS12(f *testing.F) {
	files, _ := filepath.Glob("testdata/pkcs12/ec*.p12") // none: no seeds
	for _, file := range files {
		f.Add(read(f, file))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond) // a changed file may ask for minutes
		defer cancel()
		signer, certs, err := filekey.ParsePKCS12(ctx, b, []byte("correct horse"))
		if err == nil && signer == nil && len(certs) == 0 {
			t.Error("nothing was found, and no error")
		}
	})
}
