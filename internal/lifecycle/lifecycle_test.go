package lifecycle_test

import (
	"testing"
	"time"

	lc "mooring/internal/lifecycle"
)

var start = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

const year = 365 * 24 * time.Hour

func leaf(n byte, from time.Time, life time.Duration) lc.Leaf {
	return lc.Leaf{Fingerprint: [32]byte{n}, NotBefore: lc.At(from), NotAfter: lc.At(from.Add(life))}
}

// device drives a machine in a test: it keeps the time and what was asked.
type device struct {
	t   *testing.T
	s   lc.State
	now time.Time
}

func (d *device) step(e lc.Event) []lc.Action {
	d.t.Helper()
	s, actions := lc.Step(d.s, e, d.now)
	d.s = s
	return actions
}

// want steps and compares the actions, ScheduleAt left out.
func (d *device) want(e lc.Event, want ...lc.Action) {
	d.t.Helper()
	var got []lc.Action
	for _, a := range d.step(e) {
		if a.Kind != lc.ScheduleAt {
			got = append(got, a)
		}
	}
	if len(got) != len(want) {
		d.t.Fatalf("event %d: got %v, want %v", e.Kind, got, want)
	}
	for i := range got {
		if got[i] != want[i] {
			d.t.Fatalf("event %d, action %d: got %+v, want %+v", e.Kind, i, got[i], want[i])
		}
	}
}

func (d *device) phase(want lc.Phase) {
	d.t.Helper()
	if d.s.Phase != want {
		d.t.Fatalf("phase: got %v, want %v", d.s.Phase, want)
	}
}

func request(n uint32, a lc.Auth) lc.Action {
	return lc.Action{Kind: lc.RequestCertificate, Generation: n, Auth: a}
}

func act(k lc.ActionKind, n uint32) lc.Action { return lc.Action{Kind: k, Generation: n} }

func ev(k lc.EventKind, n uint32) lc.Event { return lc.Event{Kind: k, Generation: n} }

func connected(g lc.Generation) lc.Event {
	return lc.Event{Kind: lc.Connected, Generation: g.Number, Leaf: g.Leaf}
}

// enrolled returns a device with a proven first generation of one year.
func enrolled(t *testing.T, p lc.Policy) *device {
	t.Helper()
	return enrolledAs(t, 7, p, year)
}

func enrolledAs(t *testing.T, seed uint64, p lc.Policy, life time.Duration) *device {
	t.Helper()
	d := &device{t: t, s: lc.New(seed, p), now: start}
	d.want(ev(lc.Booted, 0), act(lc.DestroyOld, 0))
	d.want(ev(lc.Destroyed, 0))
	d.phase(lc.Unenrolled)
	d.want(lc.Event{Kind: lc.TimeTrust, Trusted: true})
	d.want(ev(lc.OTPGiven, 0), lc.Action{Kind: lc.CreateKey, Generation: 1, Key: 1})
	d.phase(lc.Enrolling)
	d.want(ev(lc.KeyCreated, 1), request(1, lc.OTP))
	d.want(lc.Event{Kind: lc.Issued, Generation: 1, Leaf: leaf(1, d.now, life)}, act(lc.StoreCandidate, 1))
	d.want(ev(lc.Stored, 1), act(lc.Commit, 1))
	d.want(ev(lc.Committed, 1), act(lc.ConnectWith, 1), lc.Action{Kind: lc.DestroyOld, Generation: 1})
	d.want(ev(lc.Destroyed, 0))
	d.phase(lc.Proving)
	d.want(connected(d.s.Current))
	d.phase(lc.Valid)
	return d
}

// candidate brings an enrolled device to where generation 2 is to be proved.
func candidate(t *testing.T) *device {
	t.Helper()
	d := enrolled(t, lc.Policy{})
	d.now = lc.RenewAt(d.s.Current.Leaf, d.s.Policy, d.s.Seed).Time()
	d.want(ev(lc.Tick, 0), lc.Action{Kind: lc.CreateKey, Generation: 2, Key: 2})
	d.phase(lc.Renewing)
	d.want(ev(lc.KeyCreated, 2), request(2, lc.Token))
	d.want(lc.Event{Kind: lc.Issued, Generation: 2, Leaf: leaf(2, d.now, year)}, act(lc.StoreCandidate, 2))
	d.want(ev(lc.Stored, 2), act(lc.ConnectWith, 2))
	d.phase(lc.Proving)
	return d
}

func TestRenewal(t *testing.T) {
	d := candidate(t)
	d.want(ev(lc.Disconnected, 1))
	wrong := d.s.Next
	wrong.Leaf.Fingerprint[0] = 1
	d.want(connected(wrong)) // the server named the old certificate: no proof
	d.want(connected(d.s.Next), act(lc.Commit, 2))
	d.want(ev(lc.Committed, 2), act(lc.ConnectWith, 2), lc.Action{Kind: lc.DestroyOld, Generation: 2})
	d.want(ev(lc.Destroyed, 0))
	d.phase(lc.Valid)
	if !d.s.Online || !d.s.Current.Proven || d.s.Current.Number != 2 {
		t.Errorf("got %+v", d.s)
	}
}

func TestRenewalIsNotEarly(t *testing.T) {
	d := enrolled(t, lc.Policy{})
	at := lc.RenewAt(d.s.Current.Leaf, d.s.Policy, d.s.Seed).Time()
	d.now = at.Add(-time.Millisecond)
	d.want(ev(lc.Tick, 0))
	d.phase(lc.Valid)
	d.now = at
	d.want(ev(lc.Tick, 0), lc.Action{Kind: lc.CreateKey, Generation: 2, Key: 2})
}

func TestRollBack(t *testing.T) {
	for _, tt := range []struct {
		name string
		kind lc.EventKind
		n    int
	}{{"refused", lc.ConnectRefused, 3}, {"failed", lc.ConnectFailed, 5}} {
		t.Run(tt.name, func(t *testing.T) {
			d := candidate(t)
			for range tt.n - 1 {
				d.want(ev(tt.kind, 2))
			}
			d.want(ev(tt.kind, 2), act(lc.ConnectWith, 1))
			// Neither connects: the candidate goes on.
			d.want(ev(lc.ConnectFailed, 1), act(lc.ConnectWith, 2))
			for range tt.n - 1 {
				d.want(ev(tt.kind, 2))
			}
			d.want(ev(tt.kind, 2), act(lc.ConnectWith, 1))
			d.want(connected(d.s.Current), act(lc.RollBack, 2))
			d.want(ev(lc.RolledBack, 2), act(lc.ConnectWith, 1), lc.Action{Kind: lc.DestroyOld, Generation: 1})
			d.want(ev(lc.Destroyed, 0))
			d.phase(lc.Renewing)
			if d.s.Attempt != 1 {
				t.Errorf("attempt: got %d, want 1", d.s.Attempt)
			}
			d.now = d.now.Add(time.Hour - time.Millisecond) // the minimum spacing
			d.want(ev(lc.Tick, 0))
			d.now = d.now.Add(time.Millisecond)
			d.want(ev(lc.Tick, 0), lc.Action{Kind: lc.CreateKey, Generation: 3, Key: 3})
		})
	}
}

func TestCommitIsRetried(t *testing.T) {
	d := candidate(t)
	d.want(connected(d.s.Next), act(lc.Commit, 2))
	d.want(ev(lc.CommitFailed, 2))
	d.want(ev(lc.Tick, 0)) // not at once: the disk may be full
	d.now = d.s.RetryAt.Time()
	d.want(ev(lc.Tick, 0), act(lc.Commit, 2))
}

func TestKeptKey(t *testing.T) {
	d := enrolled(t, lc.Policy{KeepKey: true})
	d.want(ev(lc.RenewAsked, 0), lc.Action{Kind: lc.CreateKey, Generation: 2, Key: 1})
	d.want(ev(lc.KeyCreated, 2), request(2, lc.Token))
	if d.s.Next.Key != 1 {
		t.Errorf("key of generation: got %d, want 1", d.s.Next.Key)
	}
}

func TestAuthenticationAlternates(t *testing.T) {
	d := enrolled(t, lc.Policy{})
	d.want(ev(lc.RenewAsked, 0), lc.Action{Kind: lc.CreateKey, Generation: 2, Key: 2})
	d.want(ev(lc.KeyCreated, 2), request(2, lc.Token))
	for _, want := range []lc.Auth{lc.Certificate, lc.Token, lc.Certificate} {
		d.want(ev(lc.Refused, 2))
		d.now = d.s.RetryAt.Time()
		d.want(ev(lc.Tick, 0), request(2, want))
	}
	d.want(ev(lc.Disconnected, 1))
	d.want(ev(lc.Failed, 2))
	d.now = d.s.RetryAt.Time()
	d.want(ev(lc.Tick, 0), request(2, lc.Certificate)) // no connection, no token
}

func TestRecovery(t *testing.T) {
	d := enrolled(t, lc.Policy{})
	d.now = start.Add(year)
	d.want(ev(lc.Disconnected, 1), lc.Action{Kind: lc.CreateKey, Generation: 2, Key: 2})
	d.phase(lc.Recovering)
	d.want(ev(lc.KeyCreated, 2), request(2, lc.Certificate))
	d.want(ev(lc.Refused, 2))
	d.phase(lc.Recovering)
	d.want(ev(lc.OTPGiven, 0), request(2, lc.OTP))
	d.want(lc.Event{Kind: lc.Issued, Generation: 2, Leaf: leaf(2, d.now, year)}, act(lc.StoreCandidate, 2))
	d.want(ev(lc.Stored, 2), act(lc.ConnectWith, 2))
	for range 9 { // nothing to compare with, so no rolling back
		d.want(ev(lc.ConnectRefused, 2))
	}
	d.want(connected(d.s.Next), act(lc.Commit, 2))
}

func TestUntrustedTime(t *testing.T) {
	d := enrolled(t, lc.Policy{})
	d.want(lc.Event{Kind: lc.TimeTrust})
	for _, at := range []time.Time{time.Unix(0, 0), start.Add(20 * year)} {
		d.now = at
		d.want(ev(lc.Tick, 0))
		d.phase(lc.Valid)
	}
}

func TestBootTakesWhatIsStored(t *testing.T) {
	one := lc.Generation{Number: 1, Key: 1, Leaf: leaf(1, start, year)}
	two := lc.Generation{Number: 2, Key: 2, Leaf: leaf(2, start, year)}
	prepared := lc.Generation{Number: 2, Key: 2}
	tests := []struct {
		name string
		e    lc.Event
		want []lc.Action
		then lc.Phase
	}{
		{"nothing", lc.Event{}, []lc.Action{act(lc.DestroyOld, 0)}, lc.Unenrolled},
		{"a key only", lc.Event{Next: lc.Generation{Number: 1, Key: 1}},
			[]lc.Action{{Kind: lc.DestroyOld, Next: 1}}, lc.Unenrolled},
		{"first candidate", lc.Event{Next: one}, []lc.Action{act(lc.Commit, 1)}, lc.Proving},
		{"current", lc.Event{Current: one}, []lc.Action{act(lc.ConnectWith, 1), act(lc.DestroyOld, 1)}, lc.Proving},
		{"pointer flipped, candidate pointer left", lc.Event{Current: two, Next: two},
			[]lc.Action{act(lc.ConnectWith, 2), act(lc.DestroyOld, 2)}, lc.Proving},
		{"candidate", lc.Event{Current: one, Next: two},
			[]lc.Action{act(lc.ConnectWith, 2), {Kind: lc.DestroyOld, Generation: 1, Next: 2}}, lc.Proving},
		{"renewal cut after its key", lc.Event{Current: one, Next: prepared},
			[]lc.Action{act(lc.ConnectWith, 1), {Kind: lc.DestroyOld, Generation: 1, Next: 2}}, lc.Proving},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := &device{t: t, s: lc.New(1, lc.Policy{}), now: start}
			d.want(tt.e, tt.want...)
			d.phase(tt.then)
		})
	}
}

func TestRenewAt(t *testing.T) {
	l := leaf(1, start, 30*24*time.Hour)
	life := 30 * 24 * time.Hour
	for _, tt := range []struct {
		name     string
		permille uint16
		left     time.Duration
	}{{"default", 0, life / 3}, {"half", 500, life / 2}, {"all", 1000, life - life/20}, {"least", 1, life / 20}} {
		t.Run(tt.name, func(t *testing.T) {
			seen := map[lc.Instant]bool{}
			for seed := range uint64(200) {
				at := lc.RenewAt(l, lc.Policy{RenewLeftPermille: tt.permille}, seed)
				if again := lc.RenewAt(l, lc.Policy{RenewLeftPermille: tt.permille}, seed); again != at {
					t.Fatalf("not stable: %v, %v", at, again)
				}
				off := at.Time().Sub(l.NotAfter.Time().Add(-tt.left))
				if off < -life/40-time.Millisecond || off > life/40 {
					t.Fatalf("seed %d: %v away from the third, more than a fortieth", seed, off)
				}
				seen[at] = true
			}
			if len(seen) < 190 {
				t.Errorf("200 devices renew at %d instants only", len(seen))
			}
		})
	}
}

func TestRetries(t *testing.T) {
	d := enrolled(t, lc.Policy{})
	d.want(ev(lc.RenewAsked, 0), lc.Action{Kind: lc.CreateKey, Generation: 2, Key: 2})
	d.want(ev(lc.KeyCreated, 2), request(2, lc.Token))
	minutes := []int{1, 2, 2, 5, 10, 10, 20, 30, 60, 120, 240, 360, 360}
	for i, m := range minutes {
		d.step(ev(lc.Failed, 2))
		wait, base := d.s.RetryAt.Time().Sub(d.now), time.Duration(m)*time.Minute
		if wait < base || wait > base+base/5 {
			t.Errorf("failure %d: waits %v, want %v and up to a fifth more", i+1, wait, base)
		}
		d.now = d.s.RetryAt.Time()
		d.step(ev(lc.Tick, 0))
	}
	for _, tt := range []struct{ asked, want time.Duration }{
		{23 * time.Hour, 23 * time.Hour}, {24 * time.Hour, 24 * time.Hour}, {25 * time.Hour, 24 * time.Hour},
	} {
		d.step(lc.Event{Kind: lc.Deferred, Generation: 2, RetryAfter: tt.asked})
		if got := d.s.RetryAt.Time().Sub(d.now); got != tt.want {
			t.Errorf("Retry-After %v: waits %v, want %v", tt.asked, got, tt.want)
		}
		d.now = d.s.RetryAt.Time()
		d.step(ev(lc.Tick, 0))
	}
	// A twentieth left overrides the server's wish.
	d.now = d.s.Current.Leaf.NotAfter.Time().Add(-year / 20)
	d.step(lc.Event{Kind: lc.Deferred, Generation: 2, RetryAfter: 24 * time.Hour})
	if got := d.s.RetryAt.Time().Sub(d.now); got > 9*time.Hour {
		t.Errorf("with a twentieth left it waits %v", got)
	}
}
