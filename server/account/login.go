package account

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"time"

	"mooring/internal/problem"
	"mooring/internal/secret"
	"mooring/server/platform"
)

// Bounds of the cache of verified passwords: how many people, and for how long
// a password need not be hashed again. Changing a user forgets it at once.
const (
	MaxVerified  = 10_000
	VerifiedTime = 5 * time.Minute
)

// badCredentials says one thing, whatever was wrong (rest.md §0.4).
func badCredentials(cause error) error {
	return problem.WithCode(problem.Unauthenticated, "security/Unauthorized", "Invalid credentials! : Bad credentials", cause)
}

// Authenticate verifies the password of a person who comes from address, a
// host without port.
//
// Errors: problem.Unauthenticated for an unknown or disabled user and for a
// wrong password alike; problem.TooMany if too many passwords from there were
// wrong, or too many logins wait.
func (s *Service) Authenticate(ctx context.Context, tenant platform.TenantID, user string, password secret.String, address string) (platform.Principal, error) {
	if password.IsZero() || len(password.Reveal()) > MaxPasswordBytes || len(user) > MaxUserNameBytes {
		return platform.Principal{}, badCredentials(nil)
	}
	person, block := keysOf(tenant, user, address)
	// The person's bucket comes first: no way of asking is free of it.
	if wait := s.failures.take(person, s.now()); wait > 0 {
		return platform.Principal{}, tooMany(wait)
	}
	if isBootstrap(tenant, user) {
		p, err := s.authenticateBootstrap(ctx, password)
		if err == nil {
			s.failures.giveBack(person)
		}
		return p, err
	}
	epoch := s.verified.begin()
	if p, ok := s.verified.check(tenant, user, password, s.now()); ok {
		s.failures.giveBack(person)
		return p, nil
	}
	if wait := s.failures.take(block, s.now()); wait > 0 {
		return platform.Principal{}, tooMany(wait)
	}
	p, err := s.verify(ctx, tenant, user, password)
	if err == nil {
		s.verified.add(epoch, p, user, password, s.now())
	}
	if !errors.Is(err, problem.Unauthenticated) { // right, or never looked at
		s.failures.giveBack(person)
		s.failures.giveBack(block)
	}
	return p, err
}

func tooMany(wait time.Duration) error {
	return &problem.Error{Kind: problem.TooMany, Detail: "Too many failed logins.", RetryAfter: wait}
}

// verify hashes, unless the person cannot log in anyway: then as long.
func (s *Service) verify(ctx context.Context, tenant platform.TenantID, user string, password secret.String) (platform.Principal, error) {
	u, err := s.users.User(ctx, tenant, user)
	if err != nil && !errors.Is(err, problem.NotFound) {
		return platform.Principal{}, err
	}
	hash, usable := s.passwordCost.dummy(), err == nil && u.Enabled && u.PasswordHash != ""
	if usable {
		if hash, err = parsePHC(u.PasswordHash); err != nil {
			return platform.Principal{}, err
		}
	}
	ok, err := s.matches(ctx, hash, password)
	if err != nil {
		return platform.Principal{}, err
	}
	if !ok || !usable {
		return platform.Principal{}, badCredentials(nil)
	}
	roles, err := s.EffectiveRoles(ctx, u)
	if err != nil {
		return platform.Principal{}, err
	}
	return platform.Principal{Tenant: tenant, User: u.Name, Roles: roles, Method: platform.ByPassword}, nil
}

// matches hashes when it is this caller's turn.
func (s *Service) matches(ctx context.Context, h phc, password secret.String) (bool, error) {
	timer := time.NewTimer(s.maxWait)
	defer timer.Stop()
	select {
	case s.turns <- struct{}{}:
	case <-timer.C:
		return false, &problem.Error{Kind: problem.TooMany, Detail: "Too many logins at once, try again.", RetryAfter: s.maxWait}
	case <-ctx.Done():
		return false, problem.New(problem.Unavailable, "The login was given up.", ctx.Err())
	}
	defer func() { <-s.turns }()
	return h.matches(password), nil
}

// verified remembers who proved which password, as a MAC under a key that
// lives and dies with the process.
type verified struct {
	key  []byte
	memo *memo[userKey, proof]
}

type userKey struct {
	tenant platform.TenantID
	user   string
}

type proof struct {
	mac       [sha256.Size]byte
	until     time.Time
	principal platform.Principal
}

func newVerified(key []byte) *verified {
	return &verified{key: key, memo: newMemo[userKey, proof](MaxVerified)}
}

func (v *verified) begin() uint64 { return v.memo.begin() }

func (v *verified) check(tenant platform.TenantID, user string, password secret.String, now time.Time) (platform.Principal, bool) {
	p, ok := v.memo.get(userKey{tenant, user})
	if !ok || !now.Before(p.until) {
		return platform.Principal{}, false
	}
	mac := v.mac(tenant, user, password)
	return p.principal, hmac.Equal(mac[:], p.mac[:])
}

func (v *verified) add(epoch uint64, p platform.Principal, user string, password secret.String, now time.Time) {
	v.memo.fill(epoch, userKey{p.Tenant, user},
		proof{mac: v.mac(p.Tenant, user, password), until: now.Add(VerifiedTime), principal: p})
}

func (v *verified) forget(tenant platform.TenantID, user string) {
	v.memo.forget(userKey{tenant, user})
}

// mac covers each part with its length before it.
func (v *verified) mac(tenant platform.TenantID, user string, password secret.String) (sum [sha256.Size]byte) {
	h := hmac.New(sha256.New, v.key)
	for _, part := range []string{string(tenant), user, password.Reveal()} {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(part)))
		h.Write(n[:])
		h.Write([]byte(part))
	}
	h.Sum(sum[:0])
	return sum
}
