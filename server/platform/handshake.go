package platform

import "strings"

// HandshakeFault says why a TLS handshake ended because of what the client sent
// as its certificate, and reports whether it did. Such a certificate is refused
// before anybody has read a name in it, so its refusal is filed under the address.
//
// The texts are those of crypto/tls, which has no types for them; the tests send
// each kind through a real handshake.
func HandshakeFault(err error) (reason Reason, detail string, ok bool) {
	if err == nil {
		return "", "", false
	}
	text := err.Error()
	switch {
	case strings.Contains(text, "keys are insecure"): // crypto/rsa: shorter than 1,024 bits, or 1,024 without a debug setting
		reason = ReasonWeakKey
	case strings.Contains(text, "client certificate"), strings.Contains(text, "client sent certificate"),
		strings.Contains(text, "handshake message of length"):
		reason = ReasonBroken
	default:
		return "", "", false
	}
	return reason, strings.TrimPrefix(text, "tls: "), true
}
