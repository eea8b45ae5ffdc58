// Package sqlstore keeps everything the platform remembers in SQL: in three
// SQLite files of a directory, or in one PostgreSQL database that several
// nodes share. It plays every role of package platform.
//
// The same statements run on both engines. What differs stands in the type
// dialect, in the connections (sqliteconn.go, pgconn.go), in the migrations,
// and in how commands are committed:
//
//	SQLite      mooring.db, telemetry.db and binaries.db have one writer goroutine
//	            each, which drains its queue into one transaction (writer.go)
//	PostgreSQL  a command runs in a transaction of its own (commands.go);
//	            telemetry goes through a writer too, for the group commit
//
// Tenants are small integers in every table, and every statement names one.
// Times are milliseconds since 1970 UTC; the zero time keeps its own value.
package sqlstore

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"mooring/internal/turn"
	"mooring/server/platform"
)

// Options tune a store. The zero value is what a server of one machine wants.
type Options struct {
	// OnCommit hears of the changes of this node's commands, in the order of
	// their numbers, after they are durable and before the command returns. It may
	// read from the store; it must not write. Nil: nobody listens.
	OnCommit func([]platform.Change)
	// MaxQueued and MaxQueuedBytes bound the commands that wait for a writer.
	// Beyond them commands fail as Unavailable. Zero: 20,000 and 64 MiB.
	MaxQueued      int
	MaxQueuedBytes int
	// Readers is how many reads run at once on a SQLite file; metered ones of one
	// tenant take half of them at most. Zero: 6.
	Readers int
	// Connections is how many commands run at once on PostgreSQL, and how many
	// reads besides them; each has a connection, and the telemetry writer has one
	// more. Zero: 8.
	Connections int
	// Now dates applied migrations. Nil: time.Now.
	Now func() time.Time
	// Log hears when the store cannot write and when it can again. Nil discards.
	Log *slog.Logger
}

// Defaults of Options.
const (
	defaultMaxQueued      = 20_000
	defaultMaxQueuedBytes = 64 << 20
	defaultReaders        = 6
	defaultConnections    = 8
)

func (o Options) withDefaults() Options {
	if o.OnCommit == nil {
		o.OnCommit = func([]platform.Change) {}
	}
	if o.MaxQueued <= 0 {
		o.MaxQueued = defaultMaxQueued
	}
	if o.MaxQueuedBytes <= 0 {
		o.MaxQueuedBytes = defaultMaxQueuedBytes
	}
	if o.Readers <= 0 {
		o.Readers = defaultReaders
	}
	if o.Connections <= 0 {
		o.Connections = defaultConnections
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Store is a platform.Store on SQL. It is safe for concurrent use.
type Store struct {
	d          *dialect
	identity   committer // writes everything but telemetry
	reads      *pool     // reads what identity writes
	telemetry  *writer
	telemetryR *pool // reads what telemetry writes; may be reads
	binary     committer
	binaryR    *pool // reads what binary writes; may be reads

	tenants tenantKeys
	ids     idBlock

	listen     func(context.Context) (*pgx.Conn, error) // nil: no other node writes
	forwarding turn.Turn                                // held by who empties the outbox

	close func() error
	once  sync.Once
}

var _ platform.Store = (*Store)(nil)

// A committer carries out commands.
type committer interface {
	// do runs a command in a transaction and returns once its fate is known. run
	// may be called again if the transaction has to be repeated.
	do(ctx context.Context, run func(*session) error) error
}

// Close finishes the commands that wait, then lets go of the database.
// Commands that come later fail as Unavailable.
func (s *Store) Close() error {
	var err error
	s.once.Do(func() { err = s.close() })
	return err
}

// closeAll closes in order and joins the errors.
func closeAll(closers ...func() error) error {
	var errs []error
	for _, c := range closers {
		errs = append(errs, c())
	}
	return errors.Join(errs...)
}
