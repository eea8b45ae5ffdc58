package c8yjson

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// BulkProgress counts operations by status.
type BulkProgress map[platform.OperationStatus]int64

// BulkOperation writes b and how far it has come.
func BulkOperation(w *Writer, base string, b platform.BulkOperation, p BulkProgress) {
	w.Open('{')
	w.ID("id", b.ID)
	w.Link("self", base, PathBulkOperations, b.ID.String())
	if b.Group != 0 {
		w.ID("groupId", b.Group)
	} else {
		w.ID("failedParentId", b.Parent)
	}
	w.Time("startDate", b.Start)
	w.Key("creationRamp")
	w.Raw(strconv.AppendFloat(nil, b.Ramp.Seconds(), 'f', -1, 64))
	w.Key("operationPrototype")
	w.Open('{')
	for _, name := range slices.Sorted(maps.Keys(b.Prototype)) {
		w.Key(name)
		w.Raw(b.Prototype[name])
	}
	w.Close('}')
	w.TextIf("note", b.Note)
	status, general := bulkStatus(b, p)
	w.Text("status", status)
	w.Text("generalStatus", general)
	waiting := int64(len(b.Targets) - b.Done)
	w.Key("progress")
	w.Open('{')
	w.Int("pending", p[platform.OperationPending]+waiting)
	w.Int("executing", p[platform.OperationExecuting])
	w.Int("successful", p[platform.OperationSuccessful])
	w.Int("failed", p[platform.OperationFailed])
	w.Int("all", p.all()+waiting)
	w.Close('}')
	w.Close('}')
}

func (p BulkProgress) all() (n int64) {
	for _, k := range p {
		n += k
	}
	return n
}

// bulkStatus is how the platform calls the state: whether operations are still to
// be created, and what has become of all.
func bulkStatus(b platform.BulkOperation, p BulkProgress) (status, general string) {
	open := p[platform.OperationPending]+p[platform.OperationExecuting] > 0
	failed := p[platform.OperationFailed] > 0
	switch {
	case b.Status == platform.BulkCanceled:
		return "DELETED", "CANCELED"
	case b.Status == platform.BulkScheduled:
		return "ACTIVE", "SCHEDULED"
	case b.Status == platform.BulkExecuting || open:
		status, general = "COMPLETED", "EXECUTING"
		if b.Status == platform.BulkExecuting {
			status = "IN_PROGRESS"
		}
		if failed {
			general = "EXECUTING_WITH_ERRORS"
		}
		return status, general
	case failed:
		return "COMPLETED", "FAILED"
	}
	return "COMPLETED", "SUCCESSFUL"
}

// BulkOperationInput is what a client sends; what is nil or zero it did not send.
type BulkOperationInput struct {
	Group, Parent platform.ID
	Start         *time.Time
	Ramp          *time.Duration
	Note          *string
	Prototype     platform.Fragments
}

// ParseBulkOperation reads a new bulk operation: startDate, creationRamp,
// operationPrototype and either groupId or failedParentId are mandatory.
func ParseBulkOperation(o Object) (BulkOperationInput, error) {
	if err := o.require("startDate", "creationRamp", "operationPrototype"); err != nil {
		return BulkOperationInput{}, err
	}
	if !o.Has("groupId") && !o.Has("failedParentId") {
		return BulkOperationInput{}, Missing("groupId")
	}
	return ParseBulkOperationUpdate(o)
}

// ParseBulkOperationUpdate reads what is there of the members.
func ParseBulkOperationUpdate(o Object) (BulkOperationInput, error) {
	var in BulkOperationInput
	var err error
	if in.Group, err = o.ID("groupId"); err != nil {
		return in, err
	}
	if in.Parent, err = o.ID("failedParentId"); err != nil {
		return in, err
	}
	if in.Start, err = optionalTime(o, "startDate"); err != nil {
		return in, err
	}
	if in.Ramp, err = optionalSeconds(o, "creationRamp"); err != nil {
		return in, err
	}
	if o.Has("note") {
		note, err := o.Text("note")
		if err != nil {
			return in, err
		}
		in.Note = &note
	}
	if !o.Has("operationPrototype") {
		return in, nil
	}
	prototype, err := o.Object("operationPrototype")
	if err != nil {
		return in, err
	}
	in.Prototype = operationFragments(prototype)
	return in, nil
}

func optionalTime(o Object, name string) (*time.Time, error) {
	if !o.Has(name) {
		return nil, nil
	}
	text, err := o.Text(name)
	if err != nil {
		return nil, err
	}
	t, err := ParseTime(text)
	return &t, err
}

// optionalSeconds reads a number of seconds, which may have a fraction.
func optionalSeconds(o Object, name string) (*time.Duration, error) {
	if !o.Has(name) {
		return nil, nil
	}
	text, err := o.Text(name)
	if err != nil {
		return nil, err
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(seconds) || math.Abs(seconds) > 1e9 {
		return nil, problem.WithCode(problem.Unprocessable, "undefined/validationError", "'"+name+"' must be a number of seconds.", nil)
	}
	d := time.Duration(seconds * float64(time.Second)).Round(time.Millisecond)
	return &d, nil
}
