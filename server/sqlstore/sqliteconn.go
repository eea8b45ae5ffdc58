package sqlstore

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"
)

// sqliteConn speaks to the driver without database/sql, whose pool and
// conversions cost more than a small INSERT does.
type sqliteConn struct {
	c     driver.Conn
	stmts map[string]driver.Stmt
	named []driver.NamedValue // reused by each call
	bad   bool
}

// maxStatements bounds the prepared statements of a connection. Lists with
// filters have many texts; those beyond the bound are prepared each time.
const maxStatements = 512

// sqlitePragmas of every connection. FULL syncs the log at each commit: what
// is acknowledged survives a power cut.
var sqlitePragmas = []string{
	"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)", "mmap_size(0)",
	"temp_store(MEMORY)", "trusted_schema(0)", "journal_size_limit(67108864)", "cache_size(-16384)",
	"wal_autocheckpoint(4000)", // pages: as many as the first block of the log's index holds
}

// openSQLiteConn opens path, creating it readable by its owner alone: the
// database holds sealed keys and the names of devices.
func openSQLiteConn(path string, readOnly bool) (*sqliteConn, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	q := url.Values{"_pragma": sqlitePragmas}
	if readOnly {
		q.Add("_pragma", "query_only(1)")
	}
	u := url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}
	c, err := (&sqlite.Driver{}).Open(u.String())
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return &sqliteConn{c: c, stmts: map[string]driver.Stmt{}}, nil
}

// prepared returns a statement and what to do with it afterwards.
func (c *sqliteConn) prepared(ctx context.Context, sql string) (driver.Stmt, func(), error) {
	if stmt, ok := c.stmts[sql]; ok {
		return stmt, func() {}, nil
	}
	stmt, err := c.c.(driver.ConnPrepareContext).PrepareContext(ctx, positional(sql))
	if err != nil {
		return nil, nil, c.note(err)
	}
	if len(c.stmts) < maxStatements {
		c.stmts[sql] = stmt
		return stmt, func() {}, nil
	}
	return stmt, func() { _ = stmt.Close() }, nil
}

// positional writes "?" for $1, $2, … if they come once and in that order:
// SQLite looks a numbered parameter up by its name each time a value is bound,
// which costs more than binding it. Other texts stay as they are. Our
// statements have no "$" elsewhere.
func positional(sql string) string {
	parts := strings.Split(sql, "$")
	for i, part := range parts[1:] {
		rest, ok := strings.CutPrefix(part, strconv.Itoa(i+1))
		if !ok || rest != "" && rest[0] >= '0' && rest[0] <= '9' {
			return sql
		}
		parts[i+1] = rest
	}
	return strings.Join(parts, "?")
}

func (c *sqliteConn) values(args []any) []driver.NamedValue {
	c.named = c.named[:0]
	for i, v := range args {
		c.named = append(c.named, driver.NamedValue{Ordinal: i + 1, Value: v})
	}
	return c.named
}

func (c *sqliteConn) exec(ctx context.Context, sql string, args []any) (int64, error) {
	stmt, release, err := c.prepared(ctx, sql)
	if err != nil {
		return 0, err
	}
	defer release()
	res, err := stmt.(driver.StmtExecContext).ExecContext(ctx, c.values(args))
	if err != nil {
		return 0, c.note(err)
	}
	return res.RowsAffected()
}

func (c *sqliteConn) query(ctx context.Context, sql string, args []any, each func(*row) error) (err error) {
	stmt, release, err := c.prepared(ctx, sql)
	if err != nil {
		return err
	}
	defer release()
	rows, err := stmt.(driver.StmtQueryContext).QueryContext(ctx, c.values(args))
	if err != nil {
		return c.note(err)
	}
	defer func() {
		if e := rows.Close(); err == nil && e != nil {
			err = c.note(e)
		}
	}()
	n := len(rows.Columns())
	dest := make([]driver.Value, n)
	r := row{values: make([]any, n)}
	for {
		if err := rows.Next(dest); err == io.EOF {
			return nil
		} else if err != nil {
			return c.note(err)
		}
		for i, v := range dest {
			r.values[i] = v
		}
		r.next = 0
		if err := each(&r); err != nil {
			return err
		}
	}
}

func (c *sqliteConn) script(ctx context.Context, sql string) error {
	_, err := c.c.(driver.ExecerContext).ExecContext(ctx, sql, nil)
	return c.note(err)
}

// note remembers errors after which a fresh connection is safer: what SQLite
// holds in memory may no longer be what lies on the disk.
func (c *sqliteConn) note(err error) error {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		switch e.Code() & 0xff {
		case sqlitelib.SQLITE_IOERR, sqlitelib.SQLITE_CANTOPEN, sqlitelib.SQLITE_READONLY, sqlitelib.SQLITE_CORRUPT,
			sqlitelib.SQLITE_NOTADB:
			c.bad = true
		}
	}
	return err
}

func (c *sqliteConn) broken() bool { return c.bad }

func (c *sqliteConn) close() error {
	for _, stmt := range c.stmts {
		_ = stmt.Close()
	}
	return c.c.Close()
}
