package mqttapi

import (
	"context"
	"time"

	"mooring/internal/deviceid"
	"mooring/internal/problem"
	"mooring/internal/smartrest/legacy"
	"mooring/internal/smartrest/template"
	"mooring/server/platform"
	"mooring/server/templates"
)

// Legacy is SmartREST 1.0, which is the same over MQTT and over HTTP (mqtt.md §6.5).
type Legacy interface {
	// Exchange carries out a body and returns the answer, maxBytes at most. xid names
	// the collection; empty: the body does. The processing mode is that of ctx. An
	// error says that nothing was carried out and that the body may be sent again.
	Exchange(ctx context.Context, c LegacyClient, xid string, body []byte, maxBytes int) ([]byte, error)
	// Collection finds a collection; problem.NotFound if there is none.
	Collection(ctx context.Context, tenant platform.TenantID, xid string) (templates.Legacy, error)
}

// LegacyClient is who speaks SmartREST 1.0.
type LegacyClient struct {
	Principal platform.Principal
	Host      string // name of this server as the client knows it
	Address   string
}

// maxLegacyBytes bounds an answer, and what one operation is told in; ours, half of
// what may wait to be written.
const maxLegacyBytes = 32 << 10

// topicLegacy is where answers go: with "/" and the X-ID, if the topic of the publish
// had one.
const topicLegacy = "s/dl"

var legacyModes = map[deviceid.Mode]platform.ProcessingMode{
	deviceid.Transient: platform.ModeTransient, deviceid.Quiescent: platform.ModeQuiescent, deviceid.CEP: platform.ModeCEP,
}

// legacyAnswers is the topic of the answers to what came by t.
func legacyAnswers(t deviceid.Topic) string {
	if t.XID == "" {
		return topicLegacy
	}
	return topicLegacy + "/" + t.XID
}

// applyLegacy carries out a publish to s/ul. As on the real platform a device with a
// certificate, which has no password to call REST with, is unauthorized (mqtt.md §3.2).
func (s *session) applyLegacy(t deviceid.Topic, in inbound) error {
	if s.principal.Method == platform.ByCertificate {
		s.deliver(legacyAnswers(t), []byte("50,1,401,Unauthorized"))
		return nil
	}
	s.heard()
	ctx := s.server.base
	if mode, ok := legacyModes[t.Mode]; ok {
		ctx = platform.WithMode(ctx, mode)
	}
	client := LegacyClient{Principal: s.principal, Host: s.conn.serverName(), Address: s.conn.address}
	answer, err := s.server.cfg.Legacy.Exchange(ctx, client, t.XID, in.payload, maxLegacyBytes)
	if err == nil && len(answer) > 0 {
		s.deliver(legacyAnswers(t), answer)
	}
	return err
}

// heard notes that the session's device is alive, if it has an object.
func (s *session) heard() {
	ctx, cancel := s.call()
	defer cancel()
	id, err := s.server.cfg.Devices.Device(ctx, s.place.tenant, s.place.device)
	if err != nil {
		return // it is no worse than not heard
	}
	s.knowObject(id)
	s.server.cfg.Presence.Heard(s.place.tenant, id, time.Now())
}

// legacyOutlets is the topic of operations of a filter s/ol/<xid>, none if there is no
// such collection yet: it is looked for again with the next operation.
func (s *session) legacyOutlets(ctx context.Context, f subscription, xid string) ([]outlet, error) {
	c, err := s.server.cfg.Legacy.Collection(ctx, s.place.tenant, xid)
	switch kind := problem.KindOf(err); {
	case err == nil:
		return []outlet{{f.filter, f.qos, func(op *platform.AddressedOperation) []byte { return legacyLines(c, op) }}}, nil
	case lineAnswers[kind].retry:
		return nil, err
	}
	return nil, nil
}

// legacyLines writes what the response templates of a collection say of an
// operation. It answers no line: the number in its lines is 1, because agents read
// the values from the third field on.
func legacyLines(c templates.Legacy, op *platform.AddressedOperation) []byte {
	v, err := template.Decode(operationJSON(op))
	if err != nil {
		return nil // we wrote it
	}
	return joinLines(c.Respond(v, 1, maxLegacyBytes))
}

// noLegacy is a server without SmartREST 1.0.
type noLegacy struct{}

func (noLegacy) Exchange(context.Context, LegacyClient, string, []byte, int) ([]byte, error) {
	return []byte(legacy.MessageNotFound + `,"No template for this X-ID."`), nil
}

func (noLegacy) Collection(context.Context, platform.TenantID, string) (templates.Legacy, error) {
	return templates.Legacy{}, problem.NotFound
}
