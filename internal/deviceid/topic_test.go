package deviceid_test

import (
	"errors"
	"strings"
	"testing"

	"mooring/internal/deviceid"
	"mooring/internal/problem"
)

func TestParseTopic(t *testing.T) {
	up := func(m deviceid.Mode, typ, xid, child string) deviceid.Topic {
		return deviceid.Topic{Class: deviceid.SmartREST, Mode: m, Direction: deviceid.Upstream, Type: typ, XID: xid, Child: child}
	}
	down := func(typ, xid string) deviceid.Topic {
		return deviceid.Topic{Class: deviceid.SmartREST, Mode: deviceid.Persistent, Direction: deviceid.Downstream, Type: typ, XID: xid}
	}
	tests := map[string]deviceid.Topic{
		"s/us":                        up('s', "s", "", ""),
		"t/us":                        up('t', "s", "", ""),
		"q/us/main:device:child1":     up('q', "s", "", "main:device:child1"),
		"c/us":                        up('c', "s", "", ""),
		"s/uc/coll":                   up('s', "c", "coll", ""),
		"t/uc/coll/child":             up('t', "c", "coll", "child"),
		"s/ud":                        up('s', "d", "", ""),
		"s/ud/child":                  up('s', "d", "", "child"),
		"s/ut/coll":                   up('s', "t", "coll", ""),
		"s/ucr":                       up('s', "cr", "", ""),
		"s/uat":                       up('s', "at", "", ""),
		"s/ul/x":                      up('s', "l", "x", ""),
		"s/ds":                        down("s", ""),
		"s/dc/coll":                   down("c", "coll"),
		"s/dc/#":                      down("c", "#"),
		"s/dd":                        down("d", ""),
		"s/dt":                        down("t", ""),
		"s/dcr":                       down("cr", ""),
		"s/dat":                       down("at", ""),
		"s/dl":                        down("l", ""),
		"s/dl/x":                      down("l", "x"),
		"s/ol/x":                      {Class: deviceid.SmartREST, Mode: 's', Direction: deviceid.Operations, Type: "l", XID: "x"},
		"s/e":                         {Class: deviceid.SmartREST, Mode: 's', Direction: deviceid.Errors},
		"error":                       {Class: deviceid.JSONErrors, Mode: 's', Direction: deviceid.Errors},
		"devicecontrol/notifications": {Class: deviceid.Notifications, Mode: 's', Direction: deviceid.Downstream},

		"event/events/create":                          {Class: deviceid.JSON, Mode: 's', Direction: 'u', API: "event/events", Action: "create"},
		"t/measurement/measurements/createBulk":        {Class: deviceid.JSON, Mode: 't', Direction: 'u', API: "measurement/measurements", Action: "createBulk"},
		"event/events/create/x/y":                      {Class: deviceid.JSON, Mode: 's', Direction: 'u', API: "event/events", Action: "create"},
		"inventory/managedObjects/update/dev1":         {Class: deviceid.JSON, Mode: 's', Direction: 'u', API: "inventory/managedObjects", Action: "update", ObjectID: "dev1"},
		"inventory/managedObjects/update/childDevices": {Class: deviceid.JSON, Mode: 's', Direction: 'u', API: "inventory/managedObjects", Action: "update", ObjectID: "childDevices"},
		"inventory/managedObjects/7/childDevices/create": {Class: deviceid.JSON, Mode: 's', Direction: 'u',
			API: "inventory/managedObjects", Action: "childDevices", ObjectID: "7"},
		"alarm/alarms/delete/7":               {},
		"event/events/update":                 {},
		"event/events/update/":                {},
		"event/events/update/a/b":             {},
		"s/event/events/create":               {},
		"inventory/managedObjects/create/a":   {Class: deviceid.JSON, Mode: 's', Direction: 'u', API: "inventory/managedObjects", Action: "create"},
		"inventory/managedObjects//x":         {},
		"t/ds":                                {},
		"s/us/":                               {},
		"s/us/a/b":                            {},
		"s/ds/child":                          {},
		"s/uc":                                {},
		"s/uc/":                               {},
		"s/uc//child":                         {},
		"s/uec":                               {},
		"s":                                   {},
		"s/":                                  {},
		"us":                                  {},
		"S/us":                                {},
		"s/#":                                 {},
		"#":                                   {},
		"+/ds":                                {},
		"s/us/#":                              {},
		"$SYS/#":                              {},
		"free/form":                           {},
		strings.Repeat("x", 1024):             {},
		"s/us/" + strings.Repeat("x", 1024-5): up('s', "s", "", strings.Repeat("x", 1024-5)),
	}
	for in, want := range tests {
		got, err := deviceid.ParseTopic(in)
		if err != nil {
			t.Errorf("ParseTopic(%q): %v", in, err)
		}
		if got != want {
			t.Errorf("ParseTopic(%q) = %+v, want %+v", in, got, want)
		}
	}
	for _, in := range []string{"", "a\x00b", "s/us/\xff", strings.Repeat("x", 1025)} {
		if _, err := deviceid.ParseTopic(in); !errors.Is(err, problem.Invalid) {
			t.Errorf("ParseTopic(%.20q) error = %v, want Invalid", in, err)
		}
	}
}

func FuzzParseTopic(f *testing.F) {
	for _, s := range []string{"s/us", "s/dc/#", "t/uc/coll/child", "inventory/managedObjects/7/childDevices/create", "error"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		topic, err := deviceid.ParseTopic(s)
		if err != nil && topic != (deviceid.Topic{}) {
			t.Errorf("a topic beside an error: %+v", topic)
		}
		if strings.Contains(topic.Child, "/") || strings.Contains(topic.XID, "/") {
			t.Errorf("level with a slash: %+v", topic)
		}
	})
}

func FuzzParseClientID(f *testing.F) {
	for _, s := range []string{"a", "d:a", "d:a:b", "", "a:b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := deviceid.ParseClientID(s)
		if err != nil {
			return
		}
		again, err := deviceid.ParseClientID(id.String())
		if err != nil || again.Device != id.Device || again.Template != id.Template {
			t.Errorf("%q: %+v, again %+v, %v", s, id, again, err)
		}
	})
}
