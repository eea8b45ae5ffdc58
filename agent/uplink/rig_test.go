package uplink_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"mooring/agent/spool"
	"mooring/agent/uplink"
	"mooring/internal/durable/durabletest"
	"mooring/server/servertest"
)

// broker is an MQTT server that does what a test tells it.
type broker struct {
	t       testing.TB
	network *servertest.Network
	tls     *tls.Config
	roots   *x509.CertPool

	mu         sync.Mutex
	connack    byte
	suback     func(topic string, try int) byte
	subacks    int // how many codes answer one topic; zero means one
	tries      map[string]int
	given      []string // topics given back
	token      func() string
	ackPublish bool
	refuses    []byte // a publish that has this ends its connection
	will       []byte
	published  []string
	connects   []time.Time
	resumed    []bool
	levels     []byte
	conns      []net.Conn
	explain    string
	whoami     http.HandlerFunc
}

func certificate(t testing.TB, cn string) tls.Certificate {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: cn}, DNSNames: []string{"server.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(10, 0, 0), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	leaf, _ := x509.ParseCertificate(der)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: k, Leaf: leaf}
}

func newBroker(t testing.TB) *broker {
	t.Helper()
	cert := certificate(t, "server")
	b := &broker{t: t, network: servertest.NewNetwork(), roots: x509.NewCertPool(), tries: map[string]int{}, ackPublish: true,
		suback: func(string, int) byte { return 0 }, token: func() string { return "" }}
	b.roots.AddCert(cert.Leaf)
	b.tls = &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequestClientCert}
	mqtt, err := b.network.Listen("server.test:8883")
	if err != nil {
		t.Fatal(err)
	}
	mtls, err := b.network.Listen("server.test:8443")
	if err != nil {
		t.Fatal(err)
	}
	go b.accept(mqtt)
	h := &http.Server{Handler: http.HandlerFunc(b.serveHTTP)}
	go func() { _ = h.Serve(tls.NewListener(mtls, b.tls)) }()
	t.Cleanup(func() {
		_ = mqtt.Close()
		_ = h.Close()
		b.kick()
	})
	return b
}

func (b *broker) serveHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	explain, who := b.explain, b.whoami
	b.mu.Unlock()
	switch {
	case r.URL.Path == "/mooring/explain" && explain != "":
		_, _ = w.Write([]byte(explain))
	case r.URL.Path == "/mooring/whoami" && who != nil:
		who(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (b *broker) accept(l net.Listener) {
	for {
		raw, err := l.Accept()
		if err != nil {
			return
		}
		go b.serve(tls.Server(raw, b.tls))
	}
}

func (b *broker) kick() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.conns {
		_ = c.Close()
	}
	b.conns = nil
}

func (b *broker) serve(c *tls.Conn) {
	defer func() { _ = c.Close() }()
	for {
		p, err := packets.ReadPacket(c)
		if err != nil {
			return
		}
		b.mu.Lock()
		again := b.answer(c, p)
		b.mu.Unlock()
		if !again {
			return
		}
	}
}

// answer runs under b.mu.
func (b *broker) answer(c *tls.Conn, p packets.ControlPacket) bool {
	switch p := p.(type) {
	case *packets.ConnectPacket:
		b.connects = append(b.connects, time.Now())
		b.will = p.WillMessage
		b.levels = append(b.levels, p.ProtocolVersion)
		b.resumed = append(b.resumed, c.ConnectionState().DidResume)
		b.conns = append(b.conns, c)
		a := packets.NewControlPacket(packets.Connack).(*packets.ConnackPacket)
		a.ReturnCode = b.connack
		_ = a.Write(c)
		return b.connack == 0
	case *packets.SubscribePacket:
		a := packets.NewControlPacket(packets.Suback).(*packets.SubackPacket)
		a.MessageID = p.MessageID
		b.tries[p.Topics[0]]++
		a.ReturnCodes = bytes.Repeat([]byte{b.suback(p.Topics[0], b.tries[p.Topics[0]])}, max(1, b.subacks))
		_ = a.Write(c)
	case *packets.UnsubscribePacket:
		a := packets.NewControlPacket(packets.Unsuback).(*packets.UnsubackPacket)
		a.MessageID = p.MessageID
		b.given = append(b.given, p.Topics...)
		_ = a.Write(c)
	case *packets.PublishPacket:
		b.publish(c, p)
		return b.refuses == nil || !bytes.Contains(p.Payload, b.refuses)
	case *packets.PingreqPacket:
		_ = packets.NewControlPacket(packets.Pingresp).Write(c)
	case *packets.DisconnectPacket:
		return false
	}
	return true
}

func (b *broker) publish(c *tls.Conn, p *packets.PublishPacket) {
	b.published = append(b.published, p.TopicName+" "+string(p.Payload))
	if b.refuses != nil && bytes.Contains(p.Payload, b.refuses) {
		return
	}
	if p.Qos == 1 && (b.ackPublish || bytes.HasPrefix(p.Payload, []byte("100,"))) {
		a := packets.NewControlPacket(packets.Puback).(*packets.PubackPacket)
		a.MessageID = p.MessageID
		_ = a.Write(c)
	}
	if p.TopicName != "s/uat" {
		return
	}
	if text := b.token(); text != "" {
		a := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
		a.TopicName, a.Payload = "s/dat", []byte("71,"+text)
		_ = a.Write(c)
	}
}

// get reads b's fields in peace.
func get[T any](b *broker, f func() T) T {
	b.mu.Lock()
	defer b.mu.Unlock()
	return f()
}

func (b *broker) set(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
}

// link is an uplink with what it reports.
type link struct {
	*uplink.Uplink
	spool  *spool.Spool
	mu     sync.Mutex
	events []uplink.Event
	stop   func()
}

func (l *link) kinds() []uplink.EventKind {
	l.mu.Lock()
	defer l.mu.Unlock()
	var k []uplink.EventKind
	for _, e := range l.events {
		k = append(k, e.Kind)
	}
	return k
}

func (l *link) last() uplink.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.events) == 0 {
		return uplink.Event{Kind: -1}
	}
	return l.events[len(l.events)-1]
}

func (b *broker) link(t testing.TB, edit func(*uplink.Config)) *link {
	t.Helper()
	l := &link{}
	cfg := uplink.Config{DeviceID: "dev1", MQTTS: "server.test:8883", MTLS: "server.test:8443", TrustAnchors: b.roots,
		DialContext: b.network.DialContext, KeepAlive: time.Hour, Hello: []string{"100,dev1,mooring"}, Spool: newSpool(t, durabletest.New()), Random: func() float64 { return 0 },
		Report: func(e uplink.Event) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.events = append(l.events, e)
		}}
	if edit != nil {
		edit(&cfg)
	}
	l.Uplink, l.spool = uplink.New(cfg), cfg.Spool
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); l.Run(ctx) }()
	l.stop = func() { cancel(); <-ended }
	t.Cleanup(func() {
		l.stop()
		time.Sleep(time.Minute) // calls of the MQTT library outlive their connection by some seconds
	})
	return l
}

func credential(t testing.TB, generation uint32) uplink.Credential {
	t.Helper()
	c := certificate(t, "dev1")
	return uplink.Credential{Generation: generation, Certificate: c, Fingerprint: sha256.Sum256(c.Leaf.Raw)}
}
