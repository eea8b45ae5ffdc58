package interop_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const (
	agentKills = 100 // by order of the project
	// killers kill agents at the same time, each on its own devices.
	killers = 2
	// maxTries bounds the attempts of one killer: some agents are done before
	// they are killed, and do not count.
	maxTries = 4 * agentKills / killers
	// triesOfDevice is how often one device is used: the server has a limit on
	// the certificates of one device (server/ca).
	triesOfDevice = 10
)

// killer kills the agents of its devices, one after the other.
type killer struct {
	server *instance
	name   string
	random *rand.Rand
	// enrolled is renewed several times, whatever state the last kill left.
	enrolled *device
	// enrolling and renewing are how long both take when nobody is killed.
	enrolling, renewing time.Duration
	sent                int
}

// TestKilledAgentComesBack kills the agent at random instants of its enrolment
// and of its renewal. Whatever it left on disk must lead to a key and a chain
// that match and connect.
func TestKilledAgentComesBack(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	s := launch{}.start(t, t.TempDir())
	s.authority(t)
	var kills atomic.Int64
	t.Run("killers", func(t *testing.T) {
		for n := range killers {
			t.Run(fmt.Sprint(n), func(t *testing.T) {
				t.Parallel()
				k := &killer{server: s, name: fmt.Sprintf("killed-%d", n), random: rand.New(rand.NewPCG(seed, uint64(n)))}
				k.measure(t)
				for try := 0; try < maxTries && kills.Load() < agentKills; try++ {
					if k.kill(t, try) {
						kills.Add(1)
					}
				}
			})
		}
	})
	if got := kills.Load(); got < agentKills {
		t.Errorf("%d agents were killed before they were done, want %d", got, agentKills)
	}
}

// measure enrols and renews undisturbed.
func (k *killer) measure(t *testing.T) {
	t.Helper()
	k.enrolled = newDevice(t, k.server, k.name)
	o := k.enrolled.run(t, k.enrolled.enrol()...)
	o.want(t, exitDone)
	k.enrolling = o.took
	o = k.enrolled.run(t, "renew")
	o.want(t, exitDone)
	k.renewing = o.took
	t.Logf("enrolment takes %s, renewal %s", k.enrolling, k.renewing)
}

// kill kills one agent and holds what is left to the promise. It reports
// whether the agent was killed before it was done.
func (k *killer) kill(t *testing.T, try int) bool {
	t.Helper()
	if try%triesOfDevice == triesOfDevice-1 {
		k.enrolled = enrolledDevice(t, k.server, fmt.Sprintf("%s-renewed-%d", k.name, try))
	}
	switch try % 5 {
	case 0, 2:
		return k.killEnrolment(t, try)
	case 1, 3:
		return k.killRenewal(t)
	}
	return k.killRunning(t)
}

// killEnrolment: the same one-time password must do.
func (k *killer) killEnrolment(t *testing.T, try int) bool {
	t.Helper()
	d := newDevice(t, k.server, fmt.Sprintf("%s-%d", k.name, try))
	after := time.Duration(k.random.Int64N(int64(k.enrolling)))
	killed := k.runFor(t, d, after, d.enrol()...)
	again := d.run(t, d.enrol()...)
	if again.status != exitDone && !(again.status == exitFailed && strings.Contains(again.stderr, "is enrolled already")) {
		t.Fatalf("enrolment killed after %s: %s", after, again)
	}
	k.check(t, d, fmt.Sprintf("enrolment killed after %s", after))
	return killed.status == exitKilled
}

// killRenewal kills the agent that lives for one command.
func (k *killer) killRenewal(t *testing.T) bool {
	t.Helper()
	after := time.Duration(k.random.Int64N(int64(k.renewing)))
	killed := k.runFor(t, k.enrolled, after, "renew")
	k.checkRenewal(t, fmt.Sprintf("renewal killed after %s", after))
	return killed.status == exitKilled
}

// killRunning kills the agent that stays, while another command waits for its
// renewal.
func (k *killer) killRunning(t *testing.T) bool {
	t.Helper()
	d := k.enrolled
	running := d.command(t.Context(), t, "run")
	log := &logBuffer{}
	running.Stderr = log
	if err := running.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the agent is connected", func() bool { return strings.Contains(log.String(), "the server confirmed the connection") })
	asked := make(chan outcome, 1)
	go func() { asked <- d.runUntil(t.Context(), t, "renew", "--timeout", "20s") }()
	after := time.Duration(k.random.Int64N(int64(k.renewing)))
	time.AfterFunc(after, func() { _ = running.Process.Kill() })
	_ = running.Wait()
	o := <-asked
	what := fmt.Sprintf("agent killed %s after it was asked to renew", after)
	if o.status != exitDone && o.status != exitLater {
		t.Fatalf("%s: %s", what, o)
	}
	k.checkRenewal(t, what)
	return o.status != exitDone
}

// runFor runs the agent and kills it after a while.
func (k *killer) runFor(t *testing.T, d *device, after time.Duration, args ...string) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), after)
	defer cancel()
	return d.runUntil(ctx, t, args...)
}

// check: key and chain match, the server takes them, and every other try the
// next renewal leaves nothing behind.
func (k *killer) check(t *testing.T, d *device, what string) {
	t.Helper()
	if _, err := d.pair(); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	k.sent++
	if o := d.pub(t, k.sent); o.status != exitDone {
		t.Fatalf("%s: %s", what, o)
	}
	if _, err := d.pair(); err != nil {
		t.Fatalf("%s, connected again: %v", what, err)
	}
	if got := k.server.values(t, d.id, "c8y_Kill")[k.sent]; got != 1 {
		t.Fatalf("%s: the measurement sent afterwards arrived %d times", what, got)
	}
}

func (k *killer) checkRenewal(t *testing.T, what string) {
	t.Helper()
	k.check(t, k.enrolled, what)
	if k.sent%4 != 0 { // let kills pile up
		return
	}
	if o := k.enrolled.run(t, "renew"); o.status != exitDone {
		t.Fatalf("%s: %s", what, o)
	}
	k.check(t, k.enrolled, what+", renewed again")
	for _, folder := range []string{"generations", "keys"} {
		left, err := os.ReadDir(filepath.Join(k.enrolled.state, folder))
		if err != nil || len(left) != 1 {
			t.Errorf("%s, renewed again: %s holds %v, %v", what, folder, left, err)
		}
	}
}
