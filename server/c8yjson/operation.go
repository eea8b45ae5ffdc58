package c8yjson

import (
	"maps"
	"slices"
	"strings"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// Where operations and bulk operations live.
const (
	PathOperations     = "/devicecontrol/operations/"
	PathBulkOperations = "/devicecontrol/bulkoperations/"
)

// operationMembers are those of an operation that are no fragments. Clients may
// send deviceId in a create, status and failureReason in an update; the rest is
// written by the server and ignored in bodies.
var operationMembers = map[string]bool{
	"id": true, "self": true, "deviceId": true, "agentId": true, "deviceName": true, "deviceExternalIDs": true, "status": true,
	"failureReason": true, "creationTime": true, "bulkOperationId": true, "delivery": true, "externalSource": true,
}

// Operation writes o (rest.md §6.7). names, unless nil, are the external IDs of
// its device.
func Operation(w *Writer, base string, o platform.Operation, names []platform.ExternalID) {
	w.Open('{')
	w.Time("creationTime", o.Created)
	w.ID("deviceId", o.Device)
	w.TextIf("deviceName", o.DeviceName)
	if names != nil {
		w.Key("deviceExternalIDs")
		ExternalIDs(w, base, o.Device, names)
	}
	w.ID("agentId", o.Agent)
	w.Link("self", base, PathOperations, o.ID.String())
	if len(o.Deliveries) > 0 {
		delivery(w, &o)
	}
	operationBody(w, &o)
	w.Close('}')
}

// OperationNotice writes o as it goes to a device, on one line (mqtt.md §5.1).
func OperationNotice(w *Writer, o *platform.AddressedOperation) {
	w.Open('{')
	delivery(w, &o.Operation)
	w.ID("agentId", o.Agent)
	w.Time("creationTime", o.Created)
	w.ID("deviceId", o.Device)
	w.TextIf("deviceName", o.DeviceName)
	operationBody(w, &o.Operation)
	if o.Target.Value != "" {
		w.Key("externalSource")
		w.Open('{')
		w.Text("externalId", o.Target.Value)
		w.Text("type", o.Target.Type)
		w.Close('}')
	}
	w.Close('}')
}

func operationBody(w *Writer, o *platform.Operation) {
	w.ID("id", o.ID)
	w.Text("status", string(o.Status))
	w.TextIf("failureReason", o.FailureReason)
	if o.Bulk != 0 {
		w.ID("bulkOperationId", o.Bulk)
	}
	for _, name := range slices.Sorted(maps.Keys(o.Fragments)) {
		w.Key(name)
		w.Raw(o.Fragments[name])
	}
}

// delivery writes when the operation was sent: what it is now, and before.
func delivery(w *Writer, o *platform.Operation) {
	w.Key("delivery")
	w.Open('{')
	w.Key("log")
	w.Open('[')
	for _, at := range o.Deliveries {
		w.Open('{')
		w.Time("time", at)
		w.Text("status", "DELIVERED")
		w.Close('}')
	}
	w.Close(']')
	w.Time("time", o.Created)
	w.Text("status", string(platform.OperationPending))
	w.Close('}')
}

// ParseOperation reads an operation that a client orders; deviceId is mandatory.
func ParseOperation(o Object) (device platform.ID, fragments platform.Fragments, err error) {
	if err := o.require("deviceId"); err != nil {
		return 0, nil, err
	}
	if device, err = o.ID("deviceId"); err != nil {
		return 0, nil, err
	}
	return device, operationFragments(o), nil
}

func operationFragments(o Object) platform.Fragments {
	fragments := platform.Fragments{}
	for name, value := range o {
		if !operationMembers[name] && !isNull(value) {
			fragments[name] = value
		}
	}
	return fragments
}

// OperationInput is what a client changes of an operation.
type OperationInput struct {
	Status        platform.OperationStatus
	FailureReason string
	Set           platform.Fragments
	Remove        []string // sent as null
}

// ParseOperationUpdate reads the body of an update; status is mandatory.
func ParseOperationUpdate(o Object) (OperationInput, error) {
	if err := o.require("status"); err != nil {
		return OperationInput{}, err
	}
	text, err := o.Text("status")
	if err != nil {
		return OperationInput{}, err
	}
	in := OperationInput{Set: operationFragments(o)}
	if in.Status, err = ParseOperationStatus(text); err != nil {
		return in, err
	}
	if in.FailureReason, err = o.Text("failureReason"); err != nil {
		return in, err
	}
	for name, value := range o {
		if !operationMembers[name] && isNull(value) {
			in.Remove = append(in.Remove, name)
		}
	}
	slices.Sort(in.Remove)
	return in, nil
}

// ParseOperationStatus reads one of the four states, in any case.
func ParseOperationStatus(s string) (platform.OperationStatus, error) {
	switch v := platform.OperationStatus(strings.ToUpper(s)); v {
	case platform.OperationPending, platform.OperationExecuting, platform.OperationSuccessful, platform.OperationFailed:
		return v, nil
	}
	return "", problem.WithCode(problem.Unprocessable, "undefined/validationError",
		"'status' must be PENDING, EXECUTING, SUCCESSFUL or FAILED.", nil)
}
