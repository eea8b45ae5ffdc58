package presence_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mooring/internal/problem"
	"mooring/server/platform"
	"mooring/server/presence"
)

const tenant platform.TenantID = "t1000"

// fake is a store, the names and the alarms.
type fake struct {
	mu      sync.Mutex
	objects map[platform.ID]platform.Fragments
	names   map[string]platform.ID
	reports int // calls
	rows    int
	alarms  []string
	err     error
	asked   int
}

func newFake() *fake {
	return &fake{objects: map[platform.ID]platform.Fragments{}, names: map[string]platform.ID{}}
}

func (f *fake) device(id platform.ID, minutes string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.objects[id] = platform.Fragments{platform.FragmentIsDevice: json.RawMessage("{}")}
	f.names[fmt.Sprint("dev", id)] = id
	if minutes != "" {
		f.objects[id][platform.FragmentRequiredAvailability] = json.RawMessage(`{"responseInterval":` + minutes + `}`)
	}
}

func (f *fake) ReportPresence(_ context.Context, t platform.TenantID, reports []platform.PresenceReport, now time.Time) (list []platform.PresenceChange, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reports++
	if f.err != nil {
		return nil, f.err
	}
	for _, r := range reports {
		f.rows++
		c := platform.PresenceChange{Object: r.Object}
		was, ok := platform.ReadPresence(f.objects[r.Object])
		if c.NoDevice = !ok || t != tenant; !c.NoDevice {
			c.Was, c.Is = was, was.Next(r, now)
			for name, value := range c.Is.Fragments() {
				f.objects[r.Object][name] = value
			}
		}
		list = append(list, c)
	}
	return list, nil
}

func (f *fake) DisconnectAll(context.Context) error { return nil }

func (f *fake) Objects(_ context.Context, _ platform.TenantID, filter platform.ObjectFilter, page platform.Page) (l platform.List[platform.ManagedObject], _ error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, o := range f.objects {
		if _, ok := o[filter.FragmentType]; ok && page.Number == 1 {
			l.Items = append(l.Items, platform.ManagedObject{ID: id, Fragments: o})
		}
	}
	return l, nil
}

func (f *fake) Tenants(context.Context) ([]platform.Tenant, error) {
	return []platform.Tenant{{ID: tenant}}, nil
}

func (f *fake) Device(_ context.Context, _ platform.TenantID, name string) (platform.ID, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	if id, ok := f.names[name]; ok {
		return id, nil
	}
	return 0, problem.NotFound
}

func (f *fake) RaiseAlarm(_ context.Context, _ platform.TenantID, a platform.Alarm) (platform.Alarm, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.alarms = append(f.alarms, fmt.Sprint("raise ", a.Source, " ", a.Type, " ", a.Severity))
	return a, nil
}

func (f *fake) Submit(b platform.Batch, done func(error)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range b.AlarmChanges {
		f.alarms = append(f.alarms, fmt.Sprint("clear ", c.Source, " ", c.Type, " ", c.Status))
	}
	done(nil)
}

// show is what the store has: availability, connection.
func (f *fake) show(id platform.ID) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	p, _ := platform.ReadPresence(f.objects[id])
	return fmt.Sprint(p.Data, " ", p.Connection)
}

func (f *fake) took() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := f.alarms
	f.alarms = nil
	return list
}

// start runs a service in a bubble.
func start(t *testing.T, f *fake) *presence.Service {
	t.Helper()
	s := presence.New(presence.Config{Store: f, Names: f, Alarms: f, Alone: true})
	if err := s.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { s.Run(ctx) })
	t.Cleanup(func() { stop(); running.Wait() })
	return s
}

func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// TestMonitored: a device that promises to be heard within two minutes is missed
// after them, with an alarm, and welcomed back.
func TestMonitored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.device(1, "2")
		s := start(t, f)
		want := func(status string, alarms ...string) {
			t.Helper()
			if got := f.show(1); got != status {
				t.Errorf("%q, want %q", got, status)
			}
			if got := f.took(); !slices.Equal(got, alarms) {
				t.Errorf("alarms %q, want %q", got, alarms)
			}
		}
		pass(time.Minute)
		want(" DISCONNECTED")
		s.Heard(tenant, 1, time.Now())
		s.Online(tenant, "dev1", true)
		pass(2 * time.Second)
		want("AVAILABLE CONNECTED")
		s.Online(tenant, "dev1", false)
		pass(2 * time.Second)
		want("AVAILABLE DISCONNECTED")
		pass(115 * time.Second)
		want("AVAILABLE DISCONNECTED")
		pass(32 * time.Second)
		want("UNAVAILABLE DISCONNECTED", "raise 1 c8y_UnavailabilityAlarm MAJOR")
		pass(time.Hour)
		want("UNAVAILABLE DISCONNECTED")
		s.Heard(tenant, 1, time.Now())
		pass(2 * time.Second)
		want("AVAILABLE DISCONNECTED", "clear 1 c8y_UnavailabilityAlarm CLEARED")
		if got := s.Stats(); got.Monitored != 1 || got.Missed != 1 || got.Returned != 1 {
			t.Errorf("%+v", got)
		}
	})
}

// TestNeverHeard: a device that was never heard is missed after its interval, not
// at once.
func TestNeverHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.device(1, "10")
		s := start(t, f)
		pass(9 * time.Minute)
		if got := f.show(1); got != " DISCONNECTED" {
			t.Errorf("%q", got)
		}
		pass(2 * time.Minute)
		if got := f.show(1); got != "UNAVAILABLE DISCONNECTED" || len(f.took()) != 1 {
			t.Errorf("%q", got)
		}
		_ = s
	})
}

// TestMaintenance: an interval of zero or less is maintenance, and no alarm.
func TestMaintenance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.device(1, "1")
		s := start(t, f)
		s.Online(tenant, "dev1", true)
		pass(2 * time.Minute)
		if got := f.took(); len(got) != 1 {
			t.Fatalf("alarms %q", got)
		}
		for _, minutes := range []string{"0", "-5"} {
			f.device(1, minutes)
			s.Look(tenant, 1)
			pass(2 * time.Second)
			if got := f.show(1); got != "MAINTENANCE MAINTENANCE" {
				t.Errorf("interval %s: %q", minutes, got)
			}
			pass(time.Hour)
		}
		f.device(1, "1")
		s.Heard(tenant, 1, time.Now())
		s.Look(tenant, 1)
		pass(2 * time.Second)
		if got := f.show(1); got != "AVAILABLE CONNECTED" {
			t.Errorf("after maintenance: %q", got)
		}
	})
}

// TestUnmonitored: a device without an interval is never missed; its last message
// is kept all the same, and nothing of it stays in memory.
func TestUnmonitored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.device(1, "")
		s := start(t, f)
		s.Heard(tenant, 1, time.Now())
		pass(2 * time.Second)
		if got := f.show(1); got != "AVAILABLE " {
			t.Errorf("%q", got)
		}
		pass(time.Hour)
		if got, st := f.show(1), s.Stats(); got != "AVAILABLE " || st.Devices != 0 || len(f.took()) != 0 {
			t.Errorf("%q, %+v", got, st)
		}
		s.Heard(tenant, 99, time.Now()) // no object
		s.Heard("t2000", 1, time.Now()) // another tenant's
		pass(time.Minute)
		if st := s.Stats(); st.Devices != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// TestWritesAreFew: however much is heard, a device costs one row in WriteEvery.
func TestWritesAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.device(1, "60")
		s := start(t, f)
		for range 3000 { // five minutes
			s.Heard(tenant, 1, time.Now())
			time.Sleep(100 * time.Millisecond)
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.rows < 10 || f.rows > 13 {
			t.Errorf("%d rows written in five minutes, want some eleven", f.rows)
		}
	})
}

// TestOverlay: who reads is shown what is not written yet.
func TestOverlay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.device(1, "60")
		s := start(t, f)
		s.Heard(tenant, 1, time.Now())
		pass(5 * time.Second)
		now := time.Now()
		s.Heard(tenant, 1, now)
		o := platform.Fragments{platform.FragmentIsDevice: json.RawMessage("{}")}
		s.Overlay(tenant, 1, o)
		if got, _ := platform.ReadPresence(o); !got.LastMessage.Equal(platform.Millis(now)) || got.Data != platform.Available {
			t.Errorf("%+v, want last message %v", got, now)
		}
		for _, who := range []struct {
			tenant platform.TenantID
			id     platform.ID
		}{{"t2000", 1}, {tenant, 2}} {
			o := platform.Fragments{platform.FragmentIsDevice: json.RawMessage("{}")}
			if s.Overlay(who.tenant, who.id, o); len(o) != 1 {
				t.Errorf("%v is shown what is not its own: %s", who, o)
			}
		}
	})
}

// TestOnlineBeforeObject: a device connects before it has an object.
func TestOnlineBeforeObject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		s := start(t, f)
		s.Online(tenant, "dev1", true)
		s.Online(tenant, "dev2", true)
		pass(10 * time.Second)
		if got := s.Stats().Waiting; got != 2 {
			t.Errorf("%d wait", got)
		}
		s.Online(tenant, "dev2", false)
		f.device(1, "")
		pass(time.Minute)
		if got := f.show(1); got != " CONNECTED" || s.Stats().Waiting != 0 {
			t.Errorf("%q, %+v", got, s.Stats())
		}
	})
}

// TestManyWithoutObject: connected devices that never get an object are looked for
// now and then, some at a time.
func TestManyWithoutObject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		s := start(t, f)
		for i := range 5000 {
			s.Online(tenant, fmt.Sprint("dev", i), true)
		}
		pass(2 * time.Second)
		f.mu.Lock()
		f.asked = 0
		f.mu.Unlock()
		pass(10 * time.Minute)
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.asked > 21*200 {
			t.Errorf("%d look-ups in ten minutes", f.asked)
		}
	})
}

// TestStoreFails: nothing is lost while the store does not write, and no more is
// asked of it than otherwise.
func TestStoreFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.device(1, "60")
		s := start(t, f)
		f.mu.Lock()
		f.err = errors.New("disk full")
		f.mu.Unlock()
		at := time.Now()
		s.Heard(tenant, 1, at)
		s.Online(tenant, "dev1", true)
		pass(10 * time.Minute)
		f.mu.Lock()
		f.err = nil
		if f.reports > 25 {
			t.Errorf("%d tries in ten minutes", f.reports)
		}
		f.mu.Unlock()
		pass(31 * time.Second)
		if got := f.show(1); got != "AVAILABLE CONNECTED" {
			t.Errorf("%q", got)
		}
	})
}

// TestStop: what is news is written when the service ends.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.device(1, "60")
		s := presence.New(presence.Config{Store: f, Names: f, Alarms: f, Alone: true})
		ctx, stop := context.WithCancel(t.Context())
		stop()
		s.Heard(tenant, 1, time.Now())
		s.Online(tenant, "dev1", true)
		s.Run(ctx)
		if got := f.show(1); got != "AVAILABLE CONNECTED" {
			t.Errorf("%q", got)
		}
	})
}

// TestSeveralServers: where others write to the same store, one of them may have
// heard the device; it is the store that says.
func TestSeveralServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.device(1, "2")
		a, b := start(t, f), start(t, f)
		for range 10 {
			a.Heard(tenant, 1, time.Now())
			pass(time.Minute)
		}
		if got := f.took(); len(got) != 0 || f.show(1) != "AVAILABLE DISCONNECTED" {
			t.Errorf("%q, alarms %q", f.show(1), got)
		}
		pass(3 * time.Minute)
		if got := f.took(); len(got) != 1 {
			t.Errorf("alarms %q, want one", got)
		}
		_ = b
	})
}
