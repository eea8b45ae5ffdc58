package mqttapi

import (
	"context"
	"slices"

	"mooring/server/fifo"
	"mooring/server/platform"
)

// orders is what a session still has to tell its client of operations. It is
// guarded by session.mu.
//
// Nothing of it is lost with the session: what is pending stands in the store. A
// new operation is announced by its ID (ordered); what was pending before a
// subscription is looked through in the order of IDs (catchUp). Both read the
// operation when there is room to send it, so that a client that reads slowly is
// waited for, and what has been carried out or cancelled meanwhile is not sent.
type orders struct {
	fresh  fifo.Queue[platform.ID]
	scans  []catchUp
	sent   sentOrders
	reader bool // the client has subscribed a topic of operations
	full   bool // there was no room, and nothing has been acknowledged since
}

// sentOrders remembers on which topics operations went out: the last maxSent of
// them at least, and twice as many at most.
type sentOrders struct {
	young, old map[platform.ID][]string
}

func (o *sentOrders) on(id platform.ID) []string {
	if topics, ok := o.young[id]; ok {
		return topics
	}
	return o.old[id]
}

func (o *sentOrders) add(id platform.ID, topic string) {
	topics := append(o.on(id), topic)
	if len(o.young) >= maxSent {
		o.old, o.young = o.young, nil
	}
	if o.young == nil {
		o.young = map[platform.ID][]string{}
	}
	o.young[id] = topics
}

// catchUp is a way through all that is pending.
type catchUp struct {
	filter string // for the topics of this subscription; empty: of all
	again  bool   // also what was sent before (template 500)
	after  platform.ID
}

// ordered announces an operation, new or changed. It does not block.
func (s *session) ordered(id platform.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.orders.reader || len(s.orders.sent.on(id)) > 0 {
		return // it went out: the news is what became of it
	}
	if s.orders.fresh.Len() >= maxOrdered {
		s.orders.fresh = fifo.Queue[platform.ID]{}
		s.catchUp(catchUp{})
	} else {
		s.orders.fresh.Push(id)
	}
	s.start()
}

// catchUp plans a way through all that is pending. The pump goes it; who is not
// the pump starts it. mu is held.
func (s *session) catchUp(c catchUp) {
	if c.filter != "" && !bringsOperations(c.filter) {
		return
	}
	s.orders.reader = s.orders.reader || c.filter != ""
	if !s.orders.reader || s.object.Load() == 0 || slices.Contains(s.orders.scans, c) {
		return
	}
	s.orders.scans = append(s.orders.scans, c)
}

// hasOrders reports whether there is something to look at, and room for it. Half
// of the room is left to answers. mu is held.
func (s *session) hasOrders() bool {
	if s.orders.full || s.orders.fresh.Len() == 0 && len(s.orders.scans) == 0 {
		return false
	}
	select {
	case <-s.closing:
		return false // nobody is there to hear it
	default:
	}
	l := s.server.limits
	return s.out.room(0, l.OutboundMessages/2, l.OutboundBytes/2)
}

// passOrders looks at what comes next and sends it. Only the pump calls it.
func (s *session) passOrders() {
	ctx, cancel := s.call()
	defer cancel()
	s.mu.Lock()
	filters := slices.Clone(s.out.filters)
	one := len(s.orders.scans) == 0 // older operations first
	var id platform.ID
	var scan catchUp
	if one {
		id = s.orders.fresh.Pop()
	} else {
		scan = s.orders.scans[0]
	}
	s.mu.Unlock()
	var err error
	if one {
		err = s.passOne(ctx, id, filters)
	} else {
		err = s.passPage(ctx, scan, filters)
	}
	if err != nil {
		// The client comes back and finds all that is pending.
		s.server.log.Error("operations not read, connection closed", "tenant", s.place.tenant, "external_id", s.place.device, "err", err)
		s.mu.Lock()
		s.orders.fresh, s.orders.scans = fifo.Queue[platform.ID]{}, nil
		s.mu.Unlock()
		s.close()
	}
}

func (s *session) passOne(ctx context.Context, id platform.ID, filters []subscription) error {
	outlets, err := s.outlets(ctx, filters)
	if err != nil {
		return err
	}
	op, found, err := s.server.cfg.Operations.PendingOperation(ctx, s.place.tenant, platform.ID(s.object.Load()), id)
	if err != nil || !found {
		return err
	}
	if s.send(&op, outlets, false) {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.catchUp(catchUp{}) // no room for this one: it is met again on the way through all
	return nil
}

func (s *session) passPage(ctx context.Context, scan catchUp, filters []subscription) error {
	if scan.filter != "" {
		filters = slices.DeleteFunc(filters, func(f subscription) bool { return f.filter != scan.filter })
	}
	outlets, err := s.outlets(ctx, filters)
	if err != nil {
		return err
	}
	var ops []platform.AddressedOperation
	next, more := scan, false
	if len(outlets) > 0 {
		ops, next.after, more, err = s.server.cfg.Operations.Pending(ctx, s.place.tenant, platform.ID(s.object.Load()), scan.after)
		if err != nil {
			return err
		}
	}
	last := scan.after
	for i := range ops {
		if scan.again || !s.server.cfg.Operations.Forwarded(&ops[i].Operation, s.begun) {
			if !s.send(&ops[i], outlets, scan.again) {
				next.after, more = last, true
				break
			}
		}
		last = ops[i].ID
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if more {
		s.orders.scans[0] = next
	} else {
		s.orders.scans = slices.Delete(s.orders.scans, 0, 1)
	}
	return nil
}

// send queues an operation for every outlet that has something to say of it and
// has not said it yet. It reports false, and queues nothing, if there is no room.
func (s *session) send(op *platform.AddressedOperation, outlets []outlet, again bool) bool {
	var messages []message
	bytes := 0
	for _, o := range outlets {
		if payload := o.encode(op); len(payload) > 0 {
			m := message{topic: o.topic, payload: payload, qos: o.qos}
			messages, bytes = append(messages, m), bytes+m.size()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	limits := s.server.limits
	empty := s.out.messages.Len()+len(s.out.unacked) == 0 // what is larger than all room goes alone
	if !empty && !s.out.room(bytes, limits.OutboundMessages/2-len(messages)+1, limits.OutboundBytes/2) {
		s.orders.full = len(s.out.unacked) > 0 // else the pump makes room before it comes back
		return false
	}
	for i, m := range messages {
		if slices.Contains(s.orders.sent.on(op.ID), m.topic) {
			if !again {
				continue
			}
		} else {
			s.orders.sent.add(op.ID, m.topic)
		}
		if i == 0 {
			s.server.stats.operations.Add(1)
			m.order = op.ID // one message a delivery tells that it has arrived
		}
		s.push(m)
	}
	return true
}

// wrote notes what write has written with QoS 0. Only the pump calls it.
func (s *session) wrote() {
	if len(s.out.written) == 0 {
		return
	}
	s.mu.Lock()
	room := max(0, maxUnproven-len(s.out.unproven))
	s.out.unproven = append(s.out.unproven, s.out.written[:min(room, len(s.out.written))]...)
	s.mu.Unlock()
	s.out.written = s.out.written[:0]
	s.unproven.Store(true)
}

// proven notes that what was written has arrived: the client has sent something
// since, other than its farewell.
func (s *session) proven() {
	s.mu.Lock()
	s.unproven.Store(false)
	ids := s.out.unproven
	s.out.unproven = nil
	s.mu.Unlock()
	if len(ids) > 0 {
		s.arrived(ids...)
	}
}
