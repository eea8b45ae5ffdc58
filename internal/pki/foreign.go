package pki

import "bytes"

// ForeignForm says what to do with a file that should hold PEM and has the form of
// other programs; empty if it is none of those. name is that of the file.
func ForeignForm(b []byte, name string) (advice string) {
	switch {
	case bytes.HasPrefix(b, []byte("\xfe\xed\xfe\xed")), bytes.HasPrefix(b, []byte("\xce\xce\xce\xce")):
		return "this is a keystore of Java (JKS): keytool -importkeystore -srckeystore " + name + " -destkeystore " + name +
			".p12 -deststoretype PKCS12, then mooring-agent keystore certs " + name + ".p12 prints its certificates in PEM"
	case isDER(b, "\x02\x01\x03"): // RFC 7292 §4: version 3
		return "this is PKCS#12: mooring-agent keystore certs " + name + " prints its certificates in PEM"
	case isDER(b, "\x30"):
		return "this is DER: openssl x509 -inform DER -in " + name + " makes PEM of a certificate"
	}
	return ""
}

// isDER tells whether b is a sequence that begins with first.
func isDER(b []byte, first string) bool {
	if len(b) < 2 || b[0] != 0x30 {
		return false
	}
	length := 2
	if b[1] >= 0x80 { // so many bytes of length follow; 0x80 is BER, without length
		length += int(b[1] & 0x7f)
	}
	return len(b) > length && bytes.HasPrefix(b[length:], []byte(first))
}
