package localapi

import (
	"testing"
	"time"
)

// Those whose calls are counted are forgotten when one more user comes, and not
// before.
func TestUsersAreBounded(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	for _, tt := range []struct {
		others int
		same   bool // the last caller is known
		want   bool // the first user is still kept waiting
	}{{1022, false, true}, {1023, false, true}, {1023, true, true}, {1024, false, false}} {
		l := newLimiter(1)
		for l.take(0, now) == 0 { // until it has to wait
		}
		for uid := range tt.others {
			l.take(uint32(uid+1), now)
		}
		if tt.same {
			l.take(uint32(tt.others), now)
		}
		if got := l.take(0, now) > 0; got != tt.want || len(l.free) > 1024 {
			t.Errorf("%d others: waits %v, want %v; %d remembered", tt.others, got, tt.want, len(l.free))
		}
	}
}
