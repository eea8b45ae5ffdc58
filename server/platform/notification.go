package platform

import (
	"context"
	"time"
)

// Contexts of a notification subscription (rest.md §6.12).
const (
	ContextObject = "mo"     // one managed object
	ContextTenant = "tenant" // the whole tenant
)

// NotificationSubscription forwards notices to a topic.
type NotificationSubscription struct {
	ID      ID
	Tenant  TenantID
	Context string // ContextObject or ContextTenant
	Source  ID     // with ContextObject
	Topic   NotificationTopic
	// APIs are those to forward; none, or "*", are all of the context.
	APIs       []string
	TypeFilter string   // as the client wrote it
	Fragments  []string // fragmentsToCopy; none: all
	Created    time.Time
}

// NotificationTopic is what consumers read. Subscriptions with the same name and
// persistence share one.
type NotificationTopic struct {
	Name          string // 1 to 128 letters and digits
	NonPersistent bool
}

// NotificationConsumer is a registered reader of a persistent topic: what comes
// in is kept until it has acknowledged it.
type NotificationConsumer struct {
	Tenant     TenantID
	Topic      string
	Subscriber string
	Created    time.Time
}

// NotificationFilter selects subscriptions. Zero fields select all.
type NotificationFilter struct {
	Context    string
	Source     ID
	Name       string
	TypeFilter string
}

// NotificationGrant is what a notification token allows: to read a topic as a
// consumer.
type NotificationGrant struct {
	Tenant     TenantID
	Topic      NotificationTopic
	Subscriber string
	Shared     bool // several connections may act as the consumer
}

// QueuedNotification is a message of a persistent topic.
type QueuedNotification struct {
	Number  int64 // in its topic, from 1, in the order of arrival
	API     NoticeAPI
	Source  ID
	Action  NoticeAction
	At      time.Time
	Payload []byte // JSON
}

// AppendNotifications adds messages to the topics of a tenant, all or none.
type AppendNotifications struct {
	Tenant   TenantID
	Messages []TopicNotification
	// MaxBytes is the quota of a topic: what is oldest goes first beyond it.
	MaxBytes int64
}

// TopicNotification is a message for a topic; its Number is given by the store.
type TopicNotification struct {
	Topic string
	QueuedNotification
}

// WithObject ends the key of a ChangeSubscription of a subscription that went with
// its object.
const WithObject = "/object"

// Notifications keeps notification subscriptions, consumers and their queues.
// Changes: ChangeSubscription, key = ID or ID + WithObject; ChangeConsumer, key = "topic/subscriber".
type Notifications interface {
	// CreateSubscription is Conflict if there is one of the same context, source
	// and topic.
	CreateSubscription(ctx context.Context, n NotificationSubscription) error
	Subscription(ctx context.Context, tenant TenantID, id ID) (NotificationSubscription, error)
	// Subscriptions lists in the order of IDs.
	Subscriptions(ctx context.Context, tenant TenantID, f NotificationFilter, page Page) (List[NotificationSubscription], error)
	// AllSubscriptions lists those of all tenants after an ID, in the order of IDs.
	AllSubscriptions(ctx context.Context, after ID, limit int) ([]NotificationSubscription, error)
	DeleteSubscription(ctx context.Context, tenant TenantID, id ID) error
	// DeleteSubscriptions removes all that f selects and tells how many.
	DeleteSubscriptions(ctx context.Context, tenant TenantID, f NotificationFilter) (int, error)

	// CreateConsumer registers a reader of what is appended from now on; one that
	// is there stays as it is.
	CreateConsumer(ctx context.Context, c NotificationConsumer) error
	// AllConsumers lists those of all tenants.
	AllConsumers(ctx context.Context) ([]NotificationConsumer, error)
	HasConsumer(ctx context.Context, tenant TenantID, topic, subscriber string) (bool, error)
	// DeleteConsumer forgets a reader and what only it had to read.
	DeleteConsumer(ctx context.Context, tenant TenantID, topic, subscriber string) error

	// AppendNotifications tells how many messages a quota has cost.
	AppendNotifications(ctx context.Context, cmd AppendNotifications) (dropped int, err error)
	// QueuedNotifications lists messages of a topic with Number > after, at most
	// limit, ascending. It never skips a number that a running transaction may
	// still fill.
	QueuedNotifications(ctx context.Context, tenant TenantID, topic string, after int64, limit int) ([]QueuedNotification, error)
	// Position is the number up to which a reader has acknowledged everything.
	Position(ctx context.Context, tenant TenantID, topic, subscriber string) (int64, error)
	// SetPosition moves a reader forward, never back, and lets go of messages that
	// all readers have passed.
	SetPosition(ctx context.Context, tenant TenantID, topic, subscriber string, number int64) error
	// ExpireNotifications removes messages that came before a time, at most limit of
	// all tenants, and tells how many it removed.
	ExpireNotifications(ctx context.Context, before time.Time, limit int) (int, error)
}
