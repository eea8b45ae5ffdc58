package telemetry_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"mooring/agent/spool"
	"mooring/agent/telemetry"
	"mooring/internal/durable"
	"mooring/internal/durable/durabletest"
)

// rig is a device in simulated time.
type rig struct {
	disk *durabletest.FS

	mu        sync.Mutex // guards what follows
	system    fstest.MapFS
	sent      []string
	fail      bool
	trusted   bool
	validity  telemetry.Validity
	telemetry *telemetry.Telemetry
	stop      func()
}

func newRig(t *testing.T) *rig {
	r := &rig{disk: durabletest.New(), system: fstest.MapFS{}, trusted: true}
	if err := durable.MkdirAll(r.disk, "/state", 0o700); err != nil {
		t.Fatal(err)
	}
	r.validity = telemetry.Validity{NotBefore: time.Now(), NotAfter: time.Now().Add(600 * 24 * time.Hour)}
	r.kernel(0)
	return r
}

// kernel sets the counters as they are after n seconds with a load of 25 %.
func (r *rig) kernel(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	put := func(name, text string) { r.system[name] = &fstest.MapFile{Data: []byte(text)} }
	put("proc/stat", fmt.Sprintf("cpu %d 0 0 %d 0\n", 1000+n, 5000+3*n))
	put("proc/meminfo", "MemTotal: 4096 kB\nMemAvailable: 1024 kB\n")
	put("proc/net/dev", fmt.Sprintf("eth0: %d 0 0 0 0 0 0 0 %d 0 0 0 0 0 0 0\n", 700+200*n, 10*n))
	put("sys/class/thermal/thermal_zone0/temp", "48250\n")
}

// Open implements fs.FS.
func (r *rig) Open(name string) (fs.File, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.system.Open(name)
}

// all is what was sent so far.
func (r *rig) all() []string {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.sent)
}

func (r *rig) change(do func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	do()
}

func (r *rig) start(t *testing.T, edit func(*telemetry.Config)) {
	cfg := telemetry.Config{FS: r.disk, Dir: "/state", System: r, Disk: "/", ExpiryAlarm: 1.0 / 6,
		Certificate: func() (telemetry.Validity, bool) {
			r.mu.Lock()
			defer r.mu.Unlock()
			return r.validity, !r.validity.NotAfter.IsZero()
		},
		Spool: func() spool.Stats {
			return spool.Stats{Messages: 3, Bytes: 2048, Dropped: spool.Dropped{Full: 1, Expired: 2, Refused: 4}}
		},
		Publish: func(topic string, payload []byte, qos byte) (uint64, error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			if r.fail || topic != "s/us" || qos != 1 {
				return 0, errors.New("no room")
			}
			r.sent = append(r.sent, string(payload))
			return 1, nil
		},
		Now: func() (time.Time, bool) {
			r.mu.Lock()
			defer r.mu.Unlock()
			return time.Now(), r.trusted
		},
		Random: func() float64 { return 0.5 },
	}
	if edit != nil {
		edit(&cfg)
	}
	r.telemetry = telemetry.New(cfg)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); r.telemetry.Run(ctx) }()
	r.stop = func() { cancel(); <-ended }
}

func TestMeasurement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.start(t, func(c *telemetry.Config) { c.Interval = 20 * time.Second })
		synctest.Wait()
		r.kernel(10)
		time.Sleep(10*time.Second + 1)
		if len(r.all()) != 1 {
			t.Fatalf("got %q", r.all())
		}
		for _, want := range []string{"201,mooring_Telemetry,,c8y_CPUMeasurement,Workload,25,%", "c8y_MemoryMeasurement,Used,3,MiB", "c8y_MemoryMeasurement,Total,4,MiB",
			"c8y_NetworkMeasurement,Received,200,B/s", "c8y_NetworkMeasurement,Sent,10,B/s", "c8y_TemperatureMeasurement,T,48.25,C", "c8y_DiskMeasurement,Used,",
			"mooring_Certificate,DaysLeft,600,d", "mooring_Spool,Waiting,3,", "mooring_Spool,Size,2,KiB", "DroppedForRoom,1,", "DroppedForAge,2,", "Refused,4,"} {
			if !strings.Contains(r.all()[0], want) {
				t.Errorf("%q is not in %s", want, r.all()[0])
			}
		}
		// Counters that begin again, a file that is gone, a clock that is not
		// trusted: those values are left out.
		r.kernel(0)
		r.change(func() { delete(r.system, "proc/meminfo"); r.trusted = false })
		time.Sleep(20 * time.Second)
		if len(r.all()) != 2 || strings.Contains(r.all()[1], "CPU") || strings.Contains(r.all()[1], "Network") || strings.Contains(r.all()[1], "Memory") || strings.Contains(r.all()[1], "DaysLeft") {
			t.Errorf("got %q", r.all()[1:])
		}
		r.change(func() { r.fail = true })
		time.Sleep(time.Minute)
		r.change(func() { r.fail = false })
		time.Sleep(20 * time.Second)
		if len(r.all()) != 3 {
			t.Errorf("%d measurements after a full disk, want 3", len(r.all()))
		}
		r.stop()
	})
}

func TestInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.start(t, nil)
		time.Sleep(10 * 24 * time.Hour)
		if len(r.all()) != 0 {
			t.Errorf("measured without being told: %q", r.all())
		}
		if err := r.telemetry.SetInterval(time.Minute); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if n := len(r.all()); n != 60 {
			t.Errorf("%d measurements in an hour, want 60", n)
		}
		r.stop()
		r.start(t, nil)
		if d := r.telemetry.Interval(); d != time.Minute {
			t.Errorf("after a restart: %v", d)
		}
		if err := r.telemetry.SetInterval(0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if n := len(r.all()); n != 60 {
			t.Errorf("%d measurements, want none when switched off", n)
		}
		r.stop()
		r.start(t, func(c *telemetry.Config) { c.Interval = time.Hour })
		if d := r.telemetry.Interval(); d != time.Hour {
			t.Errorf("the configuration changed: %v", d)
		}
		r.stop()
		if err := durable.WriteFile(r.disk, "/state/measurement-interval", []byte("1h0m0s forever"), 0o600); err != nil {
			t.Fatal(err)
		}
		r.start(t, func(c *telemetry.Config) { c.Interval = time.Hour })
		if d := r.telemetry.Interval(); d != time.Hour {
			t.Errorf("nonsense in the file: %v", d)
		}
		r.stop()
	})
}

// The alarm is raised, gets worse and is cleared once each, over restarts, and
// never because of a clock that is not trusted.
func TestExpiryAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const day = 24 * time.Hour
		r := newRig(t) // 600 days: major below 100, critical below 30
		r.start(t, nil)
		restart := func() { r.stop(); r.start(t, nil) }
		expires := r.validity.NotAfter.UTC().Format("2006-01-02 15:04 MST")
		text := "mooring_CertificateExpiry,The certificate of the device expires on " + expires + " and has not been renewed"
		steps := []struct {
			wait time.Duration
			do   func()
			want string // sent by the end of it
		}{
			{499 * day, nil, ""},
			{2 * day, nil, "302," + text},
			{day, restart, ""},
			{60 * day, nil, ""},
			{9 * day, nil, "305,mooring_CertificateExpiry,CRITICAL"},
			{40 * day, restart, ""}, // it has expired
			{day, func() { r.change(func() { r.validity.NotAfter = time.Now().Add(600 * day); r.trusted = false }) }, ""},
			{day, func() { r.change(func() { r.trusted = true }) }, "306,mooring_CertificateExpiry"},
			{day, restart, ""},
			{day, func() { r.change(func() { r.validity = telemetry.Validity{} }) }, ""},
			{day, func() {
				r.change(func() {
					r.validity = telemetry.Validity{NotBefore: time.Now().Add(-99 * day), NotAfter: time.Now().Add(2 * day)}
				})
			}, "301,mooring_CertificateExpiry,"},
			{day, func() { r.change(func() { r.validity.NotBefore = time.Now().Add(-9 * day) }) }, "305,mooring_CertificateExpiry,MAJOR"},
		}
		for i, s := range steps {
			before := len(r.all())
			if s.do != nil {
				s.do()
			}
			time.Sleep(s.wait)
			got := strings.Join(r.all()[before:], "\n")
			if s.want == "" && got != "" || !strings.HasPrefix(got, s.want) {
				t.Errorf("step %d: got %q, want %q", i, got, s.want)
			}
		}
		r.stop()
	})
}

func TestNoExpiryAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.start(t, func(c *telemetry.Config) { c.ExpiryAlarm = 0 })
		time.Sleep(700 * 24 * time.Hour)
		if len(r.all()) != 0 {
			t.Errorf("got %q", r.all())
		}
		r.stop()
	})
}

// What the agent runs on has a /proc, and so has what tests it.
func TestRealSystem(t *testing.T) {
	sent := make(chan string, 1)
	r := newRig(t)
	r.start(t, func(c *telemetry.Config) {
		c.System, c.Interval, c.Random = nil, time.Second, func() float64 { return 0 }
		c.Publish = func(_ string, payload []byte, _ byte) (uint64, error) {
			select {
			case sent <- string(payload):
			default:
			}
			return 1, nil
		}
	})
	if got := <-sent; !strings.Contains(got, "c8y_MemoryMeasurement,Used") || !strings.Contains(got, "c8y_DiskMeasurement,Total") || !strings.Contains(got, "c8y_CPUMeasurement") {
		t.Errorf("got %s", got)
	}
	r.stop()
}
