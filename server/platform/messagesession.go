package platform

import (
	"context"
	"time"
)

// MessageSession is a session of the MQTT Service that the server remembers: it
// outlives its connection, or has a will that must outlive the server.
type MessageSession struct {
	Tenant TenantID
	Client string
	State  []byte // the front end's
}

// MessageKey is where a session stands.
type MessageKey struct {
	Tenant TenantID
	Client string
}

// QueuedMessage is a message of QoS 1 or 2 that waits for one session.
type QueuedMessage struct {
	Number      int64 // ascending within the session
	QoS         byte
	Retained    bool      // it is one that was retained
	Released    bool      // QoS 2: the client has it, its PUBREC came
	Identifiers []int     // of the subscriptions it came by
	Expires     time.Time // zero: never
	Body        []byte    // the front end's
}

// Recipient is a session that a message waits for.
type Recipient struct {
	Client      string
	QoS         byte
	Retained    bool
	Identifiers []int
}

// SubmitMessage is one publish.
type SubmitMessage struct {
	Tenant  TenantID
	Body    []byte    // the front end's
	Expires time.Time // zero: never
	// To are the sessions that keep it; those that are gone are passed over, and
	// those that have MaxMessages or MaxBytes waiting, or messages left from so long
	// ago that their numbers lie MaxMessageSpan back, get nothing.
	To          []Recipient
	MaxMessages int
	MaxBytes    int64
	// Retain replaces what is retained under the topic; no Body removes it. Lane
	// tells apart what one topic has of several kinds of publishers.
	Retain bool
	Topic  string
	Lane   byte
	// Received notes the packet ID of a QoS 2 publish in the session of the client
	// that sent it; 0: nothing to note.
	Sender   string
	Received uint16
}

// MaxMessageSpan bounds how far apart the numbers of a session's messages are: the
// packet IDs are made of them, and those are 65,535.
const MaxMessageSpan = 65_000

// RetainedMessage is what a tenant retains under a topic.
type RetainedMessage struct {
	Topic   string
	Lane    byte
	Expires time.Time // zero: never
	Body    []byte
}

// MessageSessions keeps sessions, messages that wait for them and retained
// messages of the MQTT Service. Commands of one process are carried out in the
// order of the calls; done is called when they are durable and must not block.
type MessageSessions interface {
	// SaveMessageSession makes or replaces a session; what waits for it stays.
	SaveMessageSession(s MessageSession, done func(error))
	// EndMessageSession forgets a session and all that waits for it.
	EndMessageSession(k MessageKey, done func(error))
	// MessageSessions lists the sessions of a tenant after a client, in the order of
	// clients.
	MessageSessions(ctx context.Context, tenant TenantID, after string, limit int) ([]MessageSession, error)
	// MessageSession reads one; problem.NotFound if there is none.
	MessageSession(ctx context.Context, k MessageKey) (MessageSession, error)
	// SubmitMessage carries out a publish; full are the clients whose sessions had no
	// room for it.
	SubmitMessage(m SubmitMessage, done func(full []string, err error))
	// QueuedMessages lists what waits for a session, with numbers above after.
	QueuedMessages(ctx context.Context, k MessageKey, after int64, limit int) ([]QueuedMessage, error)
	// ReleaseMessage notes that the client has a message of QoS 2.
	ReleaseMessage(k MessageKey, number int64, done func(error))
	// ForgetMessages removes messages that the client has acknowledged.
	ForgetMessages(k MessageKey, numbers []int64, done func(error))
	// ReceivedPackets lists the packet IDs of QoS 2 publishes of the client that it
	// has not released, and ForgetReceived removes one.
	ReceivedPackets(ctx context.Context, k MessageKey) ([]uint16, error)
	ForgetReceived(k MessageKey, packet uint16, done func(error))
	// RetainedMessages lists what a tenant retains, after a topic and lane, in the
	// order of topic and lane.
	RetainedMessages(ctx context.Context, tenant TenantID, topic string, lane byte, limit int) ([]RetainedMessage, error)
}
