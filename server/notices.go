package server

import (
	"context"
	"time"

	"mooring/internal/problem"
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

// fetchNotice reads the object that another node tells of, as it is now.
func fetchNotice(store platform.Store) func(context.Context, platform.Notice) (any, error) {
	return func(ctx context.Context, n platform.Notice) (any, error) {
		switch n.API {
		case platform.NoticeManagedObjects:
			return store.Object(ctx, n.Tenant, n.ID)
		case platform.NoticeMeasurements:
			return store.Measurement(ctx, n.Tenant, n.ID)
		case platform.NoticeEvents:
			return store.Event(ctx, n.Tenant, n.ID)
		case platform.NoticeAlarms:
			return store.Alarm(ctx, n.Tenant, n.ID)
		case platform.NoticeOperations:
			return store.Operation(ctx, n.Tenant, n.ID)
		}
		return nil, problem.NotFound
	}
}
