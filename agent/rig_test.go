package agent_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mooring/agent"
	"mooring/agent/config"
	"mooring/hsm/filekey"
	"mooring/hsm/key"
	"mooring/internal/clock"
	"mooring/internal/durable"
	"mooring/internal/durable/durabletest"
	"mooring/internal/problem"
	"mooring/internal/secret"
	"mooring/server/servertest"
)

const state = "/state"

// rig is an agent with its disk, beside a server in memory.
type rig struct {
	t      testing.TB
	server *servertest.Server
	id     string
	disk   *durabletest.FS
	edit   func(*config.Config)
	noMQTT atomic.Bool
	// noHTTPS leaves nothing but MQTT, so that no certificate is renewed.
	noHTTPS atomic.Bool
	mqtt    atomic.Pointer[net.Conn] // the newest connection
	wall    func() time.Time
	// network is in front of the server's network; nil is that itself.
	network func(ctx context.Context, network, addr string) (net.Conn, error)
	// change edits the agent's options; it may be nil.
	change func(*agent.Options)

	agent   *agent.Agent
	factory *factory // who made it; may be nil
	stop    func() error
	poll    time.Duration // between two looks at the status
	// openKeys opens the key store of a disk.
	openKeys func(*durabletest.FS) (key.Store, error)
}

// otp is the one that the device is registered with at first.
func (d *rig) otp() string { return "password-of-" + d.id }

func newRig(t testing.TB, s *servertest.Server, id string) *rig {
	t.Helper()
	d := &rig{t: t, server: s, id: id, disk: durabletest.New(), edit: func(*config.Config) {}, wall: time.Now, poll: time.Second,
		openKeys: func(disk *durabletest.FS) (key.Store, error) { return filekey.Open(disk, state+"/keys") }}
	if err := durable.MkdirAll(d.disk, state, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := durable.WriteFile(d.disk, state+"/root.pem", s.RootPEM, 0o644); err != nil {
		t.Fatal(err)
	}
	return d
}

// enrolledRig is the agent of dev1, enrolled and connected.
func enrolledRig(t testing.TB, s *servertest.Server) *rig {
	t.Helper()
	d := newRig(t, s, "dev1")
	s.Register("dev1", "the-right-password")
	d.start()
	d.enrol("the-right-password")
	d.until("valid", valid)
	return d
}

func (d *rig) config() config.Config {
	c := config.Default()
	c.State, c.Server, c.DeviceID, c.CA = state, servertest.Host, d.id, state+"/root.pem"
	c.KeepAlive, c.ClockCheck = config.Duration(18*time.Hour), config.Duration(time.Hour)
	d.edit(&c)
	if err := c.Validate(); err != nil {
		d.t.Fatal(err)
	}
	return c
}

// start runs the agent until d.stop.
func (d *rig) start() {
	d.t.Helper()
	disk := d.disk
	o := agent.Options{
		Config: d.config(),
		FS:     disk,
		OpenKeys: func(context.Context, string) (key.Store, error) {
			return d.openKeys(disk)
		},
		DialContext: d.dial,
		Clock:       clock.NewFrom(d.wall, time.Time{}),
	}
	if os.Getenv("AGENT_LOG") != "" {
		o.Log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	if d.change != nil {
		d.change(&o)
	}
	d.agent = agent.New(o)
	ctx, cancel := context.WithCancel(d.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.agent.Run(ctx) }()
	d.stop = func() error {
		cancel()
		return <-ended
	}
}

func (d *rig) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if d.noMQTT.Load() && addr == servertest.MQTTS || d.noHTTPS.Load() && addr != servertest.MQTTS {
		return nil, errors.New("connection refused")
	}
	dial := d.network
	if dial == nil {
		dial = d.server.Network.DialContext
	}
	c, err := dial(ctx, network, addr)
	if err == nil && addr == servertest.MQTTS {
		d.mqtt.Store(&c)
	}
	return c, err
}

func (d *rig) status() agent.Status {
	s, err := d.agent.Status(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	return s
}

// until waits in simulated time, at most an hour.
func (d *rig) until(what string, ok func(agent.Status) bool) agent.Status {
	d.t.Helper()
	for range 3600 {
		if s := d.status(); ok(s) {
			return s
		}
		time.Sleep(d.poll)
	}
	text, _ := json.Marshal(d.status())
	d.t.Fatalf("%s: never %s; status %s", d.id, what, text)
	return agent.Status{}
}

func valid(s agent.Status) bool { return s.State == "valid" && s.Connected }

func (d *rig) enrol(otp string) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), 9*time.Minute)
	defer cancel()
	if _, err := d.agent.Enrol(ctx, secret.New(otp)); err != nil {
		d.t.Fatalf("%s: enrol: %v", d.id, err)
	}
}

func (d *rig) renew() agent.Status {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), time.Hour)
	defer cancel()
	s, err := d.agent.Renew(ctx)
	if err != nil {
		d.t.Fatalf("%s: renew: %v", d.id, err)
	}
	return s
}

// One life on a difficult server: it decides later and loses answers.
func TestLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := servertest.Start(t, servertest.Options{})
		d := newRig(t, s, "dev1")
		d.start()
		if _, _, err := d.agent.Token(t.Context()); !errors.Is(err, problem.Conflict) || agent.Hint(err) == "" {
			t.Errorf("token without identity: got %v", err)
		}
		time.AfterFunc(time.Minute, func() { s.Register("dev1", "the-right-password") }) // asked before it is registered
		d.enrol("the-right-password")
		first := d.until("valid", valid)

		if err := d.agent.Publish(t.Context(), []string{"200,c8y_Temperature,T,21.5,C"}); err != nil {
			t.Error(err)
		}
		if n := s.Count("/measurement/measurements?pageSize=1&withTotalElements=true"); n != 1 {
			t.Errorf("measurements: got %d, want 1", n)
		}
		token, claims, err := d.agent.Token(t.Context())
		if err != nil || claims.Subject != "device_dev1" || claims.Issuer != servertest.Host {
			t.Errorf("token: got %+v, %v", claims, err)
		}
		if again, _, _ := d.agent.Token(t.Context()); !again.Equal(token) {
			t.Error("the token is not kept")
		}

		second := d.renew()
		if second.Serial == first.Serial || second.Generation <= first.Generation {
			t.Errorf("renewed: got %+v after %+v", second, first)
		}
		d.until("valid", valid)
		if got := s.Provisioned("dev1"); len(got) < 2 {
			t.Errorf("the server knows the certificates %v, want two at least", got)
		}
		if n := len(d.keys()); n != 1 {
			t.Errorf("%d keys are left, want 1", n)
		}

		s.Revoke(second.Serial)
		refused := d.until("refused", func(s agent.Status) bool { return s.LastError != nil && s.LastError.Reason == "revoked" })
		if refused.Connected || refused.Serial != second.Serial {
			t.Errorf("revoked: got %+v", refused)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := d.agent.Publish(ctx, []string{"114,c8y_Restart"}); !errors.Is(err, problem.Unavailable) || !strings.Contains(agent.Hint(err), "revoked") {
			t.Errorf("publish when revoked: got %v, hint %q", err, agent.Hint(err))
		}
		// Registered again, it comes back with a new identity.
		s.Register("dev1", "another-password")
		d.enrol("another-password")
		if third := d.until("valid", valid); third.Serial == second.Serial {
			t.Error("still the revoked certificate")
		}
		if err := d.stop(); err != nil {
			t.Error(err)
		}
	})
}

func (d *rig) keys() []key.Ref {
	d.t.Helper()
	store, err := d.openKeys(d.disk)
	if err != nil {
		d.t.Fatal(err)
	}
	refs, err := store.List(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	return refs
}

// Two years: every renewal in its window, no gap, a restart after each.
func TestTwoYears(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := servertest.Start(t, servertest.Options{LookEvery: servertest.Daily})
		d := newRig(t, s, "dev1")
		s.Register("dev1", "the-right-password")
		d.start()
		d.enrol("the-right-password")
		last := d.until("valid", valid)
		renewals := 0
		for end := time.Now().AddDate(2, 0, 0); time.Now().Before(end); {
			time.Sleep(12 * time.Hour)
			got := d.until("valid", valid)
			// The server's window ends when a sixth of the life is left.
			if left := time.Until(*got.NotAfter); left < 60*24*time.Hour {
				t.Fatalf("%v: only %v left", time.Now(), left)
			}
			if got.Serial == last.Serial {
				last = got // the server may have said when to renew
				continue
			}
			renewals++
			if off := time.Since(*last.RenewAt); off < 0 || off > 24*time.Hour {
				t.Errorf("renewed %v after its time", off)
			}
			last = got
			if err := d.stop(); err != nil {
				t.Fatal(err)
			}
			d.start()
			d.until("valid after a restart", valid)
		}
		if renewals != 2 && renewals != 3 {
			t.Errorf("%d renewals in two years of yearly certificates, want 2 or 3", renewals)
		}
		if err := d.stop(); err != nil {
			t.Error(err)
		}
	})
}

// A candidate that the server refuses is rolled back to what still connects.
func TestRollBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := servertest.Start(t, servertest.Options{Easy: true})
		d := newRig(t, s, "dev1")
		s.Register("dev1", "the-right-password")
		d.start()
		d.enrol("the-right-password")
		first := d.until("valid", valid)
		if err := d.stop(); err != nil {
			t.Fatal(err)
		}
		d.noMQTT.Store(true)
		d.start()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		if _, err := d.agent.Renew(ctx); !errors.Is(err, problem.Unavailable) {
			t.Fatalf("renew without MQTT: got %v", err)
		}
		text, err := d.disk.ReadFile(state + "/generations/0002/identity.json")
		if err != nil {
			t.Fatal(err)
		}
		var candidate struct{ Serial string }
		if err := json.Unmarshal(text, &candidate); err != nil || candidate.Serial == "" {
			t.Fatalf("no candidate in %s: %v", text, err)
		}
		s.Revoke(candidate.Serial)
		d.noMQTT.Store(false)
		back := d.until("back", func(s agent.Status) bool { return s.Connected && s.State == "valid" })
		if back.Serial != first.Serial || back.Generation != 1 {
			t.Errorf("got %+v, want the first certificate", back)
		}
		if n := len(d.keys()); n != 1 {
			t.Errorf("%d keys are left, want 1", n)
		}
		if third := d.renew(); third.Generation != 3 {
			t.Errorf("the next renewal: got %+v", third)
		}
		if err := d.stop(); err != nil {
			t.Error(err)
		}
	})
}
