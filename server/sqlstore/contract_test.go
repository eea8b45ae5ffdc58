package sqlstore_test

import (
	"os"
	"testing"

	"mooring/server/platform"
	"mooring/server/platform/platformtest"
	"mooring/server/sqlstore"
	"mooring/server/sqlstore/postgrestest"
)

func TestMain(m *testing.M) {
	if role := os.Getenv(childRole); role != "" {
		child(role)
		return
	}
	defer postgrestest.Stop()
	m.Run()
}

func TestContractSQLite(t *testing.T) {
	platformtest.Run(t, func(t testing.TB) platform.Store { return openSQLite(t, t.TempDir(), sqlstore.Options{}) })
}

func TestContractPostgres(t *testing.T) {
	platformtest.Run(t, func(t testing.TB) platform.Store {
		return openPostgres(t, postgrestest.Database(t), sqlstore.Options{})
	})
}

// openSQLite and openPostgres leave closing to the caller.
func openSQLite(t testing.TB, dir string, opts sqlstore.Options) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.OpenSQLite(t.Context(), dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func openPostgres(t testing.TB, dsn string, opts sqlstore.Options) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.OpenPostgres(t.Context(), dsn, opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
