package localmqtt_test

import (
	"bufio"
	"context"
	"crypto"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"mooring/agent/localapi"
	"mooring/agent/localmqtt"
	"mooring/internal/pipetest"
	"mooring/internal/secret"
)

// device is a localapi.Device that keeps what it is sent.
type device struct {
	mu       sync.Mutex
	sent     []string
	arrived  chan struct{} // one for each message sent
	messages map[string]chan localapi.Message
	failing  error
}

func newDevice() *device {
	return &device{arrived: make(chan struct{}, 1000), messages: make(map[string]chan localapi.Message)}
}

func (d *device) Look() (localapi.Snapshot, <-chan struct{}) { return localapi.Snapshot{}, nil }
func (d *device) DeviceToken(context.Context) (secret.String, time.Time, error) {
	return secret.String{}, time.Time{}, nil
}
func (d *device) ForgetToken(context.Context, secret.String) {}
func (d *device) Sign(context.Context, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, nil
}

func (d *device) Send(_ context.Context, topic string, payload []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.failing != nil {
		return d.failing
	}
	d.sent = append(d.sent, topic+" "+string(payload))
	d.arrived <- struct{}{}
	return nil
}

func (d *device) Messages(ctx context.Context, topics ...string) <-chan localapi.Message {
	out := make(chan localapi.Message, 100)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.messages[topics[0]] = out
	context.AfterFunc(ctx, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		close(out)
		if d.messages[topics[0]] == out {
			delete(d.messages, topics[0])
		}
	})
	return out
}

func (d *device) down(topic, payload string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.messages[topic] <- localapi.Message{Topic: topic, Payload: []byte(payload)}
}

func (d *device) got() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string(nil), d.sent...)
}

func newBroker(t *testing.T, d *device, rate int, rules ...string) *localmqtt.Broker {
	t.Helper()
	p, err := localapi.NewPolicy(rules, []string{"s/us/#", "event/#"}, []string{"s/ds", "s/dc/#"}, rate)
	if err != nil {
		t.Fatal(err)
	}
	return localmqtt.New(d, p, slog.New(slog.DiscardHandler))
}

// serving runs a broker on a UNIX socket until the test ends.
func serving(t *testing.T, b *localmqtt.Broker) func() *caller {
	t.Helper()
	path := filepath.Join(t.TempDir(), "mqtt.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return func() *caller {
		nc, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = nc.Close() })
		return &caller{t, nc, bufio.NewReader(nc)}
	}
}

// caller is a client, packet by packet.
type caller struct {
	t  *testing.T
	nc net.Conn
	in *bufio.Reader
}

func (c *caller) send(p packets.ControlPacket) {
	c.t.Helper()
	if err := p.Write(c.nc); err != nil {
		c.t.Fatal(err)
	}
}

// next describes the next packet, or says "end".
func (c *caller) next() string {
	c.t.Helper()
	p, err := packets.ReadPacket(c.in)
	if err != nil {
		return "end"
	}
	switch p := p.(type) {
	case *packets.ConnackPacket:
		return fmt.Sprintf("connack %d", p.ReturnCode)
	case *packets.SubackPacket:
		return fmt.Sprintf("suback %x", p.ReturnCodes)
	case *packets.PublishPacket:
		return fmt.Sprintf("publish %s %s qos%d id%d", p.TopicName, p.Payload, p.Qos, p.MessageID)
	}
	return strings.ToLower(strings.TrimSpace(strings.SplitN(p.String(), ":", 2)[0])) + fmt.Sprintf(" %d", p.Details().MessageID)
}

func (c *caller) want(answers ...string) {
	c.t.Helper()
	for _, want := range answers {
		if got := c.next(); got != want {
			c.t.Errorf("got %q, want %q", got, want)
		}
	}
}

func connect(id string, edit ...func(*packets.ConnectPacket)) packets.ControlPacket {
	p := packets.NewControlPacket(packets.Connect).(*packets.ConnectPacket)
	p.ProtocolName, p.ProtocolVersion, p.ClientIdentifier, p.CleanSession, p.Keepalive = "MQTT", 4, id, true, 60
	for _, e := range edit {
		e(p)
	}
	return p
}

func publish(topic, payload string, qos byte, id uint16) packets.ControlPacket {
	p := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	p.TopicName, p.Payload, p.Qos, p.MessageID = topic, []byte(payload), qos, id
	return p
}

func subscribe(id uint16, qos byte, filters ...string) packets.ControlPacket {
	p := packets.NewControlPacket(packets.Subscribe).(*packets.SubscribePacket)
	p.MessageID, p.Topics = id, filters
	for range filters {
		p.Qoss = append(p.Qoss, qos)
	}
	return p
}

func plain(kind byte) packets.ControlPacket { return packets.NewControlPacket(kind) }

func everybody() string { return fmt.Sprintf("user:%d publish messages", os.Getuid()) }

// A client sends and hears.
func TestClient(t *testing.T) {
	d := newDevice()
	c := serving(t, newBroker(t, d, 1000, everybody()))()
	c.send(connect("a"))
	c.want("connack 0")
	c.send(publish("s/us", "200,c8y_T,T,1,C", 1, 7))
	c.want("puback 7")
	c.send(publish("s/us/child", "x", 0, 0))
	c.send(plain(packets.Pingreq))
	c.want("pingresp 0")
	if got := d.got(); len(got) != 2 || got[0] != "s/us 200,c8y_T,T,1,C" || got[1] != "s/us/child x" {
		t.Errorf("sent: %q", got)
	}
	c.send(subscribe(9, 1, "s/ds", "s/uat", "s/dat", "#", "s/dc/#"))
	c.want("suback 0180808001")
	d.down("s/ds", "510,a")
	c.want("publish s/ds 510,a qos1 id1")
	c.send(subscribe(10, 0, "s/ds")) // in place of the first
	c.want("suback 00")
	d.down("s/ds", "511,a")
	c.want("publish s/ds 511,a qos0 id0")
	unsubscribe := plain(packets.Unsubscribe).(*packets.UnsubscribePacket)
	unsubscribe.MessageID, unsubscribe.Topics = 11, []string{"s/ds", "unknown"}
	c.send(unsubscribe)
	c.want("unsuback 11")
	c.send(plain(packets.Disconnect))
	c.want("end")
}

// What MQTT has no refusal for ends the connection; what it has one for is
// refused.
func TestRefusals(t *testing.T) {
	dial := serving(t, newBroker(t, newDevice(), 1000, everybody()))
	for name, row := range map[string]struct {
		send []packets.ControlPacket
		want string
	}{
		"version 5":        {[]packets.ControlPacket{connect("a", func(p *packets.ConnectPacket) { p.ProtocolVersion = 5 })}, "connack 1"},
		"no name, not new": {[]packets.ControlPacket{connect("", func(p *packets.ConnectPacket) { p.CleanSession = false })}, "connack 2"},
		"ping first":       {[]packets.ControlPacket{plain(packets.Pingreq)}, "end"},
		"connect twice":    {[]packets.ControlPacket{connect("a"), connect("a")}, "connack 0,end"},
		"topic not open":   {[]packets.ControlPacket{connect("a"), publish("s/uat", "", 1, 1)}, "connack 0,end"},
		"topic a filter":   {[]packets.ControlPacket{connect("a"), publish("s/us/#", "", 1, 1)}, "connack 0,end"},
		"QoS 2":            {[]packets.ControlPacket{connect("a"), publish("s/us", "x", 2, 1)}, "connack 0,end"},
		"no identifier":    {[]packets.ControlPacket{connect("a"), publish("s/us", "x", 1, 0)}, "connack 0,end"},
		"not sent":         {[]packets.ControlPacket{connect("a"), plain(packets.Puback)}, "connack 0,end"},
		"no topic":         {[]packets.ControlPacket{connect("a"), subscribe(1, 0)}, "connack 0,end"},
		"from a server":    {[]packets.ControlPacket{connect("a"), plain(packets.Pingresp)}, "connack 0,end"},
	} {
		t.Run(name, func(t *testing.T) {
			c := dial()
			c.t = t
			for _, p := range row.send {
				c.send(p)
			}
			c.want(strings.Split(row.want, ",")...)
		})
	}
}

// Packets are bounded before memory is taken for them.
func TestLength(t *testing.T) {
	d := newDevice()
	dial := serving(t, newBroker(t, d, 1000, everybody()))
	const room = 130<<10 - 2 - len("s/us") - 2 // what is left for a payload at QoS 1
	for _, size := range []int{room - 1, room, room + 1} {
		c := dial()
		c.send(connect("a"))
		c.want("connack 0")
		go func() { _ = publish("s/us", strings.Repeat("x", size), 1, 1).Write(c.nc) }() // may be cut short
		want := "puback 1"
		if size > room {
			want = "end"
		}
		c.want(want)
	}
	for _, header := range []string{"\x10\xff\xff\xff\xff\x01", "\x10\xff\xff\xff\x7f"} {
		c := dial()
		_, _ = io.WriteString(c.nc, header)
		c.want("end")
	}
}

// A will is sent for who goes without a word, and for nobody else.
func TestWill(t *testing.T) {
	d := newDevice()
	dial := serving(t, newBroker(t, d, 1000, everybody()))
	will := func(p *packets.ConnectPacket) {
		p.WillFlag, p.WillTopic, p.WillMessage = true, "event/x", []byte("gone")
	}
	polite := dial()
	polite.send(connect("a", will))
	polite.want("connack 0")
	polite.send(plain(packets.Disconnect))
	polite.want("end")
	rude := dial()
	rude.send(connect("b", will))
	rude.want("connack 0")
	_ = rude.nc.Close()
	<-d.arrived
	if got := d.got(); len(got) != 1 || got[0] != "event/x gone" {
		t.Errorf("got %q", got)
	}
}

// The same name again ends who had it.
func TestTakeover(t *testing.T) {
	dial := serving(t, newBroker(t, newDevice(), 1000, everybody()))
	first, second := dial(), dial()
	first.send(connect("a"))
	first.want("connack 0")
	second.send(connect("a"))
	second.want("connack 0")
	first.want("end")
	second.send(plain(packets.Pingreq))
	second.want("pingresp 0")
}

// 32 messages may wait for acknowledgement; the 33rd waits for one of them.
func TestWindow(t *testing.T) {
	d := newDevice()
	c := serving(t, newBroker(t, d, 1000, everybody()))()
	c.send(connect("a"))
	c.send(subscribe(1, 1, "s/ds"))
	c.want("connack 0", "suback 01")
	for i := range 33 {
		d.down("s/ds", fmt.Sprint(i))
	}
	for i := range 32 {
		c.want(fmt.Sprintf("publish s/ds %d qos1 id%d", i, i+1))
	}
	c.send(plain(packets.Pingreq))
	c.want("pingresp 0") // before the 33rd
	ack := plain(packets.Puback).(*packets.PubackPacket)
	ack.MessageID = 1
	c.send(ack)
	c.want("publish s/ds 32 qos1 id33")
}

// Who is silent for one and a half times the keep-alive is gone, who never says
// CONNECT after five seconds, and who sends too fast is slowed down.
func TestTime(t *testing.T) {
	for name, row := range map[string]struct {
		send  func(*caller)
		after time.Duration
	}{
		"no CONNECT": {func(*caller) {}, 5 * time.Second},
		"keep-alive": {func(c *caller) { c.send(connect("a")); c.want("connack 0") }, 90 * time.Second},
		"pace": {func(c *caller) {
			c.send(connect("a"))
			c.want("connack 0")
			for range 50 { // 20 at once, then 10 a second
				c.send(publish("s/us", "x", 1, 1))
				c.want("puback 1")
			}
			c.send(plain(packets.Disconnect))
		}, 3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBroker(t, newDevice(), 10)
				l := pipetest.New()
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error)
				go func() { ended <- b.Serve(ctx, l) }()
				near := l.Dial()
				began := time.Now()
				c := &caller{t, near, bufio.NewReader(near)}
				row.send(c)
				c.want("end")
				if got := time.Since(began); got != row.after {
					t.Errorf("ended after %v, want %v", got, row.after)
				}
				cancel()
				if err := <-ended; err != nil {
					t.Error(err)
				}
			})
		})
	}
}
