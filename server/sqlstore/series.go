package sqlstore

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/maphash"
	"unicode/utf8"

	"mooring/internal/jsonscan"
	"mooring/server/platform"
)

// maxSeriesName bounds what is remembered of a series, in bytes of each of its
// names; real ones have tens.
const maxSeriesName = 512

// maxKnownSeries bounds the memory of the writer: twice as many entries of
// some 16 bytes.
const maxKnownSeries = 1 << 17

// knownSeries are rows of the table series that are there for sure, by a hash
// of what they say, in two generations: of a series that has been forgotten the
// row is written again, which changes nothing. The writer's goroutine alone
// uses it. A nil one knows nothing and learns nothing.
type knownSeries struct {
	seed       maphash.Seed
	young, old map[uint64]struct{}
	key        []byte // reused by each call of add
}

func newKnownSeries() *knownSeries {
	return &knownSeries{seed: maphash.MakeSeed(), young: map[uint64]struct{}{}}
}

// forget is called when rows may have been taken back.
func (k *knownSeries) forget() {
	if k != nil {
		clear(k.young)
		clear(k.old)
	}
}

// add tells whether a series was not known.
func (k *knownSeries) add(t tenantKey, m *platform.Measurement, fragment, series jsonscan.Name) bool {
	key := binary.LittleEndian.AppendUint64(k.key[:0], uint64(t))
	key = binary.LittleEndian.AppendUint64(key, uint64(m.Source))
	key = append(append(key, m.Type...), '"') // which cannot stand in the two names
	key = append(append(key, fragment...), '"')
	k.key = append(key, series...)
	sum := maphash.Bytes(k.seed, k.key)
	if _, ok := k.young[sum]; ok {
		return false
	}
	_, ok := k.old[sum]
	if len(k.young) >= maxKnownSeries {
		k.young, k.old = map[uint64]struct{}{}, k.young
	}
	k.young[sum] = struct{}{}
	return !ok
}

const insertSeries = `INSERT INTO series (tenant, source, type, fragment, series)
	SELECT CAST($1 AS BIGINT), CAST($2 AS BIGINT), CAST($3 AS TEXT), CAST($4 AS TEXT), CAST($5 AS TEXT)
	WHERE (SELECT count(*) FROM series WHERE tenant = $1 AND source = $2) < $6 ON CONFLICT DO NOTHING`

// noteSeries keeps the names of the series that m has.
func (s *session) noteSeries(t tenantKey, m *platform.Measurement) error {
	if s.known == nil {
		return nil
	}
	for fragment, members := range jsonscan.Members(m.Body) {
		for series, v := range jsonscan.Members(members) {
			if len(v) == 0 || v[0] != '{' || !jsonscan.IsNumber(jsonscan.Member(v, "value")) || !s.known.add(t, m, fragment, series) {
				continue
			}
			f, n := fragment.String(), series.String()
			if !nameable(f) || !nameable(n) {
				continue
			}
			if err := s.run(insertSeries, t, m.Source, m.Type, f, n, platform.MaxSeries); err != nil {
				return err
			}
		}
	}
	return nil
}

// nameable tells whether both engines can keep a name.
func nameable(s string) bool {
	return len(s) <= maxSeriesName && utf8.ValidString(s) && !bytes.ContainsRune([]byte(s), 0)
}

// Series implements platform.Telemetry.
func (s *Store) Series(ctx context.Context, tenant platform.TenantID, source platform.ID) ([]platform.SeriesName, error) {
	return readTenant(ctx, s, s.telemetryR, tenant, func(tx *session, t tenantKey) ([]platform.SeriesName, error) {
		return tx.series(t, source)
	})
}

func (s *session) series(t tenantKey, source platform.ID) ([]platform.SeriesName, error) {
	return all(s, func(r *row) platform.SeriesName {
		return platform.SeriesName{Type: r.text(), Fragment: r.text(), Series: r.text()}
	}, "SELECT type, fragment, series FROM series WHERE tenant = $1 AND source = $2 ORDER BY type, fragment, series LIMIT $3",
		t, source, platform.MaxSeries)
}

// narrow turns a search for a fragment of one source into one for the types
// that have it, as far as that is known: then the index finds them.
func (s *session) narrow(t tenantKey, f *platform.TelemetryFilter) error {
	if f.Fragment == "" || f.Source == 0 || len(f.Sources) > 0 || f.Type != "" || len(f.Types) > 0 {
		return nil
	}
	list, err := s.series(t, f.Source)
	if err != nil || len(list) == platform.MaxSeries {
		return err
	}
	for _, n := range list {
		if n.Fragment != f.Fragment || f.Series != "" && n.Series != f.Series {
			continue
		}
		if k := len(f.Types); k == 0 || f.Types[k-1] != n.Type {
			f.Types = append(f.Types, n.Type)
		}
	}
	return nil
}
