package mqttapi_test

import (
	"io"
	"net"
	"testing"

	mqtt "github.com/eclipse/paho.mqtt.golang/packets"

	"mooring/server/mqttapi"
)

// BenchmarkPublish is QoS 1 over a socket with a window of 16 and a store that
// takes no time: what the front end itself costs, client and kernel included.
func BenchmarkPublish(b *testing.B) {
	for name, p := range map[string]*mqtt.PublishPacket{
		"line": publish(1, 1, "s/us", "200,c8y_Temperature,T,25.5,C,2026-01-02T03:04:05.678Z"),
		"json": publish(1, 1, "measurement/measurements/create",
			`{"type":"c8y_Temperature","time":"2026-01-02T03:04:05.678Z","c8y_Temperature":{"T":{"value":25.5,"unit":"C"}}}`),
	} {
		b.Run(name, func(b *testing.B) { benchmarkPublish(b, p) })
	}
}

func benchmarkPublish(b *testing.B, p *mqtt.PublishPacket) {
	r := newRig(b, mqttapi.Limits{Rate: 1 << 20})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go func() { _ = r.Serve(l, "mqtt", nil) }()
	raw, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	c := &client{TB: b, Conn: raw}
	if code := c.connect(dev("dev1")); code != 0 {
		b.Fatalf("CONNACK %d", code)
	}
	const window = 16
	var batch []mqtt.ControlPacket
	for range window {
		batch = append(batch, p)
	}
	acks := make([]byte, 4*window)
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i += window {
		c.send(batch...)
		if _, err := io.ReadFull(c, acks); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	r.telemetry.mu.Lock()
	r.telemetry.batches = nil
	r.telemetry.mu.Unlock()
}
