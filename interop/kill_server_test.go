package interop_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	serverKills = 5
	// publishWindow is how many publishes of one client are on their way.
	publishWindow = 16
	// maxAcknowledged is how many acknowledgements clients see at most before
	// the server is killed.
	maxAcknowledged = 4000
	fragment        = "c8y_Kill"
)

// publisher is a client that never stops: it remembers what it has sent, and
// sends again what was not acknowledged, as MQTT wants it (§4.4).
type publisher struct {
	id   string
	pair tls.Certificate
	qos  int

	next int            // the next value
	open map[uint16]int // packet ID → value, sent and not acknowledged
	// received are the QoS 2 publishes that have their PUBREC.
	received map[uint16]bool
	acked    []int  // values that are the server's now
	heard    func() // called with each acknowledgement
	lately   []completed
}

// completed is a QoS 2 publish that had its PUBCOMP.
type completed struct {
	id    uint16
	value int
}

func newPublisher(id string, pair tls.Certificate, qos int) *publisher {
	return &publisher{id: id, pair: pair, qos: qos, open: map[uint16]int{}, received: map[uint16]bool{}, heard: func() {}}
}

func line(value int) string { return fmt.Sprintf("200,%s,N,%d", fragment, value) }

func (p *publisher) first() byte {
	if p.qos == 2 {
		return packetPublish2
	}
	return packetPublish1
}

// protocolError is what a server must never do.
type protocolError struct{ error }

// load publishes until the connection breaks, and returns why.
func (p *publisher) load(ctx context.Context, s *instance) error {
	c, err := p.connect(ctx, s)
	if err != nil {
		return err
	}
	defer c.close()
	for {
		for len(p.open) < publishWindow {
			if err := p.publish(c); err != nil {
				return err
			}
		}
		first, id, err := c.readID()
		if err != nil {
			return err
		}
		if err := p.answered(c, first, id); err != nil {
			return err
		}
	}
}

// connect takes the session up again: what was sent and not acknowledged goes
// again under its packet ID.
func (p *publisher) connect(ctx context.Context, s *instance) (*mqttClient, error) {
	c, err := dialMQTT(ctx, s, p.id, p.pair, false)
	if err != nil {
		return nil, err
	}
	for id, value := range p.open {
		if p.received[id] {
			err = c.acknowledge(packetPubrel, id)
		} else {
			err = c.publish(p.first()|flagDuplicate, id, line(value))
		}
		if err != nil {
			c.close()
			return nil, err
		}
	}
	return c, nil
}

// publish sends the next value under a packet ID that is free.
func (p *publisher) publish(c *mqttClient) error {
	p.next++
	id := uint16(p.next%0xffff + 1)
	for _, taken := p.open[id]; taken; _, taken = p.open[id] {
		id = id%0xffff + 1
	}
	p.open[id] = p.next
	return c.publish(p.first(), id, line(p.next))
}

// answered takes an acknowledgement. Its own answer may be lost: the server is
// about to be killed.
func (p *publisher) answered(c *mqttClient, first byte, id uint16) error {
	value, known := p.open[id]
	switch {
	case !known:
		return protocolError{fmt.Errorf("%s: got %#x for packet %d, which is not open", p.id, first, id)}
	case first == packetPuback && p.qos == 1, first == packetPubcomp && p.qos == 2 && p.received[id]:
		delete(p.open, id)
		delete(p.received, id)
		p.acked = append(p.acked, value)
		if p.qos == 2 {
			p.lately = append(p.lately, completed{id, value})
		}
		p.heard()
	case first == packetPubrec && p.qos == 2:
		p.received[id] = true
		_ = c.acknowledge(packetPubrel, id)
	default:
		return protocolError{fmt.Errorf("%s: got %#x for packet %d of QoS %d", p.id, first, id, p.qos)}
	}
	return nil
}

// loseAnswers makes the last PUBCOMPs of a broken connection lost on the way,
// as some are in the field: their PUBRELs go again.
func (p *publisher) loseAnswers() {
	for _, c := range p.lately[max(0, len(p.lately)-publishWindow):] {
		p.open[c.id], p.received[c.id] = c.value, true
		p.acked = slices.DeleteFunc(p.acked, func(v int) bool { return v == c.value })
	}
	p.lately = nil
}

// drain brings what is open to its end.
func (p *publisher) drain(ctx context.Context, s *instance) error {
	c, err := p.connect(ctx, s)
	if err != nil {
		return err
	}
	defer c.close()
	for len(p.open) > 0 {
		first, id, err := c.readID()
		if err != nil {
			return fmt.Errorf("%s: %d publishes are open: %w", p.id, len(p.open), err)
		}
		if err := p.answered(c, first, id); err != nil {
			return err
		}
	}
	return nil
}

// check compares what the server has with what it acknowledged.
func (p *publisher) check(t *testing.T, s *instance) {
	t.Helper()
	got := s.values(t, p.id, fragment)
	lost := 0
	for _, value := range p.acked {
		if got[value] == 0 {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%s: %d of %d acknowledged measurements are lost", p.id, lost, len(p.acked))
	}
	for value, n := range got {
		if value < 1 || value > p.next || p.qos == 2 && n != 1 {
			t.Errorf("%s: value %d of 1 to %d is there %d times", p.id, value, p.next, n)
		}
	}
}

// TestKilledServerKeepsWhatItAcknowledged kills the server under load, several
// times on the same data directory. A measurement whose acknowledgement the
// client saw is there after each restart, and one of QoS 2 exactly once.
func TestKilledServerKeepsWhatItAcknowledged(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	s := launch{}.start(t, dir)
	s.authority(t)
	var publishers []*publisher
	for n, qos := range []int{1, 1, 1, 2, 2} {
		d := enrolledDevice(t, s, fmt.Sprintf("loader-%d", n))
		pair, err := d.pair()
		if err != nil {
			t.Fatal(err)
		}
		publishers = append(publishers, newPublisher(d.id, pair, qos))
	}
	for round := range serverKills {
		killUnderLoad(t, s, publishers, 1+random.Int64N(maxAcknowledged))
		s = launch{again: s}.start(t, dir)
		for _, p := range publishers {
			p.check(t, s)
			p.loseAnswers()
		}
		if t.Failed() {
			t.Fatalf("after kill %d", round+1)
		}
	}
	total := 0
	for _, p := range publishers {
		if err := p.drain(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		p.check(t, s)
		if len(p.acked) != p.next {
			t.Errorf("%s: %d of %d publishes were acknowledged in the end", p.id, len(p.acked), p.next)
		}
		total += len(p.acked)
	}
	t.Logf("%d kills, %d acknowledged measurements", serverKills, total)
}

// killUnderLoad kills s when the publishers have heard so many acknowledgements.
func killUnderLoad(t *testing.T, s *instance, publishers []*publisher, acknowledged int64) {
	t.Helper()
	var loading sync.WaitGroup
	var heard atomic.Int64
	enough := make(chan struct{})
	var killing atomic.Bool
	for _, p := range publishers {
		p.heard = func() {
			if heard.Add(1) == acknowledged {
				close(enough)
			}
		}
		loading.Go(func() {
			err := p.load(t.Context(), s)
			if _, wrong := errors.AsType[protocolError](err); wrong || !killing.Load() {
				t.Errorf("%s: %v", p.id, err)
			}
		})
	}
	select {
	case <-enough:
	case <-time.After(conditionLimit):
		t.Errorf("%d of %d acknowledgements within %s", heard.Load(), acknowledged, conditionLimit)
	}
	killing.Store(true)
	s.kill()
	loading.Wait()
}
