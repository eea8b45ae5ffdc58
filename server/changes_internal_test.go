package server

import (
	"context"
	"log/slog"
	"testing"

	"mooring/server/platform"
)

// shortLog is a change log from which the older part was removed.
type shortLog []platform.Change

func (l shortLog) ChangesAfter(_ context.Context, after int64, limit int) ([]platform.Change, error) {
	var list []platform.Change
	for _, c := range l {
		if c.Number > after && len(list) < limit {
			list = append(list, c)
		}
	}
	return list, nil
}

func (l shortLog) LastChange(context.Context) (int64, error) { return l[len(l)-1].Number, nil }

// A node that was away for longer than changes are kept says so: what it does
// not know it cannot forget.
func TestChangesThatWereRemovedAreMissed(t *testing.T) {
	log := shortLog{{Number: 5}, {Number: 6}}
	for after, want := range map[int64]int{3: 1, 4: 0, 5: 0, 6: 0} {
		missed, applied := 0, 0
		f := &changeFeed{log: slog.New(slog.DiscardHandler), missed: func() { missed++ }}
		f.subscribe(func(context.Context, platform.Change) error { applied++; return nil })
		if got := f.catchUp(t.Context(), log, after); got != 6 {
			t.Errorf("after %d: it has read up to %d", after, got)
		}
		if missed != want || applied != int(6-max(after, 4)) {
			t.Errorf("after %d: missed %d, applied %d", after, missed, applied)
		}
	}
}
