package server

import (
	"context"
	"fmt"
	"log/slog"

	"mooring/hsm"
	"mooring/hsm/key"
	"mooring/server/config"
)

// tellRecoveries has the log tell what a key store does to get at its keys again,
// and the watch look whether it helped.
func tellRecoveries(log *slog.Logger, watch *keyWatch, use string, store any) {
	if mends, able := store.(key.Recoverer); able {
		mends.OnRecovery(func(r key.Recovery) {
			log.Warn("a key store is got at again", "use", use, "step", r.Step, "cause", r.Cause, "took", r.Took, "err", r.Err)
			if r.Err != nil {
				watch.wake()
			}
		})
	}
}

// authorityStore opens the key store of tenant certificate authorities, nil if
// none is configured. A helper of it ends with the process.
func authorityStore(ctx context.Context, cfg config.Config) (key.Store, error) {
	if cfg.Keys.Authority == "" {
		return nil, nil
	}
	store, err := hsm.Open(ctx, cfg.Keys.Authority)
	if err != nil {
		return nil, fmt.Errorf("keys.authority: %w", err)
	}
	if remembers, able := store.(key.Rememberer); able {
		remembers.Remember(cfg.Data)
	}
	return store, nil
}
