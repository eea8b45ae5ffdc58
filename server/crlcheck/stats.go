package crlcheck

import (
	"sync/atomic"

	"mooring/server/platform"
)

// Stats counts since the start, but for Lists, Serials and Fetching, which are now.
type Stats struct {
	Lists    int // kept
	Serials  int // on them
	Fetching int // fetches that run
	Fetched  int64
	Failed   int64                        // fetches without a good list
	Answers  map[platform.ListState]int64 // to handshakes
}

// counters are updated without a lock.
type counters struct {
	fetched, failed atomic.Int64
	answers         [listStates]atomic.Int64
}

// listStates is how many states of a list there are.
const listStates = 3

// answered counts an answer and returns it.
func (c *counters) answered(a platform.ListAnswer) platform.ListAnswer {
	if int(a.State) < listStates {
		c.answers[a.State].Add(1)
	}
	return a
}

// Stats tells what the checker has and did.
func (c *Checker) Stats() Stats {
	s := Stats{Fetched: c.counters.fetched.Load(), Failed: c.counters.failed.Load(), Answers: map[platform.ListState]int64{}}
	for state := range c.counters.answers {
		s.Answers[platform.ListState(state)] = c.counters.answers[state].Load()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s.Lists, s.Serials, s.Fetching = len(c.lists), c.serials, c.fetching
	return s
}
