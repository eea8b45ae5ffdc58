package agent_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mooring/agent"
	"mooring/agent/config"
	"mooring/hsm/filekey"
	"mooring/hsm/key"
	"mooring/internal/durable"
	"mooring/internal/durable/durabletest"
	"mooring/internal/secret"
	"mooring/server/servertest"
)

func TestSignLimit(t *testing.T) {
	for slowest, want := range map[time.Duration]time.Duration{
		0: 3 * time.Second, 299 * time.Millisecond: 3 * time.Second, 300 * time.Millisecond: 3 * time.Second, 301 * time.Millisecond: 3010 * time.Millisecond,
		11_999 * time.Millisecond: 119_990 * time.Millisecond, 12 * time.Second: 2 * time.Minute, time.Hour: 2 * time.Minute,
	} {
		if got := agent.SignLimit(slowest); got != want {
			t.Errorf("%v: got %v, want %v", slowest, got, want)
		}
	}
}

// limited is a key store that notes its limit.
type limited struct {
	key.Store
	told func(time.Duration)
}

func (l limited) SetSignLimit(d time.Duration) { l.told(d) }

// What a self-test has measured is what the agent allows its key store and its
// handshakes, if it is about that very key store and makes sense.
func TestMeasuredLimits(t *testing.T) {
	write := func(disk *durabletest.FS, text string) error {
		return durable.WriteFile(disk, state+"/keystore.json", []byte(text), 0o600)
	}
	change := func(old, replacement string) func(*durabletest.FS, config.Config) error {
		return func(disk *durabletest.FS, c config.Config) error {
			text, err := disk.ReadFile(state + "/keystore.json")
			if err != nil || !strings.Contains(string(text), old) {
				return fmt.Errorf("%s: %w", text, err)
			}
			return write(disk, strings.Replace(string(text), old, replacement, 1))
		}
	}
	for _, row := range []struct {
		name      string
		sign      time.Duration
		then      func(*durabletest.FS, config.Config) error
		handshake time.Duration // 60 s: nothing was measured
	}{
		{"the least", agent.MinSignLimit, nil, 36 * time.Second},
		{"slow", 30 * time.Second, nil, 90 * time.Second},
		{"the most", agent.MaxSignLimit, nil, 270 * time.Second},
		{"below the least", 3 * time.Second, change(":3000", ":2999"), time.Minute},
		{"above the most", 120 * time.Second, change(":120000", ":120001"), time.Minute},
		{"overflow", 120 * time.Second, change(":120000", ":9223372036854775807"), time.Minute},
		{"garbage", 30 * time.Second, change("{", "<"), time.Minute},
		{"another key store", 30 * time.Second, func(disk *durabletest.FS, c config.Config) error {
			c.Key = "file:/elsewhere"
			return agent.SaveSignLimit(disk, c, 30*time.Second)
		}, time.Minute},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newRig(t, servertest.Start(t, servertest.Options{}), "dev1")
				var told []time.Duration
				d.openKeys = func(disk *durabletest.FS) (key.Store, error) {
					store, err := filekey.Open(disk, state+"/keys")
					return limited{store, func(l time.Duration) { told = append(told, l) }}, err
				}
				if err := agent.SaveSignLimit(d.disk, d.config(), row.sign); err != nil {
					t.Fatal(err)
				}
				if row.then != nil {
					if err := row.then(d.disk, d.config()); err != nil {
						t.Fatal(err)
					}
				}
				silent := &silentMQTT{server: d.server}
				d.network = silent.dial
				d.server.Register("dev1", "the-right-password")
				d.start()
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
				defer cancel()
				go func() { _, _ = d.agent.Enrol(ctx, secret.New("the-right-password")) }() // it never connects, which is its error
				time.Sleep(10 * time.Minute)
				if err := d.stop(); err != nil {
					t.Error(err)
				}
				want := []time.Duration{row.sign}
				if row.handshake == time.Minute {
					want = nil
				}
				if !slices.Equal(told, want) {
					t.Errorf("the key store was told %v, want %v", told, want)
				}
				if got := silent.first(); got != row.handshake {
					t.Errorf("a handshake was given up after %v, want %v", got, row.handshake)
				}
			})
		})
	}
}

// silentMQTT is a network in which MQTT connects and says nothing.
type silentMQTT struct {
	server *servertest.Server

	mu   sync.Mutex
	took []time.Duration
}

func (s *silentMQTT) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if addr != servertest.MQTTS {
		return s.server.Network.DialContext(ctx, network, addr)
	}
	a := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 9), Port: 8883}
	client, inner := servertest.Pipe(a, a)
	begin := time.Now()
	go func() {
		_, _ = io.Copy(io.Discard, inner) // it ends when the agent gives up
		s.mu.Lock()
		s.took = append(s.took, time.Since(begin))
		s.mu.Unlock()
	}()
	return client, nil
}

func (s *silentMQTT) first() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.took) == 0 {
		return 0
	}
	return s.took[0]
}
