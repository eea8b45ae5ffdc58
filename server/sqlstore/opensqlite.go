package sqlstore

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// Files of a SQLite store.
const (
	identityFile  = "mooring.db"
	telemetryFile = "telemetry.db"
)

// OpenSQLite opens the store in dir, which is created if need be. One process
// at a time should do so; the caller locks dir.
func OpenSQLite(ctx context.Context, dir string, opts Options) (*Store, error) {
	opts = opts.withDefaults()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	identity, err := openFile(ctx, filepath.Join(dir, identityFile), "sqlite", opts)
	if err != nil {
		return nil, err
	}
	telemetry, err := openFile(ctx, filepath.Join(dir, telemetryFile), "sqlite-telemetry", opts)
	if err != nil {
		return nil, closeAll(func() error { return err }, identity.close)
	}
	identity.writer.onCommit = opts.OnCommit
	telemetry.writer.optimistic = true
	identity.writer.start()
	telemetry.writer.start()
	return &Store{
		d:          sqliteDialect,
		identity:   identity.writer,
		reads:      identity.pool,
		telemetry:  telemetry.writer,
		telemetryR: telemetry.pool,
		close: func() error {
			return closeAll(telemetry.writer.close, identity.writer.close, telemetry.pool.close, identity.pool.close)
		},
	}, nil
}

// sqliteFile is one database file: who writes it and who reads it.
type sqliteFile struct {
	writer *writer
	pool   *pool
}

// openFile opens path and brings its schema up to date. The writer is not
// started yet.
func openFile(ctx context.Context, path, schema string, opts Options) (*sqliteFile, error) {
	steps, err := migrations(migrationFiles, schema)
	if err != nil {
		return nil, err
	}
	c, err := openSQLiteConn(path, false)
	if err != nil {
		return nil, err
	}
	if err := migrate(ctx, c, sqliteDialect, steps, opts.Now()); err != nil {
		return nil, closeAll(func() error { return fmt.Errorf("%s: %w", path, err) }, c.close)
	}
	return &sqliteFile{
		writer: &writer{
			d:     sqliteDialect,
			open:  func(context.Context) (conn, error) { return openSQLiteConn(path, false) },
			log:   opts.Log.With("file", filepath.Base(path)),
			queue: newQueue(opts.MaxQueued, opts.MaxQueuedBytes),
			c:     c,
		},
		pool: newPool(sqliteDialect, opts.Readers,
			func(context.Context) (conn, error) { return openSQLiteConn(path, true) }),
	}, nil
}

// close lets go of a file whose writer was never started.
func (f *sqliteFile) close() error { return closeAll(f.writer.c.close, f.pool.close) }
