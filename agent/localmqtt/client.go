package localmqtt

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"mooring/agent/localapi"
)

// Why a connection ends.
var (
	errDone      = errors.New("disconnected")
	errProtocol  = errors.New("not what MQTT 3.1.1 allows here")
	errTooLong   = errors.New("packet too long")
	errForbidden = errors.New("topic not open to this client")
	errQoS2      = errors.New("quality of service 2 is not offered")
	errTooMany   = errors.New("too many subscriptions")
)

// client is one connection. Its reader is the only one to change it; write and
// free are shared with what comes down.
type client struct {
	b      *Broker
	nc     net.Conn
	in     *bufio.Reader
	end    context.CancelFunc
	id     string
	who    string // uid, or "any" on the loopback
	may    func(localapi.Verb) bool
	silent time.Duration // after which the client is gone
	will   *packets.PublishPacket
	paid   time.Time // until when the messages so far are paid for

	subscribed map[string]context.CancelFunc
	free       chan struct{} // a seat in the window each

	mu   sync.Mutex // guards writing
	next uint16     // the packet identifier given last
}

func newClient(b *Broker, nc net.Conn, end context.CancelFunc) *client {
	c := &client{b: b, nc: nc, in: bufio.NewReader(nc), end: end, who: "any", may: func(localapi.Verb) bool { return true },
		subscribed: make(map[string]context.CancelFunc), free: make(chan struct{}, window)}
	for range window {
		c.free <- struct{}{}
	}
	if caller, err := localapi.CallerOf(nc); err == nil {
		c.who = fmt.Sprint(caller.UID)
		c.may = func(v localapi.Verb) bool { return b.policy.May(caller, v) }
	}
	return c
}

// turnAway answers a client that finds no seat.
func (c *client) turnAway() {
	_ = c.nc.SetReadDeadline(time.Now().Add(connectLimit))
	if _, err := c.read(); err == nil {
		_ = c.connack(packets.ErrRefusedServerUnavailable) // the connection ends either way
	}
}

// serve reads packets until the connection ends, and says why it did.
func (c *client) serve(ctx context.Context) error {
	if err := c.connect(); err != nil {
		return err
	}
	for {
		_ = c.nc.SetReadDeadline(time.Now().Add(c.silent))
		p, err := c.read()
		if err == nil {
			err = c.handle(ctx, p)
		}
		if err != nil {
			c.publishWill(ctx, err)
			return err
		}
	}
}

func (c *client) connect() error {
	_ = c.nc.SetReadDeadline(time.Now().Add(connectLimit))
	p, err := c.read()
	if err != nil {
		return err
	}
	connect, ok := p.(*packets.ConnectPacket)
	if !ok {
		return errProtocol
	}
	code := connect.Validate()
	if code == packets.Accepted && connect.ProtocolVersion&0x7f != 4 && connect.ProtocolVersion != 3 {
		code = packets.ErrRefusedBadProtocolVersion
	}
	if code != packets.Accepted {
		_ = c.connack(code) // the connection ends either way
		return errProtocol
	}
	if connect.WillFlag {
		c.will = &packets.PublishPacket{TopicName: connect.WillTopic, Payload: connect.WillMessage}
	}
	c.id = connect.ClientIdentifier
	c.silent = time.Duration(connect.Keepalive) * time.Second * 3 / 2 // MQTT-3.1.2-24
	if c.silent == 0 {
		c.silent = idleLimit
	}
	c.b.name(c)
	return c.connack(packets.Accepted)
}

func (c *client) connack(code byte) error {
	answer := packets.NewControlPacket(packets.Connack).(*packets.ConnackPacket)
	answer.ReturnCode = code
	return c.write(answer)
}

func (c *client) handle(ctx context.Context, p packets.ControlPacket) error {
	switch p := p.(type) {
	case *packets.PublishPacket:
		return c.publish(ctx, p)
	case *packets.PubackPacket:
		select {
		case c.free <- struct{}{}:
			return nil
		default: // more acknowledged than sent
			return errProtocol
		}
	case *packets.SubscribePacket:
		return c.subscribe(ctx, p)
	case *packets.UnsubscribePacket:
		return c.unsubscribe(p)
	case *packets.PingreqPacket:
		return c.write(packets.NewControlPacket(packets.Pingresp))
	case *packets.DisconnectPacket:
		return errDone
	}
	return errProtocol
}

// publish hands a message over and acknowledges it when it is kept safe.
func (c *client) publish(ctx context.Context, p *packets.PublishPacket) error {
	switch {
	case p.Qos == 2:
		return errQoS2
	case p.Qos > 2 || p.Qos == 1 && p.MessageID == 0 || !localapi.IsTopic(p.TopicName):
		return errProtocol
	case !c.may(localapi.VerbPublish) || !c.b.policy.Publish.Allow(p.TopicName):
		return errForbidden
	}
	if !c.pace(ctx) {
		return ctx.Err()
	}
	if err := c.b.device.Send(ctx, p.TopicName, p.Payload); err != nil {
		return err
	}
	if p.Qos == 0 {
		return nil
	}
	answer := packets.NewControlPacket(packets.Puback).(*packets.PubackPacket)
	answer.MessageID = p.MessageID
	return c.write(answer)
}

// pace waits until the client may publish again: as many messages a second as
// the policy says, twice as many at once.
func (c *client) pace(ctx context.Context) bool {
	now := time.Now()
	if c.paid.Before(now) {
		c.paid = now
	}
	c.paid = c.paid.Add(time.Second / time.Duration(max(1, c.b.policy.Rate)))
	wait := c.paid.Sub(now) - 2*time.Second
	if wait <= 0 {
		return true
	}
	select {
	case <-time.After(wait):
		return true
	case <-ctx.Done():
		return false
	}
}

// publishWill sends the will of a client that did not say that it goes.
func (c *client) publishWill(ctx context.Context, why error) {
	if c.will == nil || errors.Is(why, errDone) {
		return
	}
	if err := c.publish(context.WithoutCancel(ctx), c.will); err != nil {
		c.b.log.Warn("the will of a local client is not published", "client", c.id, "err", err)
	}
}

// read reads one packet, after its length was found to be within bounds.
func (c *client) read() (packets.ControlPacket, error) {
	header := make([]byte, 1, 5)
	if _, err := io.ReadFull(c.in, header); err != nil {
		return nil, err
	}
	length := 0
	for shift := 0; ; shift += 7 {
		b, err := c.in.ReadByte()
		if err != nil {
			return nil, err
		}
		header = append(header, b)
		length |= int(b&0x7f) << shift
		if b&0x80 == 0 {
			break
		}
		if shift == 21 {
			return nil, errProtocol
		}
	}
	if length > maxPacket {
		return nil, errTooLong
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(c.in, body); err != nil {
		return nil, err
	}
	p, err := packets.ReadPacket(io.MultiReader(bytes.NewReader(header), bytes.NewReader(body)))
	if err != nil {
		return nil, errProtocol
	}
	return p, nil
}

func (c *client) write(p packets.ControlPacket) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.nc.SetWriteDeadline(time.Now().Add(writeLimit))
	return p.Write(c.nc)
}
