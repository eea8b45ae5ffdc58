package main

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"mooring/agent"
	"mooring/hsm/key"
	"mooring/internal/pki"
)

// selftestReport is what keystore selftest prints. Times are in milliseconds.
type selftestReport struct {
	OK    bool          `json:"ok"`
	Kinds []*kindReport `json:"kinds"`
	// SignTimeout and HandshakeTimeout are what to allow for one signature and
	// for a TLS handshake with it, from the slowest kind that works: see
	// agent.SignLimit and agent.HandshakeLimit.
	SignTimeout      float64 `json:"sign_timeout_ms,omitempty"`
	HandshakeTimeout float64 `json:"handshake_timeout_ms,omitempty"`
	// Noted says that the device's agent uses them from its next start on.
	Noted bool `json:"noted"`
	// Recoveries counts what the store did meanwhile to get at its keys again:
	// session, login, module, helper. It should be empty.
	Recoveries map[string]int `json:"recoveries,omitempty"`
}

// kindReport is about one kind of key.
type kindReport struct {
	Algorithm  string  `json:"algorithm"`
	OK         bool    `json:"ok"`
	Error      string  `json:"error,omitempty"`
	PSS        *bool   `json:"pss,omitempty"` // RSA only: as TLS 1.3 wants it
	Create     float64 `json:"create_ms,omitempty"`
	Open       float64 `json:"open_ms,omitempty"` // and the first signature after it
	Signatures int     `json:"signatures,omitempty"`
	P50        float64 `json:"sign_p50_ms,omitempty"`
	P99        float64 `json:"sign_p99_ms,omitempty"`

	destroyed error
}

// selftestLabel shows whose key it is, should the program be killed.
const selftestLabel = "selftest"

const (
	maxSignatures = 10_000
	// measureLimit bounds the signatures of one kind, all but the first of which are
	// left out when it is over: some tokens take half a minute for each.
	measureLimit = 2 * time.Minute
)

var allAlgorithms = []key.Algorithm{key.ECDSAP256, key.ECDSAP384, key.RSA2048, key.RSA3072, key.RSA4096}

func (k *keystore) selftest(ctx context.Context, _ []string) error {
	if k.signatures < 1 || k.signatures > maxSignatures {
		return usagef("-n is 1 to %d", maxSignatures)
	}
	first, err := key.ParseAlgorithm(k.algorithm)
	if err != nil {
		return usageError{err}
	}
	kinds := []key.Algorithm{first}
	if k.all {
		kinds = allAlgorithms
	}
	if limiter, ok := k.keys.(key.Limiter); ok {
		limiter.SetSignLimit(agent.MaxSignLimit) // else it could measure nothing slow
	}
	var report selftestReport
	var failed error
	if mends, ok := k.keys.(key.Recoverer); ok {
		mends.OnRecovery(report.recovered)
	}
	for _, algorithm := range kinds {
		r := &kindReport{Algorithm: algorithm.String()}
		err := k.try(ctx, algorithm, r)
		r.OK = err == nil
		if err != nil {
			r.Error = err.Error()
		}
		// That a chip lacks a kind is no fault, if it does the one asked for.
		if algorithm == first {
			report.OK, failed = r.OK, err
		}
		if r.destroyed != nil {
			report.OK, failed = false, err
		}
		report.Kinds = append(report.Kinds, r)
	}
	sign := report.derive()
	var unnoted error
	if report.OK && sign > 0 && k.own() {
		unnoted = agent.SaveSignLimit(k.program.fsys, k.config, sign)
		report.Noted = unnoted == nil
	}
	k.printReport(report)
	if !report.OK {
		return fmt.Errorf("the key store does not do what the device needs: %w", failed)
	}
	if unnoted != nil {
		return fmt.Errorf("the timeouts cannot be noted: %w", unnoted)
	}
	return nil
}

func (s *selftestReport) recovered(r key.Recovery) {
	if s.Recoveries == nil {
		s.Recoveries = map[string]int{}
	}
	s.Recoveries[r.Step]++
}

// derive sets the timeouts and returns that of a signature, zero if no kind works.
func (s *selftestReport) derive() time.Duration {
	slowest := 0.0
	for _, r := range s.Kinds {
		if r.OK {
			slowest = max(slowest, r.P99, r.Open)
		}
	}
	if slowest == 0 {
		return 0
	}
	sign := agent.SignLimit(time.Duration(slowest * float64(time.Millisecond)))
	s.SignTimeout, s.HandshakeTimeout = ms(sign), ms(agent.HandshakeLimit(sign))
	return sign
}

// try makes a key of one kind, uses it and removes it, whatever happens between.
func (k *keystore) try(ctx context.Context, algorithm key.Algorithm, r *kindReport) (err error) {
	start := time.Now()
	ref, signer, err := k.keys.Create(ctx, key.Spec{Algorithm: algorithm, Label: selftestLabel})
	if err != nil {
		return err
	}
	r.Create = ms(time.Since(start))
	defer func() {
		if r.destroyed = k.keys.Destroy(context.WithoutCancel(ctx), ref); r.destroyed != nil {
			err = errors.Join(err, fmt.Errorf("the test's key %s stays: %w", ref, r.destroyed))
		}
	}()
	if err := pki.SignVerify(signer); err != nil {
		return err
	}
	r.PSS = tryPSS(signer)
	start = time.Now()
	again, err := k.keys.Open(ctx, ref)
	if err != nil {
		return err
	}
	if err := pki.SignVerify(again); err != nil {
		return err
	}
	r.Open = ms(time.Since(start))
	return k.measure(ctx, again, r)
}

func (k *keystore) measure(ctx context.Context, signer crypto.Signer, r *kindReport) error {
	digest := sha256.Sum256([]byte(selftestLabel))
	took := make([]int, 0, k.signatures) // µs
	for begin := time.Now(); len(took) < k.signatures && (len(took) == 0 || time.Since(begin) < measureLimit); {
		if err := ctx.Err(); err != nil {
			return err
		}
		start := time.Now()
		if _, err := signer.Sign(rand.Reader, digest[:], crypto.SHA256); err != nil {
			return err
		}
		took = append(took, int(time.Since(start).Microseconds()))
	}
	slices.Sort(took)
	r.Signatures = len(took)
	r.P50, r.P99 = percentile(took, 50), percentile(took, 99)
	return nil
}

// percentile returns, in milliseconds, the value that p per cent of sorted do not
// exceed.
func percentile(sorted []int, p int) float64 {
	return float64(sorted[(len(sorted)*p+99)/100-1]) / 1000
}

// tryPSS tells whether an RSA key signs as TLS 1.3 wants it; nil for others.
func tryPSS(signer crypto.Signer) *bool {
	public, isRSA := signer.Public().(*rsa.PublicKey)
	if !isRSA {
		return nil
	}
	digest := sha256.Sum256([]byte(selftestLabel))
	options := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}
	signature, err := signer.Sign(rand.Reader, digest[:], options)
	does := err == nil && rsa.VerifyPSS(public, crypto.SHA256, digest[:], signature, options) == nil
	return &does
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func (k *keystore) printReport(s selftestReport) {
	out := k.program.stdout
	if k.asJSON {
		_ = json.NewEncoder(out).Encode(s)
		return
	}
	for _, r := range s.Kinds {
		if !r.OK {
			fmt.Fprintf(out, "%-10s fails: %s\n", r.Algorithm, r.Error)
			continue
		}
		pss := ""
		if r.PSS != nil && !*r.PSS {
			pss = ", no RSA-PSS: TLS 1.2 only"
		}
		fmt.Fprintf(out, "%-10s works: create %.1f ms, open %.1f ms, sign p50 %.2f ms, p99 %.2f ms (%d signatures)%s\n",
			r.Algorithm, r.Create, r.Open, r.P50, r.P99, r.Signatures, pss)
	}
	for _, step := range []string{"session", "login", "module", "helper"} {
		if n := s.Recoveries[step]; n > 0 {
			fmt.Fprintf(out, "recovered  by a new %s, times: %d\n", step, n)
		}
	}
	if s.SignTimeout > 0 {
		noted := ""
		if s.Noted {
			noted = "; noted for the agent's next start"
		}
		fmt.Fprintf(out, "timeouts   signature %.0f ms, TLS handshake %.0f ms%s\n", s.SignTimeout, s.HandshakeTimeout, noted)
	}
}
