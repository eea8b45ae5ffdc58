package mqttapi

import "sync"

// gate counts connections between accept and CONNECT.
type gate struct {
	places     chan struct{}
	perAddress int

	mu     sync.Mutex // guards counts
	counts map[string]int
}

func newGate(places, perAddress int) *gate {
	return &gate{places: make(chan struct{}, places), perAddress: perAddress, counts: map[string]int{}}
}

// wait takes a place, or reports false when stop is closed. Not accepting is how
// the kernel's queue, and in the end the clients, are made to wait.
func (g *gate) wait(stop <-chan struct{}) bool {
	select {
	case g.places <- struct{}{}:
		return true
	case <-stop:
		return false
	}
}

// enter is wait and admit for those who can be told to come back: it does not wait.
func (g *gate) enter(address string) bool {
	select {
	case g.places <- struct{}{}:
	default:
		return false
	}
	if g.admit(address) {
		return true
	}
	g.free()
	return false
}

// admit books the place for address, or reports false when it has its share.
func (g *gate) admit(address string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.counts[address] >= g.perAddress {
		return false
	}
	g.counts[address]++
	return true
}

// leave gives back what admit booked, and the place.
func (g *gate) leave(address string) {
	g.mu.Lock()
	if g.counts[address]--; g.counts[address] <= 0 {
		delete(g.counts, address)
	}
	g.mu.Unlock()
	g.free()
}

// free gives back a place for which nobody was admitted.
func (g *gate) free() { <-g.places }
