package server

import (
	"context"
	"fmt"

	"mooring/hsm"
	"mooring/hsm/key"
	"mooring/server/config"
)

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
	return store, nil
}
