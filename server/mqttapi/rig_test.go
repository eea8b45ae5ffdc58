package mqttapi_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang/packets"

	"mooring/server/mqttapi"
	"mooring/server/platform"
)

// rig is a server on fakes, with a plain and a TLS listener.
type rig struct {
	*mqttapi.Server
	auth      *fakeAuth
	inventory *fakeInventory
	telemetry *fakeTelemetry
	tokens    *fakeTokens
	refusals  *fakeRefusals
	presence  *fakePresence
	plain     *pipeListener
	tls       *pipeListener
}

func newRig(t testing.TB, limits mqttapi.Limits) *rig {
	return newRigOf(t, func(c *mqttapi.Config) { c.Limits = limits })
}

// newRigOf lets a test change the configuration.
func newRigOf(t testing.TB, change func(*mqttapi.Config)) *rig {
	r := &rig{
		auth:      &fakeAuth{verdicts: map[string]platform.Verdict{}},
		inventory: newFakeInventory(), telemetry: newFakeTelemetry(), tokens: &fakeTokens{},
		refusals: &fakeRefusals{}, presence: &fakePresence{},
		plain: newPipeListener(), tls: newPipeListener(),
	}
	cfg := mqttapi.Config{
		Auth: r.auth, Devices: r.inventory, Objects: r.inventory, Telemetry: r.telemetry, Tokens: r.tokens,
		Operations: noOperations{}, Refusals: r.refusals, Presence: r.presence, Version: "2026.1.0",
	}
	change(&cfg)
	r.telemetry = cfg.Telemetry.(*fakeTelemetry)
	r.Server = mqttapi.New(cfg)
	var serving sync.WaitGroup
	serving.Go(func() { _ = r.Serve(r.plain, "mqtt", nil) })
	serving.Go(func() {
		_ = r.Serve(r.tls, "mqtts", &tls.Config{Certificates: []tls.Certificate{newCertificate(t, "server")}, ClientAuth: tls.RequestClientCert})
	})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := r.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		serving.Wait()
	})
	return r
}

// trust gives the certificate with this common name a full verdict.
func (r *rig) trust(cn string) {
	r.auth.verdicts[cn] = platform.Verdict{Scope: platform.Full, Tenant: tenant, Device: cn}
}

func newCertificate(t testing.TB, cn string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: cn}, DNSNames: []string{cn},
		NotBefore: time.Unix(0, 0), NotAfter: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// pipeListener hands out connections in memory.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *pipeListener) Addr() net.Addr { return address("127.0.0.1:8883") }

func (l *pipeListener) dial(t testing.TB) net.Conn {
	t.Helper()
	client, server := newPipe()
	select {
	case l.conns <- server:
	case <-l.closed:
		t.Fatal("listener is closed")
	}
	return client
}

type address string

func (address) Network() string  { return "memory" }
func (a address) String() string { return string(a) }

// client speaks MQTT packet by packet.
type client struct {
	testing.TB
	net.Conn
}

// options of a CONNECT.
type options struct {
	id, user, password string
	protocol           byte // 0: 4
	name               string
	noUser, noPassword bool
	dirty              bool // clean session 0
	keepAlive          uint16
	will               *will
}

type will struct {
	topic, payload string
	retain         bool
	qos            byte
}

// dev is a device that connects with its password.
func dev(id string) options { return options{id: id, user: "t1000/device_" + id, password: "right"} }

func (o options) packet() *mqtt.ConnectPacket {
	p := mqtt.NewControlPacket(mqtt.Connect).(*mqtt.ConnectPacket)
	p.ProtocolName, p.ProtocolVersion = "MQTT", 4
	if o.protocol != 0 {
		p.ProtocolVersion = o.protocol
	}
	if o.name != "" {
		p.ProtocolName = o.name
	}
	p.ClientIdentifier, p.CleanSession, p.Keepalive = o.id, !o.dirty, o.keepAlive
	p.UsernameFlag, p.Username = !o.noUser, o.user
	p.PasswordFlag, p.Password = !o.noPassword, []byte(o.password)
	if o.will != nil {
		p.WillFlag, p.WillTopic, p.WillMessage, p.WillRetain, p.WillQos = true, o.will.topic, []byte(o.will.payload), o.will.retain, o.will.qos
	}
	return p
}

func (r *rig) dial(t testing.TB) *client { return &client{TB: t, Conn: r.plain.dial(t)} }

func (r *rig) dialTLS(t testing.TB, certificates ...tls.Certificate) *client {
	return &client{TB: t, Conn: tls.Client(r.tls.dial(t), &tls.Config{InsecureSkipVerify: true, Certificates: certificates, ServerName: "mqtt.example.com"})}
}

// connect dials and connects, and fails unless it is accepted.
func (r *rig) connect(t testing.TB, o options) *client {
	t.Helper()
	c := r.dial(t)
	if code := c.connect(o); code != 0 {
		t.Fatalf("CONNACK %d", code)
	}
	return c
}

// connect returns the CONNACK code.
func (c *client) connect(o options) byte {
	c.Helper()
	c.send(o.packet())
	return c.read().(*mqtt.ConnackPacket).ReturnCode
}

func (c *client) send(packets ...mqtt.ControlPacket) {
	c.Helper()
	var b bytes.Buffer
	for _, p := range packets {
		if err := p.Write(&b); err != nil {
			c.Fatal(err)
		}
	}
	if _, err := c.Write(b.Bytes()); err != nil {
		c.Fatalf("write: %v", err)
	}
}

func (c *client) read() mqtt.ControlPacket {
	c.Helper()
	p, err := mqtt.ReadPacket(c.Conn)
	if err != nil {
		c.Fatalf("read: %v", err)
	}
	return p
}

// want reads a packet and compares its text form, which has no payload.
func (c *client) want(kind byte, id uint16) {
	c.Helper()
	p := c.read()
	if got := p.Details().MessageID; header(p) != kind || got != id {
		c.Fatalf("got %s of ID %d, want %s of ID %d", mqtt.PacketNames[header(p)], got, mqtt.PacketNames[kind], id)
	}
}

func header(p mqtt.ControlPacket) byte {
	var b bytes.Buffer
	_ = p.Write(&b)
	return b.Bytes()[0] >> 4
}

// wantMessage reads a PUBLISH.
func (c *client) wantMessage(topic, payload string) *mqtt.PublishPacket {
	c.Helper()
	p, ok := c.read().(*mqtt.PublishPacket)
	if !ok || p.TopicName != topic || string(p.Payload) != payload {
		c.Fatalf("got %v, want %q on %s", p, payload, topic)
	}
	return p
}

// wantClosed reads until the connection ends and returns how many packets came.
func (c *client) wantClosed() (n int) {
	c.Helper()
	for {
		if _, err := mqtt.ReadPacket(c.Conn); err != nil {
			if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
				c.Fatal("connection stays open")
			}
			return n
		}
		n++
	}
}

// sync returns when all that was sent before has been carried out: publishes are
// carried out in order, and a subscription among them.
func (c *client) sync() {
	c.Helper()
	c.send(subscribe(999, 0, "s/dl"))
	c.want(mqtt.Suback, 999)
}

func publish(id uint16, qos byte, topic, payload string) *mqtt.PublishPacket {
	p := mqtt.NewControlPacket(mqtt.Publish).(*mqtt.PublishPacket)
	p.MessageID, p.Qos, p.TopicName, p.Payload = id, qos, topic, []byte(payload)
	return p
}

func subscribe(id uint16, qos byte, filters ...string) *mqtt.SubscribePacket {
	p := mqtt.NewControlPacket(mqtt.Subscribe).(*mqtt.SubscribePacket)
	p.MessageID, p.Topics, p.Qoss = id, filters, bytes.Repeat([]byte{qos}, len(filters))
	return p
}

func pubrel(id uint16) mqtt.ControlPacket {
	p := mqtt.NewControlPacket(mqtt.Pubrel).(*mqtt.PubrelPacket)
	p.MessageID = id
	return p
}

func simple(kind byte) mqtt.ControlPacket { return mqtt.NewControlPacket(kind) }

// subscribe subscribes and fails unless every filter is granted.
func (c *client) subscribe(filters ...string) {
	c.Helper()
	c.send(subscribe(100, 0, filters...))
	s, ok := c.read().(*mqtt.SubackPacket)
	if !ok || bytes.ContainsRune(s.ReturnCodes, 0x80) || bytes.Contains(s.ReturnCodes, []byte{0x80}) {
		c.Fatalf("subscribe %v: %v", filters, s)
	}
}

var _ io.Reader = (*client)(nil)
