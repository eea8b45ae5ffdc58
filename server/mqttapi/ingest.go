package mqttapi

import (
	"context"
	"strconv"
	"time"

	"mooring/internal/deviceid"
	"mooring/internal/problem"
	"mooring/internal/smartrest"
	"mooring/server/platform"
)

// inbound is one publish to be carried out.
type inbound struct {
	topic    string
	payload  []byte
	packetID uint16 // zero at QoS 0 and for wills
	// release, if set, is a staged publish that goes in the same transaction.
	release *platform.StagedKey
	ids     []platform.ID // see reserve
}

// apply carries out one publish: it calls complete exactly once, with nil when
// all of it is durable or refused for good, with an error if the client must send
// it again.
//
// Bad content never leads to an error: it is acknowledged and reported on s/e or
// error, because a client that is cut off for what it sends sends it again for
// ever (mqtt.md §1.8).
func (s *session) apply(in inbound, complete func(error)) {
	t, err := deviceid.ParseTopic(in.topic)
	if err != nil {
		t = deviceid.Topic{}
	}
	if s.place.bootstrap {
		s.applied(in, s.applyBootstrap(t, in), complete)
		return
	}
	upstream := t.Class == deviceid.SmartREST && t.Direction == deviceid.Upstream
	switch {
	case upstream && t.Type == deviceid.TypeStatic:
		s.applyLines(t, in, complete)
		return
	case t.Class == deviceid.JSON:
		s.applyJSON(t, in, complete)
		return
	case upstream && (t.Type == deviceid.TypeCustom || t.Type == deviceid.TypeDefault):
		s.applyCustom(t, in, complete)
		return
	case upstream && t.Type == deviceid.TypeTemplate:
		err = s.applyTemplate(t, in)
	case upstream && t.Type == deviceid.TypeAccessToken:
		err = s.sendToken()
	case upstream && t.Type == deviceid.TypeLegacy:
		err = s.applyLegacy(t, in)
	default:
		s.reject(t, in)
		err = nil
	}
	s.applied(in, err, complete)
}

// applied completes a publish that put nothing into a batch.
func (s *session) applied(in inbound, err error, complete func(error)) {
	if err != nil || in.release == nil {
		complete(err)
		return
	}
	s.server.cfg.Telemetry.Submit(platform.Batch{Tenant: s.place.tenant, Release: in.release}, complete)
}

// reject reports a publish to a topic that does nothing here.
func (s *session) reject(t deviceid.Topic, in inbound) {
	switch {
	case t.Class == deviceid.SmartREST && t.Type == deviceid.TypeCredentials && t.Direction == deviceid.Upstream:
		// A device that has credentials asks for some: silence (mqtt.md §7.1).
	case t.Class == deviceid.SmartREST && t.XID != "":
		s.report(smartrest.NewError(smartrest.CodeNoTemplate, "", "No template collection "+t.XID))
	case meantAsJSON(in.topic):
		s.reportJSON(in.packetID, problem.WithCode(problem.MethodNotAllowed, "undefined/notSupported", "Topic "+strconv.Quote(in.topic)+" is not available", nil))
	default:
		s.report(smartrest.NewError(smartrest.CodeServer, "", "Topic "+strconv.Quote(in.topic)+" is not available"))
	}
}

// publish is one publish of static templates while it is carried out.
type publish struct {
	*session
	mode   deviceid.Mode
	child  string // external ID; empty: the root device
	now    time.Time
	target platform.ID // of the topic's object; zero until it is needed
	batch  batches
	errors []*smartrest.Error
	ids    []platform.ID // for the objects of lines; see reserve
	line   int           // which is carried out

	ctx    context.Context // nil until a service must be called
	cancel context.CancelFunc
}

// applyLines carries out static templates. Each line stands alone: a bad one is
// reported, the others go on.
func (s *session) applyLines(t deviceid.Topic, in inbound, complete func(error)) {
	p := &publish{session: s, mode: t.Mode, child: t.Child, now: time.Now()}
	p.finish(in, p.lines(in.payload), complete)
}

// finish ends a publish that has been looked at. With an error none of it is
// stored and the client sends it again.
func (p *publish) finish(in inbound, err error, complete func(error)) {
	p.endCalls()
	if err != nil {
		complete(err)
		return
	}
	if p.target != 0 {
		p.server.cfg.Presence.Heard(p.place.tenant, p.target, p.now)
	}
	p.reportAll()
	p.batch.submit(p.session, p.processing(), in.release, complete)
}

// lines carries out static templates.
func (p *publish) lines(payload []byte) error {
	return p.eachLine(payload, func(l smartrest.Line) error {
		record, err := smartrest.Decode(l, p.now)
		if err == nil {
			err = p.record(record)
		}
		return err
	})
}

// eachLine carries out one line after the other, each in its own time: a publish of
// many lines must not end for ever where it takes longer than one call may. An
// error means that none of the batch may be submitted: the client sends the publish
// again.
func (p *publish) eachLine(payload []byte, do func(smartrest.Line) error) error {
	lines, err := smartrest.Parse(payload)
	if err != nil {
		e, _ := asLineError(err)
		p.errors = append(p.errors, e)
		return nil
	}
	p.server.stats.lines.Add(int64(len(lines)))
	for i, l := range lines {
		p.line = i
		err := do(l)
		p.endCalls()
		if err == nil {
			continue
		}
		e, retry := answerTo(l.TemplateID, err)
		if retry {
			return err
		}
		if e.TemplateID == "" {
			e = smartrest.NewError(e.Code, l.TemplateID, e.Text)
		}
		p.errors = append(p.errors, e)
	}
	return nil
}

// record carries out one record.
func (p *publish) record(r smartrest.Record) error {
	if handled, err := p.ask(r); handled {
		return err
	}
	if handled, err := p.create(r); handled {
		return err
	}
	if handled, err := p.telemetry(r); handled {
		return err
	}
	return p.fragments(r)
}

// endCalls ends the context of call; the next one makes another.
func (p *publish) endCalls() {
	if p.cancel != nil {
		p.cancel()
		p.ctx, p.cancel = nil, nil
	}
}

// call returns the context of the calls this publish makes.
func (p *publish) call() context.Context {
	if p.ctx == nil {
		p.ctx, p.cancel = p.session.call()
		if mode := p.processing(); mode != platform.ModePersistent {
			p.ctx = platform.WithMode(p.ctx, mode)
		}
	}
	return p.ctx
}

// object returns the object of the topic, creating it where it is missing
// (mqtt.md §4.1).
func (p *publish) object() (platform.ID, error) {
	if p.target != 0 {
		return p.target, nil
	}
	id, err := p.root()
	if err == nil && p.child != "" && p.child != p.place.device {
		id, err = p.childObject(id)
	}
	if err != nil {
		return 0, err
	}
	p.target = id
	return id, nil
}

// root returns the device's own object.
func (p *publish) root() (platform.ID, error) {
	devices, at := p.server.cfg.Devices, p.place
	id, err := devices.Device(p.quick(), at.tenant, at.device)
	if problem.KindOf(err) == problem.NotFound {
		id, _, err = devices.CreateDevice(p.call(), at.tenant, at.device, "", "", p.principal.User)
		return id, p.known(id, err)
	}
	if err != nil || p.principal.IsDevice() || p.principal.Has(platform.RoleInventoryAdmin) {
		return id, p.known(id, err)
	}
	// A person who may only create is no more than owner of what they created.
	owner, err := devices.Owner(p.quick(), at.tenant, id)
	if err == nil && owner != p.principal.User {
		err = problem.New(problem.Forbidden, "Access is denied", nil)
	}
	return id, p.known(id, err)
}

// known passes err on; without one the session's object is id.
func (p *publish) known(id platform.ID, err error) error {
	if err == nil {
		p.knowObject(id)
	}
	return err
}

// quick is the context of look-ups that are answered from memory nearly always: a
// timer for each of them would cost more than they do.
func (p *publish) quick() context.Context {
	if p.ctx != nil {
		return p.ctx
	}
	return p.server.base
}

// childObject returns the object of the child or service that the topic names, if
// the device may act for it.
func (p *publish) childObject(root platform.ID) (platform.ID, error) {
	devices, tenant := p.server.cfg.Devices, p.place.tenant
	id, err := devices.Device(p.quick(), tenant, p.child)
	if problem.KindOf(err) == problem.NotFound {
		id, _, err = devices.CreateChild(p.call(), tenant, root, p.child, "", "", p.principal.User, true)
		return id, err
	}
	if err != nil {
		return 0, err
	}
	return id, p.mayActFor(root, id)
}

// mayActFor is problem.Forbidden unless the object is the client's own or below
// root, its device.
func (p *publish) mayActFor(root, id platform.ID) error {
	if id == root || p.principal.Has(platform.RoleInventoryAdmin) {
		return nil
	}
	owner, err := p.server.cfg.Devices.Owner(p.quick(), p.place.tenant, id)
	if err != nil || owner == p.principal.User {
		return err
	}
	return p.below(root, id)
}

// below is problem.Forbidden unless id is below root in the hierarchy.
func (p *publish) below(root, id platform.ID) error {
	objects, tenant := p.server.cfg.Objects, p.place.tenant
	level := []platform.ID{id}
	for range maxAncestors {
		var next []platform.ID
		for _, child := range level {
			for _, kind := range []platform.ChildKind{platform.ChildDevices, platform.ChildAdditions} {
				parents, err := objects.Parents(p.call(), tenant, child, kind)
				if err != nil {
					return err
				}
				for _, parent := range parents {
					if parent.ID == root {
						return nil
					}
					next = append(next, parent.ID)
				}
			}
		}
		if level = next; len(level) == 0 || len(level) > maxAncestors {
			break
		}
	}
	return problem.New(problem.Forbidden, "Access is denied", nil)
}

// reportAll sends the errors of a publish to s/e.
func (p *publish) reportAll() {
	p.server.stats.lineErrors.Add(int64(len(p.errors)))
	for i, e := range p.errors {
		if i == maxErrorLines {
			p.server.stats.droppedErrors.Add(int64(len(p.errors) - i))
			return
		}
		p.report(e)
	}
}

// report sends one line to s/e.
func (s *session) report(e *smartrest.Error) { s.tell(topicErrors, []byte(e.Error())) }

// tell sends what is only for a developer's eye. It gives up rather than let that
// close the connection.
func (s *session) tell(topic string, payload []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	qos, ok := s.out.granted(topic)
	if !ok {
		return
	}
	m := message{topic: topic, payload: payload, qos: qos}
	limits := s.server.limits
	if !s.out.room(m.size(), limits.OutboundMessages/2, limits.OutboundBytes/2) {
		s.server.stats.droppedErrors.Add(1)
		return
	}
	s.push(m)
}
