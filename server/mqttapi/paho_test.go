package mqttapi_test

import (
	"crypto/tls"
	"net"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"mooring/server/mqttapi"
)

// TestPaho lets a real client live through a device's first minutes on a real
// socket: certificate, refused subscription, 100, data, token, will.
func TestPaho(t *testing.T) {
	r := newRig(t, mqttapi.Limits{})
	r.trust("dev1")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = r.Serve(l, "mqtts", &tls.Config{Certificates: []tls.Certificate{newCertificate(t, "server")}, ClientAuth: tls.RequestClientCert})
	}()
	certificate := newCertificate(t, "dev1")
	dial := func(id string) paho.Client {
		return paho.NewClient(paho.NewClientOptions().AddBroker("ssl://" + l.Addr().String()).SetClientID(id).SetProtocolVersion(4).
			SetAutoReconnect(false).SetConnectTimeout(10 * time.Second).
			SetTLSConfig(&tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{certificate}}))
	}
	if token := dial("dev2").Connect(); !token.WaitTimeout(10*time.Second) || token.(*paho.ConnectToken).ReturnCode() != 5 {
		t.Fatalf("another's client ID: %v, code %d", token.Error(), token.(*paho.ConnectToken).ReturnCode())
	}
	c := dial("d:dev1")
	wait := func(token paho.Token) {
		t.Helper()
		if !token.WaitTimeout(10 * time.Second) {
			t.Fatal("no answer in 10 s")
		}
		if token.Error() != nil {
			t.Fatal(token.Error())
		}
	}
	wait(c.Connect())
	messages := make(chan string, 8)
	on := func(_ paho.Client, m paho.Message) { messages <- m.Topic() + " " + string(m.Payload()) }
	subscribe := func(topic string, want byte) {
		t.Helper()
		token := c.Subscribe(topic, 1, on)
		wait(token)
		if got := token.(*paho.SubscribeToken).Result()[topic]; got != want {
			t.Errorf("subscribe %s: %#x, want %#x", topic, got, want)
		}
	}
	subscribe("s/ds", 0x80) // trap 17: no error, only the result shows it
	wait(c.Publish("s/us", 2, false, "100,my device,my type"))
	subscribe("s/ds", 1)
	subscribe("s/dat", 1)
	subscribe("s/e", 1)
	wait(c.Publish("s/us", 1, true, "200,c8y_Temperature,T,25,C\n123"))
	wait(c.Publish("s/uat", 0, false, ""))
	wait(c.Publish("s/us", 1, false, "100"))
	for _, want := range []string{"s/ds 124,101", "s/dat 71,jwt-of-t1000-dev1@127.0.0.1", "s/e 41,100,Device already existing"} {
		select {
		case got := <-messages:
			if got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("no %q in 10 s", want)
		}
	}
	if got := r.telemetry.lines(); len(got) != 1 {
		t.Errorf("stored %q", got)
	}
	c.Disconnect(100)
}
