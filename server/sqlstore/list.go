package sqlstore

import (
	"strconv"
	"strings"
	"time"

	"mooring/server/platform"
)

// selection is a SELECT under construction: which rows of which tables, in
// which order. Conditions have "?" where an argument goes.
type selection struct {
	columns    string
	from       string
	order      string
	where      []string
	args       []any
	columnArgs []any // of columns; only for sql
	// countBy selects as many rows in a cheaper way; nil: the same rows are counted.
	countBy *selection
}

func (q *selection) and(condition string, args ...any) {
	q.where = append(q.where, condition)
	q.args = append(q.args, args...)
}

// in asks for column to be one of values; none of them means any.
func in[T any](q *selection, column string, values []T, arg func(T) any) {
	if len(values) == 0 {
		return
	}
	args := make([]any, len(values))
	for i, v := range values {
		args[i] = arg(v)
	}
	q.and(column+" IN (?"+strings.Repeat(", ?", len(values)-1)+")", args...)
}

// equal asks for column to be value; the empty value means any.
func (q *selection) equal(column, value string) {
	if value != "" {
		q.and(column+" = ?", value)
	}
}

// between asks for column to be in [from, to); a zero bound means none.
func (q *selection) between(column string, from, to time.Time) {
	if !from.IsZero() {
		q.and(column+" >= ?", from)
	}
	if !to.IsZero() {
		q.and(column+" < ?", to)
	}
}

// rest is everything after the columns, with numbered parameters.
func (q *selection) rest() string { return numberParameters(q.tail()) }

// tail is everything after the columns.
func (q *selection) tail() string {
	text := " FROM " + q.from
	if len(q.where) > 0 {
		text += " WHERE " + strings.Join(q.where, " AND ")
	}
	return text
}

// numberParameters writes "$1", "$2", … for "?".
func numberParameters(text string) string {
	parts := strings.Split(text, "?")
	for i := range parts[1:] {
		parts[i] += "$" + strconv.Itoa(i+1)
	}
	return strings.Join(parts, "")
}

func (q *selection) sql() string {
	text := "SELECT " + q.columns + q.tail()
	if q.order != "" {
		text += " ORDER BY " + q.order
	}
	return numberParameters(text)
}

// allArgs are the arguments of sql.
func (q *selection) allArgs() []any {
	return append(q.columnArgs[:len(q.columnArgs):len(q.columnArgs)], q.args...)
}

// count counts the rows.
func (q *selection) count(s *session) (int64, error) {
	if q.countBy != nil {
		return q.countBy.count(s)
	}
	var n int64
	err := s.each(func(r *row) error {
		n = r.int()
		return r.err
	}, "SELECT count(*)"+q.rest(), q.args...)
	return n, err
}

// paged returns the text and arguments for a page and one row more, by which
// we know that a next page is not empty.
func (q *selection) paged(page platform.Page) (string, []any) {
	n := len(q.args)
	return q.sql() + " LIMIT $" + strconv.Itoa(n+1) + " OFFSET $" + strconv.Itoa(n+2),
		append(q.args[:n:n], page.Size+1, page.Offset())
}

// maxPageNumber keeps the offset within an int64.
const maxPageNumber = 1 << 40

func checkPage(p platform.Page) error {
	if p.Number < 1 || p.Number > maxPageNumber || p.Size < 1 || p.Size > platform.MaxPageSize {
		return invalid("page number or page size out of range")
	}
	return nil
}

// list reads one page.
func list[T any](s *session, q *selection, page platform.Page, scan func(*row) T) (platform.List[T], error) {
	var l platform.List[T]
	if err := checkPage(page); err != nil {
		return l, err
	}
	text, args := q.paged(page)
	items, err := all(s, scan, text, args...)
	if err != nil {
		return l, err
	}
	l.Items, l.More = cutPage(items, page)
	if page.WithTotal {
		l.Total, err = q.count(s)
	}
	return l, err
}

// cutPage takes off the row that only tells of a next page.
func cutPage[T any](items []T, page platform.Page) ([]T, bool) {
	if len(items) > page.Size {
		return items[:page.Size:page.Size], true
	}
	return items, false
}
