package uplink

import (
	"context"
	"errors"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"mooring/agent/spool"
	"mooring/internal/smartrest"
)

const (
	// window is how many messages are under way at most, and so how many are sent
	// twice at most when a connection ends. Until the first acknowledgement of a
	// connection it is 1, so that it shows which message the server does not bear.
	window = 32
	// acknowledgeLimit bounds the wait for an acknowledgement: servers delay them
	// when there is much to do (contract mqtt.md §1.9). Then the connection is
	// given up, because sending again on the same one would break the order.
	acknowledgeLimit = 2 * time.Minute
	// poisonTries is how many connections in a row may end without an
	// acknowledgement of the same first message before it is dropped.
	poisonTries = 10
	// datedAfter is how long a line without a time may wait for the time of its
	// arrival to be good enough.
	datedAfter = 2 * time.Second
)

var errNoAcknowledgement = errors.New("the server does not acknowledge messages")

// flight is a message on its way.
type flight struct {
	entry spool.Entry
	token mqtt.Token // nil: it is dropped
	why   spool.Why
}

// suspect is the message that was under way alone when connections ended.
type suspect struct {
	seq   uint64
	tries int
}

// drain sends what is in the spool, in order, until ctx ends. It returns an error
// if the connection is no good.
func (u *Uplink) drain(ctx context.Context, s *session) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	flights := make(chan flight, window)
	room := make(chan struct{}, window)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		cancel(u.acknowledge(ctx, flights, room))
	}()
	u.send(ctx, s, flights, room)
	<-ended
	return context.Cause(ctx)
}

// send puts messages under way. room has an element for each place in the
// window; the other places come with the first acknowledgement.
func (u *Uplink) send(ctx context.Context, s *session, flights chan<- flight, room chan struct{}) {
	defer close(flights)
	room <- struct{}{}
	for last := uint64(0); ; {
		select {
		case <-room:
		case <-ctx.Done():
			return
		}
		e, err := u.cfg.Spool.Next(ctx, last)
		if err != nil {
			return
		}
		last = e.Seq
		f := flight{entry: e}
		switch {
		case e.Expired:
			f.why = spool.Expired
		case u.isPoison(e.Seq):
			f.why = spool.Refused
			u.log.Error("a message is dropped that ended one connection after the other", "topic", e.Topic, "bytes", len(e.Payload))
		default:
			if f.token = s.publish(ctx, e.Topic, e.QoS, u.dated(e)); f.token == nil {
				return
			}
		}
		flights <- f // has room, because the window has
	}
}

// acknowledge reports to the spool in the order of sending.
func (u *Uplink) acknowledge(ctx context.Context, flights <-chan flight, room chan<- struct{}) error {
	first := true
	for f := range flights {
		if f.token == nil {
			u.cfg.Spool.Drop(f.entry.Seq, f.why)
		} else if err := acknowledged(ctx, f.token); err != nil {
			if first {
				u.blame(err, f.entry.Seq)
			}
			return err
		} else {
			u.cfg.Spool.Done(f.entry.Seq)
		}
		room <- struct{}{}
		if first && f.token != nil {
			first = false
			for range window - 1 {
				room <- struct{}{}
			}
		}
	}
	return nil
}

// acknowledged waits for the end of one exchange. When the connection ends the
// library ends all that are open, so that those which the server acknowledged
// before count.
func acknowledged(ctx context.Context, t mqtt.Token) error {
	limit := time.NewTimer(acknowledgeLimit)
	defer limit.Stop()
	select {
	case <-t.Done():
		return t.Error()
	case <-ctx.Done():
		select {
		case <-t.Done():
			return t.Error()
		default:
			return context.Cause(ctx)
		}
	case <-limit.C:
		return errNoAcknowledgement
	}
}

// blame counts an end of the connection against a message, unless we ended it.
func (u *Uplink) blame(err error, seq uint64) {
	if errors.Is(err, errReplaced) || errors.Is(err, context.Canceled) || errors.Is(err, errNoAcknowledgement) {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.suspect.seq != seq {
		u.suspect = suspect{seq: seq}
	}
	u.suspect.tries++
}

func (u *Uplink) isPoison(seq uint64) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.suspect == suspect{seq, poisonTries}
}

// dated gives lines that have waited the time at which they were published.
func (u *Uplink) dated(e spool.Entry) []byte {
	if !e.Trusted || !smartrest.IsStatic(e.Topic) || u.cfg.Now().Sub(e.At) < datedAfter {
		return e.Payload
	}
	if dated := smartrest.Dated(e.Payload, e.At); publishOverhead+len(e.Topic)+len(dated) <= maxPublish {
		return dated
	}
	return e.Payload
}
