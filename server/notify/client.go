package notify

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"sync"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// Why a connection of a consumer ends from our side.
var (
	errUnsubscribed = errors.New("the consumer was unsubscribed")
	errTakenOver    = errors.New("the same consumer has connected anew")
)

// Unsubscribed reports whether a Client's error says that its consumer was
// unsubscribed; TakenOver, that it has connected anew.
func Unsubscribed(err error) bool { return errors.Is(err, errUnsubscribed) }

// TakenOver reports whether a Client's error says that it has connected anew.
func TakenOver(err error) bool { return errors.Is(err, errTakenOver) }

// Grant is what a notification token allows.
type Grant = platform.NotificationGrant

// Message is one for a consumer.
type Message struct {
	platform.QueuedNotification
	Tenant platform.TenantID
}

// Ack is the header by which the consumer acknowledges the message: base64 of
// its number in 64 bits.
func (m *Message) Ack() string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(m.Number))
	return base64.StdEncoding.EncodeToString(b[:])
}

func parseAck(text string) (int64, bool) {
	var b [9]byte
	if len(text) != base64.StdEncoding.EncodedLen(8) {
		return 0, false
	}
	n, err := base64.StdEncoding.Decode(b[:], []byte(text))
	return int64(binary.BigEndian.Uint64(b[:8])), err == nil && n == 8
}

// Client is a connection of a consumer. One goroutine calls Next, another Ack.
type Client struct {
	reader *reader
	name   string        // by which it is known among those that share
	ready  chan struct{} // one slot: there is something for Next

	mu       sync.Mutex // guards what follows; taken after the reader's
	unsent   []Message
	bytes    int
	inFlight int // sent or unsent, not acknowledged
	err      error
}

// Next returns the next message; it waits for one.
func (c *Client) Next(ctx context.Context) (Message, error) {
	for {
		c.mu.Lock()
		if c.err != nil {
			c.mu.Unlock()
			return Message{}, c.err
		}
		if len(c.unsent) > 0 {
			m := c.unsent[0]
			c.unsent[0] = Message{}
			c.unsent = c.unsent[1:]
			wasFull := c.bytes >= maxUnsentBytes
			c.bytes -= len(m.Payload)
			c.mu.Unlock()
			c.reader.s.stats.sent.Add(1)
			if wasFull {
				c.reader.more()
			}
			return m, nil
		}
		c.mu.Unlock()
		select {
		case <-ctx.Done():
			return Message{}, ctx.Err()
		case <-c.ready:
		}
	}
}

// Ack takes an acknowledgement; problem.Invalid if it is none. One of a message
// that is not waiting for it is fine.
func (c *Client) Ack(text string) error {
	number, ok := parseAck(text)
	if !ok {
		return problem.New(problem.Invalid, "This is no acknowledgement.", nil)
	}
	c.reader.ack(c, number)
	return nil
}

// Close ends the connection; what is not acknowledged is delivered again.
func (c *Client) Close() { c.reader.leave(c, context.Canceled) }

// Unsubscribe forgets the consumer and ends its connections.
func (c *Client) Unsubscribe(ctx context.Context) error {
	r := c.reader
	_, err := r.s.Forget(ctx, Grant{Tenant: r.tenant, Topic: r.topic, Subscriber: r.subscriber})
	r.end(errUnsubscribed)
	return err
}

func (c *Client) signal() {
	select {
	case c.ready <- struct{}{}:
	default:
	}
}

func (c *Client) full() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.inFlight >= MaxUnacknowledged || c.bytes >= maxUnsentBytes
}

// push adds a message to what is to be sent.
func (c *Client) push(m Message) {
	c.mu.Lock()
	c.unsent = append(c.unsent, m)
	c.bytes += len(m.Payload)
	c.inFlight++
	c.mu.Unlock()
	c.signal()
}

// pushLossy is push for topics that keep nothing: the oldest makes room.
func (c *Client) pushLossy(m Message) {
	c.mu.Lock()
	for len(c.unsent) > 0 && (len(c.unsent) >= MaxUnacknowledged || c.bytes+len(m.Payload) > maxUnsentBytes) {
		c.bytes -= len(c.unsent[0].Payload)
		c.unsent = c.unsent[1:]
		c.reader.s.stats.dropped.Add(1)
	}
	c.unsent = append(c.unsent, m)
	c.bytes += len(m.Payload)
	c.mu.Unlock()
	c.signal()
}

// acknowledged makes room for another message, and tells whether there was none.
func (c *Client) acknowledged() (wasFull bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	wasFull = c.inFlight >= MaxUnacknowledged
	c.inFlight--
	return wasFull
}

func (c *Client) fail(err error) {
	c.mu.Lock()
	if c.err == nil {
		c.err, c.unsent, c.bytes = err, nil, 0
	}
	c.mu.Unlock()
	c.signal()
}
