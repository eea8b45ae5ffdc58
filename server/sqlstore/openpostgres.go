package sqlstore

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"mooring/internal/turn"
)

// OpenPostgres opens the store in the database that dsn names (a URL or
// key=value pairs, as libpq takes them). Several nodes may share it. The
// database must be in UTF-8.
func OpenPostgres(ctx context.Context, dsn string, opts Options) (*Store, error) {
	opts = opts.withDefaults()
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL address: %w", err) // pgx leaves the password out
	}
	for name, value := range pgParameters {
		if _, set := config.RuntimeParams[name]; !set {
			config.RuntimeParams[name] = value
		}
	}
	open := func(ctx context.Context) (conn, error) { return openPGConn(ctx, config) }
	c, err := preparePostgres(ctx, open, opts)
	if err != nil {
		return nil, err
	}
	telemetry := &writer{
		d: postgresDialect, open: open, log: opts.Log.With("writer", "telemetry"),
		queue: newQueue(opts.MaxQueued, opts.MaxQueuedBytes), optimistic: true, c: c,
		known: newKnownSeries(),
	}
	telemetry.start()
	writes := newPool(postgresDialect, opts.Connections, open)
	reads := newPool(postgresDialect, opts.Connections, open)
	identity := &commands{pool: writes, onCommit: opts.OnCommit}
	return &Store{
		ids:        idBlock{turn: turn.New()},
		forwarding: turn.New(),
		d:          postgresDialect,
		identity:   identity,
		reads:      reads,
		telemetry:  telemetry,
		telemetryR: reads,
		binary:     identity,
		binaryR:    reads,
		listen:     listener(config),
		close:      func() error { return closeAll(telemetry.close, writes.close, reads.close) },
	}, nil
}

// preparePostgres brings the schema up to date and returns the connection over
// which it did so.
func preparePostgres(ctx context.Context, open func(context.Context) (conn, error), opts Options) (conn, error) {
	steps, err := migrations(migrationFiles, "postgres")
	if err != nil {
		return nil, err
	}
	c, err := open(ctx)
	if err != nil {
		return nil, err
	}
	s := session{ctx: ctx, c: c, d: postgresDialect}
	encoding, err := one(&s, "setting", (*row).text, "SELECT current_setting('server_encoding')")
	if err == nil && encoding != "UTF8" {
		err = fmt.Errorf("the PostgreSQL database is in %s, want UTF8", encoding)
	}
	if err == nil {
		err = migrate(ctx, c, postgresDialect, steps, opts.Now())
	}
	if err != nil {
		return nil, closeAll(func() error { return err }, c.close)
	}
	return c, nil
}
