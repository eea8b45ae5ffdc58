package mqttservice_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"mooring/internal/secret"
	"mooring/server/mqttservice"
	"mooring/server/platform"
	"mooring/server/servertest"
)

// rig is a server on fakes, with a plain and a TLS listener in memory.
type rig struct {
	*mqttservice.Server
	network *servertest.Network
	store   *fakeStore
	fakes
}

// sharedStore among the options says that other servers work on the store.
var sharedStore = platform.OptionKey{Category: "test", Key: "shared store"}

// restricted makes the service as narrow as the vendor's.
func restricted(_ *mqttservice.Config, f *fakes) {
	delete(f.options, platform.OptionServiceRestricted)
}

// fakes stand for all that the front end asks, and the service offers all it can. Users are "admin", an application,
// and whoever is called device_<ID> or anything else; the password is "right".
type fakes struct {
	mu       *sync.Mutex
	refusals *[]platform.Refusal
	alarms   *[]string
	options  map[platform.OptionKey]string
	verdicts map[string]platform.Verdict
}

func (f fakes) VerdictOf(state tls.ConnectionState) platform.Verdict {
	cn := state.PeerCertificates[0].Subject.CommonName
	if v, ok := f.verdicts[cn]; ok {
		return v
	}
	return platform.Verdict{Reason: platform.ReasonUnknownIssuer, Device: cn}
}

func (f fakes) AdmitCertificate(_ context.Context, v platform.Verdict, _ string) (platform.Principal, platform.Reason, error) {
	return platform.Principal{Tenant: v.Tenant, User: "device_" + v.Device, Device: v.Device, Method: platform.ByCertificate}, "", nil
}

func (f fakes) AdmitPassword(_ context.Context, t platform.TenantID, user string, password secret.String, _ string) (platform.Principal, platform.Reason, error) {
	p := platform.Principal{Tenant: t, User: user, Method: platform.ByPassword}
	device, isDevice := strings.CutPrefix(user, "device_")
	switch {
	case user == "broken":
		return platform.Principal{}, "", errors.New("no store")
	case !password.Equal(secret.New("right")):
		return platform.Principal{}, platform.ReasonBadCredentials, nil
	case user == "devicebootstrap":
		p.Roles = []platform.Role{platform.RoleDeviceBootstrap}
	case user == "admin":
		p.Roles = platform.AdminRoles
	case isDevice:
		p.Device = device
	}
	return p, "", nil
}

func (f fakes) Option(_ context.Context, _ platform.TenantID, key platform.OptionKey) (string, bool, error) {
	v, ok := f.options[key]
	return v, ok, nil
}

func (f fakes) Record(r platform.Refusal) {
	f.mu.Lock()
	defer f.mu.Unlock()
	*f.refusals = append(*f.refusals, r)
}

func (f fakes) Raise(t platform.TenantID, alarmType, _ string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	*f.alarms = append(*f.alarms, string(t)+" "+alarmType)
}

func (f fakes) last() platform.Refusal {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(*f.refusals) == 0 {
		return platform.Refusal{}
	}
	return (*f.refusals)[len(*f.refusals)-1]
}

func (f fakes) raised() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), *f.alarms...)
}

func newRig(t testing.TB, change func(*mqttservice.Config, *fakes)) *rig {
	t.Helper()
	r := &rig{network: servertest.NewNetwork(), fakes: fakes{mu: new(sync.Mutex), refusals: new([]platform.Refusal), alarms: new([]string),
		options: map[platform.OptionKey]string{platform.OptionServiceRestricted: "false"}, verdicts: map[string]platform.Verdict{}}}
	cfg := mqttservice.Config{}
	if change != nil {
		change(&cfg, &r.fakes)
	}
	cfg.Auth, cfg.Refusals, cfg.Options, cfg.Alarms = r.fakes, r.fakes, r.fakes, r.fakes
	if cfg.Store == nil {
		cfg.Store = newFakeStore()
	}
	cfg.Alone = r.options[sharedStore] == ""
	r.store, _ = cfg.Store.(*fakeStore)
	r.Server = mqttservice.New(cfg)
	if err := r.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	plain, err1 := r.network.Listen("h:2883")
	secured, err2 := r.network.Listen("h:9883")
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() { _ = r.Serve(plain, "service-plain", nil) })
	serving.Go(func() {
		_ = r.Serve(secured, "service", &tls.Config{Certificates: []tls.Certificate{newCertificate(t, "server")}, ClientAuth: tls.RequestClientCert})
	})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := r.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		serving.Wait()
		if got := r.Stats(); got.Connections != 0 || got.Queued != 0 {
			t.Errorf("after the end: %d connections, %d bytes queued", got.Connections, got.Queued)
		}
	})
	return r
}

func newCertificate(t testing.TB, cn string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: cn}, DNSNames: []string{cn},
		NotBefore: time.Unix(0, 0), NotAfter: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// client speaks one version of MQTT, packet by packet.
type client struct {
	testing.TB
	net.Conn
	in      *bufio.Reader
	version byte
}

func (r *rig) dial(t testing.TB, version byte) *client {
	t.Helper()
	conn, err := r.network.DialContext(t.Context(), "tcp", "h:2883")
	if err != nil {
		t.Fatal(err)
	}
	return &client{t, conn, bufio.NewReader(conn), version}
}

func (r *rig) dialTLS(t testing.TB, version byte, certificates ...tls.Certificate) *client {
	t.Helper()
	conn, err := r.network.DialContext(t.Context(), "tcp", "h:9883")
	if err != nil {
		t.Fatal(err)
	}
	conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true, Certificates: certificates})
	return &client{t, conn, bufio.NewReader(conn), version}
}

// login is a CONNECT of this user with the right password.
func login(version byte, id, user string) packets.Packet {
	name := "MQTT"
	if version == 3 {
		name = "MQIsdp"
	}
	pk := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Connect}, ProtocolVersion: version,
		Connect: packets.ConnectParams{ProtocolName: []byte(name), ClientIdentifier: id, Clean: true}}
	if user != "" {
		pk.Connect.UsernameFlag, pk.Connect.Username = true, []byte(user)
		pk.Connect.PasswordFlag, pk.Connect.Password = true, []byte("right")
	}
	return pk
}

// connect connects a client that must be accepted.
func (r *rig) connect(t testing.TB, version byte, id, user string, change ...func(*packets.Packet)) *client {
	t.Helper()
	c, pk := r.dial(t, version), login(version, id, user)
	for _, f := range change {
		f(&pk)
	}
	c.send(pk)
	if answer := c.want(packets.Connack); answer.ReasonCode != 0 {
		t.Fatalf("CONNACK %#x", answer.ReasonCode)
	}
	return c
}

func withWill(topic, payload string) func(*packets.Packet) {
	return func(pk *packets.Packet) {
		pk.Connect.WillFlag, pk.Connect.WillTopic, pk.Connect.WillPayload = true, topic, []byte(payload)
	}
}

func encode(t testing.TB, version byte, pk packets.Packet) []byte {
	t.Helper()
	var b bytes.Buffer
	pk.ProtocolVersion = version
	pk.Mods.AllowResponseInfo = true
	var err error
	switch pk.FixedHeader.Type {
	case packets.Connect:
		err = pk.ConnectEncode(&b)
	case packets.Publish:
		err = pk.PublishEncode(&b)
	case packets.Puback, packets.Pubrec, packets.Pubrel, packets.Pubcomp:
		err = pk.PubackEncode(&b)
	case packets.Subscribe:
		err = pk.SubscribeEncode(&b)
	case packets.Unsubscribe:
		err = pk.UnsubscribeEncode(&b)
	case packets.Pingreq:
		err = pk.PingreqEncode(&b)
	case packets.Disconnect:
		err = pk.DisconnectEncode(&b)
	default:
		err = fmt.Errorf("packet type %d", pk.FixedHeader.Type)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func (c *client) send(list ...packets.Packet) {
	c.Helper()
	var b []byte
	for _, pk := range list {
		b = append(b, encode(c, c.version, pk)...)
	}
	if _, err := c.Write(b); err != nil {
		c.Fatalf("write: %v", err)
	}
}

// next reads a packet; io.EOF when the connection has ended.
func (c *client) next() (pk packets.Packet, err error) {
	first, err := c.in.ReadByte()
	if err != nil {
		return pk, io.EOF
	}
	if err := pk.FixedHeader.Decode(first); err != nil {
		return pk, err
	}
	n, _, err := packets.DecodeLength(c.in)
	if err != nil {
		return pk, err
	}
	pk.FixedHeader.Remaining, pk.ProtocolVersion = n, c.version
	body := make([]byte, n)
	if _, err := io.ReadFull(c.in, body); err != nil {
		return pk, io.EOF
	}
	switch pk.FixedHeader.Type {
	case packets.Connack:
		err = pk.ConnackDecode(body)
	case packets.Publish:
		err = pk.PublishDecode(body)
	case packets.Puback, packets.Pubrec, packets.Pubrel, packets.Pubcomp:
		err = pk.PubackDecode(body)
	case packets.Suback:
		err = pk.SubackDecode(body)
	case packets.Unsuback:
		err = pk.UnsubackDecode(body)
	case packets.Disconnect:
		err = pk.DisconnectDecode(body)
	}
	return pk, err
}

func (c *client) want(kind byte) packets.Packet {
	c.Helper()
	pk, err := c.next()
	if err != nil {
		c.Fatalf("waiting for %s: %v", packets.PacketNames[kind], err)
	}
	if pk.FixedHeader.Type != kind {
		c.Fatalf("got %s %q %q, want %s", packets.PacketNames[pk.FixedHeader.Type], pk.TopicName, pk.Payload, packets.PacketNames[kind])
	}
	return pk
}

// wantEnd reads until the end and returns the reason of the DISCONNECT before it;
// 0 if there was none.
func (c *client) wantEnd() (reason byte) {
	c.Helper()
	for {
		pk, err := c.next()
		if err == io.EOF {
			return reason
		}
		if err != nil {
			c.Fatal(err)
		}
		if pk.FixedHeader.Type == packets.Disconnect {
			reason = pk.ReasonCode
		}
	}
}

func (c *client) wantMessage(topic, payload string) packets.Packet {
	c.Helper()
	pk := c.want(packets.Publish)
	if pk.TopicName != topic || string(pk.Payload) != payload {
		c.Fatalf("got %q on %q, want %q on %q", pk.Payload, pk.TopicName, payload, topic)
	}
	return pk
}

// silent fails if anything came before what is sent now.
func (c *client) silent() {
	c.Helper()
	c.send(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Pingreq}})
	c.want(packets.Pingresp)
}

func publish(id uint16, qos byte, topic, payload string) packets.Packet {
	return packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Publish, Qos: qos}, PacketID: id, TopicName: topic, Payload: []byte(payload)}
}

func subscription(id uint16, qos byte, filters ...string) packets.Packet {
	pk := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Subscribe, Qos: 1}, PacketID: id}
	for _, f := range filters {
		pk.Filters = append(pk.Filters, packets.Subscription{Filter: f, Qos: qos})
	}
	return pk
}

// subscribe returns the codes of the SUBACK.
func (c *client) subscribe(qos byte, filters ...string) []byte {
	c.Helper()
	c.send(subscription(7, qos, filters...))
	pk := c.want(packets.Suback)
	if pk.PacketID != 7 {
		c.Fatalf("SUBACK of %d", pk.PacketID)
	}
	return pk.ReasonCodes
}

// publishOne publishes with QoS 1 and returns the code of the PUBACK.
func (c *client) publishOne(topic, payload string) byte {
	c.Helper()
	c.send(publish(9, 1, topic, payload))
	return c.want(packets.Puback).ReasonCode
}
