package sqlstore

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"mooring/server/platform"
)

var _ platform.MessageSessions = (*Store)(nil)

// messageSession is a locked row of message_sessions.
type messageSession struct{ key, last, messages, bytes int64 }

func (s *session) messageSession(t tenantKey, client string) (messageSession, bool, error) {
	return first(s, func(r *row) messageSession { return messageSession{r.int(), r.int(), r.int(), r.int()} },
		"SELECT key, last, messages, bytes FROM message_sessions WHERE tenant = $1 AND client = $2"+s.d.lockRow, t, client)
}

// SaveMessageSession implements platform.MessageSessions.
func (s *Store) SaveMessageSession(m platform.MessageSession, done func(error)) {
	s.submit(m.Tenant, elementSize+len(m.State), done, func(tx *session, t tenantKey) error {
		return tx.run(`INSERT INTO message_sessions (tenant, client, state, last, messages, bytes) VALUES ($1, $2, $3, 0, 0, 0)
			ON CONFLICT (tenant, client) DO UPDATE SET state = excluded.state`, t, m.Client, m.State)
	})
}

// EndMessageSession implements platform.MessageSessions.
func (s *Store) EndMessageSession(k platform.MessageKey, done func(error)) {
	s.submit(k.Tenant, elementSize, done, func(tx *session, t tenantKey) error {
		m, found, err := tx.messageSession(t, k.Client)
		if err != nil || !found {
			return err
		}
		for _, table := range []string{"message_queue", "message_received"} {
			if err := tx.run("DELETE FROM "+table+" WHERE session = $1", m.key); err != nil {
				return err
			}
		}
		return tx.run("DELETE FROM message_sessions WHERE key = $1", m.key)
	})
}

// MessageSessions implements platform.MessageSessions.
func (s *Store) MessageSessions(ctx context.Context, tenant platform.TenantID, after string, limit int) ([]platform.MessageSession, error) {
	return readTenant(ctx, s, s.telemetryR, tenant, func(tx *session, t tenantKey) ([]platform.MessageSession, error) {
		return all(tx, func(r *row) platform.MessageSession {
			return platform.MessageSession{Tenant: tenant, Client: r.text(), State: r.bytes()}
		}, "SELECT client, state FROM message_sessions WHERE tenant = $1 AND client > $2 ORDER BY client LIMIT $3", t, after, limit)
	})
}

// MessageSession implements platform.MessageSessions.
func (s *Store) MessageSession(ctx context.Context, k platform.MessageKey) (platform.MessageSession, error) {
	return readTenant(ctx, s, s.telemetryR, k.Tenant, func(tx *session, t tenantKey) (platform.MessageSession, error) {
		return one(tx, "session", func(r *row) platform.MessageSession {
			return platform.MessageSession{Tenant: k.Tenant, Client: k.Client, State: r.bytes()}
		}, "SELECT state FROM message_sessions WHERE tenant = $1 AND client = $2", t, k.Client)
	})
}

// SubmitMessage implements platform.MessageSessions. Two nodes take the locks of
// several sessions in the same order.
func (s *Store) SubmitMessage(m platform.SubmitMessage, done func([]string, error)) {
	var full []string
	to := slices.SortedFunc(slices.Values(m.To), func(a, b platform.Recipient) int { return strings.Compare(a.Client, b.Client) })
	s.submit(m.Tenant, elementSize*(1+len(to))+len(m.Body), func(err error) { done(full, err) }, func(tx *session, t tenantKey) error {
		full = nil // of an attempt that was rolled back
		for _, r := range to {
			fits, err := tx.queueMessage(t, &m, r)
			if err != nil {
				return err
			}
			if !fits {
				full = append(full, r.Client)
			}
		}
		if err := tx.received(t, &m); err != nil {
			return err
		}
		return tx.retain(t, &m)
	})
}

// queueMessage reports whether there was room for the message, or nobody who
// wants it.
func (s *session) queueMessage(t tenantKey, m *platform.SubmitMessage, r platform.Recipient) (bool, error) {
	to, found, err := s.messageSession(t, r.Client)
	if err != nil || !found {
		return true, err
	}
	size := int64(len(m.Body) + elementSize)
	if to.messages >= int64(m.MaxMessages) || to.messages > 0 && to.bytes+size > m.MaxBytes {
		return false, nil
	}
	if to.messages > 0 && to.last >= platform.MaxMessageSpan {
		oldest, err := one(s, "message", (*row).int, "SELECT COALESCE(min(number), $2) FROM message_queue WHERE session = $1", to.key, to.last)
		if err != nil || to.last-oldest >= platform.MaxMessageSpan {
			return false, err
		}
	}
	if err := s.run(`INSERT INTO message_queue (session, number, qos, retained, released, identifiers, expires, size, body)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`, to.key, to.last+1, int(r.QoS), r.Retained, false, joinInts(r.Identifiers), millisOrZero(m.Expires), size, m.Body); err != nil {
		return false, err
	}
	return true, s.run("UPDATE message_sessions SET last = last + 1, messages = messages + 1, bytes = bytes + $2 WHERE key = $1", to.key, size)
}

func (s *session) received(t tenantKey, m *platform.SubmitMessage) error {
	if m.Received == 0 {
		return nil
	}
	from, found, err := s.messageSession(t, m.Sender)
	if err != nil || !found {
		return err
	}
	return s.run("INSERT INTO message_received (session, packet) VALUES ($1, $2) ON CONFLICT (session, packet) DO NOTHING", from.key, int(m.Received))
}

func (s *session) retain(t tenantKey, m *platform.SubmitMessage) error {
	switch {
	case !m.Retain:
		return nil
	case len(m.Body) == 0:
		return s.run("DELETE FROM message_retained WHERE tenant = $1 AND topic = $2 AND lane = $3", t, m.Topic, int(m.Lane))
	}
	return s.run(`INSERT INTO message_retained (tenant, topic, lane, expires, body) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (tenant, topic, lane) DO UPDATE SET expires = excluded.expires, body = excluded.body`, t, m.Topic, int(m.Lane), millisOrZero(m.Expires), m.Body)
}

// QueuedMessages implements platform.MessageSessions.
func (s *Store) QueuedMessages(ctx context.Context, k platform.MessageKey, after int64, limit int) ([]platform.QueuedMessage, error) {
	return readTenant(ctx, s, s.telemetryR, k.Tenant, func(tx *session, t tenantKey) ([]platform.QueuedMessage, error) {
		return all(tx, func(r *row) platform.QueuedMessage {
			return platform.QueuedMessage{Number: r.int(), QoS: byte(r.int()), Retained: r.bool(), Released: r.bool(),
				Identifiers: r.ints(), Expires: r.timeOrZero(), Body: r.bytes()}
		}, `SELECT q.number, q.qos, q.retained, q.released, q.identifiers, q.expires, q.body FROM message_queue q
			JOIN message_sessions s ON s.key = q.session WHERE s.tenant = $1 AND s.client = $2 AND q.number > $3
			ORDER BY q.number LIMIT $4`, t, k.Client, after, limit)
	})
}

// ReleaseMessage implements platform.MessageSessions.
func (s *Store) ReleaseMessage(k platform.MessageKey, number int64, done func(error)) {
	s.submit(k.Tenant, elementSize, done, func(tx *session, t tenantKey) error {
		m, found, err := tx.messageSession(t, k.Client)
		if err != nil || !found {
			return err
		}
		return tx.run("UPDATE message_queue SET released = $3 WHERE session = $1 AND number = $2", m.key, number, true)
	})
}

// ForgetMessages implements platform.MessageSessions.
func (s *Store) ForgetMessages(k platform.MessageKey, numbers []int64, done func(error)) {
	s.submit(k.Tenant, elementSize, done, func(tx *session, t tenantKey) error {
		m, found, err := tx.messageSession(t, k.Client)
		if err != nil || !found {
			return err
		}
		var messages, bytes int64
		for _, number := range numbers {
			size, found, err := first(tx, (*row).int, "SELECT size FROM message_queue WHERE session = $1 AND number = $2", m.key, number)
			if err != nil {
				return err
			}
			if !found {
				continue
			}
			messages, bytes = messages+1, bytes+size
			if err := tx.run("DELETE FROM message_queue WHERE session = $1 AND number = $2", m.key, number); err != nil {
				return err
			}
		}
		return tx.run("UPDATE message_sessions SET messages = messages - $2, bytes = bytes - $3 WHERE key = $1", m.key, messages, bytes)
	})
}

// ReceivedPackets implements platform.MessageSessions.
func (s *Store) ReceivedPackets(ctx context.Context, k platform.MessageKey) ([]uint16, error) {
	return readTenant(ctx, s, s.telemetryR, k.Tenant, func(tx *session, t tenantKey) ([]uint16, error) {
		return all(tx, func(r *row) uint16 { return uint16(r.int()) }, `SELECT p.packet FROM message_received p
			JOIN message_sessions s ON s.key = p.session WHERE s.tenant = $1 AND s.client = $2 ORDER BY p.packet`, t, k.Client)
	})
}

// ForgetReceived implements platform.MessageSessions.
func (s *Store) ForgetReceived(k platform.MessageKey, packet uint16, done func(error)) {
	s.submit(k.Tenant, elementSize, done, func(tx *session, t tenantKey) error {
		return tx.run(`DELETE FROM message_received WHERE packet = $3 AND session IN
			(SELECT key FROM message_sessions WHERE tenant = $1 AND client = $2)`, t, k.Client, int(packet))
	})
}

// RetainedMessages implements platform.MessageSessions.
func (s *Store) RetainedMessages(ctx context.Context, tenant platform.TenantID, topic string, lane byte, limit int) ([]platform.RetainedMessage, error) {
	return readTenant(ctx, s, s.telemetryR, tenant, func(tx *session, t tenantKey) ([]platform.RetainedMessage, error) {
		return all(tx, func(r *row) platform.RetainedMessage {
			return platform.RetainedMessage{Topic: r.text(), Lane: byte(r.int()), Expires: r.timeOrZero(), Body: r.bytes()}
		}, `SELECT topic, lane, expires, body FROM message_retained WHERE tenant = $1 AND (topic > $2 OR topic = $2 AND lane > $3)
			ORDER BY topic, lane LIMIT $4`, t, topic, int(lane), limit)
	})
}

// millisOrZero keeps the zero time as 0.
func millisOrZero(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func (r *row) timeOrZero() time.Time {
	if n := r.int(); n != 0 {
		return time.UnixMilli(n).UTC()
	}
	return time.Time{}
}

func joinInts(list []int) string {
	texts := make([]string, len(list))
	for i, n := range list {
		texts[i] = strconv.Itoa(n)
	}
	return strings.Join(texts, ",")
}

func (r *row) ints() []int {
	text := r.text()
	if text == "" {
		return nil
	}
	var list []int
	for part := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(part)
		if err != nil {
			r.wrong("numbers", text)
			return nil
		}
		list = append(list, n)
	}
	return list
}
