package telemetry

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"mooring/internal/jsonscan"
	"mooring/server/platform"
)

// Bounds of a series query.
const (
	MaxSeriesRows = 5000 // rest.md §6.4
	// maxScanned is how many measurements an aggregation looks at: a second or two
	// of CPU. Beyond it the answer is truncated.
	maxScanned = 1_000_000
)

// SeriesQuery asks for series of one source.
type SeriesQuery struct {
	Source      platform.ID
	From, To    time.Time // from inclusive, to exclusive
	Series      []string  // "fragment.series"; none: all there are
	Interval    Interval  // zero: every value
	NewestFirst bool
}

// SeriesColumn is one series that has values.
type SeriesColumn struct {
	Fragment, Series, Unit string
}

// SeriesRow is what the series have at one time; nil where one has nothing.
type SeriesRow struct {
	Time   time.Time
	Values []*Aggregate // as many as columns, or fewer
}

// SeriesResult is the answer, in the order that was asked for.
type SeriesResult struct {
	Columns   []SeriesColumn
	Rows      []SeriesRow
	Truncated bool
}

// Series collects the values of series.
func (s *Service) Series(ctx context.Context, tenant platform.TenantID, q SeriesQuery) (SeriesResult, error) {
	f := platform.TelemetryFilter{Source: q.Source, From: q.From, To: q.To, NewestFirst: q.NewestFirst}
	names, err := s.store.Series(ctx, tenant, q.Source)
	if err != nil {
		return SeriesResult{}, err
	}
	if len(q.Series) > 0 && len(names) < platform.MaxSeries {
		for _, n := range names {
			if slices.Contains(q.Series, n.Fragment+"."+n.Series) && !slices.Contains(f.Types, n.Type) {
				f.Types = append(f.Types, n.Type)
			}
		}
		if len(f.Types) == 0 {
			return SeriesResult{}, nil
		}
	}
	t := table{query: &q}
	for scanned := 0; ; {
		page, err := s.store.Measurements(ctx, tenant, f, platform.Page{Number: 1, Size: platform.MaxPageSize})
		if err != nil {
			return SeriesResult{}, err
		}
		for i := range page.Items {
			if !t.add(&page.Items[i]) {
				t.Truncated = true
				return t.SeriesResult, nil
			}
		}
		if scanned += len(page.Items); !page.More {
			return t.SeriesResult, nil
		}
		if scanned >= maxScanned {
			t.Truncated = true
			return t.SeriesResult, nil
		}
		last := page.Items[len(page.Items)-1]
		f.After = &platform.Cursor{Time: last.Time, Type: last.Type, ID: last.ID}
	}
}

// table is a result under construction.
type table struct {
	SeriesResult
	query *SeriesQuery
}

// add takes in a measurement; false if there is no room for its row.
func (t *table) add(m *platform.Measurement) bool {
	at := m.Time
	if t.query.Interval.Count > 0 {
		at = t.query.Interval.Start(at)
	}
	for fragment, members := range jsonscan.Members(m.Body) {
		for series, v := range jsonscan.Members(members) {
			number := jsonscan.Member(v, "value")
			if !jsonscan.IsNumber(number) || !t.wanted(fragment, series) {
				continue
			}
			column := t.column(fragment, series, v)
			row := t.row(at)
			if row == nil {
				return false
			}
			row.put(column, number)
		}
	}
	return true
}

func (t *table) wanted(fragment, series jsonscan.Name) bool {
	return len(t.query.Series) == 0 || slices.Contains(t.query.Series, fragment.String()+"."+series.String())
}

func (t *table) column(fragment, series jsonscan.Name, v []byte) int {
	i := slices.IndexFunc(t.Columns, func(c SeriesColumn) bool { return series.Is(c.Series) && fragment.Is(c.Fragment) })
	if i < 0 {
		i = len(t.Columns)
		t.Columns = append(t.Columns, SeriesColumn{Fragment: fragment.String(), Series: series.String()})
	}
	if t.Columns[i].Unit == "" {
		t.Columns[i].Unit, _ = jsonscan.Text(jsonscan.Member(v, "unit"))
	}
	return i
}

// row is the one of the time at, which is the last one or a new one; nil if
// there are as many as there may be.
func (t *table) row(at time.Time) *SeriesRow {
	if n := len(t.Rows); n == 0 || !t.Rows[n-1].Time.Equal(at) {
		if n == MaxSeriesRows {
			return nil
		}
		t.Rows = append(t.Rows, SeriesRow{Time: at})
	}
	return &t.Rows[len(t.Rows)-1]
}

func (r *SeriesRow) put(column int, number []byte) {
	for len(r.Values) <= column {
		r.Values = append(r.Values, nil)
	}
	if r.Values[column] == nil {
		r.Values[column] = &Aggregate{}
	}
	r.Values[column].add(number)
}

// LatestValue is the newest value of a series, its number as it was sent.
type LatestValue struct {
	Fragment, Series, Unit string
	Value                  json.RawMessage
	Time                   time.Time
}

// maxLatestScan is how many measurements Latest looks at, newest first. A
// series that sent nothing among these has no latest value.
const maxLatestScan = platform.MaxPageSize

// SeriesOf lists the series that a source has ever sent.
func (s *Service) SeriesOf(ctx context.Context, tenant platform.TenantID, source platform.ID) ([]platform.SeriesName, error) {
	return s.store.Series(ctx, tenant, source)
}

// Latest lists the newest value of each series of a source, in the order of
// fragment and series.
func (s *Service) Latest(ctx context.Context, tenant platform.TenantID, source platform.ID) ([]LatestValue, error) {
	names, err := s.store.Series(ctx, tenant, source)
	if err != nil || len(names) == 0 {
		return nil, err
	}
	missing := map[[2]string]bool{}
	for _, n := range names {
		missing[[2]string{n.Fragment, n.Series}] = true
	}
	var list []LatestValue
	f := platform.TelemetryFilter{Source: source, NewestFirst: true}
	for size, scanned := 50, 0; len(missing) > 0 && scanned < maxLatestScan; size = 500 {
		page, err := s.store.Measurements(ctx, tenant, f, platform.Page{Number: 1, Size: size})
		if err != nil {
			return nil, err
		}
		for i := range page.Items {
			list = append(list, latestOf(&page.Items[i], missing)...)
		}
		if scanned += size; !page.More {
			break
		}
		last := page.Items[len(page.Items)-1]
		f.After = &platform.Cursor{Time: last.Time, Type: last.Type, ID: last.ID}
	}
	slices.SortFunc(list, func(a, b LatestValue) int {
		return slices.Compare([]string{a.Fragment, a.Series}, []string{b.Fragment, b.Series})
	})
	return list, nil
}

// latestOf takes the values of m that are missing.
func latestOf(m *platform.Measurement, missing map[[2]string]bool) []LatestValue {
	var list []LatestValue
	for fragment, members := range jsonscan.Members(m.Body) {
		for series, v := range jsonscan.Members(members) {
			key := [2]string{fragment.String(), series.String()}
			number := jsonscan.Member(v, "value")
			if !missing[key] || !jsonscan.IsNumber(number) {
				continue
			}
			delete(missing, key)
			unit, _ := jsonscan.Text(jsonscan.Member(v, "unit"))
			list = append(list, LatestValue{Fragment: key[0], Series: key[1], Unit: unit, Value: number, Time: m.Time})
		}
	}
	return list
}
