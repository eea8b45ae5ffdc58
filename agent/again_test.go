package agent_test

import (
	"testing"
	"testing/synctest"

	"mooring/server/servertest"
)

// Who enrols again while the agent starts gets the new certificate, not the one
// that the agent has just loaded.
func TestEnrolAgainAtStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := servertest.Start(t, servertest.Options{Easy: true})
		d := enrolledRig(t, s)
		first := d.status()
		if err := d.stop(); err != nil {
			t.Fatal(err)
		}
		s.Register("dev1", "another-password")
		d.start()
		d.enrol("another-password")
		if second := d.status(); second.Serial == first.Serial {
			t.Errorf("still the certificate %s", first.Serial)
		}
		if err := d.stop(); err != nil {
			t.Fatal(err)
		}
	})
}
