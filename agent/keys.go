package agent

import (
	"mooring/agent/config"
	"mooring/agent/identity"
	"mooring/hsm/key"
	"mooring/internal/durable"
)

// PrepareKeys readies the device's key store as an agent does when it starts: it
// gets the limit that a self-test has measured, and notes in the state directory
// which PIN its token refused.
func PrepareKeys(fsys durable.FS, c config.Config, keys key.Store) {
	m, _ := readMeasured(fsys, c) // the agent says in its log what is wrong with it
	m.apply(keys)
	remember(c, keys)
}

func remember(c config.Config, keys key.Store) {
	if remembers, able := keys.(key.Rememberer); able {
		remembers.Remember(c.State)
	}
}

// OpenIdentities opens the identities of the device, whose next key is of the kind
// that is configured.
func OpenIdentities(fsys durable.FS, c config.Config, keys key.Store) (*identity.Store, error) {
	ids, err := identity.Open(fsys, c.State, keys)
	if err != nil || c.KeyAlgorithm == "" {
		return ids, err
	}
	algorithm, err := key.ParseAlgorithm(c.KeyAlgorithm)
	if err != nil {
		return nil, err
	}
	ids.MakeKeysOf(algorithm)
	return ids, nil
}
