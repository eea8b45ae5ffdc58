package server_test

import (
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"mooring/server/servertest"
)

// nextPacket reads one MQTT packet of less than 128 bytes.
func nextPacket(t *testing.T, c net.Conn) (first byte, body string) {
	t.Helper()
	_ = c.SetDeadline(time.Now().Add(within))
	var head [2]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		t.Fatal(err)
	}
	rest := make([]byte, head[1])
	if _, err := io.ReadFull(c, rest); err != nil {
		t.Fatal(err)
	}
	return head[0], string(rest)
}

// sendLine publishes one line to s/us with QoS 1 and waits for its PUBACK.
func sendLine(t *testing.T, c net.Conn, text string) {
	t.Helper()
	body := "\x00\x04s/us\x00\x07" + text
	if _, err := c.Write(append([]byte{0x32, byte(len(body))}, body...)); err != nil {
		t.Fatal(err)
	}
	if first, _ := nextPacket(t, c); first != 0x40 {
		t.Fatalf("got %#x, want a PUBACK", first)
	}
}

// TestNodesPassOperations: an operation that one node takes in goes over the
// connection that another one has, and what the device says of it is seen on both.
func TestNodesPassOperations(t *testing.T) {
	a, b := twoNodes(t)
	ca := newAnchor(t)
	ca.upload(a.s)
	var c net.Conn
	soon(t, "the other node trusts the new certificate", func() bool {
		var code byte
		c, code = connect(t, b.s, "far", ca.leaf(t, "far", 0x3000))
		return code == 0
	})
	sendLine(t, c, "100")
	if _, err := c.Write([]byte("\x82\x09\x00\x01\x00\x04s/ds\x00")); err != nil {
		t.Fatal(err)
	}
	if first, body := nextPacket(t, c); first != 0x90 || body != "\x00\x01\x00" {
		t.Fatalf("SUBACK: %#x % x", first, body)
	}
	var found struct{ ManagedObject struct{ ID string } }
	a.s.Call(http.MethodGet, "/identity/externalIds/c8y_Serial/far", nil, &found)
	for _, s := range []*servertest.Server{a.s, b.s} {
		var o struct{ ID, Status string }
		s.Call(http.MethodPost, "/devicecontrol/operations", map[string]any{"deviceId": found.ManagedObject.ID, "c8y_Restart": map[string]any{}}, &o)
		if first, body := nextPacket(t, c); first != 0x30 || body != "\x00\x04s/ds510,far" {
			t.Fatalf("got %#x %q", first, body)
		}
		sendLine(t, c, "504,"+o.ID)
		sendLine(t, c, "506,"+o.ID)
		for _, seen := range []*servertest.Server{a.s, b.s} {
			seen.Call(http.MethodGet, "/devicecontrol/operations/"+o.ID, nil, &o)
			if o.Status != "SUCCESSFUL" {
				t.Errorf("got %+v", o)
			}
		}
	}
}
