package tpmkey

import (
	"bytes"
	"encoding/asn1"
	"encoding/pem"
	"os"
	"reflect"
	"testing"

	"github.com/google/go-tpm/tpm2"
)

// FuzzKeyFile: what is read is written the same, and nothing makes it panic.
func FuzzKeyFile(f *testing.F) {
	for _, name := range []string{"openssl.pem", "openssl-rsa.pem"} {
		text, err := os.ReadFile("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	policy := &keyFile{Policy: []policyStep{pcrPolicy([]uint{0, 7})}, Description: "größer", Private: tpm2.TPM2BPrivate{Buffer: []byte{1, 2}}}
	text, err := policy.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := decode(text)
		if err != nil {
			return
		}
		_, _ = publicKey(file)
		_, _ = policyOf(file)
		again, err := file.encode()
		if err != nil {
			t.Fatal(err)
		}
		back, err := decode(again)
		if err != nil || !reflect.DeepEqual(back.Policy, file.Policy) || back.Description != file.Description ||
			!bytes.Equal(tpm2.Marshal(back.Public), tpm2.Marshal(file.Public)) || !bytes.Equal(back.Private.Buffer, file.Private.Buffer) {
			t.Errorf("%v: wrote %q, read %q", err, again, text)
		}
	})
}

// A file of another program: booleans that are not DER, options we do not know.
func TestForeignKeyFile(t *testing.T) {
	text, err := os.ReadFile("testdata/openssl.pem")
	if err != nil {
		t.Fatal(err)
	}
	file, err := decode(text)
	if err != nil {
		t.Fatal(err)
	}
	public, private := tpm2.Marshal(file.Public), tpm2.Marshal(file.Private)
	type optional struct {
		Type            asn1.ObjectIdentifier
		EmptyAuth       asn1.RawValue
		Later           string `asn1:"explicit,tag:7,utf8"`
		Parent          int64
		Public, Private []byte
	}
	write := func(kind asn1.ObjectIdentifier, private []byte, after ...byte) []byte {
		der, err := asn1.Marshal(optional{kind, asn1.RawValue{FullBytes: []byte{0xa0, 3, 1, 1, 1}}, "x", 0x81000001, public, private})
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: append(der, after...)})
	}
	tests := []struct {
		name string
		text []byte
		ok   bool
	}{
		{"as it should be", write(oidLoadable, private), true},
		{"an importable key", write(asn1.ObjectIdentifier{2, 23, 133, 10, 1, 4}, private), false},
		{"more follows", write(oidLoadable, private, 0), false},
		{"private part too short", write(oidLoadable, private[:len(private)-1]), false},
		{"no PEM", []byte("x"), false},
		{"another PEM", bytes.ReplaceAll(text, []byte("TSS2 "), nil), false},
		{"empty", pem.EncodeToMemory(&pem.Block{Type: pemType}), false},
	}
	for _, tt := range tests {
		if _, err := decode(tt.text); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
