package main

import (
	"math"
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

func TestPaceFor(t *testing.T) {
	const mib = 1 << 20
	tests := []struct {
		name string
		live uint64
		want int64
	}{
		{"nothing yet", 0, slowestPace},
		{"one byte", 1, slowestPace},
		{"just below an eleventh", heapFloor/11 - 1, slowestPace},
		{"a little more than an eleventh", heapFloor / 10, 900},
		{"a third", 16 * mib, 200},
		{"just below half", heapFloor/2 - mib, 108},
		{"half", heapFloor / 2, usualPace},
		{"just above half", heapFloor/2 + 1, usualPace},
		{"a large server", 8 << 30, usualPace},
		{"more than there is", math.MaxUint64, usualPace},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := paceFor(tt.live); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

// pace reads the collector's, which only setting it returns.
func pace() int {
	p := debug.SetGCPercent(usualPace)
	debug.SetGCPercent(p)
	return p
}

func TestKeepHeapFloorLeavesTheEnvironmentAlone(t *testing.T) {
	for _, name := range []string{"GOGC", "GOMEMLIMIT"} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("GOGC", "")
			t.Setenv(name, "150")
			before := pace()
			if keepHeapFloor(); pace() != before {
				t.Errorf("got %d, want %d", pace(), before)
			}
		})
	}
}

// With much alive the usual pace comes back.
func TestKeepHeapFloorFollowsTheHeap(t *testing.T) {
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	defer debug.SetGCPercent(pace())
	keepHeapFloor()
	if got := pace(); got != slowestPace {
		t.Fatalf("at the start: got %d, want %d", got, slowestPace)
	}
	alive := make([]byte, heapFloor)
	deadline := time.Now().Add(10 * time.Second)
	for pace() != usualPace && time.Now().Before(deadline) {
		runtime.GC() // clean-ups run beside it
		runtime.Gosched()
	}
	if got := pace(); got != usualPace {
		t.Errorf("with %d bytes alive: got %d, want %d", len(alive), got, usualPace)
	}
	runtime.KeepAlive(alive)
}
