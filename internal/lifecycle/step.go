package lifecycle

import "time"

// maxTries is how often a candidate may be refused, or fail otherwise, before
// the machine tries whether the current generation still connects.
const (
	maxRefusals = 3
	maxFailures = 5
)

// Step gives the state that follows from e at now, and what is to be done, in
// this order. The actions belong to the caller.
func Step(s State, e Event, now time.Time) (State, []Action) {
	m := machine{State: s, now: At(now)}
	m.clampTimes()
	if answers, isAnswer := answeredTask[e.Kind]; isAnswer {
		if m.Task != answers || e.Kind != Destroyed && e.Generation != m.Next.Number {
			return m.result()
		}
		m.Task = Idle
	}
	m.handle(e)
	m.advance()
	return m.result()
}

// answeredTask tells which task an event ends.
var answeredTask = map[EventKind]Task{
	KeyCreated: CreatingKey, KeyFailed: CreatingKey,
	Issued: Requesting, Deferred: Requesting, Refused: Requesting, Failed: Requesting,
	Stored: Storing, StoreFailed: Storing,
	Committed: Committing, CommitFailed: Committing,
	RolledBack: RollingBack, RollBackFailed: RollingBack,
	Destroyed: Destroying,
}

// machine is one step under way.
type machine struct {
	State
	now     Instant
	actions []Action
}

func (m *machine) do(a Action) { m.actions = append(m.actions, a) }

func (m *machine) start(t Task, a Action) {
	m.Task = t
	m.do(a)
}

func (m *machine) handle(e Event) {
	switch e.Kind {
	case Booted:
		m.boot(e)
	case TimeTrust:
		m.TimeTrusted = e.Trusted
	case OTPGiven:
		m.HasOTP, m.Attempt, m.RetryAt = true, 0, 0
		m.Refresh = m.Refresh && m.Next.Number != 0
	case OTPEnded:
		m.HasOTP, m.Attempt, m.RetryAt = false, 0, 0
	case RenewAsked:
		if m.Current.Number != 0 && !m.Next.Certified() {
			m.Asked, m.Attempt, m.RetryAt = true, 0, 0
		}
	case KeyFailed:
		m.noRefresh()
		m.retry(e.RetryAfter)
	case Issued:
		m.issued(e)
	case Deferred, Refused, Failed:
		m.notIssued(e)
	case Stored:
		m.stored()
	case StoreFailed:
		m.Next.Leaf = Leaf{}
		m.retry(e.RetryAfter)
	case Committed:
		m.committed()
	case CommitFailed, RollBackFailed:
		m.retry(e.RetryAfter)
	case RolledBack:
		m.rolledBack()
	case Connected:
		m.connected(e)
	case ConnectRefused, ConnectFailed:
		m.notConnected(e)
	case WindowTold:
		if e.Generation != 0 && e.Generation == m.Current.Number {
			m.Window = e.Window.sane()
		}
	case ChainFound:
		m.refreshed(e)
	case Disconnected:
		if e.Generation == m.Current.Number {
			m.Online = false
		}
	}
}

// boot takes what the store holds as the truth, and begins again from there.
// What the state remembers beyond it (attempts, spacing, the proof) stays.
func (m *machine) boot(e Event) {
	if e.Next.Number == e.Current.Number {
		e.Next = Generation{}
	}
	same := m.Current.Number == e.Current.Number && m.Current.Leaf == e.Current.Leaf
	proven := same && m.Current.Proven
	m.Current, m.Next = e.Current, e.Next
	m.Current.Proven, m.Next.Proven = proven, false
	if !same {
		m.Window = Window{}
	}
	m.Highest = max(m.Highest, e.Highest, e.Current.Number, e.Next.Number)
	if !m.Next.Certified() && m.Next.Key != m.Next.Number && !m.Policy.KeepKey {
		m.Next = Generation{} // for a chain that is not remembered
	}
	m.Task, m.HasOTP, m.Asked, m.Online, m.TimeTrusted, m.Refresh = Idle, false, false, false, false, false
	m.Sweep, m.Connecting = true, false
	m.beginProof()
	switch {
	case m.Current.Number != 0 && m.Next.Certified():
		m.connect(m.Next)
	case m.Current.Number != 0:
		m.Connecting = true
		m.connect(m.Current)
	}
}

// notIssued counts a request that gave no certificate.
func (m *machine) notIssued(e Event) {
	switch {
	case m.Auth == SameLeaf:
		m.noRefresh()
	case e.Kind != Deferred && m.Auth != OTP && m.lost():
		m.slipped(e.Kind == Refused, e.RetryAfter)
	default:
		m.retry(e.RetryAfter)
	}
}

// issued takes a certificate unless it is none, or over already.
func (m *machine) issued(e Event) {
	switch {
	case m.Auth == SameLeaf && e.Leaf != m.Current.Leaf:
		m.noRefresh()
		return
	case e.Leaf.life() == 0 || m.TimeTrusted && m.now >= e.Leaf.NotAfter:
		m.retry(0)
		return
	}
	m.Next.Leaf = e.Leaf
	if m.Auth != SameLeaf {
		m.LastIssued = m.now
	}
	m.start(Storing, Action{Kind: StoreCandidate, Generation: m.Next.Number})
}

// stored begins the proof. Attempt stays: a candidate that is rolled back was
// one more failure.
func (m *machine) stored() {
	m.HasOTP, m.Asked, m.Refresh, m.RetryAt = false, false, false, 0
	m.Rung, m.RungTries, m.Spurned = OnCertificate, 0, 0
	m.beginProof()
	if m.Current.Number != 0 {
		m.connect(m.Next)
	}
}

func (m *machine) committed() {
	proven := m.State.Proven
	m.Current, m.Next, m.Window = m.Next, Generation{}, Window{}
	m.Current.Proven = proven
	m.Online = proven
	m.HasOTP, m.Asked, m.Attempt, m.RetryAt = false, false, 0, 0
	m.Sweep = true
	m.beginProof()
	m.connect(m.Current)
}

func (m *machine) rolledBack() {
	m.Next = Generation{}
	m.Sweep = true
	m.beginProof()
	m.retry(0)
	m.connect(m.Current)
}

// retry counts a failure and sets when the next try is due.
func (m *machine) retry(retryAfter time.Duration) {
	wait := m.wait(retryAfter)
	m.Attempt = saturate(m.Attempt)
	m.RetryAt = m.now.add(wait)
}

func saturate[T uint8 | uint16](n T) T {
	if n+1 == 0 {
		return n
	}
	return n + 1
}

// advance starts whatever is due, if nothing is outstanding.
func (m *machine) advance() {
	if m.Task != Idle {
		return
	}
	if m.Next.Certified() {
		m.advanceCandidate()
		return
	}
	if m.Sweep {
		m.sweep()
		return
	}
	if at, ok := m.requestAt(); !ok || m.now < at {
		return
	}
	if m.Next.Number == 0 {
		m.createKey()
		return
	}
	m.Auth = m.chooseAuth()
	m.start(Requesting, Action{Kind: RequestCertificate, Generation: m.Next.Number, Auth: m.Auth})
}

// advanceCandidate ends a proof that is decided.
func (m *machine) advanceCandidate() {
	first := m.Current.Number == 0
	if !first && (m.expired(m.Next) || m.HasOTP && m.Rounds > 0) {
		m.Discard = true
	}
	switch {
	case m.now < m.RetryAt:
	case first || m.Proven:
		m.start(Committing, Action{Kind: Commit, Generation: m.Next.Number})
	case m.Discard:
		m.start(RollingBack, Action{Kind: RollBack, Generation: m.Next.Number})
	case m.Sweep:
		m.sweep()
	}
}

func (m *machine) sweep() {
	m.Sweep = false
	m.start(Destroying, Action{Kind: DestroyOld, Generation: m.Current.Number, Next: m.Next.Number})
}

func (m *machine) createKey() {
	m.Highest++
	key := m.Highest
	if (m.Policy.KeepKey || m.Refresh) && m.Current.Number != 0 {
		key = m.Current.Key
	}
	m.Next = Generation{Number: m.Highest, Key: key}
	m.start(CreatingKey, Action{Kind: CreateKey, Generation: m.Highest, Key: key})
}

// chooseAuth prefers the token of a living connection and changes to the
// certificate, on its own port, at every second try. Without a certificate in
// force the ladder of recovery says how.
func (m *machine) chooseAuth() Auth {
	switch {
	case m.Refresh && m.Next.Key == m.Current.Key:
		return SameLeaf
	case m.HasOTP:
		return OTP
	case m.lost():
		return m.rungAuth()
	case m.Online && !m.expired(m.Current) && m.tokenFirst():
		return Token
	default:
		return Certificate
	}
}

// tokenFirst reports whether it is the turn of the token at this try.
func (m *machine) tokenFirst() bool { return m.Attempt%2 == 0 }

// result settles the phase and the next deadline.
func (m *machine) result() (State, []Action) {
	m.Phase = m.phase()
	if at, ok := m.deadline(); ok {
		m.do(Action{Kind: ScheduleAt, At: at})
	}
	return m.State, m.actions
}

func (m *machine) phase() Phase {
	asking := m.Task == CreatingKey || m.Task == Requesting || m.Task == Storing
	switch {
	case m.Next.Certified() && m.Task != Storing:
		return Proving
	case m.Current.Number == 0 && (m.HasOTP || asking || m.ways() != 0):
		return Enrolling
	case m.Current.Number == 0:
		return Unenrolled
	case m.expired(m.Current):
		return Recovering
	case asking || m.HasOTP || m.Asked || m.due():
		return Renewing
	case !m.Current.Proven:
		return Proving
	default:
		return Valid
	}
}
