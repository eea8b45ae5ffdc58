package devicetoken_test

import (
	"encoding/base64"
	"strings"
	"testing"

	jwtlib "github.com/golang-jwt/jwt/v5"

	"mooring/server/platform"
)

// A token says what the trust in its certificate rests on, in as few bytes as
// clients with small buffers need, and Verify hands it back.
func TestOrigin(t *testing.T) {
	r := newRig(t, "")
	long := strings.Repeat("f", 40)
	for _, tt := range []struct {
		name string
		in   *platform.Origin
		want []string // serials that come back
	}{
		{"none", nil, nil},
		{"no serials", &platform.Origin{AnchorKey: [16]byte{1, 15: 2}}, nil},
		{"one", &platform.Origin{AnchorKey: [16]byte{1}, Serials: []string{"5c14cfc4217757a5ec07bb76fe765f3f"}}, []string{"5c14cfc4217757a5ec07bb76fe765f3f"}},
		{"zero and another", &platform.Origin{Serials: []string{"0", "ff"}}, []string{"0", "ff"}},
		{"three of 20 bytes", &platform.Origin{Serials: []string{long, long, long}}, []string{long, long, long}},
		{"four of 20 bytes: the leaf and the nearest stay", &platform.Origin{Serials: []string{long, long, long, "1"}}, []string{long, long, long}},
		{"no serial", &platform.Origin{Serials: []string{"a", "no serial", "b"}}, []string{"a"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			token, err := r.Issue(t.Context(), platform.Principal{Tenant: tenant, Device: "d1", Origin: tt.in}, "test.cumulocity.com")
			if err != nil {
				t.Fatal(err)
			}
			p, err := r.Verify(t.Context(), token)
			if err != nil {
				t.Fatal(err)
			}
			if (p.Origin == nil) != (tt.in == nil) || p.Origin != nil && (p.Origin.AnchorKey != tt.in.AnchorKey || strings.Join(p.Origin.Serials, " ") != strings.Join(tt.want, " ")) {
				t.Errorf("got %+v, want serials %v", p.Origin, tt.want)
			}
			if tt.name == "one" && len(token) > 900 {
				t.Errorf("the token has %d bytes", len(token))
			}
		})
	}
	other := &platform.Origin{Serials: []string{"1"}}
	first := r.issue(t, "d1")
	if second, err := r.Issue(t.Context(), platform.Principal{Tenant: tenant, Device: "d1", Origin: other}, "test.cumulocity.com"); err != nil || second == first {
		t.Errorf("another certificate of the device gets the same token, %v", err)
	}
}

func TestOriginOutOfRange(t *testing.T) {
	r := newRig(t, "")
	r.issue(t, "d1")
	now := r.clock().Unix()
	for name, bytes := range map[string][]byte{"15 bytes": make([]byte, 15), "80 bytes": append(make([]byte, 16), make([]byte, 64)...), "a serial cut off": append(make([]byte, 16), 2, 1)} {
		claims := jwtlib.MapClaims{"jti": nil, "iss": "h", "aud": "h", "sub": "device_d1", "tci": "device_token_config", "iat": now, "nbf": now, "exp": now + 3600,
			"ten": string(tenant), "crt": base64.RawURLEncoding.EncodeToString(bytes)}
		if _, err := r.Verify(t.Context(), r.sign(t, claims)); err == nil {
			t.Errorf("%s passes", name)
		}
		claims["crt"] = base64.RawURLEncoding.EncodeToString(make([]byte, 16))
		if _, err := r.Verify(t.Context(), r.sign(t, claims)); err != nil {
			t.Errorf("a good one: %v", err)
		}
	}
}
