package lifecycle

// A proof is a connection with Next that the server answers by naming Next's
// certificate. A candidate that keeps failing is compared with Current: if
// that one connects the fault is the candidate's, and it is rolled back; if
// neither does, the fault lies elsewhere, and the candidate goes on trying.

func (m *machine) beginProof() {
	m.Proven, m.Discard, m.Comparing = false, false, false
	m.Failures, m.Refusals, m.Rounds = 0, 0, 0
}

func (m *machine) connect(g Generation) {
	m.do(Action{Kind: ConnectWith, Generation: g.Number})
}

func (m *machine) connected(e Event) {
	switch {
	case e.Generation == 0:
	case e.Generation == m.Next.Number && m.proving():
		if e.Leaf.Fingerprint != m.Next.Leaf.Fingerprint {
			m.notConnected(Event{Kind: ConnectFailed, Generation: e.Generation})
			return
		}
		m.Proven, m.Discard, m.RetryAt = true, false, 0
	case e.Generation == m.Current.Number:
		m.Online, m.Connecting = true, false
		if e.Leaf.Fingerprint == m.Current.Leaf.Fingerprint {
			m.Current.Proven = true
		}
		if m.proving() && m.Comparing && !m.Proven {
			m.Comparing, m.Discard = false, true
		}
	}
}

// proving reports whether a stored candidate waits for its proof.
func (m *machine) proving() bool {
	return m.Current.Number != 0 && m.Next.Certified() && m.Task != Storing
}

func (m *machine) notConnected(e Event) {
	switch {
	case e.Generation == 0:
	case e.Generation == m.Current.Number:
		m.Online, m.Connecting = false, false
		if m.proving() && m.Comparing {
			m.Comparing = false
			m.endRound()
			m.connect(m.Next)
		}
	case e.Generation == m.Next.Number && m.proving() && !m.Proven:
		m.countFailure(e.Kind == ConnectRefused)
	}
}

func (m *machine) countFailure(refused bool) {
	if refused {
		m.Refusals = saturate(m.Refusals)
	} else {
		m.Failures = saturate(m.Failures)
	}
	enough := m.Refusals >= maxRefusals || m.Failures >= maxFailures
	switch {
	case !enough || m.Comparing || m.Discard:
	case m.expired(m.Current): // nothing to compare with; a new OTP may replace the candidate
		m.endRound()
	default:
		m.Comparing = true
		m.connect(m.Current)
	}
}

// endRound counts a round in which nothing connected.
func (m *machine) endRound() {
	m.Failures, m.Refusals = 0, 0
	m.Rounds = saturate(m.Rounds)
}
