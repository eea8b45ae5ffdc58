package agent_test

import (
	"testing"
	"testing/synctest"
	"time"

	"mooring/agent"
	"mooring/hsm/key"
	"mooring/internal/durable"
	"mooring/server/servertest"

	"context"
)

// Without a running agent, status tells what waits on the disk, and leaves the
// disk as it is.
func TestInspectAtRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := servertest.Start(t, servertest.Options{Easy: true})
		d := enrolledRig(t, s)
		s.Network.SetDown(true)
		put := time.Now().UTC()
		for _, line := range []string{"114,c8y_Restart", "117,10"} {
			if err := d.agent.Queue(t.Context(), []string{line}); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.stop(); err != nil {
			t.Fatal(err)
		}
		if err := durable.MkdirAll(d.disk, state+"/operations", 0o700); err != nil {
			t.Fatal(err)
		}
		const journal = `{"entries":[{"id":"7","target":"dev1","fragment":"c8y_Restart","key":"0123456789abcdef0123456789abcdef","phase":"running"}],"done":[]}`
		if err := durable.WriteFile(d.disk, state+"/operations/journal.json", []byte(journal), 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(48 * time.Hour)
		disk := d.disk
		steps := disk.Steps()
		if _, err := d.openKeys(disk); err != nil {
			t.Fatal(err)
		}
		opening := disk.Steps() - steps // the key store's own
		steps = disk.Steps()
		got, err := agent.New(agent.Options{Config: d.config(), FS: disk,
			OpenKeys: func(context.Context, string) (key.Store, error) { return d.openKeys(disk) }}).Inspect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got.Spool == nil || got.Spool.Messages < 2 || got.Spool.Bytes == 0 || got.Operations != 1 || got.DaysLeft == nil || *got.DaysLeft < 360 || *got.DaysLeft > 363 {
			t.Errorf("got %+v, spool %+v, days %v", got, got.Spool, got.DaysLeft)
		}
		if got.Oldest == nil || got.Oldest.Before(put.Add(-time.Minute)) || got.Oldest.After(put.Add(time.Minute)) {
			t.Errorf("oldest message of %v, want %v", got.Oldest, put)
		}
		if n := disk.Steps() - steps; n != opening {
			t.Errorf("%d steps on the disk, want %d", n, opening)
		}
	})
}
