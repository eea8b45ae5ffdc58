package lifecycle

import "time"

// Rung says what ties the device to its server or, when its certificate has
// expired or it never had one, by what it tries to be tied.
type Rung uint8

// The rungs of the ladder, best first. Those between the first and the last are
// tried in turn by the machine itself; the last needs a person.
const (
	OnCertificate        Rung = iota // the current certificate is in force
	ExpiredCertificate               // the expired one, within the server's grace
	BootstrapCertificate             // the one from the factory
	StoredOTP                        // an enrolment OTP that waits on the device
	NewOTP                           // an enrolment OTP that a person gives
	rungs
)

var rungNames = [rungs]string{"certificate", "expired-certificate", "bootstrap-certificate", "stored-otp", "new-otp"}

// String names the rung as status shows it.
func (r Rung) String() string {
	if r >= rungs {
		return "unknown"
	}
	return rungNames[r]
}

const (
	// rungWait is between a refusal and the try by the next rung.
	rungWait = time.Minute
	// rungTries is how often a rung is tried in a round that fails for other
	// reasons than a refusal.
	rungTries = 2
	// storedTries is the same for the stored OTP: a server whose answer was lost
	// gives it again to the same key for ten minutes, and no longer.
	storedTries = 16
)

// rungSet is a set of rungs, by bits.
type rungSet uint8

func (r Rung) bit() rungSet { return 1 << r }

func (s rungSet) first() Rung {
	for r := ExpiredCertificate; r < NewOTP; r++ {
		if s&r.bit() != 0 {
			return r
		}
	}
	return NewOTP
}

// after is the rung of s below r, or again the first.
func (s rungSet) after(r Rung) (next Rung, wrapped bool) {
	for n := r + 1; n < NewOTP; n++ {
		if s&n.bit() != 0 {
			return n, false
		}
	}
	return s.first(), true
}

// ways are the rungs that the machine may try by itself.
func (s State) ways() rungSet {
	var set rungSet
	if s.Current.Number != 0 && !s.Policy.NoGrace {
		set |= ExpiredCertificate.bit()
	}
	if s.Policy.Bootstrap {
		set |= BootstrapCertificate.bit()
	}
	if s.Policy.StoredOTP {
		set |= StoredOTP.bit()
	}
	return set
}

// OnRung is where the device stands on the ladder. It is NewOTP once the server
// has refused every other way that is open, or there is none.
func (s State) OnRung() Rung {
	if s.Phase != Recovering && s.Current.Number != 0 {
		return OnCertificate
	}
	ways := s.ways()
	switch {
	case s.HasOTP || ways&^rungSet(s.Spurned) == 0:
		return NewOTP
	case ways&s.Rung.bit() == 0:
		return ways.first()
	default:
		return s.Rung
	}
}

// lost reports whether there is no certificate in force.
func (m *machine) lost() bool { return m.Current.Number == 0 || m.expired(m.Current) }

// rungAuth is the authentication of the rung that is to be tried.
func (m *machine) rungAuth() Auth {
	ways := m.ways()
	if ways&m.Rung.bit() == 0 {
		m.Rung, m.RungTries = ways.first(), 0
	}
	switch m.Rung {
	case BootstrapCertificate:
		return Bootstrap
	case StoredOTP:
		return SecondOTP
	default:
		return Certificate
	}
}

// slipped goes on after a rung that gave no certificate: to the next one soon
// after a refusal, and round again as the ladder of retries says.
func (m *machine) slipped(refused bool, retryAfter time.Duration) {
	tries := uint8(rungTries)
	if m.Rung == StoredOTP {
		tries = storedTries
	}
	m.RungTries = saturate(m.RungTries)
	if !refused && m.RungTries < tries {
		m.retry(retryAfter)
		return
	}
	if refused {
		m.Spurned |= uint8(m.Rung.bit())
	}
	next, wrapped := m.ways().after(m.Rung)
	m.Rung, m.RungTries = next, 0
	if refused && !wrapped {
		m.RetryAt = m.now.add(max(m.jittered(rungWait), min(max(0, retryAfter), maxRetryAfter)))
		return
	}
	m.Auth = Certificate // the waits of an OTP end with it
	m.retry(retryAfter)
}

// refreshed begins with a chain whose leaf is Current's: a generation of the
// same key, proved and committed as any other.
func (m *machine) refreshed(e Event) {
	if e.Generation != 0 && e.Generation == m.Current.Number && m.Next.Number == 0 && m.Task == Idle && !m.lost() {
		m.Refresh, m.RetryAt = true, 0
	}
}

// noRefresh gives the generation up that was to have the new chain.
func (m *machine) noRefresh() { m.Next, m.Sweep, m.Refresh = Generation{}, true, false }
