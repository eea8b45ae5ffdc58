// Package deviceauth says which device is calling: by certificate chain, by
// device password, or again for a live session, a token or a session ticket.
//
// By certificate it goes in two steps, because a TLS handshake only records
// (design decision 7): Decide gives the verdict on the chain, which depends on
// certificates alone, and Admit, at the CONNECT or the request, asks whether
// the device may come in: it has a device user that is enabled and set up for
// certificates, or the trusted certificate lets it register itself.
//
// Every error is a *problem.Error that tells the peer one thing; ReasonOf
// tells the logs and the refusal record what it really was.
package deviceauth

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"time"

	"mooring/internal/problem"
	"mooring/internal/secret"
	"mooring/server/platform"
)

// Trust decides about certificate chains.
type Trust interface {
	Verify(chain []*x509.Certificate, now time.Time) platform.Verdict
	StillTrusted(v platform.Verdict, now time.Time) platform.Reason
	Generation() uint64
}

// Secrets checks device passwords.
type Secrets interface {
	CheckMAC(ctx context.Context, tenant platform.TenantID, user string, s secret.String, mac platform.SecretMAC) (bool, error)
}

// Bounds of the caches. Each is exceeded by dropping what was not used lately.
const (
	// maxVerdicts is about one for each device that reconnects often; each
	// takes about 1 KiB.
	maxVerdicts = 32_768
	// maxUsers bounds the device users remembered, about 300 bytes each.
	maxUsers = 65_536
	// refusalAge is how long a refused chain is not looked at again. An
	// accepted one is good until it ends.
	refusalAge = time.Minute
)

// Config says whom deviceauth asks.
type Config struct {
	Trust   Trust
	Users   platform.DeviceUsers
	Secrets Secrets
	Limits  Limits
	Now     func() time.Time // nil: time.Now
	Log     *slog.Logger     // nil: discards
}

// Auth is the service. Its methods may be called at once from anywhere.
type Auth struct {
	cfg      Config
	verdicts *cache[chainKey, decision]
	users    *users
	failures *limiter
}

// New returns an Auth with empty caches.
func New(cfg Config) *Auth {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Auth{
		cfg:      cfg,
		verdicts: newCache[chainKey, decision](maxVerdicts),
		users:    newUsers(cfg.Users, maxUsers),
		failures: newLimiter(cfg.Limits),
	}
}

// refusal is the cause of a problem that deviceauth returns.
type refusal struct {
	reason platform.Reason
	detail string
}

// Error gives the reason with its detail, for logs.
func (r *refusal) Error() string {
	if r.detail == "" {
		return string(r.reason)
	}
	return string(r.reason) + ": " + r.detail
}

// ReasonOf tells why err refused somebody: ReasonInternal for an error that is
// no refusal, Accepted for nil.
func ReasonOf(err error) platform.Reason {
	if err == nil {
		return platform.Accepted
	}
	if r, ok := errors.AsType[*refusal](err); ok {
		return r.reason
	}
	return platform.ReasonInternal
}

// DetailOf tells more than ReasonOf, for those who may see it.
func DetailOf(err error) string {
	if r, ok := errors.AsType[*refusal](err); ok {
		return r.detail
	}
	return ""
}

// Texts and names of refusals on the wire (rest.md §0.4, §4.1).
const (
	codeUnauthorized = "security/Unauthorized"
	codeForbidden    = "security/Forbidden"
	textChain        = "Invalid certificate chain!"
	textCredentials  = "Invalid credentials! : Bad credentials"
	textNotAllowed   = "Not authorized to perform this operation."
)

// badChain refuses a certificate; which of its faults it was stays here.
func badChain(reason platform.Reason, detail string) error {
	return problem.WithCode(problem.Unauthenticated, codeUnauthorized, textChain, &refusal{reason, detail})
}

// notAllowed refuses a device whose certificate is good.
func notAllowed(reason platform.Reason) error {
	return problem.WithCode(problem.Forbidden, codeForbidden, textNotAllowed, &refusal{reason: reason})
}

// badCredentials refuses a password, whatever was wrong.
func badCredentials(reason platform.Reason) error {
	return problem.WithCode(problem.Unauthenticated, codeUnauthorized, textCredentials, &refusal{reason: reason})
}

// undecided is what a peer is told when the store does not answer.
func undecided(cause error) error {
	return problem.New(problem.Unavailable, platform.ReasonInternal.Text(), cause)
}
