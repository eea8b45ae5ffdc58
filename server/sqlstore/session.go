package sqlstore

import (
	"context"

	"mooring/server/platform"
)

// conn is one connection to a database. One goroutine uses it at a time.
type conn interface {
	// exec runs one statement with bound values (see bind) and tells how many rows it changed.
	exec(ctx context.Context, sql string, args []any) (int64, error)
	// query calls each for every row; the row is valid during the call only.
	query(ctx context.Context, sql string, args []any, each func(*row) error) error
	// script runs several statements.
	script(ctx context.Context, sql string) error
	// broken tells, between two uses, that the connection is of no further use.
	broken() bool
	close() error
}

// session is a connection lent to one command or one read. Errors it returns
// have their kind.
type session struct {
	ctx     context.Context
	c       conn
	d       *dialect
	gotRow  bool         // a query had a row
	changes []change     // what the command reports, numbered when it ends
	bulk    bulk         // measurements that wait for their INSERT
	known   *knownSeries // nil where no telemetry is written
}

// exec runs a statement; arguments as bind takes them.
func (s *session) exec(sql string, args ...any) (int64, error) {
	bound, err := bind(args)
	if err != nil {
		return 0, err
	}
	n, err := s.c.exec(s.ctx, sql, bound)
	if err != nil {
		return 0, s.d.classify(err)
	}
	return n, nil
}

// run is exec for those who don't count.
func (s *session) run(sql string, args ...any) error {
	_, err := s.exec(sql, args...)
	return err
}

// must is exec that wants at least one row changed, else what was not found.
func (s *session) must(what, sql string, args ...any) error {
	n, err := s.exec(sql, args...)
	if err == nil && n == 0 {
		return notFound(what)
	}
	return err
}

// each calls f for every row of a query.
func (s *session) each(f func(*row) error, sql string, args ...any) error {
	return s.query(s.ctx, f, sql, args)
}

func (s *session) query(ctx context.Context, f func(*row) error, sql string, args []any) error {
	bound, err := bind(args)
	if err != nil {
		return err
	}
	err = s.c.query(ctx, sql, bound, func(r *row) error {
		s.gotRow = true
		return f(r)
	})
	if err != nil {
		return s.d.classify(err)
	}
	return nil
}

// all reads every row.
func all[T any](s *session, scan func(*row) T, sql string, args ...any) ([]T, error) {
	var list []T
	err := s.each(func(r *row) error {
		list = append(list, scan(r))
		return r.err
	}, sql, args...)
	return list, err
}

// first reads one row; found is false if there is none. It is for look-ups by
// an index: on SQLite the end of ctx does not interrupt one that has begun.
func first[T any](s *session, scan func(*row) T, sql string, args ...any) (v T, found bool, err error) {
	err = s.query(s.d.lookup(s.ctx), func(r *row) error {
		if !found {
			v, found = scan(r), true
		}
		return r.err
	}, sql, args)
	return v, found, err
}

// one reads one row, NotFound if there is none.
func one[T any](s *session, what string, scan func(*row) T, sql string, args ...any) (T, error) {
	v, found, err := first(s, scan, sql, args...)
	if err == nil && !found {
		return v, notFound(what)
	}
	return v, err
}

// exists tells whether a query has a row.
func (s *session) exists(sql string, args ...any) (bool, error) {
	_, found, err := first(s, func(*row) struct{} { return struct{}{} }, sql, args...)
	return found, err
}

// changed reports a change at the end of the command.
func (s *session) changed(tenant tenantKey, id platform.TenantID, kind platform.ChangeKind, key string) {
	s.changes = append(s.changes, change{tenant: tenant, Change: platform.Change{Tenant: id, Kind: kind, Key: key}})
}
