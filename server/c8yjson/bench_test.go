package c8yjson_test

import (
	"encoding/json"
	"net/url"
	"testing"
	"time"

	"mooring/server/c8yjson"
	"mooring/server/platform"
)

// BenchmarkMeasurements encodes the largest list there is.
func BenchmarkMeasurements(b *testing.B) {
	items := make([]platform.Measurement, platform.MaxPageSize)
	for i := range items {
		items[i] = platform.Measurement{ID: platform.ID(i + 1), Source: 5, Type: "c8y_Temperature", Time: time.UnixMilli(int64(i)),
			Body: json.RawMessage(`{"c8y_Temperature":{"T":{"value":25.5,"unit":"C"}}}`)}
	}
	self := &url.URL{Scheme: "https", Host: "t.example.com", Path: "/measurement/measurements"}
	p := c8yjson.Paging{Page: platform.Page{Number: 1, Size: platform.MaxPageSize}}
	b.ReportAllocs()
	for b.Loop() {
		var w c8yjson.Writer
		c8yjson.Collection(&w, self, "measurements", p, platform.List[platform.Measurement]{Items: items},
			func(w *c8yjson.Writer, m platform.Measurement) { c8yjson.Measurement(w, "https://t.example.com", m) })
		b.SetBytes(int64(len(w.Bytes())))
	}
}
