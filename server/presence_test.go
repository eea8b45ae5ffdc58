package server_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"mooring/server/servertest"
)

// shownDevice is what REST shows of a device.
type shownDevice struct {
	ID           string
	LastUpdated  string
	Availability struct{ LastMessage, Status string } `json:"c8y_Availability"`
	Connection   struct{ Status string }              `json:"c8y_Connection"`
	Required     *struct{ ResponseInterval int }      `json:"c8y_RequiredAvailability"`
}

func (d shownDevice) String() string { return d.Availability.Status + " " + d.Connection.Status }

// TestPresence: template 117 sets the interval, messages keep a device available,
// silence raises the alarm, and a restart forgets nothing (mqtt.md §4.2, rest.md §6.1).
func TestPresence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := servertest.Start(t, servertest.Options{Easy: true})
		a := newAnchor(t)
		a.upload(s)
		identity := a.leaf(t, "dev1", 7)
		id := ""
		show := func(want string) (d shownDevice) {
			t.Helper()
			s.Call(http.MethodGet, "/inventory/managedObjects/"+id, nil, &d)
			if d.String() != want {
				t.Errorf("%q, want %q", d, want)
			}
			return d
		}
		alarms := func(want int) {
			t.Helper()
			var list struct {
				Alarms []struct{ Type, Severity, Text string }
			}
			s.Call(http.MethodGet, "/alarm/alarms?type=c8y_UnavailabilityAlarm&status=ACTIVE&source="+id, nil, &list)
			if len(list.Alarms) != want {
				t.Errorf("%d alarms, want %d: %+v", len(list.Alarms), want, list.Alarms)
			}
		}
		conn, code := connect(t, s, "dev1", identity)
		if code != 0 {
			t.Fatalf("CONNACK %d", code)
		}
		_ = conn.SetDeadline(time.Time{})
		say := func(line string) {
			t.Helper()
			body := append([]byte{0, 4, 's', '/', 'u', 's', 0, 1}, line...)
			if _, err := conn.Write(append([]byte{0x32, byte(len(body))}, body...)); err != nil {
				t.Fatal(err)
			}
			if _, err := conn.Read(make([]byte, 4)); err != nil {
				t.Fatal(err)
			}
		}
		say("100,dev1,type")
		say("117,2")
		var found struct{ ManagedObject struct{ ID string } }
		s.Call(http.MethodGet, "/identity/externalIds/c8y_Serial/dev1", nil, &found)
		id = found.ManagedObject.ID
		time.Sleep(31 * time.Second)
		first := show("AVAILABLE CONNECTED")
		if first.Required == nil || first.Required.ResponseInterval != 2 {
			t.Errorf("interval %+v", first.Required)
		}
		say("125")
		second := show("AVAILABLE CONNECTED")
		if second.Availability.LastMessage <= first.Availability.LastMessage || second.LastUpdated != first.LastUpdated {
			t.Errorf("heartbeat: %+v after %+v", second, first)
		}
		time.Sleep(3 * time.Minute)
		show("UNAVAILABLE CONNECTED")
		alarms(1)
		say("200,c8y_T,T,1")
		time.Sleep(3 * time.Second)
		show("AVAILABLE CONNECTED")
		alarms(0)
		time.Sleep(time.Minute)
		s.Call(http.MethodPut, "/inventory/managedObjects/"+id, map[string]any{}, nil)
		time.Sleep(90 * time.Second) // more than two minutes since the device itself was heard
		beat := show("AVAILABLE CONNECTED")

		s.Stop()
		s.Start()
		after := show("AVAILABLE DISCONNECTED")
		if after.Availability.LastMessage != beat.Availability.LastMessage {
			t.Errorf("last message %s after a restart, was %s", after.Availability.LastMessage, beat.Availability.LastMessage)
		}
		time.Sleep(3 * time.Minute)
		show("UNAVAILABLE DISCONNECTED")
		alarms(1)
	})
}
