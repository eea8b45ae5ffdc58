package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"mooring/internal/turn"
)

// Files of a SQLite store.
const (
	identityFile  = "mooring.db"
	telemetryFile = "telemetry.db"
	binaryFile    = "binaries.db"
)

// OpenSQLite opens the store in dir, which is created if need be. One process
// at a time should do so; the caller locks dir.
func OpenSQLite(ctx context.Context, dir string, opts Options) (*Store, error) {
	opts = opts.withDefaults()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	var files [3]*sqliteFile
	for i, f := range []struct{ name, schema string }{{identityFile, "sqlite"}, {telemetryFile, "sqlite-telemetry"}, {binaryFile, "sqlite-binary"}} {
		var err error
		if files[i], err = openFile(ctx, filepath.Join(dir, f.name), f.schema, opts); err != nil {
			for _, open := range files[:i] {
				err = errors.Join(err, open.close())
			}
			return nil, err
		}
	}
	identity, telemetry, binary := files[0], files[1], files[2]
	identity.writer.onCommit = opts.OnCommit
	identity.writer.patience = identityPatience
	telemetry.writer.optimistic = true
	telemetry.writer.spacing = telemetrySpacing
	telemetry.writer.known = newKnownSeries()
	for _, f := range files {
		f.writer.start()
	}
	return &Store{
		ids:        idBlock{turn: turn.New()},
		forwarding: turn.New(),
		d:          sqliteDialect,
		identity:   identity.writer,
		reads:      identity.pool,
		telemetry:  telemetry.writer,
		telemetryR: telemetry.pool,
		binary:     binary.writer,
		binaryR:    binary.pool,
		close: func() error {
			return closeAll(binary.writer.close, telemetry.writer.close, identity.writer.close,
				binary.pool.close, telemetry.pool.close, identity.pool.close)
		},
	}, nil
}

// sqliteFile is one database file: who writes it and who reads it.
type sqliteFile struct {
	writer *writer
	pool   *pool
}

// telemetrySpacing is how far apart commits of telemetry begin on a busy server:
// 2,000 devices that send once a second cost a commit for every eighty messages
// and not for every three (make bench, fan-in). Ours.
const telemetrySpacing = 40 * time.Millisecond

// identityPatience is how long a commit of identities may wait for others, when
// the last one had several: four clients that enrol one device after the other
// share each commit, which costs as much as an enrolment without it (make bench,
// enrol). Ours.
const identityPatience = 3 * time.Millisecond

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
