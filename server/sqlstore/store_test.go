package sqlstore_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"mooring/internal/problem"
	"mooring/server/platform"
	"mooring/server/sqlstore"
	"mooring/server/sqlstore/postgrestest"
)

const tenant platform.TenantID = "t1"

func createTenant(t testing.TB, s *sqlstore.Store) {
	t.Helper()
	if err := s.CreateTenant(t.Context(), platform.Tenant{ID: tenant, Created: time.UnixMilli(1)}, platform.User{}); err != nil {
		t.Fatal(err)
	}
}

func closeStore(t testing.TB, s *sqlstore.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func putUser(ctx context.Context, s *sqlstore.Store, name string) error {
	return s.PutUser(ctx, platform.User{Tenant: tenant, Name: name})
}

func measurement(id platform.ID) platform.Batch {
	return platform.Batch{Tenant: tenant, Measurements: []platform.Measurement{{ID: id, Source: 1, Time: time.UnixMilli(int64(id)), Body: []byte(`{}`)}}}
}

// submit stores a batch and waits.
func submit(s *sqlstore.Store, b platform.Batch) error {
	done := make(chan error, 1)
	s.Submit(b, func(err error) { done <- err })
	return <-done
}

// engines runs a test on both. open opens the same data again each time.
func engines(t *testing.T, test func(t *testing.T, open func(sqlstore.Options) *sqlstore.Store)) {
	t.Run("sqlite", func(t *testing.T) {
		dir := t.TempDir()
		test(t, func(opts sqlstore.Options) *sqlstore.Store { return openSQLite(t, dir, opts) })
	})
	t.Run("postgres", func(t *testing.T) {
		dsn := postgrestest.Database(t)
		test(t, func(opts sqlstore.Options) *sqlstore.Store { return openPostgres(t, dsn, opts) })
	})
}

func TestReopen(t *testing.T) {
	engines(t, func(t *testing.T, open func(sqlstore.Options) *sqlstore.Store) {
		s := open(sqlstore.Options{})
		createTenant(t, s)
		first, err := s.NewID(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := submit(s, measurement(first)); err != nil {
			t.Fatal(err)
		}
		last, err := s.LastChange(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		closeStore(t, s)

		s = open(sqlstore.Options{})
		defer closeStore(t, s)
		if _, err := s.Measurement(t.Context(), tenant, first); err != nil {
			t.Error(err)
		}
		if got, err := s.LastChange(t.Context()); got != last || err != nil {
			t.Errorf("got last change %d, %v, want %d", got, err, last)
		}
		if id, err := s.NewID(t.Context()); id <= 1000 || err != nil {
			t.Errorf("got ID %d, %v after a restart, want one beyond the first block", id, err)
		}
	})
}

// OnCommit hears of each change before its command returns, in the order of
// numbers, and may read what was written.
func TestOnCommit(t *testing.T) {
	engines(t, func(t *testing.T, open func(sqlstore.Options) *sqlstore.Store) {
		var (
			s     *sqlstore.Store
			mu    sync.Mutex
			last  int64
			heard = map[string]bool{}
		)
		s = open(sqlstore.Options{OnCommit: func(changes []platform.Change) {
			mu.Lock()
			defer mu.Unlock()
			for _, c := range changes {
				if c.Number != last+1 {
					t.Errorf("got change %d after %d", c.Number, last)
				}
				last = c.Number
				heard[c.Key] = true
				if c.Kind == platform.ChangeUser {
					if _, err := s.User(context.Background(), c.Tenant, c.Key); err != nil {
						t.Errorf("user %s, told of: %v", c.Key, err)
					}
				}
			}
		}})
		defer closeStore(t, s)
		createTenant(t, s)
		var all sync.WaitGroup
		for worker := range 16 {
			all.Go(func() {
				for i := range 20 {
					name := fmt.Sprint(worker, "-", i)
					if err := putUser(context.Background(), s, name); err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					if !heard[name] {
						t.Errorf("the command of %s returned before OnCommit heard of it", name)
					}
					mu.Unlock()
				}
			})
		}
		all.Wait()
	})
}

func TestCancelled(t *testing.T) {
	engines(t, func(t *testing.T, open func(sqlstore.Options) *sqlstore.Store) {
		s := open(sqlstore.Options{})
		defer closeStore(t, s)
		createTenant(t, s)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := putUser(ctx, s, "late"); err != context.Canceled {
			t.Errorf("got %v, want %v", err, context.Canceled)
		}
		if _, err := s.User(t.Context(), tenant, "late"); problem.KindOf(err) != problem.NotFound {
			t.Errorf("got %v, want not found", err)
		}
		if _, err := s.User(ctx, tenant, "late"); err != context.Canceled {
			t.Errorf("got %v, want %v", err, context.Canceled)
		}
		if err := putUser(t.Context(), s, "next"); err != nil {
			t.Error(err)
		}
	})
}

func TestFilesAreTheOwnersAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "data?mode=ro#x%20")
	s := openSQLite(t, dir, sqlstore.Options{})
	defer closeStore(t, s)
	createTenant(t, s)
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) < 2 {
		t.Fatalf("got %d files in %s, %v", len(entries), dir, err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: got mode %v, %v, want 0600", e.Name(), info.Mode(), err)
		}
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("directory: got mode %v, %v, want 0700", info.Mode(), err)
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "mooring.db"), []byte("this is not a database, but long enough to be looked at by SQLite: it has to say so"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlstore.OpenSQLite(t.Context(), dir, sqlstore.Options{}); err == nil {
		t.Error("opened a file that is no database")
	}
	if _, err := sqlstore.OpenPostgres(t.Context(), "host="+dir+" dbname=none", sqlstore.Options{}); err == nil {
		t.Error("opened a PostgreSQL that is not there")
	}
	dsn := postgrestest.Database(t)
	postgrestest.Exec(t, dsn, "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
	if _, err := sqlstore.OpenPostgres(t.Context(), dsn+"x dbname=latin", sqlstore.Options{}); err == nil {
		t.Error("opened a database in LATIN1")
	}
}
