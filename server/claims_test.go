package server_test

import (
	"net/http"
	"strings"
	"testing"

	"mooring/server/servertest"
)

// TestNamesOfDevices: no device makes itself owner of the name of another one that is
// registered, whatever it publishes. A name that nobody has is free; the device that
// comes under it later is refused until an operator has deleted the object.
func TestNamesOfDevices(t *testing.T) {
	s := servertest.Start(t, servertest.Options{Easy: true})
	bulk(t, s, "ID;CREDENTIALS;NAME\ngreedy;pass one;Greedy\nbulk1;pass two;Bulk\n")
	s.Call(http.MethodPost, "/devicecontrol/newDeviceRequests", map[string]any{"id": "waiting"}, nil)
	c, code := byPassword(t, s, "greedy", servertest.Tenant+"/device_greedy", "pass one")
	if code != 0 {
		t.Fatalf("CONNACK %d", code)
	}
	subscribeTo(t, c, "s/e", "error", "s/dt")
	if got := publishTo(t, c, "s/ut/make", "10,1,POST,INVENTORY,,c8y_Serial", true); !strings.HasPrefix(got[0], "s/dt 20,make,") {
		t.Fatal(got)
	}
	const taken = "The external ID belongs to another device."
	for _, tt := range []struct{ topic, payload, want string }{
		{"s/us", "101,bulk1,x,t", "s/e 50,101,Access is denied."},
		{"s/us", "101,waiting,x,t", "s/e 50,101," + taken},
		{"s/us", "102,waiting,systemd,x,up", "s/e 50,102," + taken},
		{"s/us/waiting", "211,5", "s/e 50,211," + taken},
		{"s/uc/make", "1,waiting", "s/e 50,1," + taken},
		{"event/events/create", `{"type":"t","text":"x","externalSource":{"externalId":"waiting","type":"c8y_Serial"}}`, `error {"error":"security/Forbidden","message":"` + taken + `","messageId":7}`},
		{"inventory/managedObjects/create", `{"name":"x","externalIds":[{"type":"c8y_Serial","externalId":"waiting"}]}`, `error {"error":"security/Forbidden","message":"` + taken + `","messageId":7}`},
	} {
		if got := publishTo(t, c, tt.topic, tt.payload, true); len(got) != 1 || got[0] != tt.want {
			t.Errorf("%s %s: got %q, want %q", tt.topic, tt.payload, got, tt.want)
		}
	}
	publishTo(t, c, "s/us", "101,later,x,t", false)
	var found struct{ ManagedObject struct{ ID string } }
	s.Call(http.MethodGet, "/identity/externalIds/c8y_Serial/later", nil, &found)

	ca := newAnchor(t)
	ca.upload(s)
	leaf := ca.leaf(t, "later", 0x700)
	if _, code := connect(t, s, "later", leaf); code != 5 {
		t.Errorf("under the name of a child: CONNACK %d", code)
	}
	var refused struct {
		Refusals []struct{ Reason, Detail string }
	}
	s.Call(http.MethodGet, "/mooring/refusals?cn=later", nil, &refused)
	if len(refused.Refusals) != 1 || refused.Refusals[0].Reason != "device-id-taken" {
		t.Errorf("refusals %+v", refused)
	}
	s.Call(http.MethodDelete, "/inventory/managedObjects/"+found.ManagedObject.ID, nil, nil)
	if _, code := connect(t, s, "later", leaf); code != 0 {
		t.Errorf("after the object was deleted: CONNACK %d", code)
	}
	// Now that the device is known its name is its own, with or without an object.
	if got := publishTo(t, c, "s/us", "101,later,x,t", true); got[0] != "s/e 50,101,"+taken {
		t.Errorf("again: %q", got)
	}
	// What an operator made for a device is the device's.
	s.Call(http.MethodPost, "/inventory/managedObjects", map[string]any{"name": "made", "externalIds": []any{map[string]string{"type": "c8y_Serial", "externalId": "made"}}}, nil)
	if _, code := connect(t, s, "made", ca.leaf(t, "made", 0x701)); code != 0 {
		t.Errorf("with an object of an operator: CONNACK %d", code)
	}
}
