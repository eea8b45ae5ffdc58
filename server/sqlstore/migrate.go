package sqlstore

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

//go:embed migrations
var migrationFiles embed.FS

// migration is one step of a schema. Steps go forward only.
type migration struct {
	version  int64
	name     string
	checksum string // SHA-256 of the text
	sql      string
}

// migrations lists the steps in migrations/<folder>: 0001_name.sql, 0002_…,
// in ascending order. A number may be missing: it is taken for work that comes
// later, and is carried out whenever it comes.
func migrations(files fs.FS, folder string) ([]migration, error) {
	entries, err := fs.ReadDir(files, path.Join("migrations", folder)) // sorted by name
	if err != nil {
		return nil, err
	}
	var list []migration
	for _, entry := range entries {
		number, name, ok := strings.Cut(strings.TrimSuffix(entry.Name(), ".sql"), "_")
		version, err := strconv.ParseInt(number, 10, 64)
		if !ok || err != nil || version < 1 || len(list) > 0 && version <= list[len(list)-1].version {
			return nil, fmt.Errorf("migration %s: want a name that starts with a number of its own, 0001_", entry.Name())
		}
		text, err := fs.ReadFile(files, path.Join("migrations", folder, entry.Name()))
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(text)
		list = append(list, migration{version: version, name: name, checksum: hex.EncodeToString(sum[:]), sql: string(text)})
	}
	return list, nil
}

const createMigrations = `CREATE TABLE IF NOT EXISTS schema_migrations (
	version BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied BIGINT NOT NULL)`

// migrate brings the schema up to date in one transaction. A schema newer than
// steps, and an applied step whose text is no longer the same, are refused.
func migrate(ctx context.Context, c conn, d *dialect, steps []migration, now time.Time) error {
	t := transaction{session: session{ctx: ctx, c: c, d: d}}
	if err := t.begin(); err != nil {
		return err
	}
	if err := t.migrate(steps, now); err != nil {
		t.rollback()
		return fmt.Errorf("migrate the %s store: %w", d.name, err)
	}
	return t.commit()
}

func (t *transaction) migrate(steps []migration, now time.Time) error {
	if t.d.migrationLock != "" {
		if err := t.run(t.d.migrationLock); err != nil {
			return err
		}
	}
	if err := t.run(createMigrations); err != nil {
		return err
	}
	applied, err := all(&t.session, func(r *row) migration {
		return migration{version: r.int(), name: r.text(), checksum: r.text()}
	}, "SELECT version, name, checksum FROM schema_migrations ORDER BY version")
	if err != nil {
		return err
	}
	if err := checkApplied(applied, steps); err != nil {
		return err
	}
	for _, m := range steps {
		if slices.ContainsFunc(applied, func(a migration) bool { return a.version == m.version }) {
			continue
		}
		if err := t.c.script(t.ctx, m.sql); err != nil {
			return fmt.Errorf("step %d (%s): %w", m.version, m.name, t.d.classify(err))
		}
		if err := t.run("INSERT INTO schema_migrations (version, name, checksum, applied) VALUES ($1, $2, $3, $4)",
			m.version, m.name, m.checksum, now); err != nil {
			return err
		}
	}
	return nil
}

func checkApplied(applied, steps []migration) error {
	newest := steps[len(steps)-1].version
	for _, m := range applied {
		if m.version > newest {
			return fmt.Errorf("the store has schema %d and this program knows up to %d: use the newer program that wrote it",
				m.version, newest)
		}
		if !slices.ContainsFunc(steps, func(s migration) bool { return s.version == m.version && s.checksum == m.checksum }) {
			return fmt.Errorf("step %d (%s) was applied with another text: this program does not belong to this store",
				m.version, m.name)
		}
	}
	return nil
}
