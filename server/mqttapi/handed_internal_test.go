package mqttapi

import (
	"strconv"
	"testing"
	"time"

	"mooring/server/registration"
)

func TestHandedOutBounds(t *testing.T) {
	var h handedOut
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	k := hostDevice{"h", "d"}
	h.put(k, registration.Credentials{User: "u"}, begin)
	for after, want := range map[time.Duration]bool{handedFor - 1: true, handedFor: true} {
		if _, ok := h.take(k, begin.Add(after)); ok != want {
			t.Errorf("after %s: %v", after, ok)
		}
	}
	if _, ok := h.take(k, begin.Add(handedFor+1)); ok {
		t.Error("kept too long")
	}
	for i := range maxHanded + 1 {
		h.put(hostDevice{"h", strconv.Itoa(i)}, registration.Credentials{}, begin)
	}
	if len(h.m) != maxHanded {
		t.Errorf("%d are kept", len(h.m))
	}
	h.put(k, registration.Credentials{}, begin.Add(handedFor+1))
	if len(h.m) != 1 {
		t.Errorf("%d are kept after the others are too old", len(h.m))
	}
}
