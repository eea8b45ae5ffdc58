package lifecycle_test

import (
	"math/rand/v2"
	"testing"
	"time"

	lc "mooring/internal/lifecycle"
)

// TestEveryStateAndEvent: from each reachable state, every event leaves the
// machine with its invariants, and answers nobody waits for change nothing.
func TestEveryStateAndEvent(t *testing.T) {
	for name, w := range reachable(t) {
		s := w.s
		for k := lc.Booted; k <= lc.ChainFound; k++ {
			for g := range s.Highest + 2 {
				e := lc.Event{Kind: k, Generation: g, Leaf: leaf(byte(g), start, year), Current: s.Current, Next: s.Next}
				after, actions := lc.Step(s, e, w.now)
				if msg := broken(s, after, actions); msg != "" {
					t.Errorf("%s, event %d of generation %d: %s", name, k, g, msg)
				}
				if isAnswer(k) && s.Task == lc.Idle && (after != s || count(actions, lc.ScheduleAt) != len(actions)) {
					t.Errorf("%s: answer %d nobody waits for had an effect", name, k)
				}
			}
		}
	}
}

func isAnswer(k lc.EventKind) bool { return k >= lc.KeyCreated && k <= lc.Destroyed }

func count(actions []lc.Action, k lc.ActionKind) int {
	n := 0
	for _, a := range actions {
		if a.Kind == k {
			n++
		}
	}
	return n
}

// reachable collects one state for each (phase, task) that random walks meet.
func reachable(t *testing.T) map[string]walk {
	t.Helper()
	out := map[string]walk{}
	for seed := range uint64(40) {
		w := newWalk(seed)
		for range 400 {
			w.step()
			out[w.s.Phase.String()+"/"+string('0'+rune(w.s.Task))] = *w
		}
	}
	for p := lc.Unenrolled; p <= lc.Recovering; p++ {
		found := false
		for _, w := range out {
			found = found || w.s.Phase == p
		}
		if !found {
			t.Errorf("random walks never met phase %v", p)
		}
	}
	return out
}

// broken names the promise that a step broke.
func broken(before, after lc.State, actions []lc.Action) string {
	tasks := 0
	for _, a := range actions {
		switch a.Kind {
		case lc.CreateKey, lc.RequestCertificate, lc.StoreCandidate, lc.Commit, lc.RollBack, lc.DestroyOld:
			tasks++
		}
		switch {
		case a.Kind == lc.RollBack && (a.Generation == after.Current.Number || a.Generation == 0):
			return "rolls back the current generation"
		case a.Kind == lc.DestroyOld && (a.Generation != after.Current.Number || a.Next != after.Next.Number):
			return "destroys what it still names"
		case a.Kind == lc.Commit && after.Current.Number != 0 && !after.Proven:
			return "commits a candidate that was not proved"
		case a.Kind == lc.ConnectWith && a.Generation == 0:
			return "connects with nothing"
		}
	}
	switch {
	case tasks > 1 || tasks == 1 && after.Task == lc.Idle:
		return "more than one task, or one it does not wait for"
	case before.Current.Number != 0 && after.Current.Number == 0:
		return "lost the current generation"
	case before.Current.Number != after.Current.Number && before.Current.Number != 0 && !before.Proven:
		return "replaced the current generation without a proof"
	case after.Next.Number != 0 && after.Next.Number == after.Current.Number:
		return "the next generation is the current one"
	}
	back, err := lc.Decode(after.Encode())
	if err != nil || back != after {
		return "does not survive encoding"
	}
	return ""
}

// walk is a random life: a world that answers in any way, and now and then
// sends what nobody asked for, loses power or sets the clock wrong.
type walk struct {
	s       lc.State
	r       *rand.Rand
	now     time.Time
	disk    lc.Event // what a reboot would find
	pending []lc.Action
	issued  int
	free    int // issuances a person asked for or that a reboot excuses
}

func newWalk(seed uint64) *walk {
	p := lc.Policy{NoGrace: seed%8 == 1, Bootstrap: seed%4 == 1, StoredOTP: seed%3 == 1}
	if seed%5 == 1 {
		p.Maintenance[0] = lc.MaintenanceWindow{Days: 1 << (seed % 7), Start: 120, Length: 60}
	}
	w := &walk{s: lc.New(seed, p), r: rand.New(rand.NewPCG(seed, 1)), now: start}
	w.apply(lc.Event{Kind: lc.Booted})
	return w
}

func (w *walk) apply(e lc.Event) string {
	before := w.s
	after, actions := lc.Step(w.s, e, w.now)
	w.s = after
	for _, a := range actions {
		if a.Kind != lc.ScheduleAt && a.Kind != lc.ConnectWith {
			w.pending = append(w.pending, a)
		}
	}
	return broken(before, after, actions)
}

func (w *walk) step() string {
	w.now = w.now.Add(time.Duration(w.r.Int64N(int64(3 * 24 * time.Hour))))
	if len(w.pending) > 0 && w.r.IntN(4) > 0 {
		a := w.pending[0]
		w.pending = w.pending[1:]
		return w.apply(w.answer(a))
	}
	switch w.r.IntN(24) {
	case 0:
		w.pending = nil
		w.free++
		b := w.disk
		b.Kind = lc.Booted
		return w.apply(b)
	case 1:
		w.free++
		return w.apply(ev(lc.OTPGiven, 0))
	case 2:
		return w.apply(ev(lc.OTPEnded, 0))
	case 3:
		w.free++
		return w.apply(ev(lc.RenewAsked, 0))
	case 4, 5, 6, 7:
		return w.apply(lc.Event{Kind: lc.TimeTrust, Trusted: w.r.IntN(8) > 0})
	case 8, 9, 10, 11:
		return w.apply(w.connection())
	case 12:
		k := lc.EventKind(w.r.IntN(int(lc.ChainFound) + 1))
		if k == lc.Booted || k == lc.Issued || k == lc.OTPGiven || k == lc.RenewAsked || isAnswer(k) && len(w.pending) > 0 {
			k = lc.Tick
		}
		return w.apply(ev(k, w.r.Uint32N(5)))
	default:
		return w.apply(ev(lc.Tick, 0))
	}
}

func (w *walk) connection() lc.Event {
	g := w.s.Current
	if w.s.Next.Certified() && !w.s.Comparing {
		g = w.s.Next
	}
	switch w.r.IntN(6) {
	case 0:
		return ev(lc.ConnectFailed, g.Number)
	case 1, 2:
		return ev(lc.ConnectRefused, g.Number)
	case 3:
		return ev(lc.Disconnected, g.Number)
	default:
		return connected(g)
	}
}

// answer carries an action out on the disk, or fails.
func (w *walk) answer(a lc.Action) lc.Event {
	ok := w.r.IntN(3) > 0
	pick := func(good, bad lc.EventKind) lc.Event {
		if ok {
			return ev(good, a.Generation)
		}
		return ev(bad, a.Generation)
	}
	switch a.Kind {
	case lc.CreateKey:
		if ok {
			w.disk.Next = lc.Generation{Number: a.Generation, Key: a.Key}
			w.disk.Highest = a.Generation
		}
		return pick(lc.KeyCreated, lc.KeyFailed)
	case lc.RequestCertificate:
		if ok && a.Auth == lc.SameLeaf {
			return lc.Event{Kind: lc.Issued, Generation: a.Generation, Leaf: w.s.Current.Leaf}
		}
		if ok {
			w.issued++
			life := []time.Duration{30 * 24 * time.Hour, year}[w.r.IntN(2)]
			return lc.Event{Kind: lc.Issued, Generation: a.Generation, Leaf: leaf(byte(a.Generation), w.now, life)}
		}
		return lc.Event{Kind: lc.Deferred + lc.EventKind(w.r.IntN(3)), Generation: a.Generation}
	case lc.StoreCandidate:
		if ok {
			w.disk.Next = w.s.Next
		}
		return pick(lc.Stored, lc.StoreFailed)
	case lc.Commit:
		if ok {
			w.disk.Current, w.disk.Next = w.s.Next, lc.Generation{}
		}
		return pick(lc.Committed, lc.CommitFailed)
	case lc.RollBack:
		if ok {
			w.disk.Next = lc.Generation{}
		}
		return pick(lc.RolledBack, lc.RollBackFailed)
	default:
		return ev(lc.Destroyed, 0)
	}
}

func TestRandomLives(t *testing.T) {
	for seed := range uint64(300) {
		w := newWalk(seed)
		for i := range 1000 {
			if msg := w.step(); msg != "" {
				t.Fatalf("seed %d, step %d: %s\n%+v", seed, i, msg, w.s)
			}
		}
	}
}

// TestIssuancesAreBounded: nobody asks, the power stays on, every issuance is
// answered and every proof fails where the old certificate connects.
func TestIssuancesAreBounded(t *testing.T) {
	d := enrolled(t, lc.Policy{})
	issued, end := 0, start.Add(year)
	for steps := 0; d.now.Before(end); steps++ {
		if steps > 2_000_000 {
			t.Fatalf("%d issuances by %v and no end", issued, d.now)
		}
		var e lc.Event
		switch {
		case d.s.Task == lc.CreatingKey:
			e = ev(lc.KeyCreated, d.s.Next.Number)
		case d.s.Task == lc.Requesting:
			issued++
			e = lc.Event{Kind: lc.Issued, Generation: d.s.Next.Number, Leaf: leaf(byte(d.s.Next.Number), d.now, year)}
		case d.s.Task == lc.Storing:
			e = ev(lc.Stored, d.s.Next.Number)
		case d.s.Task == lc.RollingBack:
			e = ev(lc.RolledBack, d.s.Next.Number)
		case d.s.Task == lc.Destroying:
			e = ev(lc.Destroyed, 0)
		case d.s.Comparing:
			e = connected(d.s.Current)
		case d.s.Next.Certified():
			e = ev(lc.ConnectRefused, d.s.Next.Number)
		default:
			d.now = d.now.Add(time.Minute)
			e = ev(lc.Tick, 0)
		}
		d.step(e)
	}
	if issued < 100 || issued > 4*130 {
		t.Errorf("%d issuances in the last third of a year of failing proofs, want at most 4 a day", issued)
	}
}
