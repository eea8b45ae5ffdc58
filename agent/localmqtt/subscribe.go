package localmqtt

import (
	"context"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"mooring/agent/localapi"
)

// refused is the code of a SUBACK for a topic that is not open (MQTT 3.1.1
// §3.9.3).
const refused = 0x80

// subscribe grants what is open, at quality of service 1 at most.
func (c *client) subscribe(ctx context.Context, p *packets.SubscribePacket) error {
	if p.MessageID == 0 || len(p.Topics) == 0 || len(p.Topics) != len(p.Qoss) {
		return errProtocol
	}
	answer := packets.NewControlPacket(packets.Suback).(*packets.SubackPacket)
	answer.MessageID = p.MessageID
	for i, filter := range p.Topics {
		if p.Qoss[i] > 2 {
			return errProtocol
		}
		code := min(p.Qoss[i], 1)
		if !c.may(localapi.VerbMessages) || !c.b.policy.Subscribe.AllowFilter(filter) {
			code = refused
		} else if err := c.listen(ctx, filter, code); err != nil {
			return err
		}
		answer.ReturnCodes = append(answer.ReturnCodes, code)
	}
	return c.write(answer)
}

// listen sends what comes on a filter, in place of what was agreed on before.
func (c *client) listen(ctx context.Context, filter string, qos byte) error {
	if cancel := c.subscribed[filter]; cancel != nil {
		cancel()
	} else if len(c.subscribed) >= maxSubscriptions {
		return errTooMany
	}
	ctx, cancel := context.WithCancel(ctx)
	c.subscribed[filter] = cancel
	in := c.b.device.Messages(ctx, filter)
	c.b.all.Go(func() {
		for m := range in {
			if err := c.deliver(ctx, m, qos); err != nil {
				c.end()
			}
		}
	})
	return nil
}

func (c *client) unsubscribe(p *packets.UnsubscribePacket) error {
	if p.MessageID == 0 || len(p.Topics) == 0 {
		return errProtocol
	}
	for _, filter := range p.Topics {
		if cancel := c.subscribed[filter]; cancel != nil {
			cancel()
			delete(c.subscribed, filter)
		}
	}
	answer := packets.NewControlPacket(packets.Unsuback).(*packets.UnsubackPacket)
	answer.MessageID = p.MessageID
	return c.write(answer)
}

// deliver sends one message; at quality of service 1 it waits for a seat in the
// window. What a client that does not acknowledge misses, the server has not
// heard a report on and sends again.
func (c *client) deliver(ctx context.Context, m localapi.Message, qos byte) error {
	p := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	p.TopicName, p.Payload, p.Qos = m.Topic, m.Payload, qos
	if qos == 1 {
		select {
		case <-c.free:
		case <-ctx.Done():
			return nil
		}
		p.MessageID = c.identifier()
	}
	return c.write(p)
}

// identifier gives out the numbers from 1 to 65535 in turn; the window keeps
// them apart.
func (c *client) identifier() uint16 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next++; c.next == 0 {
		c.next = 1
	}
	return c.next
}
