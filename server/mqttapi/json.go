package mqttapi

import (
	"errors"
	"strings"
	"time"

	"mooring/internal/deviceid"
	"mooring/internal/problem"
	"mooring/server/c8yjson"
	"mooring/server/platform"
)

// jsonPublish is one publish of JSON while it is carried out (mqtt.md §2.4). The
// whole of it is stored, or nothing and its error told on the topic "error".
type jsonPublish struct {
	*publish
	topic deviceid.Topic
}

// applyJSON carries out a publish to api/resource/action.
func (s *session) applyJSON(t deviceid.Topic, in inbound, complete func(error)) {
	p := &publish{session: s, mode: t.Mode, now: time.Now(), ids: in.ids}
	err := jsonPublish{p, t}.carryOut(in.payload)
	if err != nil && !lineAnswers[problem.KindOf(err)].retry {
		s.reportJSON(in.packetID, err)
		p.batch, err = batches{}, nil
	}
	p.finish(in, err, complete)
}

// carryOut finds who does it.
func (j jsonPublish) carryOut(payload []byte) error {
	api, action := jsonAPIs[j.topic.API], j.topic.Action
	if action == "delete" {
		return j.remove(api)
	}
	body, err := c8yjson.ParseObject(payload)
	if err != nil {
		return err
	}
	switch {
	case j.topic.API == inventoryAPI && action == "create":
		return j.createObject(body, nil)
	case j.topic.API == inventoryAPI && action == "update":
		return j.updateObject(body)
	case j.topic.API == inventoryAPI:
		return j.createChild(body)
	case action == "update":
		return j.change(api, body)
	}
	return j.createAll(api, body)
}

// inventoryAPI is the one that is no telemetry.
const inventoryAPI = "inventory/managedObjects"

// jsonAPI is what differs between measurements, events and alarms.
type jsonAPI struct {
	list   string // member of a bulk that holds the elements
	add    func(j jsonPublish, source platform.ID, item c8yjson.Object) error
	change func(j jsonPublish, id platform.ID, body c8yjson.Object) error
	remove func(j jsonPublish, id platform.ID) error
}

var jsonAPIs = map[string]jsonAPI{
	"measurement/measurements": {list: "measurements", add: jsonPublish.addMeasurement, remove: jsonPublish.removeMeasurement},
	"event/events":             {list: "events", add: jsonPublish.addEvent, change: jsonPublish.changeEvent, remove: jsonPublish.removeEvent},
	"alarm/alarms":             {list: "alarms", add: jsonPublish.addAlarm, change: jsonPublish.changeAlarm},
}

// createAll adds one element, or all of a bulk.
func (j jsonPublish) createAll(api jsonAPI, body c8yjson.Object) error {
	items := []c8yjson.Object{body}
	if j.topic.Action == "createBulk" || body.Has(api.list) {
		if !body.Has(api.list) {
			return c8yjson.Missing(api.list)
		}
		var err error
		if items, err = body.Objects(api.list); err != nil {
			return err
		}
	}
	for _, item := range items {
		source, err := j.source(item)
		if err != nil {
			return err
		}
		if err := api.add(j, source, item); err != nil {
			return err
		}
	}
	return nil
}

// source finds whose data item is and makes it the item's source: that of the
// connection, or the child or service named by externalSource, which is no
// fragment.
func (j jsonPublish) source(item c8yjson.Object) (platform.ID, error) {
	external, err := item.Object("externalSource")
	if err != nil {
		return 0, err
	}
	var id platform.ID
	if external == nil {
		id, err = j.root()
	} else {
		id, err = j.externalSource(external)
	}
	if err != nil {
		return 0, err
	}
	delete(item, "externalSource")
	item["source"] = []byte(`{"id":"` + id.String() + `"}`)
	j.server.cfg.Presence.Heard(j.place.tenant, id, j.now)
	return id, nil
}

func (j jsonPublish) externalSource(o c8yjson.Object) (platform.ID, error) {
	name, err := o.Text("externalId")
	if err != nil {
		return 0, err
	}
	typ, err := o.Text("type")
	if err != nil {
		return 0, err
	}
	if name == "" {
		return 0, c8yjson.Missing("externalSource.externalId")
	}
	root, err := j.root()
	if err != nil {
		return 0, err
	}
	if typ == "" || typ == platform.SerialType {
		if name == j.place.device {
			return root, nil
		}
		j.child = name
		return j.childObject(root)
	}
	id, err := j.server.cfg.Objects.Resolve(j.quick(), j.place.tenant, platform.ExternalID{Type: typ, Value: name})
	if err != nil {
		return 0, err
	}
	return id, j.mayActFor(root, id)
}

// mayTouch holds the client to what is its own: telemetry of another source does
// not exist for it.
func (j jsonPublish) mayTouch(source platform.ID, missing error) error {
	root, err := j.root()
	if err != nil {
		return err
	}
	err = j.mayActFor(root, source)
	if kind := problem.KindOf(err); kind == problem.Forbidden || kind == problem.NotFound {
		return missing
	}
	return err
}

// id reads the ID of the topic.
func (j jsonPublish) id() (platform.ID, error) {
	id, ok := platform.ParseID(j.topic.ObjectID)
	if !ok {
		return 0, notStored(j.topic.API)
	}
	return id, nil
}

// notStored says that there is no such thing, in REST's words (rest.md §0.4).
func notStored(api string) error {
	area, _, _ := strings.Cut(api, "/")
	return problem.WithCode(problem.NotFound, area+"/Not Found", "Finding "+area+" from database failed", nil)
}

func (j jsonPublish) change(api jsonAPI, body c8yjson.Object) error {
	id, err := j.id()
	if err != nil {
		return err
	}
	delete(body, "externalSource")
	return api.change(j, id, body)
}

func (j jsonPublish) remove(api jsonAPI) error {
	id, err := j.id()
	if err != nil {
		return err
	}
	return api.remove(j, id)
}

// jsonTopics begin the topics whose errors are JSON.
var jsonTopics = []string{"measurement/", "event/", "alarm/", "inventory/"}

// meantAsJSON reports whether a topic that is not available looks like one of JSON.
func meantAsJSON(topic string) bool {
	if len(topic) > 2 && topic[1] == '/' && strings.IndexByte("stqc", topic[0]) >= 0 {
		topic = topic[2:]
	}
	for _, prefix := range jsonTopics {
		if strings.HasPrefix(topic, prefix) {
			return true
		}
	}
	return false
}

// jsonCodes name the kinds of problems that have no name of their own.
var jsonCodes = map[problem.Kind]string{
	problem.Invalid:       "undefined/badRequest",
	problem.Unprocessable: "undefined/validationError",
	problem.Forbidden:     "security/Forbidden",
	problem.NotFound:      "undefined/notFound",
	problem.Conflict:      "undefined/duplicate",
	problem.TooLarge:      "undefined/payloadTooLarge",
}

// reportJSON tells what was wrong with a publish, with the ID of its packet if it
// had one. Like report it gives up rather than close the connection.
func (s *session) reportJSON(packetID uint16, err error) {
	code := "undefined/error"
	if c := jsonCodes[problem.KindOf(err)]; c != "" {
		code = c
	}
	if p, ok := errors.AsType[*problem.Error](err); ok && p.Code != "" {
		code = p.Code
	}
	var w c8yjson.Writer
	w.Open('{')
	w.Text("error", code)
	w.Text("message", detail(err))
	if packetID != 0 {
		w.Int("messageId", int64(packetID))
	}
	w.Close('}')
	s.server.stats.lineErrors.Add(1)
	s.tell(topicJSONErrors, w.Bytes())
}
