package operation

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"mooring/agent/uplink"
	"mooring/internal/bounded"
	"mooring/internal/smartrest"
)

const (
	// maxTarget and maxFragment bound names that end up in lines and topics.
	maxTarget   = 256
	maxFragment = 256
	maxID       = 64
)

// notice is an operation in JSON, but for its fragments.
type notice struct {
	ID             string `json:"id"`
	DeviceID       string `json:"deviceId"`
	ExternalSource struct {
		ExternalID string `json:"externalId"`
	} `json:"externalSource"`
}

// noFragments are the members of an operation that say nothing of what to do.
var noFragments = []string{"agentId", "bulkOperationId", "creationTime", "delivery", "description", "deviceExternalIDs", "deviceId", "deviceName",
	"externalSource", "failureReason", "id", "profileId", "profileName", "self", "status"}

// take reads what came down.
func (m *Manager) take(msg uplink.Message) {
	if msg.Topic == uplink.TopicOperations {
		m.takeLines(msg.Payload)
		return
	}
	for text := range bytes.Lines(msg.Payload) {
		text = bytes.TrimSpace(text)
		if len(text) == 0 {
			continue
		}
		if err := m.takeJSON(text); err != nil {
			m.log.Warn("not an operation", "bytes", len(text), "err", err)
		}
	}
}

func (m *Manager) takeJSON(text []byte) error {
	var n notice
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &n); err != nil {
		return err
	}
	if err := json.Unmarshal(text, &members); err != nil {
		return err
	}
	if n.ID == "" || len(n.ID) > maxID {
		return errors.New("it has no ID")
	}
	m.lines.hasJSON()
	e := &entry{ID: n.ID, DeviceID: n.DeviceID, Target: n.ExternalSource.ExternalID}
	if e.Target == "" {
		e.Target = m.cfg.DeviceID
	}
	if e.Fragment = m.fragment(members); e.Fragment == "" {
		e.Refusal = "the operation does not say what to do"
	}
	e.Body = members[e.Fragment]
	m.accept(e)
	return nil
}

// fragment finds what an operation is about: one that this device knows, else
// any, else none.
func (m *Manager) fragment(members map[string]json.RawMessage) string {
	var names []string
	for name := range members {
		if !slices.Contains(noFragments, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if m.verbs[name] != nil || slices.Contains(m.cfg.Others, name) {
			return name
		}
	}
	if len(names) == 0 {
		return ""
	}
	return names[0]
}

// accept puts an operation into the journal and on its lane, unless it is there.
func (m *Manager) accept(e *entry) {
	switch {
	case slices.Contains(m.cfg.Others, e.Fragment):
		return
	case e.ID == "" && m.journal.waits(e):
		return
	case e.ID != "" && (m.journal.known(e.ID) || m.journal.adopt(e.ID, e.Target, e.Fragment)):
		return
	}
	if len(e.Target) > maxTarget || strings.ContainsAny(e.Target, "/+#\r\n\x00") {
		m.log.Warn("an operation for a device whose name fits no topic", "id", e.ID)
		return
	}
	e.Key, e.Phase = newKey(), received
	if len(e.Body) > maxBody || len(e.Fragment) > maxFragment {
		e.Body, e.Fragment = nil, bounded.Text(e.Fragment, maxFragment)
		e.Refusal = "the operation is longer than this device takes"
	}
	if err := m.journal.add(e); err != nil {
		m.log.Warn("the operation stays pending", "id", e.ID, "operation", e.Fragment, "err", err)
		m.stayedPending()
		return
	}
	m.log.Info("operation", "id", e.ID, "operation", e.Fragment, "target", e.Target)
	m.lanes[m.laneOf(e)] <- e // never full: it has room for all entries
}

// bodyOf gives a line the body that the operation has in JSON.
func bodyOf(l smartrest.Line) any {
	switch l.TemplateID {
	case smartrest.TemplateCommand:
		return commandBody{Text: l.Field(1)}
	case smartrest.TemplateUploadTyped:
		return configBody{Type: l.Field(1)}
	case smartrest.TemplateDownloadTyped:
		return configBody{file: file{URL: l.Field(1)}, Type: l.Field(2)}
	case smartrest.TemplateDownloadConfig:
		return configBody{file: file{URL: l.Field(1)}}
	case smartrest.TemplateLogfileRequest:
		o := smartrest.ParseLog(l)
		return logBody{LogFile: o.Log, DateFrom: o.From, DateTo: o.To, SearchText: o.Search, MaximumLines: json.Number(o.MaxLines)}
	case smartrest.TemplateFirmware, smartrest.TemplateFirmwarePatch:
		o := smartrest.ParseFirmware(l)
		return firmwareBody{Name: o.Name, Version: o.Version, file: file{URL: o.URL}}
	case smartrest.TemplateSoftwareUpdate, smartrest.TemplateSoftwareTyped:
		var list []softwareItem
		for _, o := range smartrest.ParseSoftwareUpdate(l) {
			list = append(list, softwareItem{Name: o.Name, Version: o.Version, Type: o.Type, file: file{URL: o.URL}, Action: o.Action})
		}
		return list
	}
	return struct{}{}
}
