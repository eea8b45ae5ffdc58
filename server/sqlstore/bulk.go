package sqlstore

import (
	"strconv"
	"strings"

	"mooring/server/platform"
)

// bulk collects the measurements of several commands, so that one statement
// inserts many: on PostgreSQL a statement is a round trip.
type bulk struct {
	args []any
	rows int
}

// bulkInsert inserts so many measurements at once.
type bulkInsert struct {
	rows int
	sql  string
}

const measurementFields = 6

// bulkInserts prepares INSERTs of the given sizes: the largest first, the last
// one 1. Few sizes make few texts to prepare.
func bulkInserts(sizes ...int) []bulkInsert {
	list := make([]bulkInsert, len(sizes))
	for i, size := range sizes {
		rows := make([]string, size)
		for n := range rows {
			fields := make([]string, measurementFields)
			for f := range fields {
				fields[f] = "$" + strconv.Itoa(n*measurementFields+f+1)
			}
			rows[n] = "(" + strings.Join(fields, ", ") + ")"
		}
		list[i] = bulkInsert{size, "INSERT INTO measurements (tenant, " + measurementColumns + ") VALUES " + strings.Join(rows, ", ")}
	}
	return list
}

// insertMeasurements takes measurements on. They are all in the database only
// after flush.
func (s *session) insertMeasurements(t tenantKey, list []platform.Measurement) error {
	for i := range list {
		m := &list[i]
		s.bulk.args = append(s.bulk.args, t, m.ID, m.Source, m.Type, m.Time, []byte(m.Body))
		if s.bulk.rows++; s.bulk.rows >= s.d.bulk[0].rows {
			if err := s.flush(); err != nil {
				return err
			}
		}
		if err := s.noteSeries(t, m); err != nil {
			return err
		}
	}
	return nil
}

// flush inserts what was taken on.
func (s *session) flush() error {
	defer s.drop()
	args := s.bulk.args
	for _, insert := range s.d.bulk {
		for n := insert.rows * measurementFields; len(args) >= n; args = args[n:] {
			if err := s.run(insert.sql, args[:n]...); err != nil {
				return err
			}
		}
	}
	return nil
}

// drop forgets what was taken on.
func (s *session) drop() {
	clear(s.bulk.args)
	s.bulk = bulk{args: s.bulk.args[:0]}
}
