package sockets

import (
	"testing"
	"time"
)

func TestPace(t *testing.T) {
	const long = time.Second
	tests := []struct {
		name   string
		seldom int
		often  int
		want   bool
	}{
		{"nobody", 0, 0, false},
		{"few peers", busyPeers - 1, 0, false},
		{"enough peers", busyPeers, 0, true},
		{"some come back at once", 4 * busyPeers, busyPeers, true},
		{"too many do", 4*busyPeers - 1, busyPeers, false},
		{"all do", 0, 1000, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var p pace
			now := int64(paceWindow)
			p.slow(now)
			for range tt.seldom {
				p.note(int64(atOnce))
			}
			for range tt.often {
				p.note(int64(atOnce) - 1)
			}
			if p.slow(now + int64(paceWindow) - 1) {
				t.Error("decided before the window was over")
			}
			now += int64(paceWindow)
			if got := p.slow(now); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			if now += int64(long); p.slow(now) {
				t.Error("still slow when nobody speaks any more")
			}
		})
	}
}
