package pkcs11key

import "time"

// SetLimit makes a store impatient.
func (s *Store) SetLimit(d time.Duration) {
	s.supervisor.limits = limits{sign: d, command: d, create: d}
}

// PID of the helper, 0 if none runs.
func (s *Store) PID() int {
	if s.supervisor.process == nil {
		return 0
	}
	return s.supervisor.process.cmd.Process.Pid
}
