package deviceauth

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"runtime/debug"
	"time"

	"mooring/server/platform"
)

// chainKey names a chain as it was sent: SHA-256 over its certificates, each
// with its length in front.
type chainKey [sha256.Size]byte

func keyOfChain(chain []*x509.Certificate) chainKey {
	h := sha256.New()
	var length [4]byte
	for _, c := range chain {
		binary.BigEndian.PutUint32(length[:], uint32(len(c.Raw)))
		h.Write(length[:])
		h.Write(c.Raw)
	}
	return chainKey(h.Sum(nil))
}

// decision is a cached verdict. Key: the chain; bound: maxVerdicts;
// invalidated by: another generation of the trust snapshot; staleness: none
// but for refusals, refusalAge.
type decision struct {
	verdict     platform.Verdict
	from, until time.Time
}

func (d decision) holds(generation uint64, now time.Time) bool {
	return d.verdict.Generation == generation && !now.Before(d.from) && !now.After(d.until)
}

// Decide returns the verdict on chain, leaf first, as TLS received it. An
// empty chain gets ReasonNoCertificate.
func (a *Auth) Decide(chain []*x509.Certificate, now time.Time) platform.Verdict {
	for _, c := range chain {
		if c == nil {
			chain = nil
			break
		}
	}
	if len(chain) == 0 {
		return a.verify(nil, now)
	}
	k := keyOfChain(chain)
	d, epoch, ok := a.verdicts.get(k)
	if ok && d.holds(a.cfg.Trust.Generation(), now) {
		return d.verdict
	}
	v := a.verify(chain, now)
	if v.Reason == platform.ReasonInternal {
		return v
	}
	a.verdicts.put(k, decision{verdict: v, from: now, until: validity(v, now)}, epoch)
	return v
}

// validity is until when v may be given again without a second look.
func validity(v platform.Verdict, now time.Time) time.Time {
	if v.Scope == platform.Full {
		return v.ValidUntil
	}
	until := now.Add(refusalAge)
	if v.Scope == platform.ReEnrolOnly {
		if v.ValidUntil.Before(until) {
			return v.ValidUntil
		}
		return until
	}
	if v.ValidUntil.After(now) && v.ValidUntil.Before(until) {
		// It becomes valid then: look again right before.
		return v.ValidUntil.Add(-time.Nanosecond)
	}
	return until
}

// verify keeps a certificate that makes the verifier panic from taking the
// server down: the handshake runs in a goroutine of its own.
func (a *Auth) verify(chain []*x509.Certificate, now time.Time) (v platform.Verdict) {
	defer func() {
		if p := recover(); p != nil {
			a.cfg.Log.Error("panic while a certificate chain was verified", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			v = platform.Verdict{Reason: platform.ReasonInternal}
		}
	}()
	return a.cfg.Trust.Verify(chain, now)
}
