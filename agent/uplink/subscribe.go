package uplink

import (
	"context"
	"slices"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

const (
	// grantedSUBACK is the highest code that grants a subscription.
	grantedSUBACK = 2
	// subscribeRetry is how long to wait after a refused subscription: the
	// server refuses until it knows the device.
	subscribeRetry = 5 * time.Second
	// unheardFor is how long a topic stays subscribed to that nobody listens to
	// any more: programs that come and go would cost the server a subscription
	// each time.
	unheardFor = time.Minute
)

// ownTopics are subscribed to whoever listens.
var ownTopics = []string{topicTokenReply, topicError}

// quality is the quality of service of a subscription: what must arrive is what
// somebody listens to.
func quality(topic string) byte {
	if topic == topicTokenReply || topic == topicError {
		return 0
	}
	return 1
}

// subscribe asks for each topic until the server grants it, and for topics that
// listeners bring while the connection lasts; those that nobody hears any more it
// gives back. The library calls a refused
// subscription a success, so the answer itself is looked at.
func (u *Uplink) subscribe(ctx context.Context, s *session) {
	granted := map[string]bool{}
	unheard := map[string]time.Time{} // since when
	told := 0                         // how many workers have been sent what is pending
	for ctx.Err() == nil {
		topics, workers, changed := u.downstream.topics()
		refused, operations := false, false
		for _, topic := range append(ownTopics[:len(ownTopics):len(ownTopics)], topics...) {
			if granted[topic] {
				operations = operations || workers > told && isOperations(topic)
				continue
			}
			granted[topic] = u.subscribeOne(ctx, s, topic)
			refused = refused || !granted[topic]
			operations = operations || granted[topic] && isOperations(topic)
		}
		if operations {
			u.askPending(ctx, s)
		}
		told = workers
		retry := u.giveBack(ctx, s, topics, granted, unheard)
		if refused {
			retry = subscribeRetry
		}
		wait(ctx, changed, retry)
	}
}

// giveBack unsubscribes from topics that nobody has listened to for unheardFor.
// It returns when to look again, 0 if there is nothing to look at.
func (u *Uplink) giveBack(ctx context.Context, s *session, heard []string, granted map[string]bool, unheard map[string]time.Time) (again time.Duration) {
	for topic := range granted {
		if slices.Contains(heard, topic) || slices.Contains(ownTopics, topic) {
			delete(unheard, topic)
			continue
		}
		if unheard[topic].IsZero() {
			unheard[topic] = time.Now()
		}
		left := unheardFor - time.Since(unheard[topic])
		if left > 0 {
			if again == 0 || left < again {
				again = left
			}
			continue
		}
		if granted[topic] {
			if _, err := exchange(ctx, answerLimit, func() mqtt.Token { return s.client.Unsubscribe(topic) }); err != nil {
				u.log.Warn("a topic stays subscribed to", "topic", topic, "err", err)
			}
		}
		delete(granted, topic)
		delete(unheard, topic)
	}
	return again
}

// askPending makes the server send all operations that nobody has reported on.
func (u *Uplink) askPending(ctx context.Context, s *session) {
	if err := s.deliver(ctx, topicUp, 1, []byte(templatePending), answerLimit); err != nil {
		u.log.Warn("pending operations cannot be asked for", "err", err)
	}
}

func (u *Uplink) subscribeOne(ctx context.Context, s *session, topic string) bool {
	t, err := exchange(ctx, answerLimit, func() mqtt.Token { return s.client.Subscribe(topic, quality(topic), nil) })
	if err != nil {
		return false
	}
	st, ok := t.(*mqtt.SubscribeToken)
	if ok {
		var code byte
		code, ok = st.Result()[topic]
		ok = ok && code <= grantedSUBACK
	}
	if !ok {
		u.log.Warn("subscription refused", "topic", topic)
		return false
	}
	if topic == topicTokenReply {
		s.readyOnce.Do(func() { close(s.tokenReady) })
	}
	return true
}
