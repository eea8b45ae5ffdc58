// Package postgrestest starts Debian's PostgreSQL for tests: one cluster a test
// binary, on a unix socket in a directory of its own, and a new database for
// every caller.
//
//	func TestMain(m *testing.M) {
//		defer postgrestest.Stop()
//		m.Run()
//	}
package postgrestest

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
)

var (
	mu      sync.Mutex // guards what follows
	shared  *cluster
	failure error // why there is no cluster; tried once

	databases atomic.Int64
)

// Database creates an empty database and returns its address. Without
// PostgreSQL's server programs it skips the test, and with REQUIRE_HSM=1 in the
// environment, as in CI, it fails it.
func Database(t testing.TB) (dsn string) {
	t.Helper()
	c, err := running()
	if err != nil && os.Getenv("REQUIRE_HSM") == "1" {
		t.Fatalf("PostgreSQL: %v", err)
	}
	if err != nil {
		t.Skipf("no PostgreSQL: %v", err)
	}
	name := fmt.Sprintf("test%d", databases.Add(1))
	if err := c.run(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	return c.dsn(name)
}

// Exec runs statements in the database of dsn, besides the program under test.
func Exec(t testing.TB, dsn, sql string) {
	t.Helper()
	if err := execute(t.Context(), dsn, sql); err != nil {
		t.Fatal(err)
	}
}

// Restart stops the server at once, as a crash would, and starts it again on
// the same data. Every database of the cluster feels it.
func Restart(t testing.TB) {
	t.Helper()
	StopUntil(t)()
}

// StopUntil stops the server at once and returns what starts it again on the
// same data; the end of the test does so at the latest.
func StopUntil(t testing.TB) (start func()) {
	t.Helper()
	mu.Lock()
	defer mu.Unlock()
	if err := shared.crash(); err != nil {
		t.Fatal(err)
	}
	start = sync.OnceFunc(func() {
		mu.Lock()
		defer mu.Unlock()
		if err := shared.start(); err != nil {
			t.Fatal(err)
		}
	})
	t.Cleanup(start)
	return start
}

// Stop ends the cluster, if one was started, and removes its files.
func Stop() {
	mu.Lock()
	defer mu.Unlock()
	if shared != nil {
		shared.stop()
		shared = nil
	}
}

func running() (*cluster, error) {
	mu.Lock()
	defer mu.Unlock()
	if shared == nil && failure == nil {
		shared, failure = newCluster()
	}
	return shared, failure
}

func (c *cluster) dsn(database string) string {
	return fmt.Sprintf("host=%s user=postgres dbname=%s", c.dir, database)
}

func (c *cluster) run(ctx context.Context, sql string) error {
	return execute(ctx, c.dsn("postgres"), sql)
}

func execute(ctx context.Context, dsn, sql string) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	_, err = conn.PgConn().Exec(ctx, sql).ReadAll()
	if e := conn.Close(ctx); err == nil {
		err = e
	}
	return err
}
