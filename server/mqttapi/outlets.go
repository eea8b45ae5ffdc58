package mqttapi

import (
	"context"

	"mooring/internal/deviceid"
	"mooring/server/c8yjson"
	"mooring/server/platform"
)

// outlet is a topic on which a session hears of operations.
type outlet struct {
	topic string
	qos   byte
	// encode writes what the topic says of an operation; empty: nothing.
	encode func(op *platform.AddressedOperation) []byte
}

// bringsOperations reports whether a filter is one that operations travel by.
func bringsOperations(filter string) bool {
	t, err := deviceid.ParseTopic(filter)
	if err != nil {
		return false
	}
	if t.Class == deviceid.SmartREST && t.Direction == deviceid.Operations {
		return true
	}
	return t.Class == deviceid.Notifications || t.Class == deviceid.SmartREST && t.Direction == deviceid.Downstream &&
		(t.Type == deviceid.TypeStatic || t.Type == deviceid.TypeCustom || t.Type == deviceid.TypeDefault)
}

// outlets lists the topics that the filters bring, each once. A further kind of
// topic is a further case.
func (s *session) outlets(ctx context.Context, filters []subscription) ([]outlet, error) {
	var list []outlet
	for _, f := range filters {
		switch f.filter {
		case topicOperations:
			list = append(list, outlet{topicOperations, f.qos, operationLines})
		case topicNotifications:
			list = append(list, outlet{topicNotifications, f.qos, operationJSON})
		default:
			custom, err := s.customOutlets(ctx, f)
			if err != nil {
				return nil, err
			}
			list = joinOutlets(list, custom)
		}
	}
	return list, nil
}

// operationJSON writes an operation on one line.
func operationJSON(op *platform.AddressedOperation) []byte {
	var w c8yjson.Writer
	c8yjson.OperationNotice(&w, op)
	return w.Bytes()
}
