package agent_test

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mooring/agent"
	"mooring/hsm/key"
	"mooring/internal/durable"
	"mooring/internal/durable/durabletest"
	"mooring/server/servertest"
)

const noteFile = state + "/last-error"

// noteFS counts how often the last error is written or removed.
type noteFS struct {
	durable.FS
	changes *atomic.Int32
}

func (f noteFS) Rename(from, to string) error {
	if to == noteFile {
		f.changes.Add(1)
	}
	return f.FS.Rename(from, to)
}

func (f noteFS) Remove(path string) error {
	_, err := f.Lstat(path)
	if path == noteFile && err == nil {
		f.changes.Add(1)
	}
	return f.FS.Remove(path)
}

// atRest is the status of a disk on which no agent runs.
func (d *rig) atRest(disk *durabletest.FS) agent.Status {
	d.t.Helper()
	s, err := agent.New(agent.Options{Config: d.config(), FS: disk,
		OpenKeys: func(context.Context, string) (key.Store, error) { return d.openKeys(disk) }}).Inspect(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	return s
}

// The last error is known after the power was cut: what, when and what to do.
func TestLastErrorIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := servertest.Start(t, servertest.Options{Easy: true})
		d := enrolledRig(t, s)
		if e := d.atRest(d.disk.PowerLoss(nil)).LastError; e != nil {
			t.Errorf("nothing went wrong, and status says %+v", e)
		}
		s.Revoke(d.status().Serial)
		d.until("refused", func(s agent.Status) bool { return s.LastError != nil && s.LastError.Reason == "revoked" })
		at := time.Now()
		time.Sleep(time.Second)
		e := d.atRest(d.disk.PowerLoss(nil)).LastError
		if e == nil || e.Reason != "revoked" || e.Detail == "" || at.Sub(e.Time).Abs() > time.Minute || !strings.Contains(e.Hint, "register the device again") {
			t.Errorf("after a power cut: %+v", e)
		}
		time.Sleep(30 * time.Hour)
		if err := d.stop(); err != nil {
			t.Fatal(err)
		}
		if e := d.atRest(d.disk).LastError; e == nil || time.Since(e.Time) > 24*time.Hour {
			t.Errorf("after a stop: %+v", e)
		}
		s.Register("dev1", "another-password")
		d.start()
		d.enrol("another-password")
		d.until("valid", valid)
		time.Sleep(time.Second)
		if e := d.atRest(d.disk.PowerLoss(nil)).LastError; e != nil {
			t.Errorf("it went well since, and status says %+v", e)
		}
		if err := d.stop(); err != nil {
			t.Fatal(err)
		}
		if e := d.atRest(d.disk).LastError; e != nil {
			t.Errorf("its own end counts as an error: %+v", e)
		}
	})
}

// A connection that comes and goes wears no flash, and neither does an outage.
func TestLastErrorIsWrittenSeldom(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		flap    time.Duration // 0: down all the time
		changes int32
	}{
		{"outage", 0, 3},
		{"flapping", 7 * time.Minute, 4 + 2*24},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := servertest.Start(t, servertest.Options{Easy: true})
			d := newRig(t, s, "dev1")
			var changes atomic.Int32
			d.change = func(o *agent.Options) { o.FS = noteFS{o.FS, &changes} }
			s.Register("dev1", "the-right-password")
			d.start()
			d.enrol("the-right-password")
			d.until("valid", valid)
			down := true
			set := func() {
				s.Network.SetDown(down)
				if down {
					_ = (*d.mqtt.Load()).Close() // cut
				}
			}
			set()
			for end := time.Now().Add(2 * 24 * time.Hour); time.Now().Before(end); {
				if tt.flap == 0 {
					time.Sleep(time.Hour)
					continue
				}
				time.Sleep(tt.flap)
				down = !down
				set()
			}
			if n := changes.Load(); n < 1 || n > tt.changes {
				t.Errorf("%s of two days: %d changes on the disk, want at most %d", tt.name, n, tt.changes)
			} else {
				t.Logf("%s of two days: %d changes", tt.name, n)
			}
			if err := d.stop(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// An agent that cannot start says why to who asks later; a note that cannot be
// read is none.
func TestLastErrorAtStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := servertest.Start(t, servertest.Options{Easy: true})
		d := enrolledRig(t, s)
		if err := d.stop(); err != nil {
			t.Fatal(err)
		}
		open := d.openKeys
		d.openKeys = func(*durabletest.FS) (key.Store, error) { return nil, errors.New("the chip is away") }
		d.start()
		if err := d.stop(); err == nil {
			t.Fatal("it ran without keys")
		}
		d.openKeys = open
		if e := d.atRest(d.disk).LastError; e == nil || e.Reason != "start" || !strings.Contains(e.Detail, "the chip is away") {
			t.Errorf("got %+v", e)
		}
		for _, text := range []string{"", "{", "[]", `{"detail":"no reason"}`, `{"reason":"x"}` + strings.Repeat(" ", 8<<10)} {
			if err := durable.WriteFile(d.disk, noteFile, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if e := d.atRest(d.disk).LastError; e != nil {
				t.Errorf("%.20q: got %+v", text, e)
			}
		}
		if _, err := d.disk.Lstat(noteFile); errors.Is(err, fs.ErrNotExist) {
			t.Error("status removed the note")
		}
	})
}
