package pki_test

import (
	"strings"
	"testing"

	"mooring/internal/pki"
)

func TestForeignForm(t *testing.T) {
	for b, want := range map[string]string{
		"\xfe\xed\xfe\xed\x00\x00\x00\x02": "(JKS): keytool -importkeystore -srckeystore FILE",
		"\xce\xce\xce\xce":                 "(JKS)",
		"\x30\x82\x09\x59\x02\x01\x03\x30": "PKCS#12: mooring-agent keystore certs FILE",
		"\x30\x80\x02\x01\x03":             "PKCS#12",
		"\x30\x82\x02\x00\x30\x82":         "DER: openssl x509",
		"\x30\x03\x30\x01\x00":             "DER",
		"":                                 "",
		"\x30":                             "",
		"\x30\x82":                         "",
		"\x30\xff\x30":                     "",
		"\xfe\xed\xfe":                     "",
		"-----BEGIN CERTIFICATE-----\n":    "",
		"\x30\x82\x02\x00\x02\x01\x00\x30\x0d\x06": "", // a PKCS#8 key
	} {
		got := pki.ForeignForm([]byte(b), "FILE")
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%q: %q, want %q", b, got, want)
		}
	}
}
