package devicetoken_test

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	jwtlib "github.com/golang-jwt/jwt/v5"

	"mooring/hsm/filekey"
	"mooring/internal/durable"
	"mooring/internal/durable/durabletest"
	"mooring/internal/jwt"
	"mooring/internal/problem"
	"mooring/server/devicetoken"
	"mooring/server/platform"
	"mooring/server/sqlstore"
	"mooring/server/vault"
)

const tenant = platform.TenantID("t317048")

// option is the one tenant option, "" if not set.
type option string

func (o option) Option(_ context.Context, _ platform.TenantID, key platform.OptionKey) (string, bool, error) {
	if key != platform.OptionTokenLifespan {
		return "", false, nil
	}
	return string(o), o != "", nil
}

type rig struct {
	*devicetoken.Service
	store  *sqlstore.Store
	vault  *vault.Vault
	mu     sync.Mutex
	now    time.Time
	config devicetoken.Config
}

func newRig(t testing.TB, lifespan string) *rig {
	t.Helper()
	r := &rig{now: time.Unix(1638442997, 0)}
	store, err := sqlstore.OpenSQLite(t.Context(), durabletest.Dir(t), sqlstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	if err := store.CreateTenant(t.Context(), platform.Tenant{ID: platform.Management, Created: r.now}, platform.User{Tenant: platform.Management, Name: "admin"}); err != nil {
		t.Fatal(err)
	}
	sealer, err := filekey.OpenSealer(durable.OS, filepath.Join(t.TempDir(), "kek"))
	if err != nil {
		t.Fatal(err)
	}
	r.store, r.vault = store, vault.New(store, sealer, nil)
	r.config = devicetoken.Config{Keys: store, Vault: r.vault, Options: option(lifespan), Now: r.clock}
	r.Service = devicetoken.New(r.config)
	return r
}

func (r *rig) clock() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

func (r *rig) advance(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = r.now.Add(d)
}

func (r *rig) issue(t testing.TB, device string) string {
	t.Helper()
	token, err := r.Issue(t.Context(), platform.Principal{Tenant: tenant, Device: device}, "test.cumulocity.com")
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// sign makes a token of any claims under the server's own key.
func (r *rig) sign(t testing.TB, c jwtlib.MapClaims) string {
	t.Helper()
	_, der, err := r.vault.Current(t.Context(), platform.Management, "token-signing", nil)
	if err != nil {
		t.Fatal(err)
	}
	k, err := x509.ParsePKCS1PrivateKey(der)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwtlib.NewWithClaims(jwtlib.SigningMethodRS256, c).SignedString(k)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func segment(t testing.TB, token string, i int) []byte {
	t.Helper()
	text, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[i])
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestLayout holds a token to the vector of rest.md §4.2.
func TestLayout(t *testing.T) {
	token := newRig(t, "").issue(t, "test0005")
	if got, want := string(segment(t, token, 0)), `{"alg":"RS256","typ":"JWT"}`; got != want {
		t.Errorf("header = %s, want %s", got, want)
	}
	payload := segment(t, token, 1)
	var got struct {
		XSRF string `json:"xsrfToken"`
	}
	if err := json.Unmarshal(payload, &got); err != nil {
		t.Fatal(err)
	}
	want := `{"jti":null,"iss":"test.cumulocity.com","aud":"test.cumulocity.com","sub":"device_test0005",` +
		`"tci":"device_token_config","iat":1638442997,"nbf":1638442997,"exp":1638446597,"tfa":false,"ten":"t317048","xsrfToken":"` + got.XSRF + `"}`
	if string(payload) != want {
		t.Errorf("payload = %s\nwant %s", payload, want)
	}
	if len(got.XSRF) != 20 {
		t.Errorf("xsrfToken %q has %d characters, want 20", got.XSRF, len(got.XSRF))
	}
	if len(token) > 800 {
		t.Errorf("the token has %d characters, want at most 800", len(token))
	}
	if c, err := jwt.Parse(token); err != nil || c.Tenant != string(tenant) {
		t.Errorf("the agent reads %+v, %v", c, err)
	}
}

// TestPayloadFitsTheStandardAlphabet guards a client that decodes the payload
// with "+" and "/" in place of "-" and "_".
func TestPayloadFitsTheStandardAlphabet(t *testing.T) {
	r := newRig(t, "")
	for _, device := range []string{"a?b", "a??b", "???", "~", "a~~b", ">>>", "Gerät-ÿÿÿ", "\U0001f6a2\U0001f6a2", "\x7f\x7f\x7f", "a\"b\\c<&"} {
		token := r.issue(t, device)
		payload := strings.Split(token, ".")[1]
		text, err := base64.RawStdEncoding.DecodeString(payload)
		if err != nil {
			t.Errorf("%q: %v in %s", device, err, payload)
			continue
		}
		var got struct{ Sub string }
		if err := json.Unmarshal(text, &got); err != nil || got.Sub != "device_"+device {
			t.Errorf("sub = %q, %v, want device_%s", got.Sub, err, device)
		}
		if p, err := r.Verify(t.Context(), token); err != nil || p.Device != device {
			t.Errorf("Verify = %q, %v, want %q", p.Device, err, device)
		}
	}
}

func TestLifespan(t *testing.T) {
	tests := []struct {
		name, option string
		want         int64
	}{
		{name: "not set", want: 3600},
		{name: "no number", option: "an hour", want: 3600},
		{name: "below the least", option: "299", want: 300},
		{name: "the least", option: "300", want: 300},
		{name: "above the least", option: "301", want: 301},
		{name: "negative", option: "-5", want: 300},
		{name: "the most", option: "2592000", want: 2592000},
		{name: "above the most", option: "2592001", want: 2592000},
		{name: "absurd", option: "99999999999999999999", want: 3600},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var c struct{ Iat, Exp int64 }
			if err := json.Unmarshal(segment(t, newRig(t, tt.option).issue(t, "d"), 1), &c); err != nil {
				t.Fatal(err)
			}
			if got := c.Exp - c.Iat; got != tt.want {
				t.Errorf("lifetime = %d s, want %d", got, tt.want)
			}
		})
	}
}

func TestVerify(t *testing.T) {
	r := newRig(t, "")
	token := r.issue(t, "d1")
	got, err := r.Verify(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	want := platform.Principal{Tenant: tenant, User: "device_d1", Device: "d1", Roles: platform.DeviceRoles, Method: platform.ByToken}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("principal = %+v, want %+v", got, want)
	}
	parts := strings.Split(token, ".")
	other := strings.Split(newRig(t, "").issue(t, "d1"), ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`))
	hs := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`))
	bad := map[string]string{
		"empty":                   "",
		"no token":                "abc",
		"two parts":               parts[0] + "." + parts[1],
		"no signature":            parts[0] + "." + parts[1] + ".",
		"algorithm none":          none + "." + parts[1] + ".",
		"algorithm HS256":         hs + "." + parts[1] + "." + parts[2],
		"another server's":        strings.Join(other, "."),
		"another payload":         parts[0] + "." + other[1] + "." + parts[2],
		"a byte of noise":         token + "A",
		"padding":                 token + "==",
		"longer than the bound":   strings.Repeat("a", devicetoken.MaxTokenBytes+1),
		"as long as the bound":    strings.Repeat("a", devicetoken.MaxTokenBytes),
		"a person's":              r.sign(t, jwtlib.MapClaims{"sub": "admin", "ten": "t1", "tci": "device_token_config", "exp": r.now.Unix() + 60}),
		"of another kind":         r.sign(t, jwtlib.MapClaims{"sub": "device_d1", "ten": "t1", "tci": "login", "exp": r.now.Unix() + 60}),
		"without tenant":          r.sign(t, jwtlib.MapClaims{"sub": "device_d1", "tci": "device_token_config", "exp": r.now.Unix() + 60}),
		"without end":             r.sign(t, jwtlib.MapClaims{"sub": "device_d1", "ten": "t1", "tci": "device_token_config"}),
		"of the device user \"\"": r.sign(t, jwtlib.MapClaims{"sub": "device_", "ten": "t1", "tci": "device_token_config", "exp": r.now.Unix() + 60}),
	}
	for name, token := range bad {
		t.Run(name, func(t *testing.T) {
			_, err := r.Verify(t.Context(), token)
			if !errors.Is(err, problem.Unauthenticated) {
				t.Fatalf("error = %v, want Unauthenticated", err)
			}
			if p, _ := errors.AsType[*problem.Error](err); p.Detail != "Invalid credentials! : Bad credentials" {
				t.Errorf("text = %q", p.Detail)
			}
		})
	}
	good := r.sign(t, jwtlib.MapClaims{"sub": "device_d1", "ten": "t1", "tci": "device_token_config", "exp": r.now.Unix() + 60})
	if _, err := r.Verify(t.Context(), good); err != nil {
		t.Errorf("the test's own signature does not count: %v", err)
	}
}

func TestTimes(t *testing.T) {
	tests := []struct {
		name    string
		after   time.Duration
		wantErr error
	}{
		{name: "at once"},
		{name: "at its end", after: 3600 * time.Second},
		{name: "within the skew", after: 3610*time.Second - time.Nanosecond},
		{name: "after the skew", after: 3610 * time.Second, wantErr: problem.Unauthenticated},
		{name: "from a clock a little ahead", after: -10 * time.Second},
		{name: "from the future", after: -11 * time.Second, wantErr: problem.Unauthenticated},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, "")
			token := r.issue(t, "d1")
			r.advance(tt.after)
			if _, err := r.Verify(t.Context(), token); !errors.Is(err, tt.wantErr) {
				t.Errorf("error = %v, want %v", err, tt.wantErr)
			}
		})
	}
}

func TestTokenIsReused(t *testing.T) {
	r := newRig(t, "600")
	first := r.issue(t, "d1")
	r.advance(300*time.Second - time.Second)
	if r.issue(t, "d1") != first {
		t.Error("another token before half its life has passed")
	}
	if r.issue(t, "d2") == first {
		t.Error("two devices have one token")
	}
	if token, err := r.Issue(t.Context(), platform.Principal{Tenant: tenant, Device: "d1"}, "other.example.com"); err != nil || token == first {
		t.Error("two hosts have one token")
	}
	r.advance(time.Second)
	if r.issue(t, "d1") == first {
		t.Error("the same token when half its life has passed")
	}
}

func TestRotation(t *testing.T) {
	r := newRig(t, "")
	node := devicetoken.New(r.config) // another node on the same store
	tokens := []string{r.issue(t, "d1")}
	if _, err := node.Verify(t.Context(), tokens[0]); err != nil {
		t.Fatalf("another node refuses the token: %v", err)
	}
	for range 2 {
		r.advance(time.Minute)
		if err := r.Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
		tokens = append(tokens, r.issue(t, "d1"))
	}
	if tokens[0] == tokens[1] || tokens[1] == tokens[2] {
		t.Error("the token is the same after a rotation")
	}
	for i, want := range []error{problem.Unauthenticated, nil, nil} {
		if _, err := r.Verify(t.Context(), tokens[i]); !errors.Is(err, want) {
			t.Errorf("token %d of 3: error = %v, want %v", i+1, err, want)
		}
	}
	if _, err := node.Verify(t.Context(), tokens[2]); err != nil {
		t.Errorf("another node refuses the newest token: %v", err)
	}
}

func TestRotationIsSeenSoon(t *testing.T) {
	r := newRig(t, "")
	node := devicetoken.New(r.config)
	if _, err := node.Verify(t.Context(), r.issue(t, "d1")); err != nil {
		t.Fatal(err)
	}
	if err := r.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	token := r.issue(t, "d1")
	for _, tt := range []struct {
		wait    time.Duration
		wantErr error
	}{{0, problem.Unauthenticated}, {5 * time.Second, nil}} {
		r.advance(tt.wait)
		if _, err := node.Verify(t.Context(), token); !errors.Is(err, tt.wantErr) {
			t.Errorf("%v later: error = %v, want %v", tt.wait, err, tt.wantErr)
		}
	}
}

func TestHost(t *testing.T) {
	tests := []struct{ name, host, want string }{
		{name: "a name", host: "t1.example.com", want: "t1.example.com"},
		{name: "capitals", host: "T1.Example.COM", want: "t1.example.com"},
		{name: "none", want: string(tenant)},
		{name: "longest", host: strings.Repeat("a", 253), want: strings.Repeat("a", 253)},
		{name: "too long", host: strings.Repeat("a", 254), want: string(tenant)},
	}
	r := newRig(t, "")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			token, err := r.Issue(t.Context(), platform.Principal{Tenant: tenant, Device: "d1"}, tt.host)
			if err != nil {
				t.Fatal(err)
			}
			var c struct{ Iss, Aud string }
			if err := json.Unmarshal(segment(t, token, 1), &c); err != nil || c.Iss != tt.want || c.Aud != tt.want {
				t.Errorf("iss %q, aud %q, %v, want %q", c.Iss, c.Aud, err, tt.want)
			}
		})
	}
}

func TestLongestToken(t *testing.T) {
	r := newRig(t, "")
	token, err := r.Issue(t.Context(), platform.Principal{Tenant: tenant, Device: strings.Repeat("\u00ff", 127)}, strings.Repeat("?", 253))
	if err != nil {
		t.Fatal(err)
	}
	if len(token) > devicetoken.MaxTokenBytes {
		t.Fatalf("the token has %d bytes, which nobody reads", len(token))
	}
	if _, err := r.Verify(t.Context(), token); err != nil {
		t.Error(err)
	}
}

func FuzzVerify(f *testing.F) {
	r := newRig(f, "")
	token := r.issue(f, "d1")
	f.Add(token)
	f.Add(strings.ToUpper(token))
	f.Add("..")
	f.Add(token[:len(token)-1])
	f.Fuzz(func(t *testing.T, in string) {
		p, err := r.Verify(context.Background(), in)
		if err == nil && in != token {
			t.Errorf("%q passes for %+v", in, p)
		}
		if err != nil && !errors.Is(err, problem.Unauthenticated) {
			t.Errorf("error = %v, want Unauthenticated", err)
		}
	})
}
