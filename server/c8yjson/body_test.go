package c8yjson_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"mooring/internal/problem"
	"mooring/server/c8yjson"
)

func TestParseObject(t *testing.T) {
	nested := func(depth int) string {
		return `{"a":` + strings.Repeat("[", depth-1) + strings.Repeat("]", depth-1) + "}"
	}
	tests := []struct {
		name, in string
		members  int
		wantErr  error
	}{
		{name: "empty", in: ""},
		{name: "white space", in: " \n"},
		{name: "no members", in: "{}"},
		{name: "members", in: `{"a":1, "b" : [ "}" ] }`, members: 2},
		{name: "twice", in: `{"a":1,"a":2}`, members: 1},
		{name: "63 levels", in: nested(63), members: 1},
		{name: "64 levels", in: nested(64), members: 1},
		{name: "65 levels", in: nested(65), wantErr: problem.Invalid},
		{name: "brackets in a text", in: `{"a":"` + strings.Repeat(`[\"{`, 100) + `"}`, members: 1},
		{name: "array", in: `[]`, wantErr: problem.Invalid},
		{name: "number", in: `5`, wantErr: problem.Invalid},
		{name: "cut off", in: `{"a":`, wantErr: problem.Invalid},
		{name: "two values", in: `{}{}`, wantErr: problem.Invalid},
		{name: "not UTF-8", in: "{\"a\":\"\xff\"}", wantErr: problem.Invalid},
		{name: "many brackets", in: strings.Repeat("[", 1<<20), wantErr: problem.Invalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o, err := c8yjson.ParseObject([]byte(tt.in))
			if tt.wantErr != nil {
				if problem.KindOf(err) != tt.wantErr {
					t.Fatalf("got %v, want %v", err, tt.wantErr)
				}
				return
			}
			if err != nil || len(o) != tt.members {
				t.Errorf("got %v, %v; want %d members", o, err, tt.members)
			}
		})
	}
}

func TestReadBodyBound(t *testing.T) {
	for size, want := range map[int]error{c8yjson.MaxBodyBytes - 1: nil, c8yjson.MaxBodyBytes: nil, c8yjson.MaxBodyBytes + 1: problem.TooLarge} {
		body, err := c8yjson.ReadBody(bytes.NewReader(make([]byte, size)))
		if want == nil && (err != nil || len(body) != size) {
			t.Errorf("%d bytes: got %d, %v", size, len(body), err)
		}
		if want != nil && problem.KindOf(err) != want {
			t.Errorf("%d bytes: got %v, want %v", size, err, want)
		}
	}
	_, err := c8yjson.ReadBody(io.MultiReader(strings.NewReader("{"), failing{}))
	if problem.KindOf(err) != problem.Invalid {
		t.Errorf("broken connection: got %v, want %v", err, problem.Invalid)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

func TestObjectMembers(t *testing.T) {
	o, err := c8yjson.ParseObject([]byte(`{"text":"a\u00e4","number":12.50,"true":true,"quoted":"false","null":null,
		"id":"123","idn":7,"obj":{"x":1},"list":[{"y":2},{}],"mixed":[1],"nul":"a\u0000"}`))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"text": "aä", "number": "12.50", "true": "true", "null": "", "absent": ""} {
		if got, err := o.Text(name); got != want || err != nil {
			t.Errorf("Text(%s) is %q, %v; want %q", name, got, err, want)
		}
	}
	for _, name := range []string{"obj", "list", "nul"} {
		if got, err := o.Text(name); problem.KindOf(err) != problem.Unprocessable {
			t.Errorf("Text(%s) is %q, %v; want unprocessable", name, got, err)
		}
	}
	if v, set, err := o.Bool("true"); !v || !set || err != nil {
		t.Error("Bool(true)", v, set, err)
	}
	if v, set, err := o.Bool("quoted"); v || !set || err != nil {
		t.Error("Bool(quoted)", v, set, err)
	}
	if _, set, err := o.Bool("null"); set || err != nil {
		t.Error("Bool(null)", set, err)
	}
	if _, _, err := o.Bool("text"); problem.KindOf(err) != problem.Unprocessable {
		t.Error("Bool(text)", err)
	}
	if id, err := o.ID("id"); id != 123 || err != nil {
		t.Error("ID(id)", id, err)
	}
	if id, err := o.ID("idn"); id != 7 || err != nil {
		t.Error("ID(idn)", id, err)
	}
	if _, err := o.ID("text"); problem.KindOf(err) != problem.Unprocessable {
		t.Error("ID(text)", err)
	}
	if list, err := o.Objects("list"); len(list) != 2 || err != nil {
		t.Error("Objects(list)", list, err)
	}
	if _, err := o.Objects("mixed"); problem.KindOf(err) != problem.Unprocessable {
		t.Error("Objects(mixed)", err)
	}
	if inner, err := o.Object("absent"); inner != nil || err != nil {
		t.Error("Object(absent)", inner, err)
	}
}

func FuzzParseObject(f *testing.F) {
	for _, s := range []string{`{"source":{"id":"1"},"type":"t","time":"2020-02-18T13:13:00Z","c8y_T":{"T":{"value":1.50}}}`,
		`{"managedObject":{"id":"2"}}`, `{"references":[{"managedObject":{"id":"2"}}]}`, `{"a":null,"externalIds":[{"type":"c8y_Serial","externalId":"x"}]}`,
		`{"source":{"id":"1"},"type":"t","text":"x","severity":"MAJOR","status":"ACTIVE","time":"2020-02-18T13:13:00Z"}`,
		`{"crls":[{}]}`, `{"category":"a","key":"b","value":true}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		o, err := c8yjson.ParseObject(b)
		if err != nil {
			return
		}
		_, _ = c8yjson.ParseManagedObject(o)
		_, _, _ = c8yjson.ParseReferences(o)
		_, _ = c8yjson.ParseExternalID(o)
		_, _ = c8yjson.ParseOption(o)
		_, _ = c8yjson.ParseOptionMap("c", o)
		_, _ = c8yjson.ParseTrustedCertificate(o)
		_, _ = c8yjson.ParseNewDeviceRequest(o)
		_, _ = c8yjson.ParseAuditRecord(o)
		if m, err := c8yjson.ParseMeasurement(o); err == nil {
			var w c8yjson.Writer
			c8yjson.Measurement(&w, "https://h", m)
			if !json.Valid(w.Bytes()) {
				t.Errorf("%q gives a measurement that is written as %s", b, w.Bytes())
			}
		}
		if a, err := c8yjson.ParseAlarm(o); err == nil {
			if _, err := c8yjson.ParseAlarmUpdate(a.ID, o); err != nil {
				t.Errorf("%q cannot be applied to itself: %v", b, err)
			}
		}
	})
}
