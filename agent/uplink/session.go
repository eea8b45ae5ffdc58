package uplink

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"

	"mooring/internal/problem"
	"mooring/internal/smartrest"
)

var errReplaced = errors.New("replaced by another certificate")

// The topics of a device (contract mqtt.md §2.2).
const (
	topicUp         = "s/us"
	topicError      = "s/e"
	topicTokenAsk   = "s/uat"
	topicTokenReply = "s/dat"

	templateHeartbeat = "125"
)

// session is one MQTT connection.
type session struct {
	credential *Credential
	client     mqtt.Client
	lost       chan error    // receives once
	tokens     chan string   // answers on s/dat
	missed     chan struct{} // a listener was too slow for an operation
	tokenReady chan struct{}
	readyOnce  sync.Once

	tlsVersion string
	serverEnds time.Time // when the first certificate of the server's chain ends
	resumed    bool
	asked      atomic.Bool // the server asked for our certificate
}

func init() {
	// The library's loggers are silent unless set; nothing to do, and nothing
	// of a packet ever reaches a log.
	mqtt.ERROR, mqtt.CRITICAL, mqtt.WARN, mqtt.DEBUG = mqtt.NOOPLogger{}, mqtt.NOOPLogger{}, mqtt.NOOPLogger{}, mqtt.NOOPLogger{}
}

// connect opens a connection and waits for its CONNACK.
func (u *Uplink) connect(ctx context.Context, c *Credential) (*session, error) {
	s := &session{credential: c, lost: make(chan error, 1), tokens: make(chan string, 1), missed: make(chan struct{}, 1), tokenReady: make(chan struct{})}
	stop := func() bool { return true }
	o := u.options(s)
	o.SetCustomOpenConnectionFn(func(*url.URL, mqtt.ClientOptions) (net.Conn, error) {
		conn, err := u.openTLS(ctx, s)
		if err != nil {
			return nil, err
		}
		stop = context.AfterFunc(ctx, func() { _ = conn.Close() })
		return newLimitConn(conn), nil
	})
	if len(u.cfg.Will) > 0 {
		o.SetBinaryWill(topicUp, lines(u.cfg.Will), 1, false)
	}
	s.client = mqtt.NewClient(o)
	t := s.client.Connect()
	<-t.Done() // ends with ctx, because the connection does
	stop()
	if err := t.Error(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// options sets what the library must not decide: no MQTT 3.1 after a refusal,
// no reconnecting of its own, clean sessions (contract mqtt.md §10).
func (u *Uplink) options(s *session) *mqtt.ClientOptions {
	return mqtt.NewClientOptions().
		AddBroker("mqtts://" + u.cfg.MQTTS).
		SetClientID(u.cfg.DeviceID).
		SetProtocolVersion(4).
		SetCleanSession(true).
		SetAutoReconnect(false).
		SetConnectRetry(false).
		SetOrderMatters(true).
		SetStore(noStore{}).
		SetKeepAlive(u.cfg.KeepAlive).
		SetPingTimeout(min(u.cfg.KeepAlive, answerLimit)).
		SetConnectTimeout(u.cfg.HandshakeLimit + answerLimit).
		SetWriteTimeout(answerLimit).
		SetConnectionLostHandler(func(_ mqtt.Client, err error) { s.lost <- err }).
		SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) { u.received(s, m) })
}

// noStore keeps no packet: what must not be lost is in the spool, and a server
// that never ends its exchanges must not fill our memory.
type noStore struct{}

func (noStore) Open()                             {}
func (noStore) Put(string, packets.ControlPacket) {}
func (noStore) Get(string) packets.ControlPacket  { return nil }
func (noStore) All() []string                     { return nil }
func (noStore) Del(string)                        {}
func (noStore) Close()                            {}
func (noStore) Reset()                            {}

// openTLS dials and shakes hands. A certificate to be confirmed never resumes,
// because a connection that did shows no certificate.
func (u *Uplink) openTLS(ctx context.Context, s *session) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, u.cfg.HandshakeLimit)
	defer cancel()
	raw, err := u.cfg.DialContext(ctx, "tcp", u.cfg.MQTTS)
	if err != nil {
		return nil, err
	}
	key := &keyWatcher{}
	cfg := u.tlsConfig(s.credential.watchedBy(key), u.cfg.MQTTS, func() { s.asked.Store(true) })
	if !s.credential.Confirm || u.isConfirmed(s.credential) {
		cfg.ClientSessionCache = u.sessionCache(s.credential.Generation)
	}
	conn := tls.Client(raw, cfg)
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, key.blamed(err)
	}
	state := conn.ConnectionState()
	s.tlsVersion, s.resumed = tls.VersionName(state.Version), state.DidResume
	for _, c := range state.PeerCertificates {
		if s.serverEnds.IsZero() || c.NotAfter.Before(s.serverEnds) {
			s.serverEnds = c.NotAfter
		}
	}
	return conn, nil
}

// vouches reports whether the server can be believed that t has passed: its own
// certificate is good until then. A floor beyond that would lock the device out
// of this very server.
func (s *session) vouches(t time.Time) bool { return !t.After(s.serverEnds) }

// close ends the session, telling the server if it still listens.
func (s *session) close() { s.client.Disconnect(uint(closeLimit.Milliseconds())) }

// begin starts an exchange with the library, whose calls wait for its writer: for
// answerLimit if that is stuck or has just ended. It returns nil if ctx ends first.
func begin(ctx context.Context, start func() mqtt.Token) mqtt.Token {
	begun := make(chan mqtt.Token, 1)
	go func() { begun <- start() }()
	select {
	case t := <-begun:
		return t
	case <-ctx.Done():
		return nil
	}
}

// publish begins to send a message; see begin.
func (s *session) publish(ctx context.Context, topic string, qos byte, payload []byte) mqtt.Token {
	return begin(ctx, func() mqtt.Token { return s.client.Publish(topic, qos, false, payload) })
}

// deliver sends a message and waits until the library is done with it.
func (s *session) deliver(ctx context.Context, topic string, qos byte, payload []byte, limit time.Duration) error {
	_, err := exchange(ctx, limit, func() mqtt.Token { return s.client.Publish(topic, qos, false, payload) })
	return err
}

// exchange waits for the library to finish one exchange.
func exchange(ctx context.Context, limit time.Duration, start func() mqtt.Token) (mqtt.Token, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if t := begin(ctx, start); t != nil {
		select {
		case <-t.Done():
			return t, t.Error()
		case <-ctx.Done():
		}
	}
	return nil, problem.New(problem.Unavailable, "the server did not answer in time", ctx.Err())
}

// hello says who the device is, and waits until the server has it: only then
// does it grant s/ds and s/dat (contract mqtt.md §2.3).
func (u *Uplink) hello(ctx context.Context, s *session) error {
	return u.say(ctx, s, u.cfg.Hello, answerLimit)
}

// farewell says what the will says, which a proper end of the connection takes
// back.
func (u *Uplink) farewell(s *session) {
	if err := u.say(context.Background(), s, u.cfg.Will, closeLimit); err != nil {
		u.log.Debug("no farewell", "err", err)
	}
}

// say sends lines past the spool, in as many messages as it takes.
func (u *Uplink) say(ctx context.Context, s *session, what []string, limit time.Duration) error {
	if len(what) == 0 {
		return nil
	}
	parts, ok := smartrest.Split(lines(what), maxPublish-publishOverhead-len(topicUp))
	if !ok {
		return problem.New(problem.Internal, "a line is longer than 16184 bytes", nil)
	}
	for _, part := range parts {
		if err := s.deliver(ctx, topicUp, 1, part, limit); err != nil {
			return err
		}
	}
	return nil
}

func lines(all []string) (payload []byte) {
	for _, line := range all {
		payload = append(append(payload, line...), '\n')
	}
	return payload
}

// attend shows that the device is alive, and asks again for operations that
// were missed, until ctx ends.
func (u *Uplink) attend(ctx context.Context, s *session) {
	var beat, again <-chan time.Time
	if u.cfg.Heartbeat > 0 {
		t := time.NewTicker(u.cfg.Heartbeat)
		defer t.Stop()
		beat = t.C
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-beat:
			s.publish(ctx, topicUp, 0, []byte(templateHeartbeat))
		case <-s.missed:
			if again == nil {
				again = time.After(missedRetry)
			}
		case <-again:
			again = nil
			u.askPending(ctx, s)
		}
	}
}
