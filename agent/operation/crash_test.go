package operation_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"mooring/internal/durable"
	"mooring/internal/durable/durabletest"
)

func put(t testing.TB, disk durable.FS, path, text string) {
	t.Helper()
	if err := durable.MkdirAll(disk, "/operations", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := durable.WriteFile(disk, path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func deviceKnown(w http.ResponseWriter, r *http.Request) bool {
	if r.URL.Path != "/identity/externalIds/c8y_Serial/dev1" {
		return false
	}
	_, _ = w.Write([]byte(`{"managedObject":{"id":"7"}}`)) // to a client in this process
	return true
}

// ways are what a disk may hold after the agent died: what was synced, some of
// the rest too, or everything, when only the process was killed.
var ways = []func(*durabletest.FS, uint64) *durabletest.FS{
	func(f *durabletest.FS, _ uint64) *durabletest.FS { return f.PowerLoss(nil) },
	func(f *durabletest.FS, n uint64) *durabletest.FS { return f.PowerLoss(rand.New(rand.NewPCG(n, 1))) },
	func(f *durabletest.FS, _ uint64) *durabletest.FS { return f.Restart() },
}

// TestCrashMatrix kills the agent before every step that an operation makes on
// the disk. Each operation gets one final status, and what changes the device
// happens once.
func TestCrashMatrix(t *testing.T) {
	total, repeated := 0, 0
	for _, lines := range []bool{false, true} {
		for _, tt := range orders {
			if lines && tt.line == "" {
				continue // there is no line for it
			}
			synctest.Test(t, func(t *testing.T) {
				var o *order
				begin := func() *world {
					w := newWorld(t)
					w.lines = lines
					s := w.serve(t)
					files(s)
					s.handle = deviceKnown
					o = w.create(tt.fragment, tt.body, tt.line)
					return w
				}
				clean := begin()
				clean.start()
				clean.settle(o)
				clean.stop()
				steps := clean.disk.Steps()
				for n := range steps {
					for way, found := range ways {
						w := begin()
						w.disk.CutAt(n)
						w.start()
						for range 100 {
							if time.Sleep(time.Second); w.disk.WasCut() {
								break
							}
							select {
							case <-w.ended:
								w.start()
							default:
							}
						}
						w.stop()
						w.disk = found(w.disk, uint64(n))
						w.start()
						w.settle(o)
						w.stop()
						where := fmt.Sprintf("%s, lines %v, cut before step %d, way %d", tt.name, lines, n, way)
						if o.finals != 1 || !lines && o.status != "SUCCESSFUL" {
							t.Errorf("%s: %s %q, %d ends", where, o.status, o.reason, o.finals)
						}
						// A line whose announcement was interrupted is given up.
						got := w.effects[tt.effect]
						if keyed[tt.name] && got != 1 && !(got == 0 && lines && o.status == "FAILED") {
							t.Errorf("%s: %d effects %v", where, got, w.effects)
						}
						if left := w.journal(); len(left.Entries) > 0 {
							t.Errorf("%s: the journal has %s", where, left.Entries)
						}
						if len(w.refused) > 1 {
							t.Errorf("%s: one death, and sent twice: %q", where, w.refused)
						}
						total++
						repeated += len(w.refused)
					}
				}
				t.Logf("%s, lines %v: %d cut points", tt.name, lines, steps)
			})
		}
	}
	t.Logf("%d lives, each with one death; %d reports were sent twice", total, repeated)
}

// keyed are the operations whose effect the helper makes happen once. The
// others may look twice, and a restart is asked for again if nothing shows that
// it happened.
var keyed = map[string]bool{"command": true, "download": true, "firmware": true, "software": true, "renew": true}
