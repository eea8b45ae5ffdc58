package agent

import (
	"maps"

	"mooring/hsm/key"
)

// watchKeys has the log and the status tell what the key store does to get at
// its keys again.
func (a *Agent) watchKeys(keys key.Store) {
	mends, able := keys.(key.Recoverer)
	if !able {
		return
	}
	mends.OnRecovery(func(r key.Recovery) {
		a.log.Warn("the key store is got at again", "step", r.Step, "cause", r.Cause, "took", r.Took, "err", r.Err)
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.mended == nil {
			a.mended = map[string]int{}
		}
		a.mended[r.Step]++
	})
}

// recoveries counts the steps since the start.
func (a *Agent) recoveries() map[string]int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return maps.Clone(a.mended)
}
