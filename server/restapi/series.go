package restapi

import (
	"net/http"
	"slices"
	"time"

	"mooring/internal/problem"
	"mooring/server/c8yjson"
	"mooring/server/platform"
	"mooring/server/telemetry"
)

// maxSeriesNames bounds the series that one query names.
const maxSeriesNames = 200

// defaultFunctions are what an aggregate has unless a query says otherwise.
var defaultFunctions = []string{"min", "max"}

// listSeries answers with the values of series (rest.md §6.4).
func listSeries(c *call) error {
	q, err := seriesQuery(c)
	if err != nil {
		return err
	}
	functions, err := seriesFunctions(c)
	if err != nil {
		return err
	}
	result, err := c.api.Telemetry.Series(c.ctx(), c.tenant(), q)
	if err != nil {
		return err
	}
	c.answer(http.StatusOK, c8yjson.MediaJSON, func(w *c8yjson.Writer) { c8yjson.Series(w, result, functions) })
	return nil
}

func seriesQuery(c *call) (telemetry.SeriesQuery, error) {
	var q telemetry.SeriesQuery
	var missing []string
	for _, name := range []string{"source", "dateFrom", "dateTo"} {
		if c.query.Get(name) == "" {
			missing = append(missing, name)
		}
	}
	if missing != nil {
		return q, c8yjson.Missing(missing...)
	}
	id, ok := platform.ParseID(c.query.Get("source"))
	if !ok {
		return q, problem.New(problem.Unprocessable, "'source' must be an identifier.", nil)
	}
	if err := c.maySee(id, measurementReaders); err != nil {
		return q, err
	}
	q = telemetry.SeriesQuery{Source: id, Series: c.query["series"], NewestFirst: c.revert()}
	if len(q.Series) > maxSeriesNames {
		return q, problem.New(problem.Unprocessable, "More than 200 series in a query.", nil)
	}
	var err error
	for name, into := range map[string]*time.Time{"dateFrom": &q.From, "dateTo": &q.To} {
		if *into, err = c8yjson.ParseQueryTime(c.query.Get(name)); err != nil {
			return q, err
		}
	}
	for _, name := range []string{"aggregationInterval", "aggregationType"} { // the first supersedes the other
		if text := c.query.Get(name); text != "" {
			q.Interval, err = telemetry.ParseInterval(text)
			return q, err
		}
	}
	return q, nil
}

// seriesFunctions reads what is to be calculated of each interval.
func seriesFunctions(c *call) ([]string, error) {
	names := c.query["aggregationFunction"]
	if len(names) == 0 {
		return defaultFunctions, nil
	}
	if c.query.Get("aggregationInterval") == "" {
		return nil, problem.New(problem.Invalid, "'aggregationFunction' needs 'aggregationInterval'.", nil)
	}
	var functions []string
	for _, name := range names {
		if !telemetry.IsFunction(name) {
			return nil, problem.New(problem.Unprocessable, "There is no aggregation function '"+cut(name)+"'.", nil)
		}
		if !slices.Contains(functions, name) {
			functions = append(functions, name)
		}
	}
	return functions, nil
}
