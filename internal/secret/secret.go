// Package secret holds text that must never be seen: one-time passwords,
// device passwords, PINs and tokens.
//
// A String prints as "[redacted]" under every fmt verb, in slog and in JSON.
// Only Reveal returns what is inside, so that a search for Reveal finds every
// place where a secret leaves its box.
package secret

import (
	"crypto/subtle"
	"fmt"
)

const redacted = "[redacted]"

// String is a secret text. The zero value is the empty secret.
//
// It holds a pointer, because fmt calls no methods on unexported fields: a
// struct with an unexported secret prints an address under %+v, not the text.
type String struct{ p *string }

// New wraps s.
func New(s string) String {
	if s == "" {
		return String{}
	}
	return String{&s}
}

// Reveal returns the text itself. Its result belongs on the wire or in a hash,
// never in a log, an error or a command line.
func (s String) Reveal() string {
	if s.p == nil {
		return ""
	}
	return *s.p
}

// IsZero reports whether s is empty.
func (s String) IsZero() bool { return s.p == nil }

// Equal compares in constant time for equal lengths.
func (s String) Equal(other String) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}

// String implements fmt.Stringer without giving the secret away.
func (String) String() string { return redacted }

// GoString hides the secret from %#v.
func (String) GoString() string { return redacted }

// Format hides the secret from every verb and flag.
func (String) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// MarshalText hides the secret from encoders: JSON, TOML and slog's handlers.
func (String) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// UnmarshalText reads the secret from configuration or a request body.
func (s *String) UnmarshalText(text []byte) error {
	*s = New(string(text))
	return nil
}
