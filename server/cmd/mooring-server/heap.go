package main

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
)

// heapFloor is the size up to which the heap may grow before it is collected.
// A server with few devices has a small heap and makes 75 KiB of garbage a TLS
// handshake; at Go's own pace it spends an eighth of its time collecting.
// From 24 MiB of live objects on the pace is Go's own.
const heapFloor = 48 << 20

// Go's own pace, and the slowest we ask for, in per cent.
const (
	usualPace   = 100
	slowestPace = 1000
)

// keepHeapFloor sets the pace of the collector after each collection, unless
// the environment does (GOGC, GOMEMLIMIT).
func keepHeapFloor() {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	debug.SetGCPercent(slowestPace)
	p := &pacer{live: []metrics.Sample{{Name: "/gc/heap/live:bytes"}}}
	p.pace.Store(slowestPace)
	p.arm()
}

type pacer struct {
	live []metrics.Sample // used by one clean-up at a time
	pace atomic.Int64
}

// arm has adjust called after the next collection: it frees an object that
// nobody holds.
func (p *pacer) arm() { runtime.AddCleanup(new([16]byte), (*pacer).adjust, p) }

func (p *pacer) adjust() {
	metrics.Read(p.live)
	want := paceFor(p.live[0].Value.Uint64())
	// To set it stops the world for a moment: not for a little.
	if old := p.pace.Load(); want < old || want > old+old/8 {
		p.pace.Store(want)
		debug.SetGCPercent(int(want))
	}
	p.arm()
}

// paceFor is the growth in per cent from live bytes to heapFloor.
func paceFor(live uint64) int64 {
	if live == 0 {
		return slowestPace
	}
	growth := (float64(heapFloor)/float64(live) - 1) * 100
	return int64(math.Min(slowestPace, math.Max(usualPace, growth)))
}
