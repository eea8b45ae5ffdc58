package mqttapi_test

import (
	"testing"

	"mooring/internal/smartrest/legacy"
	"mooring/internal/smartrest/template"
	"mooring/server/mqttapi"
	"mooring/server/platform"
	"mooring/server/templates"
)

// TestCollectionMadeLater: who subscribed before a collection was made by REST gets
// what is pending in its words as soon as it has its X-ID, and another tenant's
// devices hear nothing.
func TestCollectionMadeLater(t *testing.T) {
	f := &fakeLegacy{}
	w := newWhole(t, func(w *whole, cfg *mqttapi.Config) {
		w.collections = templates.New(w.things, nil)
		cfg.Templates, cfg.Legacy = w.collections, f
	})
	exact, many := w.device(t, "exact", "s/dc/late"), w.device(t, "many", "s/dc/#")
	o := dev("named")
	o.id = "d:named:late"
	named := w.connect(t, o)
	named.publish("s/us", "100")
	named.subscribe("s/dd")
	old := w.device(t, "old", "s/ol/coll")
	foreign := w.connect(t, dev("exact").in(otherTenant))
	foreign.publish("s/us", "100")
	foreign.subscribe("s/dc/late", "s/dc/#")
	for _, name := range []string{"exact", "many", "named", "old"} {
		w.ordered(tenant, name, `"set_wifi":{"ssid":"`+name+`"}`)
	}
	exact.sync()

	c, err := template.ParseLines([]byte("11,wifi,,set_wifi,set_wifi.ssid"))
	if err != nil {
		t.Fatal(err)
	}
	made, err := w.things.Create(t.Context(), tenant, platform.CreateObject{Object: platform.ManagedObject{Name: "late", Type: template.ObjectType,
		Fragments: platform.Fragments{template.Fragment: c.Document()}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.things.Bind(t.Context(), tenant, made.ID, platform.ExternalID{Type: template.ExternalIDType, Value: "late"}); err != nil {
		t.Fatal(err)
	}
	exact.wantMessage("s/dc/late", "wifi,exact,exact")
	many.wantMessage("s/dc/late", "wifi,many,many")
	named.wantMessage("s/dd", "wifi,named,named")

	f.set(t, nil, "11,9,,$.set_wifi,$.set_wifi.ssid")
	if err := w.things.Bind(t.Context(), tenant, made.ID, platform.ExternalID{Type: legacy.ExternalIDType, Value: "coll"}); err != nil {
		t.Fatal(err)
	}
	old.wantMessage("s/ol/coll", "9,1,old")
	for _, c := range []*client{exact, many, named, old, foreign} {
		c.sync() // nothing else
	}
}
