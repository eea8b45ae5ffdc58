package devicetoken

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"mooring/internal/deviceid"
	"mooring/internal/problem"
	"mooring/server/platform"
)

// LoginOption is the ID of the one way people log in by token; as the claim
// "tci" it tells their tokens from those of devices (rest.md §4.2).
const LoginOption = "OAUTH2_INTERNAL"

// DefaultLoginLifespan is the session length of rest.md §4.4.
const DefaultLoginLifespan = 14 * 24 * time.Hour

// IssueLogin returns a token for a person who has just proved their password,
// and what a browser must repeat in a header (XSRF).
func (s *Service) IssueLogin(ctx context.Context, p platform.Principal, host string) (token, xsrf string, err error) {
	lifespan, err := s.LoginLifespan(ctx, p.Tenant)
	if err != nil {
		return "", "", err
	}
	k, err := s.ring.newest(ctx)
	if err != nil {
		return "", "", err
	}
	now := s.now()
	id := newSessionID(now)
	host = bareHost(host, p.Tenant)
	c := claims{
		ID: &id, Issuer: host, Audience: host, Subject: p.User, Kind: LoginOption,
		IssuedAt: now.Unix(), NotBefore: now.Unix(), Expires: now.Add(lifespan).Unix(), Tenant: string(p.Tenant), XSRF: newXSRF(),
	}
	token, err = jwt.NewWithClaims(jwt.SigningMethodRS256, c).SignedString(k.private)
	if err != nil {
		return "", "", problem.New(problem.Internal, "", err)
	}
	return token, c.XSRF, nil
}

// LoginLifespan is how long logins of a tenant last.
func (s *Service) LoginLifespan(ctx context.Context, tenant platform.TenantID) (time.Duration, error) {
	value, set, err := s.options.Option(ctx, tenant, platform.OptionLoginLifespan)
	if err != nil {
		return 0, err
	}
	if seconds, err := strconv.ParseInt(value, 10, 32); set && err == nil {
		return min(max(time.Duration(seconds)*time.Second, MinLifespan), MaxLifespan), nil
	}
	return DefaultLoginLifespan, nil
}

// person is the principal of a token of a person. Whether the login still
// holds is for the caller to ask.
func (c claims) person() (platform.Principal, error) {
	if c.Kind != LoginOption || c.Tenant == "" || c.Subject == "" || c.ID == nil {
		return platform.Principal{}, refuse(nil)
	}
	if _, device := deviceid.DeviceOfUser(c.Subject); device {
		return platform.Principal{}, refuse(nil)
	}
	at, ok := sessionTime(*c.ID)
	if !ok {
		return platform.Principal{}, refuse(nil)
	}
	return platform.Principal{
		Tenant: platform.TenantID(c.Tenant), User: c.Subject, Method: platform.ByToken,
		Login: &platform.Login{ID: *c.ID, XSRF: c.XSRF, At: at, Expires: time.Unix(c.Expires, 0).UTC()},
	}, nil
}

// A session's ID is a UUID of version 7 (RFC 9562 §5.7), because "iat" has
// whole seconds and who changes a password wants the logins of that second
// ended, too.
//
//	48 bits Unix milliseconds | 0111 | 12 bits random | 10 | 62 bits random
func newSessionID(now time.Time) string {
	var b [16]byte
	rand.Read(b[:]) // never fails, crypto/rand
	ms := uint64(now.UnixMilli())
	for i := range 6 {
		b[i] = byte(ms >> (40 - 8*i))
	}
	b[6] = b[6]&0x0f | 0x70
	b[8] = b[8]&0x3f | 0x80
	x := hex.EncodeToString(b[:])
	return x[:8] + "-" + x[8:12] + "-" + x[12:16] + "-" + x[16:20] + "-" + x[20:]
}

func sessionTime(id string) (time.Time, bool) {
	if len(id) != 36 || id[8] != '-' || id[13] != '-' {
		return time.Time{}, false
	}
	ms, err := strconv.ParseInt(id[:8]+id[9:13], 16, 64)
	return time.UnixMilli(ms).UTC(), err == nil
}
