package devicetoken

import (
	"fmt"
	"testing"
)

func TestLRU(t *testing.T) {
	const limit = 3
	l := newLRU(limit)
	at := func(i int) place { return place{device: fmt.Sprint(i)} }
	for i := range limit {
		l.put(at(i), held{token: fmt.Sprint(i)})
	}
	l.get(at(0)) // used last, so 1 is the oldest
	l.put(at(2), held{token: "new 2"})
	l.put(at(3), held{token: "3"})
	want := map[int]string{0: "0", 2: "new 2", 3: "3"}
	for i := range limit + 1 {
		got, ok := l.get(at(i))
		if ok != (want[i] != "") || got.token != want[i] {
			t.Errorf("%d: got %q, %v, want %q", i, got.token, ok, want[i])
		}
	}
	if n := l.recent.Len(); n != limit || len(l.byPlace) != limit {
		t.Errorf("%d and %d entries, want %d", n, len(l.byPlace), limit)
	}
}
