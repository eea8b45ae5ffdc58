package sqlstore_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"mooring/server/platform"
	"mooring/server/sqlstore"
)

// Killed at any point, a server has everything that it acknowledged, and never
// gives an ID a second time.
func TestKilled(t *testing.T) {
	const rounds = 15
	dir := t.TempDir()
	s := openSQLite(t, dir, sqlstore.Options{})
	createTenant(t, s)
	closeStore(t, s)
	said := map[string]bool{}
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	for round := range rounds {
		before := maps.Clone(said)
		p := startChild(t, "write", dir)
		for range random.IntN(3000) {
			fields, ok := p.line()
			if !ok {
				t.Fatal("the child ended")
			}
			note(t, said, fields)
		}
		for _, fields := range p.kill(t) {
			note(t, said, fields)
		}
		fresh := maps.Clone(said)
		maps.DeleteFunc(fresh, func(key string, _ bool) bool { return before[key] })
		s := openSQLite(t, dir, sqlstore.Options{})
		for key := range said {
			id, _ := platform.ParseID(key[1:])
			var err error
			if key[0] == 'm' {
				_, err = s.Measurement(t.Context(), tenant, id)
			} else {
				_, err = s.User(t.Context(), tenant, key[1:])
			}
			if err == nil && key[0] == 'm' && fresh[key] {
				err = checkAlarm(t.Context(), s, id)
			}
			if err != nil {
				t.Errorf("seed %d, round %d: %s was acknowledged: %v", seed, round, key, err)
			}
		}
		closeStore(t, s)
	}
	t.Logf("%d acknowledged in %d rounds", len(said), rounds)
}

// checkAlarm wants the alarm of that number with one audit row, and the series
// of its measurement.
func checkAlarm(ctx context.Context, s *sqlstore.Store, id platform.ID) error {
	if _, err := s.Alarm(ctx, tenant, id); err != nil {
		return err
	}
	audits, err := s.AuditRecords(ctx, tenant, platform.AuditFilter{Source: id.String()}, platform.Page{Number: 1, Size: 2})
	if err != nil || len(audits.Items) != 1 {
		return fmt.Errorf("%d audit rows, %w", len(audits.Items), err)
	}
	m, err := s.Measurement(ctx, tenant, id)
	if err != nil {
		return err
	}
	series, err := s.Series(ctx, tenant, m.Source)
	if err != nil {
		return err
	}
	want := "s" + strconv.Itoa(int(id)%500)
	if !slices.ContainsFunc(series, func(n platform.SeriesName) bool { return n.Series == want }) {
		return fmt.Errorf("series %s is not remembered", want)
	}
	return nil
}

// note remembers what a child said. Hearing it twice means that an ID was
// given twice.
func note(t *testing.T, said map[string]bool, fields []string) {
	t.Helper()
	if len(fields) != 2 || fields[0] == "error" {
		t.Fatalf("the child says %q", fields)
	}
	key := fields[0] + fields[1]
	if said[key] {
		t.Errorf("%s came twice", key)
	}
	said[key] = true
}
