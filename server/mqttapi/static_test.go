package mqttapi_test

import (
	"strings"
	"testing"

	"mooring/internal/smartrest"
	"mooring/server/platform"
)

// TestEveryTemplate: what 602 lists is carried out, with every value or without.
func TestEveryTemplate(t *testing.T) {
	w := newWhole(t, nil)
	c := w.connect(t, dev("dev1"))
	c.publish("s/us", "100")
	c.subscribe("s/e", "s/ds")
	if got := c.refused("s/us", "602", "s/ds"); got != "603,"+strings.Join(smartrest.TemplateIDs(), ",") {
		t.Errorf("602: %s", got)
	}
	for _, line := range []string{
		"140,docker,3.2.1,systemd,https://d/,nginx,1.6,container,", "141,nginx,1.6,container,", "142,docker,3.2.1", "140,,,,",
		"407,T", "407,T,a,b", "408,,,,c8y_R.left,BOOLEAN,true", "121,true,99999", "143,apt", "150,ssh,vnc",
	} {
		c.publish("s/us", line) // fails on anything but the acknowledgement
	}
	c.sync()
}

func TestAdvancedSoftware(t *testing.T) {
	w := newWhole(t, nil)
	c := w.connect(t, dev("dev1"))
	list := func(name string) string {
		o := w.object(tenant, name)
		l, err := w.things.Children(t.Context(), tenant, o.ID, platform.ChildAdditions, all)
		if err != nil || len(l.Items) != 1 {
			t.Fatalf("%s has additions %v, %v", name, l.Items, err)
		}
		if a := l.Items[0]; a.Type != "c8y_InstalledSoftwareList" || a.Owner != "device_dev1" {
			t.Errorf("addition is %+v", a)
		}
		if o.Fragments["softwareList"] != nil || o.Fragments["c8y_SoftwareList"] != nil {
			t.Errorf("%s has it too: %v", name, o.Fragments)
		}
		return string(l.Items[0].Fragments["softwareList"])
	}
	steps := []struct{ line, want string }{
		{"140,docker,3.2.1,systemd,https://d/,nginx,1.6,container,", `[{"name":"docker","version":"3.2.1","softwareType":"systemd","url":"https://d/"},{"name":"nginx","version":"1.6","softwareType":"container"}]`},
		{"141,nginx,1.6,container,http://n/,vim,9", `[{"name":"docker","version":"3.2.1","softwareType":"systemd","url":"https://d/"},{"name":"nginx","version":"1.6","softwareType":"container","url":"http://n/"},{"name":"vim","version":"9"}]`},
		{"142,docker,3.2.1,vim,8", `[{"name":"nginx","version":"1.6","softwareType":"container","url":"http://n/"},{"name":"vim","version":"9"}]`},
		{"140,,,,", `[]`},
		{"142,x,1", `[]`},
		{"141,a,1", `[{"name":"a","version":"1"}]`},
		{"140", `[]`},
	}
	for _, topic := range []string{"", "kid"} {
		for _, s := range steps {
			c.publish("s/us/"+topic+strings.Repeat("dev1", 1-min(len(topic), 1)), s.line)
			if got := list([]string{"dev1", "kid"}[min(len(topic), 1)]); got != s.want {
				t.Errorf("%s on %q:\n got %s\nwant %s", s.line, topic, got, s.want)
			}
		}
	}
	c.subscribe("s/e")
	for line, want := range map[string]string{
		"141,a":  "45,141,Wrong number of arguments: version is missing",
		"142,,1": "45,142,Wrong number of arguments: name is missing",
	} {
		if got := c.refused("s/us", line, "s/e"); got != want {
			t.Errorf("%s: %s", line, got)
		}
	}
}

// TestEventFragments: 407 means the newest event that was there before, also one of
// the same publish.
func TestEventFragments(t *testing.T) {
	w := newWhole(t, nil)
	c := w.connect(t, dev("dev1"))
	event := func(text string) string {
		return `{"type":"E","text":"` + text + `","time":"2026-01-02T03:04:0` + text + `Z","a":1,"b":2}`
	}
	c.publish("event/events/create", event("1"))
	c.publish("event/events/create", event("3"))
	c.publish("event/events/create", event("2"))
	c.publish("s/us", "407,E,a,missing\n400,E,later,2026-01-02T03:05:00Z")
	c.publish("s/us", "407,E,b\n407,none,b")
	got := map[string]string{}
	for _, e := range w.events(tenant, w.object(tenant, "dev1").ID) {
		got[e.Text] = string(e.Body)
	}
	if got["1"] != `{"a":1,"b":2}` || got["2"] != got["1"] || got["3"] != `{"b":2}` || got["later"] != "" {
		t.Errorf("events are %v", got)
	}
	c.publish("s/us", `401,1,2`)
	c.publish("t/us", `407,c8y_LocationUpdate,c8y_Position`)
	c.publish("s/us", "400,X,x\n407,X,c8y_Position")
	for _, e := range w.events(tenant, w.object(tenant, "dev1").ID) {
		if e.Type == "c8y_LocationUpdate" && string(e.Body) != `{"c8y_Position":{"lat":1,"lng":2}}` {
			t.Errorf("transient change of %+v", e)
		}
	}
}

func TestParameters(t *testing.T) {
	w := newWhole(t, nil)
	c := w.connect(t, dev("dev1"))
	events := func() []platform.Event { return w.events(tenant, w.object(tenant, "dev1").ID) }
	c.publish("s/us", "408,,2026-01-02T03:04:05Z,,c8y_RelayStatus.left,BOOLEAN,true,c8y_RelayStatus.right,BOOLEAN,false,c8y_N,NUMBER,1.50,c8y_S.x.y,STRING,text")
	want := `{"c8y_N":1.50,"c8y_RelayStatus":{"left":true,"right":false},"c8y_S":{"x":{"y":"text"}}}`
	if es := events(); len(es) != 1 || es[0].Type != "c8y_ParameterUpdate" || es[0].Text != "Parameter 'c8y_RelayStatus' was updated" || string(es[0].Body) != want {
		t.Fatalf("events %s", es)
	}
	if got := w.fragment("dev1", "c8y_RelayStatus"); got != `{"left":true,"right":false}` {
		t.Errorf("mirrored %s", got)
	}
	// What the object knows is no news with change detection.
	c.publish("s/us", "408,,,true,c8y_RelayStatus.left,BOOLEAN,true,c8y_N,NUMBER,1.50")
	if es := events(); len(es) != 1 {
		t.Errorf("%d events", len(es))
	}
	c.publish("s/us", "408,mine,,true,c8y_RelayStatus.left,BOOLEAN,false,c8y_S.x,STRING,")
	if got := w.fragment("dev1", "c8y_RelayStatus") + w.fragment("dev1", "c8y_S"); got != `{"left":false,"right":false}{"x":null}` {
		t.Errorf("mirrored %s", got)
	}
	c.publish("s/us", "408,,,,c8y_N,NUMBER,")
	if es := events(); len(es) != 3 || w.fragment("dev1", "c8y_N") != "" {
		t.Errorf("%d events, c8y_N is %s", len(es), w.fragment("dev1", "c8y_N"))
	}
	c.publish("event/events/create", `{"type":"c8y_ParameterUpdate","text":"x",`+at+`,"c8y_RelayStatus":{"right":true}}`)
	c.publish("t/event/events/create", `{"type":"c8y_ParameterUpdate","text":"x",`+at+`,"c8y_RelayStatus":{"right":7}}`)
	if got := w.fragment("dev1", "c8y_RelayStatus"); got != `{"left":false,"right":true}` {
		t.Errorf("mirrored %s", got)
	}
	c.subscribe("s/e")
	for line, want := range map[string]string{
		"408,,,,id,STRING,1":          "45,408,Invalid JsonPath id",
		"408,,,,source.id,STRING,1":   "45,408,Invalid JsonPath source.id",
		"408,,,,a[,STRING,1":          "45,408,Invalid JsonPath a[",
		"408,,,,a[*],STRING,1":        "45,408,Invalid JsonPath a[*]",
		"408,,,,a,TEXT,1":             "45,408,No such type: TEXT",
		"408,,,,a,BOOLEAN,yes":        "45,408,Value is not a BOOLEAN: yes",
		"408,,,maybe,a,BOOLEAN,true":  "45,408,Value is not a BOOLEAN: maybe",
		"408,,,,a,NUMBER,1,b,NUMBER,": "",
		"408":                         "45,408,Wrong number of arguments: path is missing",
	} {
		if want == "" {
			c.publish("s/us", line)
		} else if got := c.refused("s/us", line, "s/e"); got != want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
}

func TestDeviceProfile(t *testing.T) {
	w := newWhole(t, nil)
	c := w.connect(t, dev("dev1"))
	c.publish("s/us", "100")
	c.subscribe("s/e")
	if got := c.refused("s/us", "121,true", "s/e"); got != "50,121,No EXECUTING operation with fragment c8y_DeviceProfile found" {
		t.Errorf("without operation: %s", got)
	}
	device := w.object(tenant, "dev1").ID
	op := w.order(device, platform.Fragments{"c8y_DeviceProfile": []byte(`{}`), "profileName": []byte(`"my profile"`), "profileId": []byte(`"158751"`)})
	c.publish("s/us", "501,c8y_DeviceProfile\n121,false,")
	if got := w.fragment("dev1", "c8y_Profile"); got != `{"profileName":"my profile","profileId":"158751","profileExecuted":false}` {
		t.Errorf("c8y_Profile is %s", got)
	}
	c.publish("s/us", "503,c8y_DeviceProfile\n121,true,158751")
	if got := w.fragment("dev1", "c8y_Profile"); got != `{"profileName":"my profile","profileId":"158751","profileExecuted":true}` {
		t.Errorf("c8y_Profile is %s", got)
	}
	if o, err := w.orders.Operation(t.Context(), tenant, op.ID); err != nil || o.Status != platform.OperationSuccessful {
		t.Errorf("operation %+v, %v", o, err)
	}
	// Of other objects it learns a name only if they are profiles, and never another tenant's.
	named := map[string]string{}
	for in, typ := range map[platform.TenantID]string{tenant: "c8y_Profile", otherTenant: "c8y_Profile"} {
		o, err := w.things.Create(t.Context(), in, platform.CreateObject{Object: platform.ManagedObject{Name: "known", Type: typ}})
		if err != nil {
			t.Fatal(err)
		}
		named[o.ID.String()] = map[platform.TenantID]string{tenant: "known"}[in]
	}
	named[device.String()] = ""
	for id, name := range named {
		c.publish("s/us", "121,true,"+id)
		if got, want := w.fragment("dev1", "c8y_Profile"), `{"profileName":"`+name+`","profileId":"`+id+`","profileExecuted":true}`; got != want {
			t.Errorf("c8y_Profile is %s, want %s", got, want)
		}
	}
}
