package interop_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	packetSubscribe = 0x82
	packetSuback    = 0x90
	operationKills  = 3
	// orderers order operations at once until the server is killed.
	orderers = 4
)

// subscribe asks for one topic with QoS 1 and reads until it is granted.
func (c *mqttClient) subscribe(topic string) error {
	body := append(binary.BigEndian.AppendUint16(nil, 1), mqttString(topic)...)
	if err := c.send(packetSubscribe, append(body, 1)); err != nil {
		return err
	}
	first, answer, err := c.read()
	if err == nil && (first != packetSuback || len(answer) != 3 || answer[2] != 1) {
		err = fmt.Errorf("SUBSCRIBE got %#x % x", first, answer)
	}
	return err
}

// receive reads one message of QoS 1 and acknowledges it unless told not to.
func (c *mqttClient) receive(acknowledge bool) (payload string, err error) {
	first, body, err := c.read()
	if err != nil {
		return "", err
	}
	topic := len(mqttString("s/ds"))
	if first != packetPublish1 || len(body) < topic+2 || string(body[2:topic]) != "s/ds" {
		return "", fmt.Errorf("got %#x % x", first, body)
	}
	if acknowledge {
		err = c.acknowledge(packetPuback, binary.BigEndian.Uint16(body[topic:]))
	}
	return string(body[topic+2:]), err
}

// order orders the operation that has the number n as its text.
func (s *instance) order(ctx context.Context, object string, n int64) (answer, error) {
	body := fmt.Sprintf(`{"deviceId":"%s","c8y_Command":{"text":"%d"}}`, object, n)
	return s.do(ctx, http.MethodPost, "/devicecontrol/operations", "admin", s.pass, "application/json", strings.NewReader(body))
}

// TestKilledServerDeliversWhatIsPending kills the server while operations are
// ordered and delivered. What was ordered for sure and has no answer yet comes to
// the device after each restart, in order, whether it got it before or not.
func TestKilledServerDeliversWhatIsPending(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := launch{}.start(t, dir)
	s.authority(t)
	d := enrolledDevice(t, s, "obedient")
	pair, err := d.pair()
	if err != nil {
		t.Fatal(err)
	}
	c := mustDial(t, s, d.id, pair)
	if err := c.publish(packetPublish1, 1, "100"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.readID(); err != nil {
		t.Fatal(err)
	}
	c.close()
	object := s.object(t, d.id)
	ordered := map[int64]bool{} // those whose order was answered
	var last atomic.Int64
	for round := range operationKills {
		orderUntilKilled(t, s, d, object, ordered, &last, 20*(round+1))
		s = launch{again: s}.start(t, dir)
		checkPending(t, s, d, object, ordered)
	}
	t.Logf("%d kills, %d operations", operationKills, len(ordered))
}

// orderUntilKilled kills the server once the device has received so many.
func orderUntilKilled(t *testing.T, s *instance, d *device, object string, ordered map[int64]bool, last *atomic.Int64, received int) {
	t.Helper()
	pair, err := d.pair()
	if err != nil {
		t.Fatal(err)
	}
	c := mustDial(t, s, d.id, pair)
	if err := c.subscribe("s/ds"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var mu sync.Mutex
	var ordering sync.WaitGroup
	for range orderers {
		ordering.Go(func() {
			for ctx.Err() == nil {
				n := last.Add(1)
				a, err := s.order(ctx, object, n)
				if err != nil {
					return
				}
				if a.status != http.StatusCreated {
					t.Errorf("operation %d: %s", n, a)
					return
				}
				mu.Lock()
				ordered[n] = true
				mu.Unlock()
			}
		})
	}
	for i := range received {
		if _, err := c.receive(i%2 == 0 || i < received/2); err != nil { // some acknowledgements are lost
			t.Fatal(err)
		}
	}
	s.kill()
	cancel()
	ordering.Wait()
	c.close()
}

// checkPending receives everything that is pending by a new subscription.
func checkPending(t *testing.T, s *instance, d *device, object string, ordered map[int64]bool) {
	t.Helper()
	pending := map[int64]bool{}
	for page := 1; ; page++ {
		var list struct {
			Operations []struct {
				Command struct{ Text string } `json:"c8y_Command"`
			}
		}
		s.get(t, fmt.Sprintf("/devicecontrol/operations?deviceId=%s&status=PENDING&pageSize=2000&currentPage=%d", object, page), &list)
		for _, o := range list.Operations {
			n, err := strconv.ParseInt(o.Command.Text, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			pending[n] = true
		}
		if len(list.Operations) < 2000 {
			break
		}
	}
	for n := range ordered {
		if !pending[n] {
			t.Errorf("operation %d was ordered and is lost", n)
		}
	}
	pair, err := d.pair()
	if err != nil {
		t.Fatal(err)
	}
	c := mustDial(t, s, d.id, pair)
	if err := c.subscribe("s/ds"); err != nil {
		t.Fatal(err)
	}
	total := len(pending)
	for range total {
		text, err := c.receive(true)
		if err != nil {
			t.Fatalf("%d of %d pending operations came, then %v", total-len(pending), total, err)
		}
		n, err := strconv.ParseInt(strings.TrimPrefix(text, "511,"+d.id+","), 10, 64)
		if err != nil || !pending[n] {
			t.Fatalf("got %q, which is not pending, or came before", text)
		}
		delete(pending, n)
	}
	c.close()
}

// TestOperationReachesDeviceAtOnce: a new operation is with a connected device
// without it doing anything.
func TestOperationReachesDeviceAtOnce(t *testing.T) {
	t.Parallel()
	s := launch{}.start(t, t.TempDir())
	s.authority(t)
	d := enrolledDevice(t, s, "listener")
	pair, err := d.pair()
	if err != nil {
		t.Fatal(err)
	}
	c := mustDial(t, s, d.id, pair)
	if err := c.publish(packetPublish1, 1, "100"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.readID(); err != nil {
		t.Fatal(err)
	}
	if err := c.subscribe("s/ds"); err != nil {
		t.Fatal(err)
	}
	object := s.object(t, d.id)
	const rounds = 50
	var ordering, arriving time.Duration
	for n := range int64(rounds) {
		began := time.Now()
		a, err := s.order(t.Context(), object, n)
		if err != nil || a.status != http.StatusCreated {
			t.Fatalf("%v %v", a, err)
		}
		ordering += time.Since(began)
		text, err := c.receive(true)
		arriving += time.Since(began)
		if err != nil || text != fmt.Sprintf("511,%s,%d", d.id, n) {
			t.Fatalf("got %q, %v", text, err)
		}
		var o struct{ ID, Status string }
		if err := json.Unmarshal(a.body, &o); err != nil || o.Status != "PENDING" {
			t.Fatalf("%s", a)
		}
	}
	t.Logf("an order is answered after %s and with the device after %s, on average of %d", ordering/rounds, arriving/rounds, rounds)
}
