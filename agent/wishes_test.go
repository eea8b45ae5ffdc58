package agent_test

import (
	"testing"
	"testing/synctest"

	"mooring/agent"
	"mooring/hsm/key"
	"mooring/internal/durable/durabletest"
	"mooring/internal/secret"
	"mooring/server/servertest"
)

// Who asks for another certificate before the agent knows of the first gets another.
func TestEnrolAgainAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := servertest.Start(t, servertest.Options{})
		d := enrolledRig(t, s)
		before := d.status().Serial
		if err := d.stop(); err != nil {
			t.Fatal(err)
		}
		s.Register("dev1", "the-second-password")
		loading, open := make(chan struct{}), d.openKeys
		d.openKeys = func(disk *durabletest.FS) (key.Store, error) {
			<-loading
			return open(disk)
		}
		d.start()
		done := make(chan agent.Status)
		go func() {
			after, err := d.agent.Enrol(t.Context(), secret.New("the-second-password"))
			if err != nil {
				t.Error(err)
			}
			done <- after
		}()
		synctest.Wait()
		close(loading)
		if after := <-done; after.Serial == before || after.Serial == "" {
			t.Errorf("serial %q, and %q before", after.Serial, before)
		}
		if err := d.stop(); err != nil {
			t.Fatal(err)
		}
	})
}
