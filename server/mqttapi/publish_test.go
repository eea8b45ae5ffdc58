package mqttapi_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"sort"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang/packets"

	"mooring/internal/problem"
	"mooring/server/mqttapi"
	"mooring/server/platform"
)

// TestTemplates: what each template does. Objects get IDs from 101 on: dev1 is
// 101, so its first child is 102.
func TestTemplates(t *testing.T) {
	tests := []struct {
		name    string
		topic   string // default s/us
		payload string
		stored  []string // telemetry
		updates string   // of objects, as JSON without time
		objects string   // those beside the automatic dev1
		ds      []string // on s/ds
		errors  []string // on s/e
	}{
		{name: "measurement", payload: "200,c8y_Temperature,T,25.50,C", stored: []string{`measurement 101 c8y_Temperature {"c8y_Temperature":{"T":{"value":25.50,"unit":"C"}}}`}},
		{name: "several values", payload: `201,Meter,,E,A+:1,1234,kWh,F,x,1,,E,"a""b",2,,E,A+:1,5,W`,
			stored: []string{`measurement 101 Meter {"E":{"a\"b":{"value":2},"A+:1":{"value":5,"unit":"W"}},"F":{"x":{"value":1}}}`}},
		{name: "built-in measurements", payload: "210,-90,23\n211,25\n212,95", stored: []string{
			`measurement 101 c8y_SignalStrength {"c8y_SignalStrength":{"rssi":{"value":-90,"unit":"dBm"},"ber":{"value":23,"unit":"%"}}}`,
			`measurement 101 c8y_TemperatureMeasurement {"c8y_TemperatureMeasurement":{"T":{"value":25,"unit":"C"}}}`,
			`measurement 101 c8y_Battery {"c8y_Battery":{"level":{"value":95,"unit":"%"}}}`}},
		{name: "reserved fragment", payload: "200,source,T,25", errors: []string{"45,200,Fragment source is a reserved name"}},
		{name: "alarms", payload: "301,a\n302,b,text\n303,c\n304,d", stored: []string{
			`alarm 101 CRITICAL a "Alarm of type a raised"`, `alarm 101 MAJOR b "text"`, `alarm 101 MINOR c "Alarm of type c raised"`, `alarm 101 WARNING d "Alarm of type d raised"`}},
		{name: "alarm changes", payload: "305,a,minor\n306,a\n307,a,x,y", stored: []string{
			"change 101 a severity=MINOR status= remove=[]", "change 101 a severity= status=CLEARED remove=[]", "change 101 a severity= status= remove=[x y]"}},
		{name: "cleared, then raised", payload: "306,a\n301,a", stored: []string{"change 101 a severity= status=CLEARED remove=[]", `alarm 101 CRITICAL a "Alarm of type a raised"`}},
		{name: "event", payload: `400,c8y_E,"a, b"`, stored: []string{`event 101 c8y_E "a, b" `}},
		{name: "location", payload: "401,51.1,6.9", stored: []string{`event 101 c8y_LocationUpdate "Location updated" {"c8y_Position":{"lat":51.1,"lng":6.9}}`}},
		{name: "location of the device", payload: "402,51.1,6.9,67", stored: []string{`event 101 c8y_LocationUpdate "Location updated" {"c8y_Position":{"alt":67,"lat":51.1,"lng":6.9}}`},
			updates: `[{"ID":101,"Set":{"c8y_Position":{"alt":67,"lat":51.1,"lng":6.9}}}]`},
		{name: "100 again", payload: "100,n,t", errors: []string{"41,100,Device already existing"}},
		{name: "child", payload: "101,c1,n,t,false\n101,c2", objects: "c1=n/t/child false<101 c2=//child true<101"},
		{name: "service, twice", payload: "102,svc,systemd,db,up\n102,svc,systemd,db2,down", objects: "svc=db2/systemd/service down<101"},
		{name: "service on its own topic", topic: "s/us/svc", payload: "102,svc,systemd,db,up", objects: "svc=db/systemd/service up<101"},
		{name: "service status", topic: "s/us/svc", payload: "104,down", objects: "svc=//child true<101", updates: `[{"ID":102,"Set":{"status":"down"}}]`},
		{name: "children", payload: "101,c1\n105", objects: "c1=//child true<101", ds: []string{"106,c1"}},
		{name: "no children", payload: "105", ds: []string{"106"}},
		{name: "clear fragments", payload: "107,a,b", updates: `[{"ID":101,"Remove":["a","b"]}]`},
		{name: "hardware", payload: "110,1,,3", updates: `[{"ID":101,"Set":{"c8y_Hardware":{"revision":"3","serialNumber":"1"}}}]`},
		{name: "mobile", payload: "111,1,2,3,4,5,6,7", updates: `[{"ID":101,"Set":{"c8y_Mobile":{"cellId":"7","iccid":"2","imei":"1","imsi":"3","lac":"6","mcc":"4","mnc":"5"}}}]`},
		{name: "position", payload: "112,50.323423,6.423423", updates: `[{"ID":101,"Set":{"c8y_Position":{"lat":50.323423,"lng":6.423423}}}]`},
		{name: "configuration", payload: `113,"val1=1\nval2=2"`, updates: `[{"ID":101,"Set":{"c8y_Configuration":{"config":"val1=1\\nval2=2"}}}]`},
		{name: "supported operations", payload: "114,c8y_Restart\n114", updates: `[{"ID":101,"Set":{"c8y_SupportedOperations":["c8y_Restart"]}},{"ID":101,"Set":{"c8y_SupportedOperations":[]}}]`},
		{name: "firmware", payload: "115,fw,1.0,u", updates: `[{"ID":101,"Set":{"c8y_Firmware":{"name":"fw","url":"u","version":"1.0"}}}]`},
		{name: "software", payload: "116,a,1,u,b", updates: `[{"ID":101,"Set":{"c8y_SoftwareList":[{"name":"a","url":"u","version":"1"},{"name":"b"}]}}]`},
		{name: "availability", payload: "117,60", updates: `[{"ID":101,"IfAbsent":{"c8y_RequiredAvailability":{"responseInterval":60}}}]`},
		{name: "availability without interval", payload: "117"},
		{name: "logs and configurations", payload: "118,a\n119,b", updates: `[{"ID":101,"Set":{"c8y_SupportedLogs":["a"]}},{"ID":101,"Set":{"c8y_SupportedConfigurations":["b"]}}]`},
		{name: "configuration file", payload: "120,conf,u,,2020-07-22T17:03:14.000+02:00", updates: `[{"ID":101,"Set":{"c8y_Configuration_conf":{"name":"conf","time":"2020-07-22T15:03:14.000Z","type":"conf","url":"u"}}}]`},
		{name: "agent", payload: "122,n,v,,m", updates: `[{"ID":101,"Set":{"c8y_Agent":{"maintainer":"m","name":"n","version":"v"}}}]`},
		{name: "device ID", payload: "123", ds: []string{"124,101"}},
		{name: "heartbeat", payload: "125"},
		{name: "software types and remote access", payload: "143,apt\n143\n150,ssh\n150", updates: `[{"ID":101,"Set":{"c8y_SupportedSoftwareTypes":["apt"]}},{"ID":101,"Remove":["c8y_SupportedSoftwareTypes"]},{"ID":101,"Set":{"c8y_RemoteAccessSupportedProtocols":["SSH"]}},{"ID":101,"Remove":["c8y_RemoteAccessSupportedProtocols"]}]`},
		{name: "no operations", payload: "500\n507\n501,c8y_Restart\n504,77", errors: []string{"50,501,No operation with fragment c8y_Restart found", "50,504,Operation 77 of 101 not found"}},
		{name: "version", payload: "600", ds: []string{"601,2026.1.0"}},
		{name: "unknown", payload: "999", errors: []string{"40,999,No static template for this message id"}},
		{name: "a bad line, others go on", payload: "200,a,b\n\"x\n211,1", stored: []string{`measurement 101 c8y_TemperatureMeasurement {"c8y_TemperatureMeasurement":{"T":{"value":1,"unit":"C"}}}`},
			errors: []string{"45,200,Wrong number of arguments: value is missing", "42,,unterminated quote"}},
		{name: "empty publish", payload: ""},
		{name: "child, created by its data", topic: "s/us/c1", payload: "211,1", objects: "c1=//child true<101", stored: []string{`measurement 102 c8y_TemperatureMeasurement {"c8y_TemperatureMeasurement":{"T":{"value":1,"unit":"C"}}}`}},
		{name: "the device by its own name", topic: "s/us/dev1", payload: "123", ds: []string{"124,101"}},
		{name: "quiescent", topic: "q/us", payload: "211,1\n301,a", stored: []string{`QUIESCENT measurement 101 c8y_TemperatureMeasurement {"c8y_TemperatureMeasurement":{"T":{"value":1,"unit":"C"}}}`, `QUIESCENT alarm 101 CRITICAL a "Alarm of type a raised"`}},
		{name: "transient", topic: "t/us", payload: "211,1\n301,a\n400,e,x\n306,a\n110,1", stored: []string{
			`TRANSIENT measurement 101 c8y_TemperatureMeasurement {"c8y_TemperatureMeasurement":{"T":{"value":1,"unit":"C"}}}`, `TRANSIENT event 101 e "x" `, `TRANSIENT alarm 101 CRITICAL a "Alarm of type a raised"`}},
		{name: "event engine only", topic: "c/us", payload: "211,1\n301,a\n400,e,x", stored: []string{`alarm 101 CRITICAL a "Alarm of type a raised"`}},
		{name: "unknown collection", topic: "s/uc/mine", payload: "1", errors: []string{"40,,No template collection mine"}},
		{name: "downstream topic", topic: "s/ds", payload: "1", errors: []string{`50,,Topic "s/ds" is not available`}},
		{name: "unknown topic", topic: "some/topic", payload: "1", errors: []string{`50,,Topic "some/topic" is not available`}},
		{name: "$SYS", topic: "$SYS/x", payload: "1", errors: []string{`50,,Topic "$SYS/x" is not available`}},
		{name: "credentials for one who has some", topic: "s/ucr", payload: ""},
	}
	for _, tt := range tests {
		for qos := range byte(3) {
			t.Run(fmt.Sprintf("%s, QoS %d", tt.name, qos), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t, mqttapi.Limits{})
					c := r.connect(t, dev("dev1"))
					c.send(publish(0, 0, "s/us", "100"))
					c.subscribe("s/ds", "s/e")
					topic := tt.topic
					if topic == "" {
						topic = "s/us"
					}
					ds, errs := c.roundTrip(qos, topic, tt.payload)
					compare(t, "stored", r.telemetry.lines(), tt.stored)
					compare(t, "s/ds", ds, tt.ds)
					compare(t, "s/e", errs, tt.errors)
					if got := r.updates(); got != tt.updates {
						t.Errorf("updates\n got %s\nwant %s", got, tt.updates)
					}
					if got := r.others(); got != tt.objects {
						t.Errorf("objects\n got %s\nwant %s", got, tt.objects)
					}
				})
			})
		}
	}
}

// roundTrip publishes, waits for the acknowledgements and everything that was
// sent, and returns what came on s/ds and s/e.
func (c *client) roundTrip(qos byte, topic, payload string) (ds, errs []string) {
	c.Helper()
	var id uint16
	if qos > 0 {
		id = 7
	}
	c.send(publish(id, qos, topic, payload))
	steps := map[byte][]byte{0: {}, 1: {mqtt.Puback}, 2: {mqtt.Pubrec, mqtt.Pubcomp}}[qos]
	if len(steps) == 0 {
		c.send(subscribe(999, 0, "s/dl"))
		steps = []byte{mqtt.Suback}
	}
	for len(steps) > 0 {
		p := c.read()
		if m, ok := p.(*mqtt.PublishPacket); ok {
			switch m.TopicName {
			case "s/ds":
				ds = append(ds, string(m.Payload))
			case "s/e":
				errs = append(errs, string(m.Payload))
			}
			continue
		}
		if header(p) != steps[0] {
			c.Fatalf("got %v, want %s", p, mqtt.PacketNames[steps[0]])
		}
		if steps = steps[1:]; header(p) == mqtt.Pubrec {
			c.send(pubrel(id))
		} else if header(p) != mqtt.Suback && len(steps) == 0 {
			c.send(subscribe(999, 0, "s/dl"))
			steps = []byte{mqtt.Suback}
		}
	}
	return ds, errs
}

func compare(t *testing.T, what string, got, want []string) {
	t.Helper()
	if len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
		t.Errorf("%s\n got %q\nwant %q", what, got, want)
	}
}

// updates lists the updates of objects as JSON, without what is not set.
func (r *rig) updates() string {
	r.inventory.mu.Lock()
	defer r.inventory.mu.Unlock()
	var list []map[string]any
	for _, u := range r.inventory.updates {
		m := map[string]any{"ID": u.ID}
		if u.Set != nil {
			m["Set"] = u.Set
		}
		if u.IfAbsent != nil {
			m["IfAbsent"] = u.IfAbsent
		}
		if u.Remove != nil {
			m["Remove"] = u.Remove
		}
		list = append(list, m)
	}
	if list == nil {
		return ""
	}
	b, _ := json.Marshal(list)
	return string(b)
}

// others lists the objects but dev1.
func (r *rig) others() string {
	r.inventory.mu.Lock()
	defer r.inventory.mu.Unlock()
	var list []string
	for name, o := range r.inventory.objects {
		if name != "dev1" {
			list = append(list, fmt.Sprintf("%s=%s/%s/%s<%d", name, o.name, o.typ, o.kind, o.parent))
		}
	}
	sort.Strings(list)
	return strings.Join(list, " ")
}

// TestAutomaticCreation: the object exists after the first data, with the name
// that 100 gives it if that comes first.
func TestAutomaticCreation(t *testing.T) {
	tests := []struct{ name, payload, want string }{
		{"by 100", "100,my name,my type\n200,a,b,1", "my name/my type"},
		{"by data", "200,a,b,1\n100,my name,my type", "/"},
		{"by a bad line alone: not", "200,a", ""},
		{"by a question about the platform: not", "600", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, mqttapi.Limits{})
				c := r.connect(t, dev("dev1"))
				c.send(publish(0, 0, "s/us", tt.payload))
				c.sync()
				o, ok := r.inventory.get("dev1")
				got := ""
				if ok {
					got = o.name + "/" + o.typ
				}
				if got != tt.want {
					t.Errorf("object %q, want %q", got, tt.want)
				}
				if ok && o.owner != "device_dev1" {
					t.Errorf("owner %q", o.owner)
				}
			})
		})
	}
}

// TestForeignChild: a topic cannot be used to act for a device that is somebody
// else's.
func TestForeignChild(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, mqttapi.Limits{})
		other := r.connect(t, dev("dev2"))
		other.send(publish(0, 0, "s/us", "100\n101,c2"))
		other.sync()
		c := r.connect(t, dev("dev1"))
		c.subscribe("s/e")
		for _, topic := range []string{"s/us/dev2", "s/us/c2"} {
			if _, errs := c.roundTrip(1, topic, "200,a,b,1\n110,x"); len(errs) != 2 || errs[0] != "50,200,Access is denied" {
				t.Errorf("%s: errors %q", topic, errs)
			}
		}
		if _, errs := c.roundTrip(1, "s/us", "102,c2,t,n,up"); len(errs) != 1 {
			t.Errorf("service under a foreign name: errors %q", errs)
		}
		compare(t, "stored", r.telemetry.lines(), nil)
		if r.updates() != "" {
			t.Errorf("updates %s", r.updates())
		}
	})
	synctest.Test(t, func(t *testing.T) {
		// An object an operator made below the device is the device's to speak for.
		r := newRig(t, mqttapi.Limits{})
		c := r.connect(t, dev("dev1"))
		c.send(publish(0, 0, "s/us", "100"))
		c.sync()
		r.inventory.add("c1", "", "", "admin", 101, "child")
		r.inventory.add("c2", "", "", "admin", 102, "child")
		if _, errs := c.roundTrip(1, "s/us/c2", "211,1"); errs != nil || len(r.telemetry.lines()) != 1 {
			t.Errorf("errors %q, stored %q", errs, r.telemetry.lines())
		}
	})
}

// TestRefusedForGood: what the store will never take is reported and acknowledged.
func TestRefusedForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, mqttapi.Limits{})
		c := r.connect(t, dev("dev1"))
		c.subscribe("s/e")
		r.telemetry.err = problem.New(problem.NotFound, "the object is gone", nil)
		if _, errs := c.roundTrip(1, "s/us", "211,1"); len(errs) != 1 || errs[0] != "50,,the object is gone" {
			t.Errorf("errors %q", errs)
		}
	})
}

// TestManyErrors: as many bad lines as fit do not close the connection.
func TestManyErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, mqttapi.Limits{})
		c := r.connect(t, dev("dev1"))
		c.subscribe("s/e")
		for range 10 {
			if _, errs := c.roundTrip(1, "s/us", strings.Repeat("999\n", 1000)); len(errs) != 16 {
				t.Fatalf("%d errors, want 16", len(errs))
			}
		}
		if _, errs := c.roundTrip(1, "s/us", strings.Repeat("999\n", 1001)); len(errs) != 1 || !strings.HasPrefix(errs[0], "42,,") {
			t.Errorf("errors %q", errs)
		}
	})
}

func TestToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, mqttapi.Limits{})
		r.trust("dev1")
		r.trust("dev2")
		connect := func(id string) *client {
			c := r.dialTLS(t, newCertificate(t, id))
			if code := c.connect(options{id: id, noUser: true, noPassword: true}); code != 0 {
				t.Fatalf("CONNACK %d", code)
			}
			c.send(publish(0, 0, "s/us", "100"))
			c.subscribe("s/dat", "s/e", "s/ds")
			return c
		}
		one, two := connect("dev1"), connect("dev2")
		// Trap 8: each is answered on its own connection, and nobody else is.
		one.send(publish(0, 0, "s/uat", ""))
		one.wantMessage("s/dat", "71,jwt-of-t1000-dev1@mqtt.example.com")
		two.send(publish(5, 1, "s/uat", ""))
		two.want(mqtt.Puback, 5)
		two.wantMessage("s/dat", "71,jwt-of-t1000-dev2@mqtt.example.com")
		one.send(publish(0, 0, "s/us", "123"))
		one.wantMessage("s/ds", "124,101")
		two.sync()

		r.tokens.err = problem.New(problem.Unavailable, "no signing key", nil)
		one.send(publish(6, 1, "s/uat", ""))
		one.want(mqtt.Puback, 6)
		one.wantMessage("s/e", "50,,no signing key")
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, mqttapi.Limits{})
		c := r.connect(t, dev("dev1"))
		c.send(publish(0, 0, "s/us", "100"))
		c.subscribe("s/dat", "s/e")
		c.send(publish(0, 0, "s/uat", ""))
		c.wantMessage("s/e", "41,,MqttAuth: Cannot publish token for device that do not use certificate authentication")
	})
}

func TestOtherTopics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, mqttapi.Limits{})
		c := r.connect(t, dev("dev1"))
		c.subscribe("s/dt", "error")
		c.send(publish(0, 0, "s/ut/mine", ""))
		c.wantMessage("s/dt", "41,mine")
		c.send(publish(3, 1, "measurement/measurements/create", "{}"))
		c.want(mqtt.Puback, 3)
		c.wantMessage("error", `{"error":"undefined/validationError","message":"Following mandatory fields should be included: time,type","messageId":3}`)
	})
}

// TestSlowLines: a publish of many lines takes longer than one call may.
func TestSlowLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, mqttapi.Limits{Service: time.Second})
		r.inventory.slow = 100 * time.Millisecond
		c := r.connect(t, dev("dev1"))
		c.send(publish(3, 1, "s/us", strings.Repeat("110,1\n", 50)))
		c.want(mqtt.Puback, 3)
		if n := len(r.inventory.updates); n != 50 {
			t.Errorf("%d updates", n)
		}
	})
}

// TestPresence: every publish is a sign of life of its object.
func TestPresence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, mqttapi.Limits{})
		c := r.connect(t, dev("dev1"))
		for range 3 {
			c.send(publish(0, 0, "s/us", "125"))
		}
		c.send(publish(0, 0, "s/us/c1", "125"))
		c.sync()
		if want := map[platform.ID]int{101: 3, 102: 1}; !reflect.DeepEqual(r.presence.heard, want) {
			t.Errorf("heard %v, want %v", r.presence.heard, want)
		}
	})
}
