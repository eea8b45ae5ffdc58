package sqlstore

import (
	"context"
	"encoding/json"
	"strings"

	"mooring/server/platform"
)

const subscriptionColumns = "id, context, source, name, non_persistent, apis, type_filter, fragments, created"

func scanSubscription(r *row) platform.NotificationSubscription {
	n := platform.NotificationSubscription{
		ID: r.id(), Context: r.text(), Source: r.id(),
		Topic: platform.NotificationTopic{Name: r.text(), NonPersistent: r.bool()},
	}
	if apis := r.text(); apis != "" {
		n.APIs = strings.Split(apis, ",")
	}
	n.TypeFilter = r.text()
	if fragments := r.text(); fragments != "" && json.Unmarshal([]byte(fragments), &n.Fragments) != nil {
		r.wrong("a list of fragments", fragments)
	}
	n.Created = r.time()
	return n
}

// CreateSubscription implements platform.Notifications.
func (s *Store) CreateSubscription(ctx context.Context, n platform.NotificationSubscription) error {
	fragments := ""
	if len(n.Fragments) > 0 {
		text, err := json.Marshal(n.Fragments)
		if err != nil {
			return invalid("fragments must be text")
		}
		fragments = string(text)
	}
	return s.write(ctx, n.Tenant, nil, func(tx *session, t tenantKey) error {
		found, err := tx.exists(`SELECT 1 FROM notification_subscriptions WHERE tenant = $1 AND source = $2 AND name = $3
			AND non_persistent = $4 AND context = $5`, t, n.Source, n.Topic.Name, n.Topic.NonPersistent, n.Context)
		if err != nil || found {
			return conflictIf(err, "subscription")
		}
		tx.changed(t, n.Tenant, platform.ChangeSubscription, n.ID.String())
		return tx.run("INSERT INTO notification_subscriptions (tenant, "+subscriptionColumns+") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
			t, n.ID, n.Context, n.Source, n.Topic.Name, n.Topic.NonPersistent, strings.Join(n.APIs, ","), n.TypeFilter, fragments, n.Created)
	})
}

// conflictIf is err, or Conflict without one.
func conflictIf(err error, what string) error {
	if err != nil {
		return err
	}
	return conflict(what)
}

// Subscription implements platform.Notifications.
func (s *Store) Subscription(ctx context.Context, tenant platform.TenantID, id platform.ID) (platform.NotificationSubscription, error) {
	n, err := readOne(ctx, s, tenant, func(tx *session, t tenantKey) (platform.NotificationSubscription, error) {
		return one(tx, "subscription", scanSubscription,
			"SELECT "+subscriptionColumns+" FROM notification_subscriptions WHERE tenant = $1 AND id = $2", t, id)
	})
	n.Tenant = tenant
	return n, err
}

func subscriptionsWhere(columns string, t tenantKey, f platform.NotificationFilter) *selection {
	q := &selection{columns: columns, from: "notification_subscriptions", order: "id"}
	q.and("tenant = ?", t)
	q.equal("context", f.Context)
	if f.Source != 0 {
		q.and("source = ?", f.Source)
	}
	q.equal("name", f.Name)
	q.equal("type_filter", f.TypeFilter)
	return q
}

// Subscriptions implements platform.Notifications.
func (s *Store) Subscriptions(ctx context.Context, tenant platform.TenantID, f platform.NotificationFilter, page platform.Page) (platform.List[platform.NotificationSubscription], error) {
	l, err := readOne(ctx, s, tenant, func(tx *session, t tenantKey) (platform.List[platform.NotificationSubscription], error) {
		return list(tx, subscriptionsWhere(subscriptionColumns, t, f), page, scanSubscription)
	})
	for i := range l.Items {
		l.Items[i].Tenant = tenant
	}
	return l, err
}

// AllSubscriptions implements platform.Notifications.
func (s *Store) AllSubscriptions(ctx context.Context, after platform.ID, limit int) ([]platform.NotificationSubscription, error) {
	return read1(ctx, s.reads, func(tx *session) ([]platform.NotificationSubscription, error) {
		return all(tx, func(r *row) platform.NotificationSubscription {
			tenant := platform.TenantID(r.text())
			n := scanSubscription(r)
			n.Tenant = tenant
			return n
		}, `SELECT t.id, n.id, n.context, n.source, n.name, n.non_persistent, n.apis, n.type_filter, n.fragments, n.created
			FROM notification_subscriptions n JOIN tenants t ON t.key = n.tenant WHERE n.id > $1 ORDER BY n.id LIMIT $2`, after, limit)
	})
}

// DeleteSubscription implements platform.Notifications.
func (s *Store) DeleteSubscription(ctx context.Context, tenant platform.TenantID, id platform.ID) error {
	return s.write(ctx, tenant, nil, func(tx *session, t tenantKey) error {
		tx.changed(t, tenant, platform.ChangeSubscription, id.String())
		return tx.must("subscription", "DELETE FROM notification_subscriptions WHERE tenant = $1 AND id = $2", t, id)
	})
}

// DeleteSubscriptions implements platform.Notifications.
func (s *Store) DeleteSubscriptions(ctx context.Context, tenant platform.TenantID, f platform.NotificationFilter) (n int, err error) {
	err = s.write(ctx, tenant, nil, func(tx *session, t tenantKey) error {
		q := subscriptionsWhere("id", t, f)
		ids, err := all(tx, (*row).id, q.sql(), q.args...)
		if err != nil {
			return err
		}
		for _, id := range ids {
			tx.changed(t, tenant, platform.ChangeSubscription, id.String())
		}
		n = len(ids)
		q.order = ""
		return tx.run("DELETE"+q.rest(), q.args...)
	})
	return n, err
}

// dropSubscriptions removes the subscriptions to an object that is removed.
func (s *session) dropSubscriptions(t tenantKey, tenant platform.TenantID, object platform.ID) error {
	ids, err := all(s, (*row).id, "SELECT id FROM notification_subscriptions WHERE tenant = $1 AND source = $2 AND context = $3", t, object, platform.ContextObject)
	if err != nil {
		return err
	}
	for _, id := range ids {
		s.changed(t, tenant, platform.ChangeSubscription, id.String()+platform.WithObject)
		if err := s.run("DELETE FROM notification_subscriptions WHERE tenant = $1 AND id = $2", t, id); err != nil {
			return err
		}
	}
	return nil
}

// AllConsumers implements platform.Notifications.
func (s *Store) AllConsumers(ctx context.Context) ([]platform.NotificationConsumer, error) {
	return read1(ctx, s.reads, func(tx *session) ([]platform.NotificationConsumer, error) {
		return all(tx, func(r *row) platform.NotificationConsumer {
			return platform.NotificationConsumer{Tenant: platform.TenantID(r.text()), Topic: r.text(), Subscriber: r.text(), Created: r.time()}
		}, `SELECT t.id, c.topic, c.subscriber, c.created FROM notification_consumers c JOIN tenants t ON t.key = c.tenant
			ORDER BY c.tenant, c.topic, c.subscriber`)
	})
}

// HasConsumer implements platform.Notifications.
func (s *Store) HasConsumer(ctx context.Context, tenant platform.TenantID, topic, subscriber string) (bool, error) {
	return readOne(ctx, s, tenant, func(tx *session, t tenantKey) (bool, error) {
		return tx.exists("SELECT 1 FROM notification_consumers WHERE tenant = $1 AND topic = $2 AND subscriber = $3", t, topic, subscriber)
	})
}

// CreateConsumer implements platform.Notifications. The position comes first:
// a reader without one would make a topic keep nothing.
func (s *Store) CreateConsumer(ctx context.Context, c platform.NotificationConsumer) error {
	err := s.writeTelemetry(ctx, c.Tenant, func(tx *session, t tenantKey) error {
		topic, err := tx.topic(t, c.Topic)
		if err != nil {
			return err
		}
		return tx.run(`INSERT INTO notification_positions (topic, subscriber, position) VALUES ($1, $2, $3)
			ON CONFLICT (topic, subscriber) DO NOTHING`, topic.key, c.Subscriber, topic.last)
	})
	if err != nil {
		return err
	}
	return s.write(ctx, c.Tenant, nil, func(tx *session, t tenantKey) error {
		n, err := tx.exec(`INSERT INTO notification_consumers (tenant, topic, subscriber, created) VALUES ($1, $2, $3, $4)
			ON CONFLICT (tenant, topic, subscriber) DO NOTHING`, t, c.Topic, c.Subscriber, c.Created)
		if n > 0 {
			tx.changed(t, c.Tenant, platform.ChangeConsumer, c.Topic+"/"+c.Subscriber)
		}
		return err
	})
}

// DeleteConsumer implements platform.Notifications.
func (s *Store) DeleteConsumer(ctx context.Context, tenant platform.TenantID, topic, subscriber string) error {
	err := s.write(ctx, tenant, nil, func(tx *session, t tenantKey) error {
		tx.changed(t, tenant, platform.ChangeConsumer, topic+"/"+subscriber)
		return tx.must("consumer", "DELETE FROM notification_consumers WHERE tenant = $1 AND topic = $2 AND subscriber = $3", t, topic, subscriber)
	})
	if err != nil {
		return err
	}
	return s.writeTelemetry(ctx, tenant, func(tx *session, t tenantKey) error {
		found, err := tx.topic(t, topic)
		if err != nil {
			return err
		}
		if err := tx.run("DELETE FROM notification_positions WHERE topic = $1 AND subscriber = $2", found.key, subscriber); err != nil {
			return err
		}
		return tx.letGo(found.key)
	})
}
