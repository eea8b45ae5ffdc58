package server_test

import (
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang/packets"

	"mooring/server/servertest"
)

// publishTo publishes with QoS 1 and returns the messages that come before and, if
// answered is set, the one that comes after its PUBACK.
func publishTo(t *testing.T, c net.Conn, topic, payload string, answered bool) (messages []string) {
	t.Helper()
	p := mqtt.NewControlPacket(mqtt.Publish).(*mqtt.PublishPacket)
	p.MessageID, p.Qos, p.TopicName, p.Payload = 7, 1, topic, []byte(payload)
	if err := p.Write(c); err != nil {
		t.Fatal(err)
	}
	for acknowledged := false; !acknowledged || answered && len(messages) == 0; {
		switch got := nextControl(t, c).(type) {
		case *mqtt.PubackPacket:
			acknowledged = true
		case *mqtt.PublishPacket:
			messages = append(messages, got.TopicName+" "+string(got.Payload))
		default:
			t.Fatalf("got %v", got)
		}
	}
	return messages
}

func nextControl(t *testing.T, c net.Conn) mqtt.ControlPacket {
	t.Helper()
	_ = c.SetDeadline(time.Now().Add(within))
	p, err := mqtt.ReadPacket(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func subscribeTo(t *testing.T, c net.Conn, filters ...string) {
	t.Helper()
	p := mqtt.NewControlPacket(mqtt.Subscribe).(*mqtt.SubscribePacket)
	p.MessageID, p.Topics, p.Qoss = 3, filters, make([]byte, len(filters))
	if err := p.Write(c); err != nil {
		t.Fatal(err)
	}
	if got, ok := nextControl(t, c).(*mqtt.SubackPacket); !ok || strings.Contains(string(got.ReturnCodes), "\x80") {
		t.Fatalf("got %v", got)
	}
}

// TestSmartRESTOne goes the way of thin-edge.io's test of SmartREST 1.0: a device
// with a password registers templates by HTTP, uses them by MQTT and hears of
// operations in their words; and that of the vendor's C++ SDK, which names the
// collection in the body. Devices of another tenant see nothing of it.
func TestSmartRESTOne(t *testing.T) {
	s := servertest.Start(t, servertest.Options{Easy: true})
	bulk(t, s, "ID;CREDENTIALS;NAME\none1;pass one;One\nkid1;pass two;Kid\n")
	const templates = "10,339,GET,/identity/externalIds/c8y_Serial/%%,,application/vnd.com.nsn.cumulocity.externalId+json,%%,STRING,\n" +
		"10,311,GET,/alarm/alarms?source=%%&status=%%&pageSize=100,,,%%,UNSIGNED STRING,\n" +
		"10,312,POST,/event/events,application/json,application/json,%%,UNSIGNED NOW,\"{\"\"source\"\":{\"\"id\"\":\"\"%%\"\"},\"\"type\"\":\"\"e\"\",\"\"text\"\":\"\"x\"\",\"\"time\"\":\"\"%%\"\"}\"\n" +
		"11,800,$.managedObject,,$.id\n11,808,$.alarms,,$.id,$.type\n11,502,,$.c8y_Restart,$.id,$.deviceId\n" +
		"11,807,,$.c8y_Command,$.id,$.c8y_Command.text,$.deviceId\n11,809,,$.text,$.type\n"
	made := smartREST(t, s, "one1", "pass one", "TST_Template", templates)
	number, ok := strings.CutPrefix(made, "20,")
	if !ok {
		t.Fatal(made)
	}
	s.Call(http.MethodGet, "/identity/externalIds/c8y_SmartRestDeviceIdentifier/TST_Template", nil, nil)

	c, code := byPassword(t, s, "one1", servertest.Tenant+"/device_one1", "pass one")
	if code != 0 {
		t.Fatalf("CONNACK %d", code)
	}
	subscribeTo(t, c, "s/dl", "s/dl/TST_Template", "s/ol/TST_Template", "s/ol/"+number)
	publishTo(t, c, "s/us", "302,test,test alarm", false)
	var found struct{ ManagedObject struct{ ID string } }
	s.Call(http.MethodGet, "/identity/externalIds/c8y_Serial/one1", nil, &found)
	id := found.ManagedObject.ID
	for _, tt := range []struct{ topic, body, want string }{
		{"s/ul/TST_Template", "339,one1", "s/dl/TST_Template 800,1," + id},
		{"s/ul/TST_Template", "311," + id + ",ACTIVE", `s/dl/TST_Template 808,1,\d+,test`},
		{"s/ul/TST_Template", "", "s/dl/TST_Template 20," + number},
		{"s/ul/TST_Template", "339,nobody\n339,one1", "s/dl/TST_Template 50,1,404,Not Found\n800,2," + id},
		{"t/ul/TST_Template", "312," + id, "s/dl/TST_Template 809,1,e"},
		{"s/ul", "15," + number + "\n339,one1\n", "s/dl 87,1," + number + "\n800,2," + id},
	} {
		got := publishTo(t, c, tt.topic, tt.body, true)
		if len(got) != 1 || !regexp.MustCompile("^"+tt.want+"$").MatchString(got[0]) {
			t.Errorf("%s %s: got %q, want %q", tt.topic, tt.body, got, tt.want)
		}
	}
	if n := s.Count("/event/events?source=" + id); n != 0 {
		t.Errorf("%d events of a transient publish are stored", n)
	}
	s.Call(http.MethodPost, "/devicecontrol/operations", map[string]any{"deviceId": id, "c8y_Command": map[string]any{"text": `say "hi"`}}, nil)
	var topics []string
	for range 2 {
		p, ok := nextControl(t, c).(*mqtt.PublishPacket)
		if !ok || !regexp.MustCompile(`^807,1,\d+,"say ""hi""",`+id+`$`).Match(p.Payload) {
			t.Fatalf("got %v", p)
		}
		topics = append(topics, p.TopicName)
	}
	if topics[0] == topics[1] {
		t.Errorf("twice on %s", topics[0])
	}
	if got := smartREST(t, s, "kid1", "pass two", "TST_Template", "312,"+id); got != "50,1,403,Forbidden" {
		t.Errorf("another device: %s", got)
	}
}

// smartREST posts lines as a device and returns what is answered.
func smartREST(t *testing.T, s *servertest.Server, device, password, xid, body string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+servertest.HTTPS+"/s", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(servertest.Tenant+"/device_"+device, password)
	req.Header.Set("X-Id", xid)
	req.Header.Set("Content-Type", "plain/text") // as thin-edge.io's test has it
	client := s.HTTPClient(s.TLSConfig())
	defer client.CloseIdleConnections()
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s %s %v", res.Status, answer, err)
	}
	return string(answer)
}
