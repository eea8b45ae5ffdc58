package interop_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// notificationKills is how often the server is killed.
const notificationKills = 2

// reader is a consumer of Notification 2.0 that never stops: it connects anew
// when the server is back, and acknowledges all but some of what it reads.
type reader struct {
	token string
	mu    sync.Mutex
	seen  map[int]int // value → how often
}

// read takes messages until the connection breaks; connected is called first.
func (r *reader) read(ctx context.Context, s *instance, connected func()) error {
	transport, ok := s.client.Transport.(*http.Transport)
	if !ok {
		return errors.New("the client has no transport")
	}
	dialer := websocket.Dialer{TLSClientConfig: transport.TLSClientConfig}
	ws, resp, err := dialer.DialContext(ctx, "wss://"+s.HTTPS+"/notification2/consumer/?token="+url.QueryEscape(r.token), nil)
	if err != nil {
		if resp != nil {
			return fmt.Errorf("%s: %w", resp.Status, err)
		}
		return err
	}
	defer ws.Close()
	connected()
	stop := context.AfterFunc(ctx, func() { _ = ws.Close() })
	defer stop()
	for {
		_, text, err := ws.ReadMessage()
		if err != nil {
			return nil //nolint:nilerr // the server was killed, or we have had enough
		}
		head, body, _ := strings.Cut(string(text), "\n\n")
		ack, _, _ := strings.Cut(head, "\n")
		r.note(body)
		if rand.IntN(50) > 0 { // some acknowledgements are late: lost with the connection
			_ = ws.WriteMessage(websocket.TextMessage, []byte(ack))
		}
	}
}

// note remembers the values of a measurement.
func (r *reader) note(body string) {
	var m map[string]json.RawMessage
	var fragments map[string]struct{ Value int }
	if json.Unmarshal([]byte(body), &m) != nil || json.Unmarshal(m[fragment], &fragments) != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, series := range fragments {
		r.seen[series.Value]++
	}
}

func (r *reader) has(value int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seen[value] > 0
}

// TestKilledServerTellsWhatItAcknowledged kills the server under load while a
// consumer reads: in the end it has read every measurement that was acknowledged
// to the device that sent it.
func TestKilledServerTellsWhatItAcknowledged(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	s := launch{}.start(t, dir)
	s.authority(t)
	d := enrolledDevice(t, s, "told-of")
	pair, err := d.pair()
	if err != nil {
		t.Fatal(err)
	}
	s.admin(t, "POST", "/notification2/subscriptions", "application/json",
		fmt.Appendf(nil, `{"context":"mo","source":{"id":%q},"subscription":"killed","subscriptionFilter":{"apis":["measurements"]}}`, s.object(t, d.id)))
	var made struct{ Token string }
	if err := json.Unmarshal(s.admin(t, "POST", "/notification2/token", "application/json", []byte(`{"subscriber":"me","subscription":"killed"}`)).body, &made); err != nil {
		t.Fatal(err)
	}
	r := &reader{token: made.Token, seen: map[int]int{}}
	p := newPublisher(d.id, pair, 1)
	for range notificationKills {
		ctx, cancel := context.WithCancel(t.Context())
		var reading sync.WaitGroup
		connected := make(chan struct{})
		reading.Go(func() {
			once := sync.OnceFunc(func() { close(connected) })
			defer once()
			for ctx.Err() == nil && s.alive() {
				_ = r.read(ctx, s, once)
			}
		})
		<-connected
		killUnderLoad(t, s, []*publisher{p}, 1+random.Int64N(maxAcknowledged/8))
		cancel()
		reading.Wait()
		s = launch{again: s}.start(t, dir)
	}
	if err := p.drain(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var reading sync.WaitGroup
	reading.Go(func() {
		for ctx.Err() == nil {
			_ = r.read(ctx, s, func() {})
		}
	})
	eventually(t, "the consumer has read all that was acknowledged", func() bool {
		for _, value := range p.acked {
			if !r.has(value) {
				return false
			}
		}
		return true
	})
	cancel()
	reading.Wait()
	again := 0
	for _, n := range r.seen {
		again += n - 1
	}
	t.Logf("%d kills, %d acknowledged measurements, %d read again", notificationKills, len(p.acked), again)
}
