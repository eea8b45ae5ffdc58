package server

import (
	"context"
	"crypto/rand"
	"os"
	"path/filepath"

	"mooring/internal/durable"
	"mooring/internal/secret"
	"mooring/server/config"
	"mooring/server/platform"
)

// The development tenant and its administrator.
const (
	devTenant = platform.TenantID("t1000")
	devAdmin  = "admin"
)

// passwordFile is where the first administrator's password is written when
// nobody gave one.
const passwordFile = "admin.password"

func storeExists(cfg config.Config) bool {
	if cfg.Store.Postgres != "" {
		return true
	}
	_, err := os.Stat(filepath.Join(cfg.Data, "mooring.db"))
	return err == nil
}

// bootstrap makes what a new store needs: the management tenant, and with
// --dev the tenant t1000. On a store that has them it does nothing.
func (s *Server) bootstrap(ctx context.Context) error {
	if err := s.firstTenant(ctx, platform.Management, "", "", secret.New(rand.Text())); err != nil {
		return err
	}
	if !s.cfg.Dev {
		return nil
	}
	password, file := s.opts.AdminPassword, ""
	if password == "" {
		password, file = rand.Text(), filepath.Join(s.cfg.Data, passwordFile)
	}
	return s.firstTenant(ctx, devTenant, s.cfg.TenantDomain(string(devTenant)), file, secret.New(password))
}

// firstTenant creates a tenant unless it is there. The password file, if named,
// is written before, so that a crash between leaves a file that nothing needs.
func (s *Server) firstTenant(ctx context.Context, id platform.TenantID, domain, file string, password secret.String) error {
	tenants, err := s.store.Tenants(ctx)
	if err != nil {
		return err
	}
	for _, t := range tenants {
		if t.ID == id {
			return nil
		}
	}
	if file != "" {
		if err := durable.WriteFile(durable.OS, file, []byte(password.Reveal()+"\n"), 0o600); err != nil {
			return err
		}
	}
	return s.services.accounts.CreateTenant(ctx, platform.Tenant{ID: id, Domain: domain}, devAdmin, password)
}
