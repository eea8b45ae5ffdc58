package platform_test

import (
	"errors"
	"io"
	"testing"

	"mooring/server/platform"
)

func TestHandshakeFault(t *testing.T) {
	for _, tt := range []struct {
		err    error
		reason platform.Reason
		ok     bool
	}{
		{nil, "", false},
		{io.EOF, "", false},
		{errors.New("tls: first record does not look like a TLS handshake"), "", false},
		{errors.New("tls: client offered only unsupported versions: [301]"), "", false},
		{errors.New("tls: failed to parse client certificate: x509: negative serial number"), platform.ReasonBroken, true},
		{errors.New("tls: client sent certificate containing RSA key larger than 8192 bits"), platform.ReasonBroken, true},
		{errors.New("tls: handshake message of length 1000000 bytes exceeds maximum of 262144 bytes"), platform.ReasonBroken, true},
		{errors.New("tls: invalid signature by the client certificate: crypto/rsa: 1024-bit keys are insecure (see …)"), platform.ReasonWeakKey, true},
	} {
		reason, detail, ok := platform.HandshakeFault(tt.err)
		if reason != tt.reason || ok != tt.ok || ok != (detail != "") {
			t.Errorf("%v: got %q, %q, %t", tt.err, reason, detail, ok)
		}
	}
}
