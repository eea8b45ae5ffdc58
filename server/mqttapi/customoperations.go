package mqttapi

import (
	"context"
	"encoding/json"
	"strings"

	"mooring/internal/deviceid"
	"mooring/internal/problem"
	"mooring/internal/smartrest/template"
	"mooring/server/c8yjson"
	"mooring/server/operation"
	"mooring/server/platform"
	"mooring/server/templates"
)

// customOutlets lists the topics of collections that a filter brings. A collection
// that does not exist yet is looked for again with the next operation.
func (s *session) customOutlets(ctx context.Context, f subscription) ([]outlet, error) {
	t, err := deviceid.ParseTopic(f.filter)
	if err == nil && t.Direction == deviceid.Operations {
		return s.legacyOutlets(ctx, f, t.XID)
	}
	if err != nil || t.Class != deviceid.SmartREST || t.Direction != deviceid.Downstream {
		return nil, nil
	}
	var found []templates.Collection
	topic := func(c templates.Collection) string { return topicCustom + c.XID }
	switch {
	case t.Type == deviceid.TypeDefault:
		topic = func(templates.Collection) string { return topicDefault }
		found, err = s.oneCollection(ctx, s.template)
	case t.Type != deviceid.TypeCustom:
		return nil, nil
	case f.filter == filterCustom:
		found, err = s.server.cfg.Templates.List(ctx, s.place.tenant)
	default:
		found, err = s.oneCollection(ctx, t.XID)
	}
	var list []outlet
	for _, c := range found {
		list = append(list, outlet{topic(c), f.qos, func(op *platform.AddressedOperation) []byte { return customLines(c, op) }})
	}
	return list, err
}

func (s *session) oneCollection(ctx context.Context, xid string) ([]templates.Collection, error) {
	c, err := s.server.cfg.Templates.Collection(ctx, s.place.tenant, xid)
	switch kind := problem.KindOf(err); {
	case err == nil:
		return []templates.Collection{c}, nil
	case lineAnswers[kind].retry:
		return nil, err
	}
	return nil, nil // there is none, or what is there makes no sense
}

// customLines writes what the response templates of a collection say of an
// operation. The device is named by its external ID, also where a pattern asks for
// deviceId (mqtt.md §6.3, §11.8).
func customLines(c templates.Collection, op *platform.AddressedOperation) []byte {
	if len(c.Responses) == 0 {
		return nil
	}
	v, err := template.Decode(operationJSON(op))
	object, ok := v.(map[string]any)
	if err != nil || !ok {
		return nil // we wrote it
	}
	target := op.Target.Value
	if target == "" {
		target = op.Device.String()
	}
	object["deviceId"] = target
	return joinLines(c.Respond(object, target))
}

// joinOutlets adds outlets whose topic is not there yet; where it is, the higher
// QoS counts.
func joinOutlets(list, more []outlet) []outlet {
next:
	for _, o := range more {
		for i := range list {
			if list[i].topic == o.topic {
				list[i].qos = max(list[i].qos, o.qos)
				continue next
			}
		}
		list = append(list, o)
	}
	return list
}

// operationCall changes the oldest operation of the topic's object that has a
// fragment: one that is executing, else one that is pending (mqtt.md §6.2).
func (p *publish) operationCall(c template.Call, body c8yjson.Object) (json.RawMessage, error) {
	device, err := p.object()
	if err != nil {
		return nil, err
	}
	operations, tenant := p.server.cfg.Operations, p.place.tenant
	for _, status := range []platform.OperationStatus{platform.OperationExecuting, platform.OperationPending} {
		found, err := operations.Operations(p.call(), tenant, platform.OperationFilter{Device: device, Status: status, Fragment: c.Type}, platform.Page{Number: 1, Size: 1})
		if err != nil {
			return nil, err
		}
		if len(found.Items) > 0 {
			return p.changeOperation(found.Items[0], body)
		}
	}
	return nil, problem.New(problem.NotFound, "No operation with fragment "+strings.ToValidUTF8(c.Type, "")+" found", nil)
}

func (p *publish) changeOperation(o platform.Operation, body c8yjson.Object) (json.RawMessage, error) {
	if !body.Has("status") {
		body["status"], _ = json.Marshal(o.Status) // a text always marshals
	}
	in, err := c8yjson.ParseOperationUpdate(body)
	if err != nil {
		return nil, err
	}
	changed, err := p.server.cfg.Operations.Update(p.call(), p.principal, o.ID,
		operation.Change{Status: in.Status, FailureReason: in.FailureReason, Set: in.Set, Remove: in.Remove})
	var w c8yjson.Writer
	c8yjson.Operation(&w, p.base(), changed, nil)
	return w.Bytes(), err
}
