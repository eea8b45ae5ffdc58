package agent_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mooring/agent"
	"mooring/server/servertest"
)

// manager is a service manager that writes down what it hears.
type manager struct {
	mu    sync.Mutex
	heard []string
}

func (m *manager) hear(s string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.heard = append(m.heard, s)
	return nil
}

// take returns what was heard since the last take.
func (m *manager) take() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	heard := m.heard
	m.heard = nil
	return heard
}

func (m *manager) Ready() error             { return m.hear("ready") }
func (m *manager) Status(line string) error { return m.hear("status " + line) }
func (m *manager) Alive() error             { return m.hear("alive") }
func (m *manager) Watchdog() time.Duration  { return 10 * time.Second }

var _ agent.ServiceManager = (*manager)(nil)

// The service manager hears that the agent is ready before it is enrolled, how
// it is whenever that changes, and that it is alive only while its loop turns.
func TestAccompany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := servertest.Start(t, servertest.Options{Easy: true})
		d := newRig(t, s, "dev1")
		d.start()
		m := &manager{}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); d.agent.Accompany(ctx, m) }()
		synctest.Wait()
		if got := m.take(); !slices.Equal(got, []string{"ready", "status unenrolled"}) {
			t.Errorf("at the start: got %q", got)
		}
		time.Sleep(21 * time.Second) // two turns of the watchdog
		synctest.Wait()
		if got := m.take(); !slices.Equal(got, []string{"alive", "alive"}) {
			t.Errorf("after 21 s: got %q", got)
		}
		s.Register("dev1", "the-right-password")
		d.enrol("the-right-password")
		synctest.Wait()
		got := m.take()
		if last := got[len(got)-1]; !strings.HasPrefix(last, "status valid, connected to "+servertest.Host+", certificate until ") {
			t.Errorf("enrolled: got %q", got)
		}
		if err := d.stop(); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		m.take()
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := m.take(); slices.Contains(got, "alive") {
			t.Errorf("the loop has ended: got %q", got)
		}
		cancel()
		<-ended
	})
}
