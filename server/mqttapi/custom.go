package mqttapi

import (
	"context"
	"encoding/json"
	"time"

	"mooring/internal/deviceid"
	"mooring/internal/problem"
	"mooring/internal/smartrest"
	"mooring/internal/smartrest/template"
	"mooring/server/platform"
	"mooring/server/templates"
)

// Templates finds and makes custom template collections (mqtt.md §6).
type Templates interface {
	// Collection is problem.NotFound if there is none of that X-ID.
	Collection(ctx context.Context, tenant platform.TenantID, xid string) (templates.Collection, error)
	// List returns the collections of a tenant, as many as one may subscribe at once.
	List(ctx context.Context, tenant platform.TenantID) ([]templates.Collection, error)
	// Create makes a collection of template lines; *smartrest.Error says why not.
	Create(ctx context.Context, tenant platform.TenantID, owner, xid string, lines []byte) (platform.ID, error)
}

// Topics of collections.
const (
	topicCustom  = "s/dc/" // and the X-ID
	topicDefault = "s/dd"
	filterCustom = "s/dc/#" // the one wildcard that is granted (mqtt.md §2.3)
)

// applyTemplate creates the collection of s/ut/<xid>, or tells of one that exists.
func (s *session) applyTemplate(t deviceid.Topic, in inbound) error {
	ctx, cancel := s.call()
	defer cancel()
	if len(in.payload) == 0 {
		c, err := s.server.cfg.Templates.Collection(ctx, s.place.tenant, t.XID)
		switch {
		case problem.KindOf(err) == problem.NotFound:
			s.deliver(topicTemplates, smartrest.AppendLine(nil, "41", t.XID))
			return nil
		case err != nil:
			return s.refuseTemplate(err)
		}
		s.deliver(topicTemplates, smartrest.AppendLine(nil, "20", t.XID, c.ID.String()))
		return nil
	}
	if !s.principal.HasAny(platform.RoleInventoryAdmin, platform.RoleInventoryCreate) {
		return s.refuseTemplate(denied())
	}
	id, err := s.server.cfg.Templates.Create(ctx, s.place.tenant, s.principal.User, t.XID, in.payload)
	if err != nil {
		return s.refuseTemplate(err)
	}
	s.deliver(topicTemplates, smartrest.AppendLine(nil, "20", t.XID, id.String()))
	return nil
}

// refuseTemplate reports what is wrong with a collection; what is no fault of it is
// returned, so that the client sends it again.
func (s *session) refuseTemplate(err error) error {
	e, retry := answerTo("", err)
	if retry {
		return err
	}
	s.report(e)
	return nil
}

// applyCustom carries out lines of a collection: that of the topic or, on s/ud, of
// the client ID.
func (s *session) applyCustom(t deviceid.Topic, in inbound, complete func(error)) {
	p := &publish{session: s, mode: t.Mode, child: t.Child, now: time.Now(), ids: in.ids}
	p.finish(in, p.customLines(t, in.payload), complete)
}

func (p *publish) customLines(t deviceid.Topic, payload []byte) error {
	xid, answers := t.XID, topicCustom+t.XID
	if t.Type == deviceid.TypeDefault {
		xid, answers = p.template, topicDefault
	}
	c, err := p.server.cfg.Templates.Collection(p.quick(), p.place.tenant, xid)
	if err != nil {
		e, retry := answerTo("", err)
		if retry {
			return err
		}
		if problem.KindOf(err) == problem.NotFound {
			e = smartrest.NewError(smartrest.CodeNoTemplate, "", "No template collection "+xid)
		}
		p.errors = append(p.errors, e)
		return nil
	}
	return p.eachLine(payload, func(l smartrest.Line) error {
		if l.Err != nil {
			return l.Err
		}
		r, ok := c.Request(l.TemplateID)
		if !ok {
			return smartrest.NewError(smartrest.CodeNoTemplate, l.TemplateID, "No template for this message id")
		}
		call, err := r.Fill(l.Fields, p.now)
		if err != nil {
			return err
		}
		result, err := p.carryOutCall(c, call)
		if err == nil && call.Response && result != nil {
			p.answerBy(c, answers, result)
		}
		return err
	})
}

// answerBy sends the lines that the response templates make of an object, together.
func (p *publish) answerBy(c templates.Collection, topic string, object json.RawMessage) {
	v, err := template.Decode(object)
	if err != nil {
		return // we wrote it
	}
	if payload := joinLines(c.Respond(v, "")); len(payload) > 0 {
		p.deliver(topic, payload)
	}
}

// joinLines makes one payload of lines.
func joinLines(lines [][]byte) []byte {
	var payload []byte
	for i, l := range lines {
		if i > 0 {
			payload = append(payload, '\n')
		}
		payload = append(payload, l...)
	}
	return payload
}

// noTemplates is a tenant's without collections.
type noTemplates struct{}

func (noTemplates) Collection(_ context.Context, _ platform.TenantID, xid string) (templates.Collection, error) {
	return templates.Collection{}, problem.New(problem.NotFound, "No template collection "+xid, nil)
}

func (noTemplates) List(context.Context, platform.TenantID) ([]templates.Collection, error) {
	return nil, nil
}

func (noTemplates) Create(context.Context, platform.TenantID, string, string, []byte) (platform.ID, error) {
	return 0, problem.New(problem.MethodNotAllowed, "There are no template collections on this server", nil)
}
