package mqttapi

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// TestDeep: calls run at once however many there are, workers are used again, and
// a panic is the caller's.
func TestDeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stop := make(chan struct{})
		defer close(stop)
		d := newDeep(stop)
		const calls = 50
		var running sync.WaitGroup
		running.Add(calls)
		var ran atomic.Int64
		for range calls {
			go d.do(func() { running.Done(); running.Wait(); ran.Add(1) })
		}
		synctest.Wait()
		if got := ran.Load(); got != calls {
			t.Fatalf("%d of %d calls ran", got, calls)
		}
		worker := 0
		for range calls {
			select {
			case d.tasks <- &task{run: func() { worker++ }, done: make(chan struct{})}:
				synctest.Wait()
			default:
				t.Fatal("no worker waits for the next call")
			}
		}
		if worker != calls {
			t.Errorf("%d of %d calls ran on workers that waited", worker, calls)
		}
		defer func() {
			if r := recover(); r != "lost" {
				t.Errorf("recovered %v", r)
			}
		}()
		d.do(func() { panic("lost") }) // what is tested: it reaches the caller
	})
}
