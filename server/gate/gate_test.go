package gate_test

import (
	"testing"

	"mooring/server/gate"
)

func TestGate(t *testing.T) {
	g := gate.New(3, 2)
	for range 2 {
		if !g.Enter("a") {
			t.Fatal("an address did not get its share")
		}
	}
	if g.Enter("a") {
		t.Error("an address got more than its share")
	}
	if !g.Enter("b") {
		t.Error("who is refused keeps a place")
	}
	if g.Enter("c") {
		t.Error("more places than there are")
	}
	stop := make(chan struct{})
	close(stop)
	if g.Wait(stop) {
		t.Error("a place beyond the last")
	}
	g.Leave("a")
	if !g.Wait(nil) || !g.Admit("a") {
		t.Error("a place that was left is not free")
	}
}
