package restapi

import (
	"net/http"
	"strings"

	"mooring/server/c8yjson"
	"mooring/server/platform"
)

var (
	measurementAdmins  = []platform.Role{platform.RoleMeasurementAdmin}
	measurementReaders = []platform.Role{platform.RoleMeasurementRead, platform.RoleMeasurementAdmin}
)

func (a *API) measurementRoutes() []route {
	const all, one = "/measurement/measurements", "/measurement/measurements/{id}"
	return []route{
		{method: "GET", path: all, access: user, serve: listMeasurements,
			doc: doc{Does: "List measurements", Query: "source: id, type, valueFragmentType, valueFragmentSeries, dateFrom, dateTo, revert: boolean, paging", Gives: "measurementCollection | text/csv", Also: "404 422"}},
		{method: "POST", path: all, access: user, serve: createMeasurements,
			doc: doc{Does: "Create one measurement, or several", Takes: "newMeasurement", Gives: "measurement | measurementCollection", Also: "404"}},
		{method: "DELETE", path: all, access: having(measurementAdmins...), serve: deleteMeasurements,
			doc: doc{Does: "Delete measurements", Query: "source: id, type, fragmentType, dateFrom, dateTo", Also: "422"}},
		{method: "GET", path: all + "/series", access: user, serve: listSeries,
			doc: doc{Does: "Read the values of series", Query: "source: id, dateFrom, dateTo, series, aggregationType, aggregationInterval, aggregationFunction, revert: boolean", Gives: "series", Also: "400 422"}},
		{method: "GET", path: one, access: user, serve: readMeasurement,
			doc: doc{Does: "Read a measurement", Gives: "measurement"}},
		{method: "DELETE", path: one, access: having(measurementAdmins...), serve: deleteMeasurement,
			doc: doc{Does: "Delete a measurement"}},
	}
}

func listMeasurements(c *call) error {
	p, err := c.paging()
	if err != nil {
		return err
	}
	f, err := telemetryFilter(c, measurementReaders)
	if err != nil {
		return err
	}
	f.Fragment, f.Series = c.query.Get("valueFragmentType"), c.query.Get("valueFragmentSeries")
	f.NewestFirst = c.revert()
	if strings.HasPrefix(c.r.Header.Get("Accept"), "text/csv") {
		return measurementsCSV(c, f, p.Page)
	}
	list, err := c.api.Telemetry.Measurements(c.ctx(), c.tenant(), f, p.Page)
	if err != nil {
		return err
	}
	base := c.base()
	collection(c, c8yjson.MediaMeasurements, "measurements", p, list, func(w *c8yjson.Writer, m platform.Measurement) {
		c8yjson.Measurement(w, base, m)
	})
	return nil
}

// createMeasurements takes one measurement or a list, which is stored whole or
// not at all.
func createMeasurements(c *call) error {
	body, err := c.body()
	if err != nil {
		return err
	}
	items, several := []c8yjson.Object{body}, body.Has("measurements")
	if several {
		if items, err = body.Objects("measurements"); err != nil {
			return err
		}
	}
	ms := make([]platform.Measurement, len(items))
	for i, item := range items {
		if ms[i], err = c8yjson.ParseMeasurement(item); err != nil {
			return err
		}
		if err := c.mayUse(ms[i].Source, measurementAdmins); err != nil {
			return err
		}
	}
	stored, err := c.api.Telemetry.CreateMeasurements(c.ctx(), c.tenant(), ms)
	if err != nil {
		return err
	}
	if several {
		c.written(http.StatusCreated, c8yjson.MediaMeasurements, func(w *c8yjson.Writer) { measurementList(c, w, stored) })
		return nil
	}
	m := stored[0]
	c.created(c.base()+c8yjson.PathMeasurements+m.ID.String(), c8yjson.MediaMeasurement, func(w *c8yjson.Writer) {
		c8yjson.Measurement(w, c.base(), m)
	})
	return nil
}

func measurementList(c *call, w *c8yjson.Writer, ms []platform.Measurement) {
	w.Open('{')
	w.Link("self", c.base(), "/measurement/measurements")
	w.Key("measurements")
	w.Open('[')
	for _, m := range ms {
		c8yjson.Measurement(w, c.base(), m)
	}
	w.Close(']')
	w.Close('}')
}

func readMeasurement(c *call) error {
	id, err := c.id("id")
	if err != nil {
		return err
	}
	m, err := c.api.Telemetry.Measurement(c.ctx(), c.tenant(), id)
	if err != nil {
		return err
	}
	if err := c.maySee(m.Source, measurementReaders); err != nil {
		return err
	}
	c.answer(http.StatusOK, c8yjson.MediaMeasurement, func(w *c8yjson.Writer) { c8yjson.Measurement(w, c.base(), m) })
	return nil
}

func deleteMeasurements(c *call) error {
	if err := c.named("source", "dateFrom", "dateTo"); err != nil {
		return err
	}
	f, err := telemetryFilter(c, measurementAdmins)
	if err != nil {
		return err
	}
	if err := c.api.Telemetry.DeleteMeasurements(c.ctx(), c.tenant(), f); err != nil {
		return err
	}
	c.empty(http.StatusNoContent)
	return nil
}

func deleteMeasurement(c *call) error {
	id, err := c.id("id")
	if err != nil {
		return err
	}
	if err := c.api.Telemetry.DeleteMeasurement(c.ctx(), c.tenant(), id); err != nil {
		return err
	}
	c.empty(http.StatusNoContent)
	return nil
}
