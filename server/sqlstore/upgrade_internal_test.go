package sqlstore

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"mooring/server/sqlstore/postgrestest"
)

// before is the steps of a folder up to a number.
func before(t *testing.T, folder string, version int64) []migration {
	t.Helper()
	all, err := migrations(migrationFiles, folder)
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(all, func(m migration) bool { return m.version >= version })
}

// Bodies of measurements as clients may have sent them, and the series in them.
var (
	oldBodies = []string{`{"a":{"x":{"value":1.5,"unit":"C"},"y":{"value":"text"},"z":{"unit":"C"}},"b":5}`, `{"a":{"x":{"value":-2}}}`, `{"broken":`, "\xff\x00", ``}
	oldSeries = []string{"T/a.x"}
)

// upgrade applies the steps before version, fills, applies all, and reads.
func upgrade(t *testing.T, c conn, d *dialect, folder string, version int64, fill, read func(*session) error) {
	t.Helper()
	s := session{ctx: t.Context(), c: c, d: d}
	if err := migrate(t.Context(), c, d, before(t, folder, version), time.UnixMilli(1)); err != nil {
		t.Fatal(err)
	}
	if err := fill(&s); err != nil {
		t.Fatal(err)
	}
	all, err := migrations(migrationFiles, folder)
	if err != nil {
		t.Fatal(err)
	}
	if err := migrate(t.Context(), c, d, all, time.UnixMilli(2)); err != nil {
		t.Fatal(err)
	}
	if err := read(&s); err != nil {
		t.Fatal(err)
	}
}

func fillMeasurements(s *session) error {
	for i, body := range oldBodies {
		if err := s.run("INSERT INTO measurements (tenant, "+measurementColumns+") VALUES ($1, $2, $3, $4, $5, $6)", 2, 1000+i, 7, "T", time.UnixMilli(5), []byte(body)); err != nil {
			return err
		}
	}
	return nil
}

func wantSeries(t *testing.T) func(*session) error {
	return func(s *session) error {
		list, err := s.series(2, 7)
		var got []string
		for _, n := range list {
			got = append(got, n.Type+"/"+n.Fragment+"."+n.Series)
		}
		if !slices.Equal(got, oldSeries) {
			t.Errorf("got series %q, want %q", got, oldSeries)
		}
		return err
	}
}

func fillTenants(s *session) error {
	for _, id := range []string{"t1", "t2"} {
		if err := s.run("INSERT INTO tenants (id, domain, created, live) VALUES ($1, NULL, $2, TRUE)", id, 5); err != nil {
			return err
		}
	}
	return s.run("UPDATE id_sequence SET next = $1", 5001)
}

// wantRules wants a rule each, with numbers that nothing else gets.
func wantRules(t *testing.T) func(*session) error {
	return func(s *session) error {
		rules, err := all(s, scanRule, "SELECT "+ruleColumns+" FROM retention_rules ORDER BY id")
		if err != nil {
			return err
		}
		if len(rules) != 2 || rules[0] != defaultRetention(5001) || rules[1] != defaultRetention(5002) {
			t.Errorf("got rules %+v", rules)
		}
		next, err := one(s, "sequence", (*row).int, "SELECT next FROM id_sequence")
		if next != 5003 {
			t.Errorf("the next number is %d", next)
		}
		return err
	}
}

// What was stored before there were series and rules gets them.
func TestUpgradeSQLite(t *testing.T) {
	for _, tt := range []struct {
		folder     string
		version    int64
		fill, read func(*session) error
	}{
		{"sqlite-telemetry", 2, fillMeasurements, wantSeries(t)},
		{"sqlite", 9, fillTenants, wantRules(t)},
	} {
		c, err := openSQLiteConn(filepath.Join(t.TempDir(), "x.db"), false)
		if err != nil {
			t.Fatal(err)
		}
		upgrade(t, c, sqliteDialect, tt.folder, tt.version, tt.fill, tt.read)
		if err := c.close(); err != nil {
			t.Error(err)
		}
	}
}

func TestUpgradePostgres(t *testing.T) {
	config, err := pgx.ParseConfig(postgrestest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	c, err := openPGConn(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	upgrade(t, c, postgresDialect, "postgres", 10, func(s *session) error {
		if err := fillTenants(s); err != nil {
			return err
		}
		return fillMeasurements(s)
	}, func(s *session) error {
		if err := wantRules(t)(s); err != nil {
			return err
		}
		return wantSeries(t)(s)
	})
}
