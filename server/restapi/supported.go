package restapi

import (
	"context"
	"net/http"
	"slices"
	"time"

	"mooring/internal/problem"
	"mooring/server/c8yjson"
	"mooring/server/platform"
)

// readSupported answers with what name gives of each series that a source has
// ever sent, each once and in order.
func readSupported(member string, name func(platform.SeriesName) string) func(*call) error {
	return func(c *call) error {
		id, err := c.id("id")
		if err != nil {
			return err
		}
		if err := c.mayUse(id, inventoryReaders); err != nil {
			return err
		}
		series, err := c.api.Telemetry.SeriesOf(c.ctx(), c.tenant(), id)
		if err != nil {
			return err
		}
		names := make([]string, len(series))
		for i, s := range series {
			names[i] = name(s)
		}
		slices.Sort(names)
		c.answer(http.StatusOK, c8yjson.MediaJSON, func(w *c8yjson.Writer) { c8yjson.Names(w, member, slices.Compact(names)) })
		return nil
	}
}

func fragmentOf(s platform.SeriesName) string { return s.Fragment }

func fullName(s platform.SeriesName) string { return s.Fragment + "." + s.Series }

// latestWithin bounds the look at the measurements of every object of a list, as
// that of a query of objects is (DIVERGENCES).
const latestWithin = 20 * time.Second

// withLatest adds the latest values to objects, if the query asks for them.
func (c *call) withLatest(objects []platform.ManagedObject) error {
	if !c.asks("withLatestValues") {
		return nil
	}
	ctx, cancel := context.WithTimeout(c.ctx(), latestWithin)
	defer cancel()
	for _, o := range objects {
		values, err := c.api.Telemetry.Latest(ctx, c.tenant(), o.ID)
		if ctx.Err() != nil && c.ctx().Err() == nil {
			return problem.WithCode(problem.Unprocessable, "inventory/Invalid Data", "withLatestValues takes too long: ask for fewer objects at once.", err)
		}
		if err != nil {
			return err
		}
		if len(values) > 0 && o.Fragments != nil {
			o.Fragments["c8y_LatestMeasurements"] = c8yjson.LatestValues(values)
		}
	}
	return nil
}
