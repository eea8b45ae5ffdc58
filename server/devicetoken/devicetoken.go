// Package devicetoken issues and verifies device tokens: the short-lived JWTs
// with which a device calls the REST API (contract rest.md §4.2), and the
// longer-lived ones of people who logged in, which have the same layout.
//
// Tokens are signed with RS256 under a key of the instance. The header names
// no key, because clients know it byte for byte; a verifier tries the few keys
// there are, newest first.
package devicetoken

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"mooring/internal/deviceid"
	"mooring/internal/problem"
	"mooring/server/platform"
)

// Lifetimes of rest.md §4.2; the upper bound is ours.
const (
	DefaultLifespan = 3600 * time.Second
	MinLifespan     = 300 * time.Second
	MaxLifespan     = 30 * 24 * time.Hour
)

// MaxTokenBytes bounds a token that is read. One of ours has about 800 bytes;
// with the longest device ID and host, all escaped, about 6,000.
const MaxTokenBytes = 8 << 10

// clockSkew is how far the clocks of two nodes may differ.
const clockSkew = 10 * time.Second

// maxHostBytes bounds a host name (RFC 1035 §2.3.4).
const maxHostBytes = 253

// Options reads tenant options.
type Options interface {
	Option(ctx context.Context, tenant platform.TenantID, key platform.OptionKey) (value string, set bool, err error)
}

// Config is what New needs.
type Config struct {
	Keys    SealedKeys
	Vault   Vault
	Options Options
	// Turns makes one node rotate for all; nil: this one is alone.
	Turns platform.Turns
	// MaxCached bounds the tokens remembered for Issue, about 1.2 KiB each. Zero
	// means 100,000.
	MaxCached int
	Now       func() time.Time // nil: time.Now
	Log       *slog.Logger     // nil discards
}

// Service issues and verifies device tokens. It may be used by several
// goroutines.
type Service struct {
	ring    *keyring
	options Options
	issued  *lru
	now     func() time.Time
	parser  *jwt.Parser
}

const defaultCached = 100_000

// New returns a service; keys are loaded or made at first use.
func New(c Config) *Service {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.MaxCached <= 0 {
		c.MaxCached = defaultCached
	}
	return &Service{
		ring: &keyring{keys: c.Keys, vault: c.Vault, now: c.Now, log: c.Log, turns: c.Turns}, options: c.Options,
		issued: newLRU(c.MaxCached), now: c.Now,
		parser: jwt.NewParser(jwt.WithValidMethods([]string{jwt.SigningMethodRS256.Alg()}), jwt.WithExpirationRequired(),
			jwt.WithIssuedAt(), jwt.WithLeeway(clockSkew), jwt.WithTimeFunc(c.Now), jwt.WithStrictDecoding()),
	}
}

// Issue returns a token for the device p, which came by certificate: the token
// is worth nothing once that is not trusted any more. Host is the bare host name under which
// the client reached the server; it becomes issuer and audience (empty: the
// tenant's ID does). A device gets the token it has until half its life has
// passed, because an RSA signature costs 25 times a P-256 one.
func (s *Service) Issue(ctx context.Context, p platform.Principal, host string) (token string, err error) {
	tenant := p.Tenant
	host = bareHost(host, tenant)
	lifespan, err := s.lifespan(ctx, tenant)
	if err != nil {
		return "", err
	}
	k, err := s.ring.newest(ctx)
	if err != nil {
		return "", err
	}
	now := s.now().Truncate(time.Second)
	at := place{tenant: tenant, device: p.Device, host: host, origin: encodeOrigin(p.Origin)}
	if have, ok := s.issued.get(at); ok && have.keyID == k.id && have.lifespan == lifespan && have.fresh(now) {
		return have.token, nil
	}
	token, err = jwt.NewWithClaims(jwt.SigningMethodRS256, newClaims(at, now, lifespan)).SignedString(k.private)
	if err != nil {
		return "", problem.New(problem.Internal, "", err)
	}
	s.issued.put(at, held{token: token, keyID: k.id, lifespan: lifespan, at: now})
	return token, nil
}

// Verify returns the device or person that token was issued to. It knows
// nothing of their users, nor whether the certificate behind a device's token is
// trusted still: those are for the caller to ask.
//
// Every refusal is problem.Unauthenticated with one text.
func (s *Service) Verify(ctx context.Context, token string) (platform.Principal, error) {
	if len(token) > MaxTokenBytes {
		return platform.Principal{}, refuse(nil)
	}
	c, err := s.parse(ctx, token)
	if errors.Is(err, jwt.ErrTokenSignatureInvalid) && s.ring.expire() {
		c, err = s.parse(ctx, token) // another node may have rotated
	}
	if err != nil {
		return platform.Principal{}, err
	}
	if c.Kind == LoginOption {
		return c.person()
	}
	device, ok := deviceid.DeviceOfUser(c.Subject)
	if !ok || c.Kind != tokenKind || c.Tenant == "" {
		return platform.Principal{}, refuse(nil)
	}
	origin, ok := decodeOrigin(c.Origin)
	if !ok {
		return platform.Principal{}, refuse(nil)
	}
	return platform.Principal{
		Tenant: platform.TenantID(c.Tenant), User: c.Subject, Device: device,
		Roles: platform.DeviceRoles, Method: platform.ByToken, Origin: origin,
	}, nil
}

func (s *Service) parse(ctx context.Context, token string) (c claims, err error) {
	keys, err := s.ring.public(ctx)
	if err != nil {
		return c, err
	}
	if _, err := s.parser.ParseWithClaims(token, &c, func(*jwt.Token) (any, error) { return keys, nil }); err != nil {
		return c, refuse(err)
	}
	return c, nil
}

// Rotate makes a new signing key. Tokens under the one before stay good until
// they expire; those under older ones do not.
func (s *Service) Rotate(ctx context.Context) error { return s.ring.rotate(ctx) }

// RotateEvery is the age at which a signing key is replaced. It is longer than
// MaxLifespan, so that every token outlives its key's turn under the overlap.
const RotateEvery = 90 * 24 * time.Hour

// RotateDue rotates if the newest key is RotateEvery old. It is called now and
// then, on every node; one of them rotates.
func (s *Service) RotateDue(ctx context.Context) (rotated bool, err error) {
	return s.ring.rotateDue(ctx)
}

func refuse(cause error) error {
	return problem.WithCode(problem.Unauthenticated, "security/Unauthorized", "Invalid credentials! : Bad credentials", cause)
}

// lifespan reads the tenant's option. What is no number counts as not set;
// others are brought within MinLifespan and MaxLifespan.
func (s *Service) lifespan(ctx context.Context, tenant platform.TenantID) (time.Duration, error) {
	value, set, err := s.options.Option(ctx, tenant, platform.OptionTokenLifespan)
	if err != nil {
		return 0, err
	}
	seconds, parseErr := strconv.ParseInt(value, 10, 32)
	if !set || parseErr != nil {
		return DefaultLifespan, nil
	}
	return min(max(time.Duration(seconds)*time.Second, MinLifespan), MaxLifespan), nil
}

func bareHost(host string, tenant platform.TenantID) string {
	if host == "" || len(host) > maxHostBytes {
		return string(tenant)
	}
	return strings.ToLower(host)
}

// xsrfAlphabet has 62 characters; xsrfChars is the length clients know.
const (
	xsrfAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	xsrfChars    = 20
)

// newXSRF returns random letters and digits. Bytes that would favour some of
// them are drawn again.
func newXSRF() string {
	const fair = 256 - 256%len(xsrfAlphabet)
	out := make([]byte, 0, xsrfChars)
	var b [1]byte
	for len(out) < xsrfChars {
		rand.Read(b[:]) // never fails, crypto/rand
		if int(b[0]) < fair {
			out = append(out, xsrfAlphabet[int(b[0])%len(xsrfAlphabet)])
		}
	}
	return string(out)
}
