package fifo

import "testing"

func TestQueue(t *testing.T) {
	var q Queue[int]
	next, want := 0, 0
	for round := range 200 {
		for range round % 17 {
			q.Push(next)
			next++
		}
		for range round % 13 {
			if q.Len() == 0 {
				break
			}
			if got := q.First(); got != want || q.Pop() != want {
				t.Fatalf("got %d, want %d", got, want)
			}
			want++
		}
		if q.Len() != next-want {
			t.Fatalf("length %d, want %d", q.Len(), next-want)
		}
	}
	for q.Len() > 0 {
		q.Pop()
	}
	if cap(q.items) > keeps {
		t.Errorf("an empty queue keeps %d places", cap(q.items))
	}
}
