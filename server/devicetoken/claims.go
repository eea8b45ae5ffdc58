package devicetoken

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"

	"mooring/internal/deviceid"
)

// tokenKind tells device tokens from those of people (rest.md §4.2).
const tokenKind = "device_token_config"

// claims are the payload of a device token, in the order of the wire.
type claims struct {
	ID        *string `json:"jti"` // null in a device token
	Issuer    string  `json:"iss"`
	Audience  string  `json:"aud"`
	Subject   string  `json:"sub"`
	Kind      string  `json:"tci"`
	IssuedAt  int64   `json:"iat"`
	NotBefore int64   `json:"nbf"`
	Expires   int64   `json:"exp"`
	TwoFactor bool    `json:"tfa"`
	Tenant    string  `json:"ten"`
	XSRF      string  `json:"xsrfToken"`
	// Origin is ours: what the trust in the device's certificate rests on.
	Origin string `json:"crt,omitempty"`
}

func newClaims(at place, now time.Time, lifespan time.Duration) claims {
	return claims{
		Issuer: at.host, Audience: at.host, Subject: deviceid.DeviceUser(at.device), Kind: tokenKind,
		IssuedAt: now.Unix(), NotBefore: now.Unix(), Expires: now.Add(lifespan).Unix(),
		Tenant: string(at.tenant), XSRF: newXSRF(), Origin: at.origin,
	}
}

// MarshalJSON writes ASCII without "<", ">", "?" and "~": its base64url then
// has neither "-" nor "_", which a client in the field cannot decode (rest.md
// §4.2).
func (c claims) MarshalJSON() ([]byte, error) {
	type plain claims
	text, err := json.Marshal(plain(c))
	if err != nil {
		return nil, err
	}
	return plainASCII(text), nil
}

// plainASCII escapes what would make "-" or "_" of base64url.
func plainASCII(text []byte) []byte {
	var out bytes.Buffer
	for _, r := range string(text) {
		switch {
		case r == '?' || r == '~' || r == 0x7f || r >= utf8.RuneSelf:
			for _, unit := range utf16.Encode([]rune{r}) {
				fmt.Fprintf(&out, `\u%04x`, unit)
			}
		default:
			out.WriteByte(byte(r))
		}
	}
	return out.Bytes()
}

// The methods by which the library checks times.

func (c claims) GetExpirationTime() (*jwt.NumericDate, error) { return date(c.Expires), nil }
func (c claims) GetIssuedAt() (*jwt.NumericDate, error)       { return date(c.IssuedAt), nil }
func (c claims) GetNotBefore() (*jwt.NumericDate, error)      { return date(c.NotBefore), nil }
func (c claims) GetIssuer() (string, error)                   { return c.Issuer, nil }
func (c claims) GetSubject() (string, error)                  { return c.Subject, nil }
func (c claims) GetAudience() (jwt.ClaimStrings, error)       { return jwt.ClaimStrings{c.Audience}, nil }

func date(seconds int64) *jwt.NumericDate { return jwt.NewNumericDate(time.Unix(seconds, 0)) }
