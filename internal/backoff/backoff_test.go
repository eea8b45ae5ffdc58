package backoff_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"mooring/internal/backoff"
)

func TestPolicyDelay(t *testing.T) {
	half := func() float64 { return 0.5 }
	tests := []struct {
		name    string
		policy  backoff.Policy
		attempt int
		r       func() float64
		want    time.Duration
	}{
		{name: "zero value", attempt: 5, want: 0},
		{name: "first", policy: backoff.Policy{Min: time.Second, Max: time.Minute}, want: time.Second},
		{name: "doubles by default", policy: backoff.Policy{Min: time.Second, Max: time.Minute}, attempt: 3, want: 8 * time.Second},
		{name: "own factor", policy: backoff.Policy{Min: time.Second, Max: time.Minute, Factor: 3}, attempt: 2, want: 9 * time.Second},
		{name: "just below the cap", policy: backoff.Policy{Min: time.Second, Max: 33 * time.Second}, attempt: 5, want: 32 * time.Second},
		{name: "at the cap", policy: backoff.Policy{Min: time.Second, Max: 32 * time.Second}, attempt: 5, want: 32 * time.Second},
		{name: "capped", policy: backoff.Policy{Min: time.Second, Max: 31 * time.Second}, attempt: 5, want: 31 * time.Second},
		{name: "never overflows", policy: backoff.Policy{Min: time.Hour, Max: math.MaxInt64}, attempt: math.MaxInt, want: math.MaxInt64},
		{name: "negative attempt", policy: backoff.Policy{Min: time.Second, Max: time.Minute}, attempt: -1, want: time.Second},
		{name: "no maximum", policy: backoff.Policy{Min: time.Second}, attempt: 9, want: time.Second},
		{name: "jitter", policy: backoff.Policy{Min: 10 * time.Second, Jitter: 0.4}, r: half, want: 8 * time.Second},
		{name: "jitter without source", policy: backoff.Policy{Min: 10 * time.Second, Jitter: 0.4}, want: 10 * time.Second},
		{name: "jitter above one", policy: backoff.Policy{Min: 10 * time.Second, Jitter: 7}, r: half, want: 5 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.policy.Delay(tt.attempt, tt.r); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestLadder(t *testing.T) {
	l := backoff.Ladder{time.Second, time.Minute}
	for attempt, want := range map[int]time.Duration{-1: time.Second, 0: time.Second, 1: time.Minute, 2: time.Minute, 99: time.Minute} {
		if got := l.Delay(attempt); got != want {
			t.Errorf("Delay(%d) = %v, want %v", attempt, got, want)
		}
	}
	if got := (backoff.Ladder)(nil).Delay(3); got != 0 {
		t.Errorf("empty ladder waits %v", got)
	}
}

func TestJitterIsStableAndSpread(t *testing.T) {
	const span, fleet, slots = 10 * time.Hour, 10_000, 10
	var counts [slots]int
	for i := range fleet {
		seed := fmt.Sprintf("device-%05d", i)
		j := backoff.Jitter(seed, span)
		if j != backoff.Jitter(seed, span) {
			t.Fatalf("%s is not stable", seed)
		}
		if j < 0 || j >= span {
			t.Fatalf("%s: %v is outside the span", seed, j)
		}
		counts[j*slots/span]++
	}
	for i, n := range counts {
		if n < fleet/slots*8/10 || n > fleet/slots*12/10 {
			t.Errorf("slot %d has %d of %d devices", i, n, fleet)
		}
	}
	if got := backoff.Jitter("x", 0); got != 0 {
		t.Errorf("empty span: %v", got)
	}
}
