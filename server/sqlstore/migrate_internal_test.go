package sqlstore

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// steps builds migrations from their texts.
func steps(t *testing.T, texts ...string) []migration {
	t.Helper()
	files := fstest.MapFS{}
	for i, text := range texts {
		files["migrations/x/000"+string(rune('1'+i))+"_step.sql"] = &fstest.MapFile{Data: []byte(text)}
	}
	list, err := migrations(files, "x")
	if err != nil {
		t.Fatal(err)
	}
	return list
}

const (
	stepA = "CREATE TABLE a (n BIGINT);\nINSERT INTO a VALUES (1);\n"
	stepB = "ALTER TABLE a ADD COLUMN b BIGINT NOT NULL DEFAULT 2;\n"
	stepC = "CREATE TABLE c (n BIGINT);\nINSERT INTO nowhere VALUES (1);\n"
)

func TestMigrate(t *testing.T) {
	tests := []struct {
		name    string
		before  []string
		texts   []string
		wantErr string // a part of it
	}{
		{"new", nil, []string{stepA, stepB}, ""},
		{"again", []string{stepA, stepB}, []string{stepA, stepB}, ""},
		{"one more", []string{stepA}, []string{stepA, stepB}, ""},
		{"newer schema", []string{stepA, stepB}, []string{stepA}, "schema 2 and this program knows up to 1"},
		{"changed step", []string{stepA}, []string{stepA + " ", stepB}, "step 1 (step) was applied with another text"},
		{"step fails", []string{stepA}, []string{stepA, stepB, stepC}, "step 3 (step)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := openSQLiteConn(filepath.Join(t.TempDir(), "x.db"), false)
			if err != nil {
				t.Fatal(err)
			}
			defer c.close()
			if tt.before != nil {
				if err := migrate(t.Context(), c, sqliteDialect, steps(t, tt.before...), time.UnixMilli(5)); err != nil {
					t.Fatal(err)
				}
			}
			err = migrate(t.Context(), c, sqliteDialect, steps(t, tt.texts...), time.UnixMilli(6))
			s := session{ctx: t.Context(), c: c, d: sqliteDialect}
			applied, listErr := all(&s, (*row).int, "SELECT version FROM schema_migrations ORDER BY version")
			if listErr != nil {
				t.Fatal(listErr)
			}
			want := len(tt.texts)
			if tt.wantErr != "" {
				want = len(tt.before)
			}
			if len(applied) != want {
				t.Errorf("got steps %v, want %d", applied, want)
			}
			if tt.wantErr == "" && err != nil || tt.wantErr != "" && (err == nil || !strings.Contains(err.Error(), tt.wantErr)) {
				t.Errorf("got error %v, want %q", err, tt.wantErr)
			}
			if n, err := all(&s, (*row).int, "SELECT n FROM a"); err != nil || !slices.Equal(n, []int64{1}) {
				t.Errorf("got %v, %v, want the data of step 1 once", n, err)
			}
			if found, err := s.exists("SELECT 1 FROM sqlite_schema WHERE name = 'c'"); found || err != nil {
				t.Errorf("a failed step left its table behind (%v)", err)
			}
		})
	}
}

func TestMigrationNames(t *testing.T) {
	for _, names := range [][]string{{"0000_b.sql"}, {"0001.sql"}, {"x_a.sql"}, {"0001_a.sql", "0001_b.sql"}} {
		files := fstest.MapFS{}
		for _, name := range names {
			files["migrations/x/"+name] = &fstest.MapFile{}
		}
		if _, err := migrations(files, "x"); err == nil {
			t.Errorf("%v: no error", names)
		}
	}
}

// A step whose number was left free is carried out when it comes.
func TestMigrateStepThatComesLate(t *testing.T) {
	c, err := openSQLiteConn(filepath.Join(t.TempDir(), "x.db"), false)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	all := steps(t, stepA, stepB, "CREATE TABLE d (n BIGINT);\n")
	for _, list := range [][]migration{{all[0], all[2]}, all, all} {
		if err := migrate(t.Context(), c, sqliteDialect, list, time.UnixMilli(5)); err != nil {
			t.Fatal(err)
		}
	}
	s := session{ctx: t.Context(), c: c, d: sqliteDialect}
	if found, err := s.exists("SELECT b FROM a"); !found || err != nil {
		t.Errorf("step 2 was not carried out (%v)", err)
	}
	if err := migrate(t.Context(), c, sqliteDialect, []migration{all[0], all[2]}, time.UnixMilli(6)); err == nil {
		t.Error("a program that does not know step 2 opened the store")
	}
}

// An applied migration never changes: new steps are added instead. A row here
// is removed by nobody; a new step adds one.
func TestMigrationsStayAsTheyWere(t *testing.T) {
	want := map[string]string{
		"sqlite/identity":            "80cb1021fb408d46",
		"sqlite-telemetry/telemetry": "2c74751776c01570",
		"postgres/identity":          "fe7a941bde77ae76",
		"postgres/telemetry":         "54a6466a4e50f94d",
		"sqlite/proof":               "e4e7fa61f1460347",
		"postgres/proof":             "17bc0386a9dc2caf",
		"sqlite/approval":            "a77a8f4124f94a7b",
		"postgres/approval":          "32b6d3942546f694",
		"postgres/people":            "7e85bf282b8a9e7a",
		"sqlite/people":              "0f5b8dc96e74b9c6",
		"sqlite-telemetry/series":    "0cb7d27a1cabd641",
		"sqlite/audit_retention":     "10424ee080bc15e6",
		"postgres/telemetry_rest":    "78f29ce11aa8a385",
		"sqlite-binary/binaries":     "7dd706e5690c2dd1",
		"postgres/binaries":          "6c53c6680b144821",
		"sqlite/statistics":          "f01fd715fbb695fb",
		"sqlite/operations":          "ec9dc28ef921440e",
		"postgres/operations":        "df149d67a5093a97",
		"sqlite/groups":              "9202a6c0f8389ea0",
		"postgres/groups":            "c13d10e31287fe2a",
		"sqlite/inventory_roles":     "52b138271d6d3636",
		"postgres/inventory_roles":   "55d567dcd62b355b",
		"sqlite/attestation":         "06afcf05cc9819b4",
		"postgres/attestation":       "bdf5ba879028736d",

		"sqlite/audit":                   "62f329f75329c62d",
		"postgres/audit":                 "48716a5f7e4631ef",
		"sqlite/notifications":           "0720eadd0db908bb",
		"sqlite-telemetry/notifications": "9dcc952b9ee7e1d0",
		"postgres/notifications":         "c05cab116c59eacd",

		"sqlite-telemetry/message_sessions": "8c30e2b299cce5dd",
		"postgres/message_sessions":         "c42e4a2ac7901f18",
	}
	got := map[string]string{}
	for _, folder := range []string{"sqlite", "sqlite-telemetry", "sqlite-binary", "postgres"} {
		list, err := migrations(migrationFiles, folder)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range list {
			got[folder+"/"+m.name] = m.checksum[:16]
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
