package est_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"mooring/internal/est"
)

// id-aa-attestation, and challengePassword.
var (
	wanted  = []byte{0x06, 0x0b, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x02, 0x3b}
	another = []byte{0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x07}
)

func TestCSRAttributes(t *testing.T) {
	// RFC 7030 §4.5.2 has this example.
	const example = "MEEGCSqGSIb3DQEJBzASBgcqhkjOPQIBMQcGBSuBBAAiMBYGCSqGSIb3DQEJDjEJBgcrBgEBAQEWBggqhkjOPQQDAw=="
	attribute := append(append([]byte{0x30, 0x11, 0x30, 0x0f}, wanted...), 0x31, 0x00)
	tests := []struct {
		name string
		body string
		oid  []byte
		want bool
	}{
		{"ours", string(est.EncodeCSRAttributes(wanted)), wanted, true},
		{"for something else", string(est.EncodeCSRAttributes(another)), wanted, false},
		{"of the RFC", example, another, true},
		{"of the RFC, not ours", example, wanted, false},
		{"of the RFC, broken into lines", example[:40] + "\r\n" + example[40:], another, true},
		{"as an attribute", base64.StdEncoding.EncodeToString(attribute), wanted, true},
		{"in DER", string(attribute), wanted, true},
		{"empty sequence", "MAA=", wanted, false},
		{"none", "", wanted, false},
		{"a page", "<html></html>", wanted, false},
		{"with more behind", string(attribute) + "x", wanted, false},
		{"cut off", string(attribute[:len(attribute)-1]), wanted, false},
		{"too long", strings.Repeat("A", est.MaxBodyBytes+1), wanted, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := est.AsksFor([]byte(tt.body), tt.oid); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func FuzzCSRAttributes(f *testing.F) {
	f.Add([]byte("MEEGCSqGSIb3DQEJBzASBgcqhkjOPQIBMQcGBSuBBAAiMBYGCSqGSIb3DQEJDjEJBgcrBgEBAQEWBggqhkjOPQQDAw=="))
	f.Add(est.EncodeCSRAttributes(wanted))
	f.Fuzz(func(t *testing.T, body []byte) {
		if est.AsksFor(body, wanted) && len(body) < len(wanted) {
			t.Error("asked for by less than its name")
		}
	})
}
