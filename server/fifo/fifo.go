// Package fifo has the queue that connections keep their packets in.
package fifo

// Queue is a first-in, first-out queue that gives its memory back when it is empty.
// Whoever uses it bounds it.
type Queue[T any] struct {
	items []T
	head  int
}

// Len is how many items wait.
func (q *Queue[T]) Len() int { return len(q.items) - q.head }

// Push adds an item at the end.
func (q *Queue[T]) Push(v T) { q.items = append(q.items, v) }

// First is the head of a queue that is not empty.
func (q *Queue[T]) First() T { return q.items[q.head] }

// Pop takes the head off a queue that is not empty.
func (q *Queue[T]) Pop() T {
	v := q.items[q.head]
	var zero T
	q.items[q.head] = zero
	q.head++
	switch {
	case q.head == len(q.items):
		q.head = 0
		if q.items = q.items[:0]; cap(q.items) > keeps {
			q.items = nil
		}
	case q.head >= keeps && q.head*2 >= len(q.items):
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	return v
}

// keeps is how many places an empty queue keeps.
const keeps = 8
