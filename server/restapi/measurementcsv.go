package restapi

import (
	"encoding/csv"
	"net/http"

	"mooring/internal/jsonscan"
	"mooring/internal/problem"
	"mooring/server/c8yjson"
	"mooring/server/platform"
)

// maxCSVMeasurements bounds an export that asks for no page.
const maxCSVMeasurements = 1_000_000

// csvColumns of an export (OpenAPI, Measurements specifics).
var csvColumns = []string{"time", "source", "device_name", "fragment.series", "value", "unit"}

// measurementsCSV answers with a line for each value: of the page that is asked
// for, or of all that f selects if none is.
func measurementsCSV(c *call, f platform.TelemetryFilter, page platform.Page) error {
	everything := c.query.Get("pageSize") == "" && c.query.Get("currentPage") == ""
	if everything {
		page = platform.Page{Number: 1, Size: platform.MaxPageSize}
	}
	list, err := c.api.Telemetry.Measurements(c.ctx(), c.tenant(), f, page)
	if err != nil {
		return err
	}
	c.started, c.status = true, http.StatusOK
	h := c.w.Header()
	h.Set("Content-Type", "text/csv;charset=UTF-8")
	h.Set("Content-Disposition", `attachment; filename="measurements.csv"`)
	h.Set("X-Content-Type-Options", "nosniff")
	w := csvExport{c: c, out: csv.NewWriter(c.w), names: map[platform.ID]string{}}
	_ = w.out.Write(csvColumns) // errors stay with the writer
	for written := 0; ; {
		for i := range list.Items {
			w.measurement(&list.Items[i])
		}
		w.out.Flush()
		written += len(list.Items)
		if !everything || !list.More || written >= maxCSVMeasurements || w.out.Error() != nil {
			return nil // a client that went away is nobody's problem
		}
		last := list.Items[len(list.Items)-1]
		f.After = &platform.Cursor{Time: last.Time, Type: last.Type, ID: last.ID}
		if list, err = c.api.Telemetry.Measurements(c.ctx(), c.tenant(), f, page); err != nil {
			panic(http.ErrAbortHandler) // the client must not take this for the end
		}
	}
}

// csvExport is an export under way.
type csvExport struct {
	c     *call
	out   *csv.Writer
	names map[platform.ID]string // of sources, as far as met
}

func (w *csvExport) measurement(m *platform.Measurement) {
	at, source := c8yjson.FormatTime(m.Time), m.Source.String()
	for fragment, members := range jsonscan.Members(m.Body) {
		for series, v := range jsonscan.Members(members) {
			number := jsonscan.Member(v, "value")
			if !jsonscan.IsNumber(number) {
				continue
			}
			unit, _ := jsonscan.Text(jsonscan.Member(v, "unit"))
			_ = w.out.Write([]string{at, source, cell(w.name(m.Source)), cell(fragment.String() + "." + series.String()), string(number), cell(unit)})
		}
	}
}

// cell keeps a spreadsheet from taking a text of a device for a formula.
func cell(s string) string {
	if s != "" && (s[0] == '=' || s[0] == '+' || s[0] == '-' || s[0] == '@') {
		return "'" + s
	}
	return s
}

// name of a source; empty if it is gone.
func (w *csvExport) name(id platform.ID) string {
	if name, ok := w.names[id]; ok {
		return name
	}
	o, err := w.c.api.Inventory.Object(w.c.ctx(), w.c.tenant(), id)
	if err != nil && problem.KindOf(err) != problem.NotFound {
		w.c.logFailure(problem.KindOf(err), err)
	}
	if len(w.names) < maxCSVNames {
		w.names[id] = o.Name
	}
	return o.Name
}

// maxCSVNames bounds the names that one export remembers.
const maxCSVNames = 10_000
