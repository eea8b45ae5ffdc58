package c8yjson_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"testing"
	"time"

	"mooring/internal/problem"
	"mooring/server/c8yjson"
	"mooring/server/platform"
)

func TestParseOperationUpdate(t *testing.T) {
	for in, want := range map[string]error{
		`{"status":"SUCCESSFUL"}`: nil, `{"status":"executing","failureReason":5,"a":null}`: nil,
		`{}`: problem.Unprocessable, `{"status":null}`: problem.Unprocessable, `{"status":{}}`: problem.Unprocessable,
		`{"status":"x"}`: problem.Unprocessable, `{"status":"FAILED","failureReason":[]}`: problem.Unprocessable,
	} {
		o, err := c8yjson.ParseObject([]byte(in))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c8yjson.ParseOperationUpdate(o); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", in, err, want)
		}
	}
}

// FuzzParseOperation: what is taken in as an operation is written as JSON with the
// same fragments, on one line for devices, and reads back the same.
func FuzzParseOperation(f *testing.F) {
	f.Add(`{"deviceId":"5","c8y_Restart":{},"description":"a\nb","status":"FAILED","x":null}`)
	f.Add(`{"deviceId":5,"a":[1,{"b":1.50}],"":1}`)
	f.Add(`{"groupId":"1","startDate":"2020-01-01T00:00:00Z","creationRamp":1e-3,"operationPrototype":{"a":1}}`)
	f.Fuzz(func(t *testing.T, text string) {
		body, err := c8yjson.ParseObject([]byte(text))
		if err != nil {
			return
		}
		_, _ = c8yjson.ParseOperationUpdate(body)
		if in, err := c8yjson.ParseBulkOperation(body); err == nil && (in.Start == nil || in.Ramp == nil || in.Prototype == nil) {
			t.Errorf("%s: taken in without what is mandatory: %+v", text, in)
		}
		device, fragments, err := c8yjson.ParseOperation(body)
		if err != nil {
			return
		}
		o := platform.Operation{ID: 1, Device: device, Agent: 2, DeviceName: "n", Status: platform.OperationPending, Fragments: fragments, Deliveries: []time.Time{time.Unix(0, 0)}}
		var w c8yjson.Writer
		c8yjson.OperationNotice(&w, &platform.AddressedOperation{Operation: o, Target: platform.ExternalID{Type: "t", Value: "v"}})
		if bytes.ContainsAny(w.Bytes(), "\n\r") {
			t.Errorf("%q has more than a line", w.Bytes())
		}
		for range 2 {
			again, err := c8yjson.ParseObject(w.Bytes())
			if err != nil {
				t.Fatalf("%s: %v", w.Bytes(), err)
			}
			id, back, err := c8yjson.ParseOperation(again)
			if err != nil || id != device || !reflect.DeepEqual(back, fragments) {
				t.Fatalf("got %v %s %v, want %v %s", id, back, err, device, fragments)
			}
			if !json.Valid(w.Bytes()) {
				t.Fatalf("%s is no JSON", w.Bytes())
			}
			w = c8yjson.Writer{}
			c8yjson.Operation(&w, "https://h", o, []platform.ExternalID{{Type: "t", Value: "v"}})
		}
	})
}
