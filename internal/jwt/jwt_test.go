package jwt_test

import (
	"encoding/base64"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"mooring/internal/jwt"
	"mooring/internal/problem"
)

// deviceClaims is the token of thin-edge's test vector (rest.md §4.2).
const deviceClaims = `{ "jti": null, "iss": "test.cumulocity.com", "aud": "test.cumulocity.com", "sub": "device_test0005",
  "tci": "device_token_config", "iat": 1638442997, "nbf": 1638442997, "exp": 1638446597,
  "tfa": false, "ten": "t317048", "xsrfToken": "KseAUFALauiJedQMGfsF" }`

func token(claims string) string {
	b := base64.RawURLEncoding
	return b.EncodeToString([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + b.EncodeToString([]byte(claims)) + ".c2ln"
}

func TestParse(t *testing.T) {
	at := time.Unix(1638442997, 0).UTC()
	filler := func(n int) string {
		s := token(`{"iss":"x"}`)
		return s + strings.Repeat("A", n-len(s))
	}
	tests := []struct {
		name    string
		in      string
		want    jwt.Claims
		wantErr error
	}{
		{name: "device token", in: token(deviceClaims), want: jwt.Claims{Issuer: "test.cumulocity.com", Audience: []string{"test.cumulocity.com"},
			Subject: "device_test0005", Tenant: "t317048", IssuedAt: at, NotBefore: at, Expires: at.Add(time.Hour)}},
		{name: "ID and list of audiences", in: token(`{"jti":"7","aud":["a","b"]}`), want: jwt.Claims{ID: "7", Audience: []string{"a", "b"}}},
		{name: "fraction", in: token(`{"exp":1.5}`), want: jwt.Claims{Expires: time.Unix(1, 500_000_000).UTC()}},
		{name: "no claims", in: token(`{}`)},
		{name: "nulls", in: token(`{"iss":null,"aud":null,"exp":null}`)},
		{name: "last second", in: token(`{"exp":253402300799}`), want: jwt.Claims{Expires: time.Unix(253402300799, 0).UTC()}},
		{name: "after it", in: token(`{"exp":253402300800}`), wantErr: problem.Invalid},
		{name: "before 1970", in: token(`{"exp":-1}`), wantErr: problem.Invalid},
		{name: "no number", in: token(`{"exp":"soon"}`), wantErr: problem.Invalid},
		{name: "huge number", in: token(`{"exp":1e300}`), wantErr: problem.Invalid},
		{name: "audience is a number", in: token(`{"aud":7}`), wantErr: problem.Invalid},
		{name: "claims are a list", in: token(`[]`), wantErr: problem.Invalid},
		{name: "claims are cut off", in: token(`{"iss":"x`), wantErr: problem.Invalid},
		{name: "two parts", in: "a.e30", wantErr: problem.Invalid},
		{name: "four parts", in: "a.e30.b.c", wantErr: problem.Invalid},
		{name: "no header", in: ".e30.b", wantErr: problem.Invalid},
		{name: "no signature", in: "a.e30.", wantErr: problem.Invalid},
		{name: "padding", in: "a.e30=.b", wantErr: problem.Invalid},
		{name: "bits after the end", in: "a.e31.b", wantErr: problem.Invalid},
		{name: "empty", in: "", wantErr: problem.Invalid},
		{name: "longest", in: filler(jwt.MaxBytes), want: jwt.Claims{Issuer: "x"}},
		{name: "too long", in: filler(jwt.MaxBytes + 1), wantErr: problem.Invalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := jwt.Parse(tt.in)
			if !errors.Is(err, tt.wantErr) {
				t.Fatalf("error = %v, want %v", err, tt.wantErr)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			if err != nil && len(tt.in) > 8 && strings.Contains(err.Error(), tt.in) {
				t.Error("the error repeats the token")
			}
		})
	}
}

func TestHalfLife(t *testing.T) {
	at := time.Unix(1000, 0)
	tests := []struct {
		name string
		in   jwt.Claims
		want time.Time
	}{
		{name: "both", in: jwt.Claims{IssuedAt: at, Expires: at.Add(time.Hour)}, want: at.Add(30 * time.Minute)},
		{name: "notBefore stands in", in: jwt.Claims{NotBefore: at, Expires: at.Add(time.Hour)}, want: at.Add(30 * time.Minute)},
		{name: "no end", in: jwt.Claims{IssuedAt: at}},
		{name: "no beginning", in: jwt.Claims{Expires: at}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.in.HalfLife(); !got.Equal(tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
	c := jwt.Claims{Expires: at}
	if c.ExpiredAt(at.Add(-1)) || !c.ExpiredAt(at) || (jwt.Claims{}).ExpiredAt(at) {
		t.Error("ExpiredAt: a token ends at exp, one without exp never")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(token(deviceClaims))
	f.Add(token(`{"aud":["a"],"exp":1e300}`))
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, s string) {
		c, err := jwt.Parse(s)
		if err == nil && (c.Expires.Unix() > 253402300799 || c.HalfLife().Year() > 9999) {
			t.Errorf("time out of range: %+v", c)
		}
	})
}

// TestParseBearer: a token that is no JWT has no claims.
func TestParseBearer(t *testing.T) {
	if c, err := jwt.ParseBearer(token(`{"iss":"x"}`)); err != nil || c.Issuer != "x" {
		t.Errorf("a JWT: %+v, %v", c, err)
	}
	long := strings.Repeat("a", jwt.MaxBytes)
	for in, good := range map[string]bool{"0d1f-opaque_~+/.==": true, "a.b.c": true, long: true, long + "a": false, "": false, "=": true, "a b": false, "a\n": false, "<html>": false, "ä": false, "a=b": false} {
		if c, err := jwt.ParseBearer(in); (err == nil) != good || c.Subject != "" || !c.HalfLife().IsZero() {
			t.Errorf("%.20q: %+v, %v", in, c, err)
		}
	}
}
