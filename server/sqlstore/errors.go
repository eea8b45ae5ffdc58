package sqlstore

import (
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"

	"mooring/internal/problem"
)

func notFound(what string) error {
	return problem.New(problem.NotFound, "", errors.New("sqlstore: no such "+what))
}

func conflict(what string) error {
	return problem.New(problem.Conflict, "", errors.New("sqlstore: "+what))
}

func invalid(what string) error {
	return problem.New(problem.Invalid, what, nil)
}

func unavailable(err error) error {
	return problem.New(problem.Unavailable, "", err)
}

var (
	errClosed    = errors.New("sqlstore: the store is closed")
	errQueueFull = errors.New("sqlstore: too many commands wait for the database")
	errEnough    = errors.New("sqlstore: no more rows are wanted")
)

// classifySQLite leaves errors alone that are nobody's fault but ours: they
// are Internal.
func classifySQLite(err error) error {
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return err
	}
	switch e.Code() {
	case sqlitelib.SQLITE_CONSTRAINT_UNIQUE, sqlitelib.SQLITE_CONSTRAINT_PRIMARYKEY, sqlitelib.SQLITE_CONSTRAINT_ROWID:
		return problem.New(problem.Conflict, "", err)
	case sqlitelib.SQLITE_CONSTRAINT_FOREIGNKEY:
		return problem.New(problem.NotFound, "", err)
	}
	switch e.Code() & 0xff { // the primary code: the rest says more of the same
	case sqlitelib.SQLITE_FULL, sqlitelib.SQLITE_IOERR, sqlitelib.SQLITE_READONLY, sqlitelib.SQLITE_CANTOPEN,
		sqlitelib.SQLITE_BUSY, sqlitelib.SQLITE_LOCKED, sqlitelib.SQLITE_NOMEM, sqlitelib.SQLITE_PROTOCOL:
		return unavailable(err)
	case sqlitelib.SQLITE_TOOBIG:
		return problem.New(problem.TooLarge, "", err)
	}
	return err
}

// SQLSTATEs that we know by name (PostgreSQL manual, appendix A).
const (
	pgUniqueViolation     = "23505"
	pgForeignKeyViolation = "23503"
	pgReadOnly            = "25006"
	pgSerialization       = "40001"
	pgDeadlock            = "40P01"
)

func classifyPostgres(err error) error {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch class := e.Code[:min(2, len(e.Code))]; {
		case e.Code == pgUniqueViolation:
			return problem.New(problem.Conflict, "", err)
		case e.Code == pgForeignKeyViolation:
			return problem.New(problem.NotFound, "", err)
		case e.Code == pgReadOnly, class == "08", class == "40", class == "53", class == "57", class == "58":
			// connection, rolled back for another, resources (full disk), operator, I/O
			return unavailable(err)
		}
		return err
	}
	if _, ok := errors.AsType[errConnection](err); ok || pgconn.Timeout(err) || pgconn.SafeToRetry(err) {
		return unavailable(err)
	}
	return err
}

func isSerializationFailure(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (e.Code == pgSerialization || e.Code == pgDeadlock)
}

// isFatal tells that err ends the transaction, not only the command: the
// database itself cannot do it now.
func isFatal(err error) bool { return problem.KindOf(err) == problem.Unavailable }
