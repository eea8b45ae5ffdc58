package notify

import (
	"context"
	"time"

	"mooring/server/platform"
)

// run hands out what is stored until ctx ends.
func (r *reader) run(ctx context.Context) {
	for ctx.Err() == nil {
		wait := r.handOut(ctx)
		r.save(saveAfter)
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-r.woken:
		case <-timer.C:
			r.save(1)
			if r.s.Poll > 0 {
				r.more()
			}
		}
		timer.Stop()
	}
	r.save(1)
}

// retryRead is how long a reader waits when the store cannot be read.
const retryRead = 5 * time.Second

// handOut reads and hands out until there is nothing left or no room. It
// returns after which time to look again unasked.
func (r *reader) handOut(ctx context.Context) time.Duration {
	for {
		after, ok := r.next()
		if !ok {
			return r.idleFor()
		}
		page, err := r.s.Store.QueuedNotifications(ctx, r.tenant, r.topic.Name, after, readPage)
		if err != nil {
			if ctx.Err() == nil {
				r.s.Log.Error("cannot read notifications", "tenant", r.tenant, "topic", r.topic.Name, "err", err)
			}
			r.mu.Lock()
			r.unread = true
			r.mu.Unlock()
			return retryRead
		}
		if !r.handOutPage(after, page) {
			return r.idleFor()
		}
	}
}

// idleFor is until when unsaved acknowledgements, or messages of other nodes, may wait.
func (r *reader) idleFor() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.position.unsaved() > 0:
		return saveEvery
	case r.s.Poll > 0:
		return r.s.Poll
	}
	return time.Hour
}

// maxSettled bounds how far a consumer may go on while it owes the
// acknowledgement of an earlier message.
const maxSettled = 50_000

// next tells from where to read, if there is something to read and room for it.
func (r *reader) next() (after int64, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.unread || len(r.position.settled) > maxSettled {
		return 0, false
	}
	for _, c := range r.clients {
		if !c.full() {
			r.unread = false // whatever comes from now on sets it again
			return r.cursor, true
		}
	}
	return 0, false
}

// handOutPage hands out what was read after a number, and tells whether to go on.
func (r *reader) handOutPage(after int64, page []platform.QueuedNotification) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cursor != after {
		r.unread = true // somebody left meanwhile
		return true
	}
	for _, m := range page {
		if !r.flying(m.Number) && !r.position.isDone(m.Number) {
			c := r.forSource(m.Source)
			if c == nil || c.full() {
				r.unread = true
				return false
			}
			held := r.stuck[m.Source]
			r.stuck[m.Source] = stuck{c, held.n + 1}
			r.flights[m.Number] = flight{c, m.Source}
			r.position.begin(m.Number)
			c.push(Message{m, r.tenant})
		}
		r.cursor = m.Number
	}
	r.position.advance(r.cursor, r.flying)
	if len(page) == readPage {
		r.unread = true
	}
	return r.unread
}

// saveWithin bounds the wait for the store.
const saveWithin = 10 * time.Second

// save stores how far everything is acknowledged, if that has moved by least.
func (r *reader) save(least int64) {
	if r.topic.NonPersistent {
		return
	}
	r.mu.Lock()
	floor, saved := r.position.floor, r.position.saved
	r.mu.Unlock()
	if floor-saved < least {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), saveWithin)
	defer cancel()
	if err := r.s.Store.SetPosition(ctx, r.tenant, r.topic.Name, r.subscriber, floor); err != nil {
		r.s.Log.Error("cannot store what a consumer has acknowledged", "tenant", r.tenant, "topic", r.topic.Name, "err", err)
		return
	}
	r.mu.Lock()
	r.position.saved = max(r.position.saved, floor)
	r.mu.Unlock()
}
