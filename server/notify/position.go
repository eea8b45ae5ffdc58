package notify

import "container/heap"

// position is how far a consumer has acknowledged everything, while
// acknowledgements come in any order.
type position struct {
	floor   int64 // everything up to here is acknowledged
	saved   int64 // the floor in the store
	flying  numbers
	settled map[int64]struct{} // acknowledged above the floor
}

func newPosition(floor int64) position {
	return position{floor: floor, saved: floor, settled: map[int64]struct{}{}}
}

// unsaved is how many messages the floor is ahead of the store.
func (p *position) unsaved() int64 { return p.floor - p.saved }

// begin notes that a message was handed out.
func (p *position) begin(number int64) { heap.Push(&p.flying, number) }

// done notes that a message was acknowledged.
func (p *position) done(number int64) { p.settled[number] = struct{}{} }

func (p *position) isDone(number int64) bool {
	_, ok := p.settled[number]
	return ok || number <= p.floor
}

// advance moves the floor up to before the first message in flight, at most to
// cursor, and returns it.
func (p *position) advance(cursor int64, flying func(int64) bool) int64 {
	for len(p.flying) > 0 && !flying(p.flying[0]) {
		heap.Pop(&p.flying)
	}
	floor := cursor
	if len(p.flying) > 0 {
		floor = min(floor, p.flying[0]-1)
	}
	if floor <= p.floor {
		return p.floor
	}
	if floor-p.floor <= int64(2*len(p.settled)) {
		for n := p.floor + 1; n <= floor; n++ {
			delete(p.settled, n)
		}
	} else {
		for n := range p.settled {
			if n <= floor {
				delete(p.settled, n)
			}
		}
	}
	p.floor = floor
	return floor
}

// numbers is a heap, the least on top.
type numbers []int64

func (n numbers) Len() int           { return len(n) }
func (n numbers) Less(i, j int) bool { return n[i] < n[j] }
func (n numbers) Swap(i, j int)      { n[i], n[j] = n[j], n[i] }
func (n *numbers) Push(v any)        { *n = append(*n, v.(int64)) }
func (n *numbers) Pop() any {
	last := (*n)[len(*n)-1]
	*n = (*n)[:len(*n)-1]
	return last
}
