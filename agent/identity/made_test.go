package identity_test

import (
	"testing"

	"mooring/agent/identity"
	"mooring/hsm/key"
)

func TestMade(t *testing.T) {
	for ref, want := range map[key.Ref]bool{
		"mooring-0001-0a1b2c3d-99": true, "mooring-12345-0a1b2c3d": true, "object=mooring-0001-0a1b2c3d;id=%01": true,
		"mooring-001-0a1b2c3d": false, "mooring-0001-0a1b2c3": false, "mooring-0001-0a1b2c3g": false, "mooring-0001": false,
		"mooring-abcd-0a1b2c3d": false, "device-0001-0a1b2c3d": false, "mooring-0001-imported-1": false, "": false,
	} {
		if got := identity.Made(ref); got != want {
			t.Errorf("%q: got %v", ref, got)
		}
	}
}
