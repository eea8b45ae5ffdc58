package server_test

import (
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"mooring/server/config"
	"mooring/server/platform"
	"mooring/server/servertest"
	"mooring/server/sqlstore"
	"mooring/server/sqlstore/postgrestest"
)

// connectionOf reads c8y_Connection of a device.
func connectionOf(l life, device string) string {
	var found struct {
		ManagedObject struct{ ID string }
	}
	l.s.Call(http.MethodGet, "/identity/externalIds/c8y_Serial/"+device, nil, &found)
	var o struct {
		Connection struct{ Status string } `json:"c8y_Connection"`
	}
	l.s.Call(http.MethodGet, "/inventory/managedObjects/"+found.ManagedObject.ID, nil, &o)
	return o.Connection.Status
}

// TestNodesTakeOver: a device that connects to another node is cut off at the
// first, and does not count as disconnected.
func TestNodesTakeOver(t *testing.T) {
	a, b := twoNodes(t)
	ca := newAnchor(t)
	ca.upload(a.s)
	const device = "mover"
	identity := ca.leaf(t, device, 0x77)
	first, code := connect(t, a.s, device, identity)
	if code != 0 {
		t.Fatalf("CONNACK %d", code)
	}
	if _, err := first.Write(publishOf(0x32, 1, "s/us", "100,"+device+",t")); err != nil {
		t.Fatal(err)
	}
	var ack [4]byte
	if _, err := io.ReadFull(first, ack[:]); err != nil || ack[0] != 0x40 {
		t.Fatalf("% x, %v", ack, err)
	}
	soon(t, "the device is connected", func() bool { return connectionOf(a, device) == "CONNECTED" })
	soon(t, "the other node lets it in", func() bool {
		_, code = connect(t, b.s, device, identity)
		return code == 0
	})
	ended(t, first)
	soon(t, "it counts as connected", func() bool { return connectionOf(a, device) == "CONNECTED" })
}

// TestNodesOutliveOne: what a node that is gone left behind (the row of a session
// whose node nobody sees) is carried out by one that lives.
func TestNodesOutliveOne(t *testing.T) {
	dsn := postgrestest.Database(t)
	l := life{t, servertest.Start(t, servertest.Options{Easy: true, Configure: func(c *config.Config) { c.Store.Postgres = dsn }})}
	const device = "orphan"
	store, err := sqlstore.OpenPostgres(t.Context(), dsn, sqlstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	staged := make(chan error, 1)
	payload, _ := json.Marshal(map[string]any{"topic": "s/us", "payload": []byte("100,orphan,t\n400,c8y_Gone,bye"), "user": "device_" + device, "isDevice": true})
	store.Stage(platform.StagedPublish{StagedKey: platform.StagedKey{Tenant: servertest.Tenant, Device: device, PacketID: platform.WillPacketID},
		Topic: "a node that died", Payload: payload, At: time.Now()}, func(err error) { staged <- err })
	if err := <-staged; err != nil {
		t.Fatal(err)
	}
	again := time.NewTicker(200 * time.Millisecond)
	defer again.Stop()
	for end := time.Now().Add(16*time.Second + answerWithin); l.s.Count("/event/events?type=c8y_Gone&withTotalElements=true") == 0; <-again.C {
		if time.Now().After(end) {
			t.Fatal("the will was not said")
		}
	}
	if owners, err := store.WillOwners(t.Context()); err != nil || len(owners) != 0 {
		t.Errorf("left are rows of %q, %v", owners, err)
	}
}
