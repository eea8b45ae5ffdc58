package sqlstore

import (
	"cmp"
	"context"
	"slices"
	"time"

	"mooring/server/platform"
)

// dropAtOnce is how many messages one command removes at most.
const dropAtOnce = 500

// topicRow is a locked row of notification_topics.
type topicRow struct{ key, last, bytes int64 }

func scanTopic(r *row) topicRow { return topicRow{r.int(), r.int(), r.int()} }

// topic locks the row of a topic, which it makes if it is missing.
func (s *session) topic(t tenantKey, name string) (topicRow, error) {
	if err := s.run(`INSERT INTO notification_topics (tenant, name, last, bytes) VALUES ($1, $2, 0, 0)
		ON CONFLICT (tenant, name) DO NOTHING`, t, name); err != nil {
		return topicRow{}, err
	}
	return one(s, "topic", scanTopic, "SELECT key, last, bytes FROM notification_topics WHERE tenant = $1 AND name = $2"+s.d.lockRow, t, name)
}

// AppendNotifications implements platform.Notifications.
func (s *Store) AppendNotifications(ctx context.Context, cmd platform.AppendNotifications) (dropped int, err error) {
	// Two nodes take the locks of several topics in the same order.
	all := slices.SortedStableFunc(slices.Values(cmd.Messages), func(a, b platform.TopicNotification) int { return cmp.Compare(a.Topic, b.Topic) })
	err = s.writeTelemetry(ctx, cmd.Tenant, func(tx *session, t tenantKey) error {
		dropped = 0 // of an attempt that was rolled back
		for messages := all; len(messages) > 0; {
			n := 1
			for n < len(messages) && messages[n].Topic == messages[0].Topic {
				n++
			}
			gone, err := tx.appendTo(t, messages[:n], cmd.MaxBytes)
			if err != nil {
				return err
			}
			dropped += gone
			messages = messages[n:]
		}
		return nil
	})
	return dropped, err
}

func (s *session) appendTo(t tenantKey, messages []platform.TopicNotification, maxBytes int64) (dropped int, err error) {
	topic, err := s.topic(t, messages[0].Topic)
	if err != nil {
		return 0, err
	}
	for _, m := range messages {
		size := int64(len(m.Payload) + elementSize)
		topic.last++
		topic.bytes += size
		if err := s.run(`INSERT INTO notification_messages (topic, number, api, source, action, at, size, payload)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, topic.key, topic.last, string(m.API), m.Source, string(m.Action), m.At, size, m.Payload); err != nil {
			return 0, err
		}
	}
	if topic.bytes > maxBytes && maxBytes > 0 {
		if dropped, err = s.dropOldest(&topic, maxBytes); err != nil {
			return 0, err
		}
	}
	return dropped, s.run("UPDATE notification_topics SET last = $2, bytes = $3 WHERE key = $1", topic.key, topic.last, topic.bytes)
}

// dropOldest makes room in a topic that is over its quota.
func (s *session) dropOldest(topic *topicRow, maxBytes int64) (dropped int, err error) {
	cut := int64(0)
	err = s.each(func(r *row) error {
		number, size := r.int(), r.int()
		if topic.bytes > maxBytes {
			topic.bytes, cut = topic.bytes-size, number
			dropped++
		}
		return r.err
	}, "SELECT number, size FROM notification_messages WHERE topic = $1 ORDER BY number LIMIT $2", topic.key, dropAtOnce)
	if err != nil {
		return 0, err
	}
	return dropped, s.run("DELETE FROM notification_messages WHERE topic = $1 AND number <= $2", topic.key, cut)
}

// letGo removes messages that all readers have passed, the oldest first.
func (s *session) letGo(topic int64) error {
	passed, err := one(s, "topic", (*row).int, `SELECT COALESCE((SELECT min(position) FROM notification_positions WHERE topic = $1), last)
		FROM notification_topics WHERE key = $1`, topic)
	if err != nil {
		return err
	}
	cut, bytes := int64(0), int64(0)
	if err := s.each(func(r *row) error {
		cut = r.int()
		bytes += r.int()
		return r.err
	}, "SELECT number, size FROM notification_messages WHERE topic = $1 AND number <= $2 ORDER BY number LIMIT $3", topic, passed, dropAtOnce); err != nil {
		return err
	}
	if cut == 0 {
		return nil
	}
	if err := s.run("DELETE FROM notification_messages WHERE topic = $1 AND number <= $2", topic, cut); err != nil {
		return err
	}
	return s.run("UPDATE notification_topics SET bytes = bytes - $2 WHERE key = $1", topic, bytes)
}

// QueuedNotifications implements platform.Notifications.
func (s *Store) QueuedNotifications(ctx context.Context, tenant platform.TenantID, topic string, after int64, limit int) ([]platform.QueuedNotification, error) {
	return readTenant(ctx, s, s.telemetryR, tenant, func(tx *session, t tenantKey) ([]platform.QueuedNotification, error) {
		return all(tx, func(r *row) platform.QueuedNotification {
			return platform.QueuedNotification{Number: r.int(), API: platform.NoticeAPI(r.text()), Source: r.id(),
				Action: platform.NoticeAction(r.text()), At: r.time(), Payload: r.bytes()}
		}, `SELECT m.number, m.api, m.source, m.action, m.at, m.payload FROM notification_messages m
			JOIN notification_topics t ON t.key = m.topic WHERE t.tenant = $1 AND t.name = $2 AND m.number > $3
			ORDER BY m.number LIMIT $4`, t, topic, after, limit)
	})
}

// Position implements platform.Notifications.
func (s *Store) Position(ctx context.Context, tenant platform.TenantID, topic, subscriber string) (int64, error) {
	return readTenant(ctx, s, s.telemetryR, tenant, func(tx *session, t tenantKey) (int64, error) {
		return one(tx, "consumer", (*row).int, `SELECT p.position FROM notification_positions p
			JOIN notification_topics t ON t.key = p.topic WHERE t.tenant = $1 AND t.name = $2 AND p.subscriber = $3`, t, topic, subscriber)
	})
}

// SetPosition implements platform.Notifications.
func (s *Store) SetPosition(ctx context.Context, tenant platform.TenantID, topic, subscriber string, number int64) error {
	return s.writeTelemetry(ctx, tenant, func(tx *session, t tenantKey) error {
		found, err := tx.topic(t, topic)
		if err != nil {
			return err
		}
		n, err := tx.exec("UPDATE notification_positions SET position = $3 WHERE topic = $1 AND subscriber = $2 AND position < $3",
			found.key, subscriber, min(number, found.last))
		if err != nil || n == 0 {
			return err
		}
		return tx.letGo(found.key)
	})
}

// ExpireNotifications implements platform.Notifications.
func (s *Store) ExpireNotifications(ctx context.Context, before time.Time, limit int) (removed int, err error) {
	type message struct{ topic, number, size int64 }
	err = s.telemetry.do(ctx, func(tx *session) error {
		old, err := all(tx, func(r *row) message { return message{r.int(), r.int(), r.int()} },
			"SELECT topic, number, size FROM notification_messages WHERE at < $1 ORDER BY at LIMIT $2", before, limit)
		if err != nil {
			return err
		}
		bytes := map[int64]int64{}
		for _, m := range old {
			bytes[m.topic] += m.size
			if err := tx.run("DELETE FROM notification_messages WHERE topic = $1 AND number = $2", m.topic, m.number); err != nil {
				return err
			}
		}
		topics := make([]int64, 0, len(bytes))
		for topic := range bytes {
			topics = append(topics, topic)
		}
		slices.Sort(topics)
		for _, topic := range topics {
			if err := tx.run("UPDATE notification_topics SET bytes = bytes - $2 WHERE key = $1", topic, bytes[topic]); err != nil {
				return err
			}
		}
		removed = len(old)
		return nil
	})
	return removed, err
}
