package server

import (
	"context"
	"time"

	"mooring/server/account"
	"mooring/server/c8yjson"
	"mooring/server/config"
	"mooring/server/platform"
)

// noticePoll is how often a consumer looks for what other nodes have stored.
const noticePoll = time.Second

// noticeEncoder writes what those who listen read. Nobody has asked for it by a
// URL, so links go by the tenant's own name.
func noticeEncoder(accounts *account.Service, cfg config.Config) func(context.Context, platform.Notice) []byte {
	return func(ctx context.Context, n platform.Notice) []byte {
		host := "localhost"
		if t, err := accounts.Tenant(ctx, n.Tenant); err == nil && t.Domain != "" {
			host = t.Domain
		} else if domain := cfg.TenantDomain(string(n.Tenant)); domain != "" {
			host = domain
		}
		var w c8yjson.Writer
		c8yjson.Notice(&w, "https://"+host, n)
		return w.Bytes()
	}
}
