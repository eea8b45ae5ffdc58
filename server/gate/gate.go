// Package gate counts connections between accept and login, so that strangers
// cannot take all the room there is: in whole, and of one address.
package gate

import "sync"

// Gate has a number of places, of which one address gets its share.
type Gate struct {
	places     chan struct{}
	perAddress int

	mu     sync.Mutex // guards counts
	counts map[string]int
}

// New returns a Gate with that many places, of which one address may have perAddress.
func New(places, perAddress int) *Gate {
	return &Gate{places: make(chan struct{}, places), perAddress: perAddress, counts: map[string]int{}}
}

// Wait takes a place, or reports false when stop is closed. Not accepting is how
// the kernel's queue, and in the end the clients, are made to wait.
func (g *Gate) Wait(stop <-chan struct{}) bool {
	select {
	case g.places <- struct{}{}:
		return true
	case <-stop:
		return false
	}
}

// Enter is Wait and Admit for those who can be told to come back: it does not wait.
func (g *Gate) Enter(address string) bool {
	select {
	case g.places <- struct{}{}:
	default:
		return false
	}
	if g.Admit(address) {
		return true
	}
	g.Free()
	return false
}

// Admit books the place for address, or reports false when it has its share.
func (g *Gate) Admit(address string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.counts[address] >= g.perAddress {
		return false
	}
	g.counts[address]++
	return true
}

// Leave gives back what Admit booked, and the place.
func (g *Gate) Leave(address string) {
	g.mu.Lock()
	if g.counts[address]--; g.counts[address] <= 0 {
		delete(g.counts, address)
	}
	g.mu.Unlock()
	g.Free()
}

// Free gives back a place for which nobody was admitted.
func (g *Gate) Free() { <-g.places }
