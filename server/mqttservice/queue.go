package mqttservice

// queue is a first-in, first-out queue that gives its memory back when it is empty.
// Whoever uses it bounds it.
type queue[T any] struct {
	items []T
	head  int
}

func (q *queue[T]) len() int { return len(q.items) - q.head }

func (q *queue[T]) push(v T) { q.items = append(q.items, v) }

// first is the head of a queue that is not empty.
func (q *queue[T]) first() T { return q.items[q.head] }

// pop takes the head off a queue that is not empty.
func (q *queue[T]) pop() T {
	v := q.items[q.head]
	var zero T
	q.items[q.head] = zero
	q.head++
	switch {
	case q.head == len(q.items):
		q.head = 0
		if q.items = q.items[:0]; cap(q.items) > queueKeeps {
			q.items = nil
		}
	case q.head >= queueKeeps && q.head*2 >= len(q.items):
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	return v
}

// queueKeeps is how many places an empty queue keeps.
const queueKeeps = 8
