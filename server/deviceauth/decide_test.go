package deviceauth_test

import (
	"crypto/x509"
	"testing"
	"time"

	"mooring/server/platform"
)

func TestDecideCaches(t *testing.T) {
	var nobody *party
	a := nobody.issue(t, epoch, "dev1", false)
	b := nobody.issue(t, epoch, "dev2", false)
	refused := platform.Verdict{Reason: platform.ReasonUnknownIssuer}
	early := platform.Verdict{Reason: platform.ReasonNotYetValid, ValidUntil: epoch.Add(10 * time.Second)}
	type call struct {
		chain []*x509.Certificate
		after time.Duration
		asked bool
		prior func(*judge)
	}
	one, two := []*x509.Certificate{a.cert}, []*x509.Certificate{b.cert}
	tests := []struct {
		name    string
		verdict platform.Verdict
		calls   []call
	}{
		{"the same again", full(), []call{{one, 0, true, nil}, {one, time.Hour, false, nil}}},
		{"another leaf", full(), []call{{one, 0, true, nil}, {two, 0, true, nil}, {one, 0, false, nil}}},
		{"another chain", full(), []call{{one, 0, true, nil}, {[]*x509.Certificate{a.cert, b.cert}, 0, true, nil}}},
		{"trust changed", full(), []call{{one, 0, true, nil}, {one, 0, true, func(j *judge) { j.generation++ }}, {one, 0, false, nil}}},
		{"until it ends", full(), []call{{one, 0, true, nil}, {one, full().ValidUntil.Sub(epoch), false, nil}, {one, full().ValidUntil.Sub(epoch) + 1, true, nil}}},
		{"the clock went back", full(), []call{{one, 0, true, nil}, {one, -1, true, nil}}},
		{"refused for a minute", refused, []call{{one, 0, true, nil}, {one, time.Minute, false, nil}, {one, time.Minute + 1, true, nil}}},
		{"not valid yet", early, []call{{one, 0, true, nil}, {one, 10*time.Second - 1, false, nil}, {one, 10 * time.Second, true, nil}}},
		{"grace for long", graceUntil(time.Hour), []call{{one, 0, true, nil}, {one, time.Minute, false, nil}, {one, time.Minute + 1, true, nil}}},
		{"grace until it ends", graceUntil(10 * time.Second), []call{{one, 0, true, nil}, {one, 10 * time.Second, false, nil}, {one, 10*time.Second + 1, true, nil}}},
		{"grace at its end", graceUntil(0), []call{{one, 0, true, nil}, {one, 0, false, nil}, {one, 1, true, nil}}},
		{"no certificate", platform.Verdict{Reason: platform.ReasonNoCertificate}, []call{{nil, 0, true, nil}, {nil, 0, true, nil}}},
		{"undecided", platform.Verdict{Reason: platform.ReasonInternal}, []call{{one, 0, true, nil}, {one, 0, true, nil}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig()
			r.judge.verdict = tt.verdict
			for i, c := range tt.calls {
				if c.prior != nil {
					r.judge.set(c.prior)
				}
				before := r.judge.asked
				got := r.auth.Decide(c.chain, epoch.Add(c.after))
				if asked := r.judge.asked > before; asked != c.asked {
					t.Errorf("call %d: trust was asked: %v, want %v", i, asked, c.asked)
				}
				if got.Reason != tt.verdict.Reason || got.Generation != r.judge.generation {
					t.Errorf("call %d: verdict %+v", i, got)
				}
			}
		})
	}
}

func TestDecidePanics(t *testing.T) {
	var nobody *party
	r := newRig()
	r.judge.panics = true
	got := r.auth.Decide([]*x509.Certificate{nobody.issue(t, epoch, "dev1", false).cert}, epoch)
	if got.Scope != platform.ExplainOnly || got.Reason != platform.ReasonInternal {
		t.Errorf("verdict %+v", got)
	}
}

// graceUntil is a verdict for re-enrolment alone.
func graceUntil(d time.Duration) platform.Verdict {
	v := full()
	v.Scope, v.Reason, v.ValidUntil = platform.ReEnrolOnly, platform.ReasonExpired, epoch.Add(d)
	return v
}
