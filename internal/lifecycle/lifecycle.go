// Package lifecycle is the life of a device identity as a pure state machine:
// enrol, prove, commit, renew, recover.
//
// Step takes a state, an event and the time, and gives the next state and what
// is to be done. It does no I/O, reads no clock, starts nothing and keeps
// nothing: who carries the actions out (the agent with directories, a
// microcontroller with flash slots) reports each result as the next event.
//
// An identity lives in numbered generations, each a key with a certificate.
// There are at most two: Current, which connects, and Next, which is being
// made. The promises:
//
//   - At most one task is outstanding (State.Task); answers to anything else
//     are ignored.
//   - Current is never named for destruction. It is replaced only by a Next
//     that has authenticated a connection and that the server named in return.
//   - Certificates are asked for no faster than the minimum spacing, unless a
//     person asks or gives an enrolment OTP.
//   - On untrusted time nothing is renewed and nothing counts as expired.
//
// The first certificate has nothing to fall back to, so it is committed as
// soon as it is stored, and proved afterwards.
//
//	stateDiagram-v2
//	    [*] --> Unenrolled
//	    Unenrolled --> Enrolling: OTP given
//	    Enrolling --> Enrolling: pending, refused, failed / wait, ask again
//	    Enrolling --> Unenrolled: deadline of the OTP
//	    Enrolling --> Proving: issued / store, commit, connect
//	    Proving --> Valid: connected, the server names this certificate
//	    Valid --> Renewing: server's window or a third of life left, asked, or OTP given / new key
//	    Renewing --> Renewing: failed / wait, other authentication, ask again
//	    Renewing --> Proving: issued / store, connect with the candidate
//	    Proving --> Valid: candidate confirmed / commit, destroy the old
//	    Proving --> Valid: candidate fails where the old connects / roll back
//	    Valid --> Proving: newer chain for the same leaf
//	    Valid --> Recovering: expired
//	    Renewing --> Recovering: expired
//	    Recovering --> Proving: issued by the expired certificate within grace, by the one
//	        from the factory, by a stored OTP or by a new one
package lifecycle

import "time"

// Phase is what a person would call the state of the identity.
type Phase uint8

// The phases. The zero value is a device that nobody enrolled.
const (
	Unenrolled Phase = iota // no identity, and no OTP to get one with
	Enrolling               // the first certificate is being asked for
	Proving                 // a certificate is stored that has not connected yet
	Valid                   // Current has connected and has not expired
	Renewing                // the next certificate is being asked for
	Recovering              // Current has expired
	phases
)

var phaseNames = [phases]string{"unenrolled", "enrolling", "proving", "valid", "renewing", "recovering"}

// String gives the phase as status shows it.
func (p Phase) String() string {
	if p >= phases {
		return "unknown"
	}
	return phaseNames[p]
}

// Task is the one action whose answer the machine waits for.
type Task uint8

// The tasks.
const (
	Idle Task = iota
	CreatingKey
	Requesting
	Storing
	Committing
	RollingBack
	Destroying
	tasks
)

// Instant is milliseconds since 1970 UTC; zero is "never".
type Instant int64

// At converts t; the zero time is the zero Instant.
func At(t time.Time) Instant {
	if t.IsZero() {
		return 0
	}
	return Instant(t.UnixMilli())
}

// Time converts back, to UTC.
func (i Instant) Time() time.Time {
	if i == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(i)).UTC()
}

func (i Instant) add(d time.Duration) Instant { return i + Instant(d.Milliseconds()) }

func (i Instant) sub(o Instant) time.Duration {
	const limit = Instant(1 << 62 / int64(time.Millisecond))
	return time.Duration(max(-limit, min(limit, i-o))) * time.Millisecond
}

// Leaf is what the machine needs to know of a certificate.
type Leaf struct {
	Fingerprint [32]byte // SHA-256 of the DER
	NotBefore   Instant
	NotAfter    Instant
}

// Generation is one key with its certificate. The zero value is none.
type Generation struct {
	Number uint32 // counts up from 1 and is never used twice
	Key    uint32 // the generation whose key this is: Number itself unless the key was kept
	Leaf   Leaf   // zero while there is a key only
	Proven bool   // has authenticated a connection, and the server named it
}

// Certified reports whether g has a certificate.
func (g Generation) Certified() bool { return g.Number != 0 && g.Leaf != Leaf{} }

// Window is when a server wants a certificate to be renewed. The zero value is
// none.
type Window struct{ Start, End Instant }

// Policy steers renewal. The zero value is the default.
type Policy struct {
	// RenewLeftPermille is the part of the certificate's life that is left when
	// renewal starts, in thousandths. Zero means a third.
	RenewLeftPermille uint16
	// MinSpacing is the shortest time between two issuances nobody asked for.
	// Zero means an hour. It never exceeds a fiftieth of the certificate's life.
	MinSpacing time.Duration
	// KeepKey renews with the same key.
	KeepKey bool
	// NoGrace forbids asking by a certificate that has expired. Bootstrap and
	// StoredOTP allow the ways of these names.
	NoGrace, Bootstrap, StoredOTP bool
	// Maintenance says when a certificate that is due may be renewed; none: at any
	// time. A twentieth of its life left overrides that.
	Maintenance [MaxMaintenance]MaintenanceWindow
}

// State is all that the machine knows. The zero value with a Seed is a new
// device. Between restarts it is kept as Encode writes it; generations are
// read again from where they are stored, and told by Booted.
type State struct {
	Policy Policy
	Seed   uint64 // stable per device; spreads a fleet in time

	Phase Phase
	Task  Task
	Auth  Auth // of the request under way

	Current Generation
	Next    Generation
	Highest uint32 // the highest generation number used so far
	Window  Window // the server's, for Current

	TimeTrusted bool
	Online      bool // Current is connected
	Connecting  bool // since the start nobody knows yet whether Current connects
	HasOTP      bool // whoever carries actions out holds an enrolment OTP
	Asked       bool // a person wants a renewal now
	Proven      bool // Next connected and the server named it; to be committed
	Discard     bool // Next is to be rolled back
	Comparing   bool // during a proof: trying whether Current still connects
	Sweep       bool // leftovers may exist that DestroyOld removes
	Refresh     bool // Next is to have Current's leaf with a newer chain

	Attempt  uint16 // failures in a row since the last success
	Failures uint8  // of Next's connections since the last comparison
	Refusals uint8  // the same, refused by the server
	Rounds   uint8  // comparisons in which neither generation connected

	Rung      Rung  // the way to try next when there is no certificate in force
	RungTries uint8 // on that rung, in this round
	Spurned   uint8 // the rungs that the server refused, by bits

	RetryAt    Instant // nothing is tried again before
	LastIssued Instant // when the last certificate came
}

// New returns the state of a device that was never enrolled.
func New(seed uint64, policy Policy) State { return State{Seed: seed, Policy: policy} }
