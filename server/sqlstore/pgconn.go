package sqlstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// pgConn is a connection to PostgreSQL. Statements with arguments are prepared
// once by pgx.
type pgConn struct{ c *pgx.Conn }

// pgParameters of every session, unless the DSN says otherwise. A commit that
// is acknowledged is on disk; a statement that hangs gives up.
var pgParameters = map[string]string{
	"application_name":              "mooring",
	"default_transaction_isolation": "read committed",
	"synchronous_commit":            "on",
	"statement_timeout":             "30s",
}

func openPGConn(ctx context.Context, config *pgx.ConnConfig) (*pgConn, error) {
	c, err := pgx.ConnectConfig(ctx, config.Copy())
	if err != nil {
		return nil, err
	}
	return &pgConn{c: c}, nil
}

var errRolledBack = errors.New("sqlstore: COMMIT rolled back")

func (c *pgConn) exec(ctx context.Context, sql string, args []any) (int64, error) {
	tag, err := c.c.Exec(ctx, sql, args...)
	if err != nil {
		return 0, c.note(err)
	}
	if sql == "COMMIT" && tag.String() != "COMMIT" {
		return 0, errRolledBack // a statement had failed before
	}
	return tag.RowsAffected(), nil
}

func (c *pgConn) query(ctx context.Context, sql string, args []any, each func(*row) error) error {
	rows, err := c.c.Query(ctx, sql, args...)
	if err != nil {
		return c.note(err)
	}
	defer rows.Close()
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			return err
		}
		if err := each(&row{values: values}); err != nil {
			return err
		}
	}
	return c.note(rows.Err())
}

func (c *pgConn) script(ctx context.Context, sql string) error {
	_, err := c.c.PgConn().Exec(ctx, sql).ReadAll()
	return c.note(err)
}

// errConnection marks what went wrong on the way to the database.
type errConnection struct{ error }

func (e errConnection) Unwrap() error { return e.error }

// note marks errors that are not an answer of the database.
func (c *pgConn) note(err error) error {
	if err == nil {
		return nil
	}
	if _, answered := errors.AsType[*pgconn.PgError](err); !answered && c.c.IsClosed() {
		return errConnection{fmt.Errorf("connection lost: %w", err)}
	}
	return err
}

// broken also drops a connection that is still in a transaction: its command
// ended without a rollback.
func (c *pgConn) broken() bool { return c.c.IsClosed() || c.c.PgConn().TxStatus() != 'I' }

func (c *pgConn) close() error { return c.c.Close(context.Background()) }
