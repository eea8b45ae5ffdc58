package c8yjson

import (
	"mooring/server/telemetry"
)

// Series writes the answer to a query for series (rest.md §6.4): under each
// time one object a series, in the order of "series", or null where it has no
// value. functions are the names of what an object has, "min" and "max".
func Series(w *Writer, r telemetry.SeriesResult, functions []string) {
	w.Open('{')
	w.Key("values")
	w.Open('{')
	for i := range r.Rows {
		w.Key(FormatTime(r.Rows[i].Time))
		w.Open('[')
		for column := range r.Columns {
			aggregate(w, &r.Rows[i], column, functions)
		}
		w.Close(']')
	}
	w.Close('}')
	w.Key("series")
	w.Open('[')
	for _, c := range r.Columns {
		w.Open('{')
		w.TextIf("unit", c.Unit)
		w.Text("name", c.Series)
		w.Text("type", c.Fragment)
		w.Close('}')
	}
	w.Close(']')
	w.Bool("truncated", r.Truncated)
	w.Close('}')
}

func aggregate(w *Writer, row *telemetry.SeriesRow, column int, functions []string) {
	if column >= len(row.Values) || row.Values[column] == nil {
		w.Raw(nil)
		return
	}
	w.Open('{')
	for _, f := range functions {
		w.Key(f)
		w.Raw(row.Values[column].Apply(f))
	}
	w.Close('}')
}
