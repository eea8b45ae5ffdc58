package mqttapi

import (
	"slices"
	"testing"

	"mooring/server/platform"
)

// TestSentOrders: the last ones are remembered, and no more than twice as many.
func TestSentOrders(t *testing.T) {
	var o sentOrders
	for id := platform.ID(1); id <= 5*maxSent; id++ {
		o.add(id, "a")
		o.add(id, "b")
		for _, near := range []platform.ID{id, max(1, id-maxSent+1)} {
			if got := o.on(near); !slices.Equal(got, []string{"a", "b"}) {
				t.Fatalf("%d of %d went out on %v", near, id, got)
			}
		}
		if n := len(o.young) + len(o.old); n > 2*maxSent {
			t.Fatalf("%d are remembered", n)
		}
	}
	if got := o.on(1); got != nil {
		t.Errorf("the first is remembered: %v", got)
	}
}
