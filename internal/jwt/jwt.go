// Package jwt reads the claims of a JSON Web Token without verifying it.
//
// A device does so with the token it got over its own authenticated
// connection, to know when it ends. Whoever accepts a token from somebody else
// must verify it; that is not here.
package jwt

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"mooring/internal/problem"
)

// MaxBytes bounds a token. Those of the real platform have about 770
// characters (contract rest.md §4.2); other issuers list all roles of the
// subject.
const MaxBytes = 64 << 10

// maxSeconds is the last second of the year 9999.
const maxSeconds = 253402300799

// Claims are the claims of a token. Times that the token does not state are
// zero.
type Claims struct {
	ID        string // jti; empty for null
	Issuer    string
	Audience  []string
	Subject   string // "device_<external ID>" of a device token
	Tenant    string // ten
	IssuedAt  time.Time
	NotBefore time.Time
	Expires   time.Time
}

// wire is the payload as it is written (rest.md §4.2).
type wire struct {
	ID        *string  `json:"jti"`
	Issuer    *string  `json:"iss"`
	Audience  audience `json:"aud"`
	Subject   *string  `json:"sub"`
	Tenant    *string  `json:"ten"`
	IssuedAt  seconds  `json:"iat"`
	NotBefore seconds  `json:"nbf"`
	Expires   seconds  `json:"exp"`
}

// Parse reads the claims of a token in compact form (RFC 7519 §3). Every error
// is problem.Invalid and does not repeat the token.
func Parse(token string) (Claims, error) {
	if len(token) > MaxBytes {
		return Claims{}, problem.New(problem.Invalid, "the token is longer than 64 KiB", nil)
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 || parts[0] == "" || parts[2] == "" {
		return Claims{}, problem.New(problem.Invalid, "a token has three parts", nil)
	}
	payload, err := base64.RawURLEncoding.Strict().DecodeString(parts[1])
	if err != nil {
		return Claims{}, problem.New(problem.Invalid, "the claims of the token are no base64url", nil)
	}
	var w wire
	if err := json.Unmarshal(payload, &w); err != nil {
		return Claims{}, problem.New(problem.Invalid, "the claims of the token cannot be read", nil)
	}
	return Claims{
		ID:        text(w.ID),
		Issuer:    text(w.Issuer),
		Audience:  w.Audience,
		Subject:   text(w.Subject),
		Tenant:    text(w.Tenant),
		IssuedAt:  w.IssuedAt.Time,
		NotBefore: w.NotBefore.Time,
		Expires:   w.Expires.Time,
	}, nil
}

// ParseBearer is Parse for a token that may be opaque to whom it is given to: that
// has no claims. The error is problem.Invalid for what cannot be a token at all
// (RFC 6750 §2.1).
func ParseBearer(token string) (Claims, error) {
	c, err := Parse(token)
	if err == nil || token == "" || len(token) > MaxBytes {
		return c, err
	}
	for _, r := range strings.TrimRight(token, "=") {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-._~+/", r)) {
			return c, err
		}
	}
	return Claims{}, nil
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// HalfLife returns the moment in the middle of the token's life, when clients
// ask for the next one (rest.md §4.2). It is zero if the token does not state
// when it begins and ends.
func (c Claims) HalfLife() time.Time {
	begin := c.IssuedAt
	if begin.IsZero() {
		begin = c.NotBefore
	}
	if begin.IsZero() || c.Expires.IsZero() {
		return time.Time{}
	}
	return begin.Add(c.Expires.Sub(begin) / 2)
}

// ExpiredAt reports whether the token has ended at now. A token without an end
// never has.
func (c Claims) ExpiredAt(now time.Time) bool {
	return !c.Expires.IsZero() && !now.Before(c.Expires)
}

// seconds is a NumericDate (RFC 7519 §2), which may have a fraction.
type seconds struct{ time.Time }

// UnmarshalJSON implements json.Unmarshaler.
func (s *seconds) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	var f float64
	if err := json.Unmarshal(b, &f); err != nil {
		return err
	}
	if f < 0 || f > maxSeconds {
		return fmt.Errorf("time %g is out of range", f)
	}
	whole, part := math.Modf(f)
	s.Time = time.Unix(int64(whole), int64(part*1e9)).UTC()
	return nil
}

// audience is one string or a list of them (RFC 7519 §4.1.3).
type audience []string

// UnmarshalJSON implements json.Unmarshaler.
func (a *audience) UnmarshalJSON(b []byte) error {
	var one *string
	if err := json.Unmarshal(b, &one); err == nil {
		if one != nil {
			*a = audience{*one}
		}
		return nil
	}
	var list []string
	if err := json.Unmarshal(b, &list); err != nil {
		return errors.New("aud is neither text nor a list of texts")
	}
	*a = list
	return nil
}
