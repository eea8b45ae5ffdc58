package c8yjson_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"mooring/internal/problem"
	"mooring/server/c8yjson"
	"mooring/server/platform"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestGolden holds each encoder to what the contract shows (rest.md §§2 to 6).
func TestGolden(t *testing.T) {
	const base = "https://t.example.com"
	at := time.Date(2026, 1, 10, 8, 0, 0, 0, time.UTC)
	object := platform.ManagedObject{ID: 251982, Tenant: "t12345", Name: "device-001", Type: "thin-edge.io", Owner: "device_device-001",
		Created: at, Updated: at, Fragments: platform.Fragments{platform.FragmentIsDevice: json.RawMessage("{}"),
			platform.FragmentAgent: json.RawMessage("{}"), "c8y_Position": json.RawMessage(`{"lat":50.1000}`)}}
	tests := map[string]func(*c8yjson.Writer){
		"managedobject": func(w *c8yjson.Writer) {
			c8yjson.ManagedObject(w, base, object, c8yjson.Relatives{"childDevices": {References: []platform.Relative{{ID: 7, Name: "child"}}}})
		},
		"reference": func(w *c8yjson.Writer) { c8yjson.Reference(w, base, 5, platform.ChildAdditions, object, nil) },
		"externalid": func(w *c8yjson.Writer) {
			c8yjson.ExternalID(w, base, 5, platform.ExternalID{Type: "c8y_Serial", Value: "a/b ä"})
		},
		"measurement": func(w *c8yjson.Writer) {
			c8yjson.Measurement(w, base, platform.Measurement{ID: 9, Source: 5, Type: "T", Time: at, Body: json.RawMessage(`{"c8y_T":{"T":{"value":1.50,"unit":"C"}}}`)})
		},
		"event": func(w *c8yjson.Writer) {
			c8yjson.Event(w, base, platform.Event{ID: 9, Source: 5, Type: "E", Text: "door \"open\"", Time: at, Created: at, Updated: at})
		},
		"alarm": func(w *c8yjson.Writer) {
			c8yjson.Alarm(w, base, platform.Alarm{ID: 9, Source: 5, Type: "A", Text: "hot", Severity: platform.Major, Status: platform.Active,
				Time: at, FirstOccurrence: at, Count: 2, Created: at, Updated: at, Body: json.RawMessage(`{"x":1}`)})
		},
		"currenttenant": func(w *c8yjson.Writer) {
			c8yjson.CurrentTenant(w, base, platform.Tenant{ID: "t12345", Domain: "t.example.com"}, "management")
		},
		"currentuser": func(w *c8yjson.Writer) {
			c8yjson.CurrentUser(w, base, platform.User{Name: "admin", Enabled: true, Roles: platform.DeviceRoles}, platform.DeviceRoles)
		},
		"deviceuser": func(w *c8yjson.Writer) {
			c8yjson.DeviceUser(w, base, platform.DeviceUser{Tenant: "t12345", ExternalID: "d1", Enabled: true,
				Provisioned: []platform.ProvisionedCertificate{{Serial: "198f0bf5167", NotBefore: at, NotAfter: at.AddDate(1, 0, 0)}}}, true)
		},
		"newdevicerequest": func(w *c8yjson.Writer) {
			c8yjson.NewDeviceRequest(w, base, platform.Registration{Tenant: "t12345", ExternalID: "device-001", Status: platform.StatusWaiting, Owner: "admin", Created: at})
		},
		"auditrecord": func(w *c8yjson.Writer) {
			c8yjson.AuditRecord(w, base, platform.AuditRecord{ID: 3, At: at, Type: "User", Activity: "a", Text: "t", User: "admin", Source: "d1"})
		},
		"feature": func(w *c8yjson.Writer) {
			c8yjson.FeatureToggle(w, c8yjson.Feature{Key: "certificate-authority", Phase: "PUBLIC_PREVIEW", Active: true, Override: true})
		},
		"error": func(w *c8yjson.Writer) {
			c8yjson.Error(w, "security/Unauthorized", "Invalid credentials! : Bad credentials")
		},
	}
	for name, encode := range tests {
		t.Run(name, func(t *testing.T) {
			var w c8yjson.Writer
			encode(&w)
			var pretty strings.Builder
			enc := json.NewEncoder(&pretty)
			enc.SetIndent("", "  ")
			enc.SetEscapeHTML(false)
			if err := enc.Encode(json.RawMessage(w.Bytes())); err != nil {
				t.Fatalf("%s: %v", w.Bytes(), err)
			}
			file := filepath.Join("testdata", name+".json")
			if *update {
				if err := os.WriteFile(file, []byte(pretty.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if pretty.String() != string(want) {
				t.Errorf("got %s\nwant %s", pretty.String(), want)
			}
		})
	}
}

func TestParseManagedObject(t *testing.T) {
	o, err := c8yjson.ParseManagedObject(object(t, `{"id":"5","self":"x","name":"n","type":null,"childDevices":{"references":[]},
		"c8y_Position":{"lat":50.10},"gone":null,"externalIds":[{"type":"c8y_Serial","externalId":"d1"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if *o.Name != "n" || *o.Type != "" || o.Owner != nil {
		t.Errorf("name %v, type %v, owner %v", o.Name, o.Type, o.Owner)
	}
	if len(o.Set) != 1 || string(o.Set["c8y_Position"]) != `{"lat":50.10}` {
		t.Errorf("fragments %s", o.Set)
	}
	if len(o.Remove) != 1 || o.Remove[0] != "gone" {
		t.Errorf("removed %v", o.Remove)
	}
	if len(o.ExternalIDs) != 1 || o.ExternalIDs[0] != (platform.ExternalID{Type: "c8y_Serial", Value: "d1"}) {
		t.Errorf("external IDs %v", o.ExternalIDs)
	}
}

func TestParseReferences(t *testing.T) {
	tests := []struct {
		name, in string
		want     []platform.ID
		found    bool
		wantErr  error
	}{
		{name: "one", in: `{"managedObject":{"id":"2"}}`, want: []platform.ID{2}, found: true},
		{name: "list", in: `{"references":[{"managedObject":{"id":"2"}},{"managedObject":{"id":3}}]}`, want: []platform.ID{2, 3}, found: true},
		{name: "new object", in: `{"name":"x"}`},
		{name: "no id", in: `{"managedObject":{}}`, wantErr: problem.Unprocessable},
		{name: "text", in: `{"references":"2"}`, wantErr: problem.Unprocessable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ids, found, err := c8yjson.ParseReferences(object(t, tt.in))
			if tt.wantErr != nil {
				if problem.KindOf(err) != tt.wantErr {
					t.Fatalf("got %v, want %v", err, tt.wantErr)
				}
				return
			}
			if err != nil || found != tt.found || len(ids) != len(tt.want) {
				t.Fatalf("got %v, %v, %v", ids, found, err)
			}
			for i := range ids {
				if ids[i] != tt.want[i] {
					t.Errorf("got %v, want %v", ids, tt.want)
				}
			}
		})
	}
}

func TestMandatoryFields(t *testing.T) {
	full := map[string]string{
		"measurement": `{"source":{"id":"1"},"type":"t","time":"2020-02-18T13:13:00Z"}`,
		"event":       `{"source":{"id":"1"},"type":"t","text":"x","time":"2020-02-18T13:13:00Z"}`,
		"alarm":       `{"source":{"id":"1"},"type":"t","text":"x","severity":"minor","time":"2020-02-18T13:13:00Z"}`,
		"audit":       `{"activity":"a","text":"x","type":"t","time":"2020-02-18T13:13:00Z"}`,
		"externalId":  `{"type":"t","externalId":"x"}`,
		"option":      `{"category":"a","key":"b","value":""}`,
	}
	parse := map[string]func(c8yjson.Object) error{
		"measurement": func(o c8yjson.Object) error { _, err := c8yjson.ParseMeasurement(o); return err },
		"event":       func(o c8yjson.Object) error { _, err := c8yjson.ParseEvent(o); return err },
		"alarm":       func(o c8yjson.Object) error { _, err := c8yjson.ParseAlarm(o); return err },
		"audit":       func(o c8yjson.Object) error { _, err := c8yjson.ParseAuditRecord(o); return err },
		"externalId":  func(o c8yjson.Object) error { _, err := c8yjson.ParseExternalID(o); return err },
		"option":      func(o c8yjson.Object) error { _, err := c8yjson.ParseOption(o); return err },
	}
	for name, body := range full {
		whole := object(t, body)
		if err := parse[name](whole); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for member := range whole {
			part := object(t, body)
			delete(part, member)
			err := parse[name](part)
			if problem.KindOf(err) != problem.Unprocessable || !strings.Contains(err.Error(), "mandatory fields should be included: "+member) {
				t.Errorf("%s without %s: got %v", name, member, err)
			}
		}
	}
}

func TestParseEventUpdate(t *testing.T) {
	u, err := c8yjson.ParseEventUpdate(7, object(t, `{"id":"9","type":"other","b":{"x":3},"a":null,"c":1.0}`))
	if err != nil {
		t.Fatal(err)
	}
	want := platform.EventUpdate{ID: 7, Set: platform.Fragments{"b": json.RawMessage(`{"x":3}`), "c": json.RawMessage("1.0")}, Remove: []string{"a"}}
	if !reflect.DeepEqual(u, want) {
		t.Errorf("got %+v, want %+v", u, want)
	}
	if u, err = c8yjson.ParseEventUpdate(7, object(t, `{"text":"new"}`)); err != nil || u.Text == nil || *u.Text != "new" {
		t.Errorf("got %+v, %v", u, err)
	}
}

func TestParseAlarmUpdate(t *testing.T) {
	u, err := c8yjson.ParseAlarmUpdate(7, object(t, `{"status":"cleared","severity":"MINOR","count":99}`))
	if err != nil || !reflect.DeepEqual(u, platform.AlarmUpdate{ID: 7, Severity: platform.Minor, Status: platform.Cleared}) {
		t.Errorf("got %+v, %v", u, err)
	}
	for _, bad := range []string{`{"status":"LOUD"}`, `{"severity":""}`, `{"text":{}}`} {
		if _, err := c8yjson.ParseAlarmUpdate(7, object(t, bad)); problem.KindOf(err) != problem.Unprocessable {
			t.Errorf("%s: got %v", bad, err)
		}
	}
}

func TestParseAlarmUpsert(t *testing.T) {
	u, err := c8yjson.ParseAlarmUpsert(object(t, `{"source":{"id":"5"},"type":"T","x":1}`))
	if err != nil || u.Alarm.Severity != platform.Major || u.Alarm.Status != platform.Active || u.Alarm.Source != 5 ||
		u.Update.Severity != "" || u.Update.Status != "" || string(u.Alarm.Body) != `{"x":1}` || string(u.Update.Set["x"]) != "1" {
		t.Errorf("got %+v, %v", u, err)
	}
	for _, bad := range []string{`{"type":"T"}`, `{"source":{"id":"5"}}`, `{"source":{"id":"5"},"type":"T","time":"yesterday"}`} {
		if _, err := c8yjson.ParseAlarmUpsert(object(t, bad)); problem.KindOf(err) != problem.Unprocessable {
			t.Errorf("%s: got %v", bad, err)
		}
	}
}

func object(t *testing.T, s string) c8yjson.Object {
	t.Helper()
	o, err := c8yjson.ParseObject([]byte(s))
	if err != nil {
		t.Fatal(err)
	}
	return o
}
