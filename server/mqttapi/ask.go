package mqttapi

import (
	"mooring/internal/smartrest"
)

// ask answers the templates that ask for something; all answers go to s/ds.
func (p *publish) ask(r smartrest.Record) (handled bool, err error) {
	switch r := r.(type) {
	case smartrest.AskDeviceID:
		id, err := p.object()
		if err == nil {
			p.deliver(topicOperations, smartrest.AppendDeviceID(nil, id.String()))
		}
		return true, err
	case smartrest.AskChildren:
		return true, p.askChildren()
	case smartrest.AskVersion:
		p.deliver(topicOperations, smartrest.AppendVersion(nil, p.server.cfg.Version))
		return true, nil
	case smartrest.AskTemplates:
		p.deliver(topicOperations, smartrest.AppendTemplates(nil, smartrest.TemplateIDs()))
		return true, nil
	case smartrest.Heartbeat:
		_, err := p.object()
		return true, err
	case smartrest.AskOperations:
		_, err := p.object()
		if err == nil {
			p.mu.Lock()
			p.catchUp(catchUp{again: true})
			p.mu.Unlock()
		}
		return true, err
	case smartrest.OperationUpdate:
		return true, p.operation(r)
	}
	return false, nil
}

func (p *publish) askChildren() error {
	id, err := p.object()
	if err != nil {
		return err
	}
	names, err := p.server.cfg.Objects.ChildExternalIDs(p.call(), p.place.tenant, id)
	if err != nil {
		return err
	}
	p.deliver(topicOperations, smartrest.AppendChildren(nil, names))
	return nil
}
