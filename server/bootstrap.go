package server

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"mooring/internal/durable"
	"mooring/internal/problem"
	"mooring/internal/secret"
	"mooring/server/config"
	"mooring/server/platform"
)

// The development tenant, and the name of first administrators.
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
// --dev the tenant t1000, whose administrators then have one password. On a
// store that has them it does nothing.
func (s *Server) bootstrap(ctx context.Context) error {
	tenants, err := s.store.Tenants(ctx)
	if err != nil {
		return err
	}
	there := map[platform.TenantID]bool{}
	for _, t := range tenants {
		there[t.ID] = true
	}
	wanted := []platform.TenantID{platform.Management}
	if s.cfg.Dev {
		wanted = append(wanted, devTenant)
	}
	wanted = slices.DeleteFunc(wanted, func(id platform.TenantID) bool { return there[id] })
	if len(wanted) == 0 {
		return nil
	}
	password, err := s.firstPassword()
	if err != nil {
		return err
	}
	for _, id := range wanted {
		err := s.services.accounts.CreateTenant(ctx, platform.Tenant{ID: id}, devAdmin, password)
		if errors.Is(err, problem.Conflict) {
			// Another node that starts on the same database was faster, with its password.
			s.log.Warn("another node made this tenant: the first administrator's password is that of the other", "tenant", id)
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// firstPassword is the one that was given, or one written to a file that only
// its owner can read: before it counts, so that a crash between leaves a
// password that the next start takes.
func (s *Server) firstPassword() (secret.String, error) {
	if s.opts.AdminPassword != "" {
		return secret.New(s.opts.AdminPassword), nil
	}
	file := filepath.Join(s.cfg.Data, passwordFile)
	have, err := os.ReadFile(file)
	if err == nil && len(bytes.TrimSpace(have)) > 0 {
		return secret.New(string(bytes.TrimSpace(have))), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return secret.String{}, err
	}
	password := rand.Text()
	return secret.New(password), durable.WriteFile(durable.OS, file, []byte(password+"\n"), 0o600)
}
