package sqlstore

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
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
// without gaps.
func migrations(files fs.FS, folder string) ([]migration, error) {
	entries, err := fs.ReadDir(files, path.Join("migrations", folder)) // sorted by name
	if err != nil {
		return nil, err
	}
	var list []migration
	for _, entry := range entries {
		number, name, ok := strings.Cut(strings.TrimSuffix(entry.Name(), ".sql"), "_")
		version, err := strconv.ParseInt(number, 10, 64)
		if !ok || err != nil || version != int64(len(list)+1) {
			return nil, fmt.Errorf("migration %s: want a name that starts with %04d_", entry.Name(), len(list)+1)
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
	for _, m := range steps[len(applied):] {
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
	if len(applied) > len(steps) {
		return fmt.Errorf("the store has schema %d and this program knows up to %d: use the newer program that wrote it",
			len(applied), len(steps))
	}
	for i, m := range applied {
		if m.version != steps[i].version || m.checksum != steps[i].checksum {
			return fmt.Errorf("step %d (%s) was applied with another text: this program does not belong to this store",
				m.version, m.name)
		}
	}
	return nil
}
