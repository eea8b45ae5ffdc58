package mqttapi

import (
	"bytes"
	"strconv"
	"strings"

	"mooring/internal/deviceid"
	"mooring/internal/problem"
	"mooring/server/platform"
)

// Objects that a QoS 2 publish may create get their IDs when it is staged. Objects
// and staged publishes lie in different databases: if the server dies after the
// object and before the release, the publish is carried out again, and finds its
// object there.

// reservedMark ends the topic in the topic of a staged publish; the IDs follow, as
// ranges. Rows of earlier versions have none.
const reservedMark = "\x01"

// reserve returns an ID for each object that a publish may create without saying its
// name: one for JSON, one a line for custom templates.
func (s *session) reserve(topic string, payload []byte) ([]platform.ID, error) {
	n := 0
	switch t, err := deviceid.ParseTopic(topic); {
	case err != nil:
	case t.Class == deviceid.JSON && t.API == inventoryAPI && t.Action != "update":
		n = 1
	case t.Class == deviceid.SmartREST && t.Direction == deviceid.Upstream && (t.Type == deviceid.TypeCustom || t.Type == deviceid.TypeDefault):
		n = 1 + bytes.Count(payload, []byte{'\n'})
	}
	if n == 0 {
		return nil, nil
	}
	ctx, cancel := s.call()
	defer cancel()
	ids := make([]platform.ID, n)
	for i := range ids {
		var err error
		if ids[i], err = s.server.cfg.Telemetry.NewID(ctx); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

// withReserved writes the topic of a staged publish.
func withReserved(topic string, ids []platform.ID) string {
	b := []byte(topic + reservedMark)
	for i := 0; i < len(ids); {
		last := i
		for last+1 < len(ids) && ids[last+1] == ids[last]+1 {
			last++
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = append(strconv.AppendInt(b, int64(ids[i]), 10), '-')
		b = strconv.AppendInt(b, int64(ids[last]), 10)
		i = last + 1
	}
	return string(b)
}

// reservedOf reads what withReserved wrote.
func reservedOf(staged string) (topic string, ids []platform.ID) {
	mark := strings.LastIndex(staged, reservedMark)
	if mark < 0 {
		return staged, nil
	}
	topic = staged[:mark]
	for part := range strings.SplitSeq(staged[mark+1:], ",") {
		from, to, _ := strings.Cut(part, "-")
		first, ok1 := platform.ParseID(from)
		last, ok2 := platform.ParseID(to)
		if !ok1 || !ok2 || last-first >= maxReserved {
			return topic, ids
		}
		for id := first; id <= last; id++ {
			ids = append(ids, id)
		}
	}
	return topic, ids
}

// maxReserved bounds one range: a publish of 16,184 bytes has fewer lines.
const maxReserved = 1 << 14

// createOnce creates an object under the ID that was reserved for this line, unless
// that is done already.
func (p *publish) createOnce(cmd platform.CreateObject) (platform.ManagedObject, error) {
	if p.line < len(p.ids) {
		cmd.Object.ID = p.ids[p.line]
		o, err := p.server.cfg.Objects.Object(p.call(), p.place.tenant, cmd.Object.ID)
		if problem.KindOf(err) != problem.NotFound {
			return o, err
		}
	}
	return p.server.cfg.Objects.Create(p.call(), p.place.tenant, cmd)
}
