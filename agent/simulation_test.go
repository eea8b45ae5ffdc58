package agent_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mooring/agent"
	"mooring/agent/config"
	"mooring/internal/secret"
	"mooring/server/servertest"
)

const (
	simDevices = 1000
	simYears   = 2
	// rollout is within how long the fleet is switched on.
	rollout = 28 * 24 * time.Hour
	// awake is how long a device stays up: long enough to be asked within an hour
	// after a start when the server wants renewals.
	awake = 75 * time.Minute

	// maxIssued certificates may one device use in the two years: its first, and
	// one for each time that the earliest renewal, at two thirds of a year's life
	// less a fortieth, fits in.
	maxIssued = 1 + 3
	life      = 365 * 24 * time.Hour
)

// maxPerHour bounds the certificates of the whole fleet in an hour after the
// roll-out. A batch of n/10*3 devices was switched on within an hour and hears of
// no server's window: its own jitter, a twentieth of the life, is all that
// spreads it. The others have the server's window, a sixth of the life. What
// falls due in the longest of the usual outages, 20 hours, comes in the hour
// after it; one answer in four is lost and asked for again. To that mean, four
// times the deviation of as many independent devices.
func maxPerHour(n int) int {
	batch := n / 10 * 3
	rate := float64(batch)/(life/20).Hours() + float64(n-batch)/(life/6).Hours()
	mean := rate * (20 + 1) * 4 / 3
	return int(math.Ceil(mean + 4*math.Sqrt(mean)))
}

// TestSimulatedYears lets a fleet live two years against the real server, in
// synthetic time: devices sleep, lose their one-time passwords, come up with
// wrong clocks and stay away until their certificates have expired; the server
// loses answers, is away for hours and for days, and dates its authority anew
// each October. At the end everybody is connected who is awake.
func TestSimulatedYears(t *testing.T) {
	t.Parallel()
	n := simDevices
	if text := os.Getenv("SIM_DEVICES"); text != "" { // for trying it out
		n, _ = strconv.Atoi(text)
	}
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // a tenth of the time
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, n)
		f.live()
		f.judge()
	})
}

// fleet is all devices with what happens to them from outside.
type fleet struct {
	t       *testing.T
	server  *servertest.Server
	end     time.Time
	devices []*simDevice
	perHour []int // certificates that the server issued

	mu   sync.Mutex // guards the network and the operator's work
	down bool
}

func newFleet(t *testing.T, n int) *fleet {
	f := &fleet{t: t, server: servertest.Start(t, servertest.Options{Seed: 20261121, LookEvery: servertest.Daily})}
	f.end = time.Now().AddDate(simYears, 0, 0)
	grace(f.server, "20")
	maker := newFactory(t)
	maker.trust(f.server)
	var csv strings.Builder
	csv.WriteString("ID;AUTH_TYPE;ENROLLMENT_OTP\n")
	for i := range n {
		d := newSimDevice(f, i)
		f.devices = append(f.devices, d)
		fmt.Fprintf(&csv, "%s;CERTIFICATES;%s\n", d.rig.id, d.otp)
		if d.habit.factory {
			maker.equip(d.rig)
		}
	}
	f.server.RegisterCSV(csv.String())
	return f
}

func (f *fleet) live() {
	var all sync.WaitGroup
	for _, d := range f.devices {
		all.Go(d.live)
	}
	all.Go(f.outages)
	all.Go(f.count)
	all.Wait()
}

// outages are one of ten days, one of three, and a short one every three weeks.
func (f *fleet) outages() {
	r := rand.New(rand.NewPCG(1, 2))
	for i := 0; time.Now().Add(40 * 24 * time.Hour).Before(f.end); i++ {
		time.Sleep(time.Duration(14+r.IntN(14)) * 24 * time.Hour)
		long := time.Duration(1+r.IntN(20)) * time.Hour
		switch i {
		case 8:
			long = 3 * 24 * time.Hour
		case 20:
			long = 10 * 24 * time.Hour
		}
		f.setDown(true)
		time.Sleep(long)
		f.setDown(false)
	}
}

func (f *fleet) setDown(down bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = down
	f.server.Network.SetDown(down)
}

// count notes how many certificates come in each hour.
func (f *fleet) count() {
	before := 0
	for time.Now().Before(f.end) {
		time.Sleep(time.Hour)
		issued := f.server.Counts().Issued
		f.perHour = append(f.perHour, issued-before)
		before = issued
	}
}

// register is the operator's work for one device, false while the server is
// away.
func (f *fleet) register(d *simDevice) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return false
	}
	d.registrations++
	d.otp = fmt.Sprintf("password-%d-of-%s", d.registrations, d.rig.id)
	f.server.Register(d.rig.id, d.otp)
	return true
}

// habit is how a device lives.
type habit struct {
	batch   bool          // one of those that are switched on together
	every   time.Duration // between two wakes, more or less
	alarm   bool          // it can wake up when a renewal is due
	factory bool          // it has a certificate from the factory
	second  bool          // a second one-time password waits on it
	lostOTP bool          // its first one was mistyped
	clocks  bool          // its clock is often wrong after a start
}

func habitOf(i int) habit {
	day := 24 * time.Hour
	h := habit{batch: i%10 == 4 || i%10 == 6 || i%10 == 8, every: 300 * day, alarm: true, factory: i%10 == 1, second: i%10 == 2, lostOTP: i%20 == 3, clocks: i%5 == 0}
	switch {
	case i%10 < 4:
		h.every, h.alarm = 150*day, false
	case i%10 == 9:
		h.every, h.alarm = 400*day, false // the certificate ends before, often the grace, too
		h.factory, h.second = i%30 == 19, i%30 == 29
	}
	return h
}

// simDevice is one device.
type simDevice struct {
	fleet *fleet
	rig   *rig
	habit habit
	rand  *rand.Rand
	wrong atomic.Int64 // how far its clock is off, in nanoseconds

	otp           string
	registrations int
	wakes         int
	serials       map[string]bool
	rungs         map[string]int
	renewAt       *time.Time
	fault         string
}

func newSimDevice(f *fleet, i int) *simDevice {
	d := &simDevice{fleet: f, habit: habitOf(i), rand: rand.New(rand.NewPCG(uint64(i), 7)), serials: map[string]bool{}, rungs: map[string]int{}}
	d.rig = newRig(f.t, f.server, fmt.Sprintf("device-%04d", i))
	d.otp = "password-of-" + d.rig.id
	d.rig.wall = func() time.Time { return time.Now().Add(time.Duration(d.wrong.Load())) }
	d.rig.edit = func(c *config.Config) {
		if d.habit.factory {
			withFactory(c)
		}
		if d.habit.batch {
			c.MTLSPort = 0
		}
	}
	return d
}

func (d *simDevice) live() {
	within := rollout
	if d.habit.batch {
		within = time.Hour
	}
	time.Sleep(time.Duration(d.rand.Int64N(int64(within))))
	for time.Now().Before(d.fleet.end) {
		d.wake()
		d.sleep()
	}
	time.Sleep(time.Until(d.fleet.end.Add(time.Duration(d.rand.Int64N(int64(rollout))))))
	d.wrong.Store(0)
	for range 10 { // the last wakes: on a good clock and a good network
		if d.fault = d.wake(); d.fault == "" {
			return
		}
		time.Sleep(6 * time.Hour)
	}
}

// sleep ends with the habit's interval, when the renewal is due, or soon if the
// device still waits for somebody.
func (d *simDevice) sleep() {
	every := d.habit.every*3/4 + time.Duration(d.rand.Int64N(int64(d.habit.every/2)))
	if d.renewAt == nil {
		every = 12 * time.Hour
	} else if d.habit.alarm {
		every = min(every, max(time.Hour, time.Until(*d.renewAt)))
	}
	time.Sleep(min(every, max(0, time.Until(d.fleet.end))))
}

// wake runs the agent for a while, and says what is wrong at the end of it.
func (d *simDevice) wake() string {
	d.wakes++
	if d.habit.clocks && d.rand.IntN(3) == 0 {
		off := []time.Duration{-31 * 365, -2, 20 * 365, 3}[d.rand.IntN(4)] * 24 * time.Hour
		d.wrong.Store(int64(off))
		defer time.AfterFunc(awake/2, func() { d.wrong.Store(0) }).Stop()
	}
	d.rig.start()
	defer func() {
		if err := d.rig.stop(); err != nil {
			d.fleet.t.Errorf("%s: %v", d.rig.id, err)
		}
	}()
	fault := d.stayAwake()
	if d.habit.second && d.renewAt != nil && d.fleet.register(d) {
		d.rig.keepOTP(d.otp)
		d.habit.second = false
	}
	d.wrong.Store(0)
	return fault
}

func (d *simDevice) stayAwake() string {
	for begin := time.Now(); time.Since(begin) < awake; time.Sleep(pause(time.Since(begin))) {
		s := d.look()
		if s.Rung == "new-otp" && !d.personHelps() {
			return "nobody could enrol it"
		}
	}
	if s := d.look(); !valid(s) || s.Rung != "certificate" {
		return fmt.Sprintf("%+v, last error %+v", s, s.LastError)
	}
	return ""
}

// pause is short at first, when there is something to see.
func pause(since time.Duration) time.Duration {
	if since < 4*time.Minute {
		return 20 * time.Second
	}
	return 10 * time.Minute
}

// look notes what the device has come to.
func (d *simDevice) look() agent.Status {
	s := d.rig.status()
	if s.Serial != "" {
		d.serials[s.Serial], d.renewAt = true, s.RenewAt
	}
	if s.State == "recovering" {
		d.rungs[s.Rung]++
	}
	return s
}

// personHelps enrols with the one-time password that is at hand, and asks the
// operator for another if it does not work.
func (d *simDevice) personHelps() bool {
	otp := d.otp
	if d.registrations == 0 && d.habit.lostOTP {
		otp = "mistyped"
	}
	if d.rig.status().Generation != 0 && !d.fleet.register(d) {
		return false
	}
	if d.registrations > 0 {
		otp = d.otp
	}
	ctx, cancel := context.WithTimeout(d.fleet.t.Context(), 9*time.Minute)
	defer cancel()
	if _, err := d.rig.agent.Enrol(ctx, secret.New(otp)); err != nil {
		d.fleet.register(d)
		return false
	}
	return true
}

// judge prints the figures and holds them to the bounds.
func (f *fleet) judge() {
	t := f.t
	var issued, wakes, registrations, recovered, lockedOut int
	most, rungs := 0, map[string]int{}
	for _, d := range f.devices {
		issued, wakes, registrations = issued+len(d.serials), wakes+d.wakes, registrations+d.registrations
		most = max(most, len(d.serials))
		if len(d.rungs) > 0 {
			recovered++
		}
		for rung := range d.rungs {
			rungs[rung]++
		}
		if d.fault != "" {
			if lockedOut++; lockedOut < 5 {
				t.Errorf("%s is locked out: %s", d.rig.id, d.fault)
			}
		}
	}
	peak, first := 0, 0
	for hour, n := range f.perHour {
		if hour < int(rollout/time.Hour)+24 {
			first = max(first, n)
		} else {
			peak = max(peak, n)
		}
	}
	c := f.server.Counts()
	t.Logf("%d devices, %d years: %d wakes, %d certificates in use, at most %d of one device; the server issued %d, lost %d answers, decided %d later",
		len(f.devices), simYears, wakes, issued, most, c.Issued, c.AnswersLost, c.DecidedLater)
	t.Logf("most certificates in an hour: %d in the roll-out of %d days, %d later; %d devices had no certificate in force for a time, on the rungs %v; %d registrations by the operator; %d locked out",
		first, rollout/24/time.Hour, peak, recovered, rungs, registrations, lockedOut)
	if limit := maxPerHour(len(f.devices)); lockedOut > 0 || most > maxIssued || peak > limit || c.Issued > 2*issued {
		t.Errorf("bounds: %d locked out (0), %d certificates of one device (%d), %d in an hour (%d), %d issued for %d in use (twice as many)",
			lockedOut, most, maxIssued, peak, limit, c.Issued, issued)
	}
}
