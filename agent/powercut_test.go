package agent_test

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"mooring/hsm/key"
	"mooring/hsm/pkcs11key/p11test"
	"mooring/internal/durable/durabletest"
	"mooring/server/servertest"
)

func TestMain(m *testing.M) {
	code := p11test.Main(m)
	cuts.Print(os.Stdout)
	os.Exit(code)
}

// ways are what a disk may hold after the cut: what was synced, some of the
// rest too, or everything, when only the process was killed.
var ways = []wayFound{
	func(f *durabletest.FS, _ uint64) *durabletest.FS { return f.PowerLoss(nil) },
	func(f *durabletest.FS, n uint64) *durabletest.FS { return f.PowerLoss(rand.New(rand.NewPCG(n, 1))) },
	func(f *durabletest.FS, _ uint64) *durabletest.FS { return f.Restart() },
}

type wayFound = func(*durabletest.FS, uint64) *durabletest.FS

// powerCuts stops each part of an identity's life at every write, rename and
// sync, drops what was not synced, and starts the agent again on what is left.
func powerCuts(t *testing.T, keys string, ways []wayFound, open func(*durabletest.FS) (key.Store, error)) {
	for _, p := range lifeParts {
		t.Run(p.name, func(t *testing.T) {
			ways := ways
			if p.before != nil && len(ways) > 2 {
				ways = ways[:2] // a process that was killed finds what enrolling would find
			}
			synctest.Test(t, func(t *testing.T) { cuts.Add(keys, p.name, cutEverywhere(t, p, ways, open), len(ways)) })
		})
	}
}

// lifePart is what is cut. What came before it is on the disk, whole.
type lifePart struct {
	name   string
	grace  string // the server's, in days; empty: none
	before func(d *rig)
	// away is how long the device is switched off after before.
	away time.Duration
	live func(d *rig)
	// back starts the agent, and stops it when the device is as if nothing had
	// happened.
	back func(d *rig) error
	keys int // how many it has then
}

// cutEverywhere returns the number of cut points. All of them are tried while
// enrolling and renewing, and elsewhere with ALL_CUTS=1, which takes ten minutes
// more than every fourth. The devices of all cuts are
// made first, so that they are away at the same time.
func cutEverywhere(t *testing.T, p lifePart, ways []wayFound, open func(*durabletest.FS) (key.Store, error)) (points int) {
	s := servertest.Start(t, servertest.Options{Easy: true, LookEvery: servertest.Daily})
	grace(s, cmp.Or(p.grace, "0"))
	maker := newFactory(t)
	maker.trust(s)
	device := func(id string) *cutDevice {
		d := &cutDevice{rig: newRig(t, s, id), part: p}
		d.openKeys, d.factory = open, maker
		others := d.keys()
		s.Register(id, d.otp())
		if p.before != nil {
			p.before(d.rig)
		}
		d.own = without(d.keys(), others)
		return d
	}
	clean := device("clean")
	time.Sleep(p.away)
	points, err := clean.cut(-1, nil)
	if err != nil {
		t.Fatalf("without a cut: %v", err)
	}
	every := 1
	if p.before != nil && os.Getenv("ALL_CUTS") != "1" {
		every = 4
	}
	devices := make([]*cutDevice, (points+every-1)/every*len(ways))
	for i := range devices {
		devices[i] = device(fmt.Sprintf("cut%d-%d", i/len(ways)*every, i%len(ways)))
	}
	time.Sleep(p.away)
	for i, d := range devices {
		n, way := i/len(ways)*every, i%len(ways)
		if _, err := d.cut(n, ways[way]); err != nil {
			t.Fatalf("cut before step %d, way %d: %v", n, way, err)
		}
	}
	time.Sleep(time.Minute) // calls of the MQTT library outlive their connection by some seconds
	return points
}

// cutDevice is a device whose power is cut once.
type cutDevice struct {
	*rig
	part lifePart
	own  []key.Ref // its keys, in a token that others use too
}

// cut lives with a cut before step n, comes back, and gives its keys away. It
// returns how many steps there were.
func (d *cutDevice) cut(n int, found wayFound) (steps int, err error) {
	others := without(d.keys(), d.own)
	first := d.disk.Steps()
	if n >= 0 {
		d.disk.CutAt(first + n)
	}
	d.part.live(d.rig)
	steps = d.disk.Steps() - first
	if n >= 0 {
		d.disk = found(d.disk, uint64(n))
	}
	if err := d.part.back(d.rig); err != nil {
		return steps, err
	}
	own := without(d.keys(), others)
	if len(own) != d.part.keys {
		return steps, fmt.Errorf("keys %v, want %d", own, d.part.keys)
	}
	store, err := d.openKeys(d.disk)
	for _, ref := range own {
		err = errors.Join(err, store.Destroy(d.t.Context(), ref))
	}
	return steps, err
}

func without(all, some []key.Ref) []key.Ref {
	return slices.DeleteFunc(slices.Clone(all), func(r key.Ref) bool { return slices.Contains(some, r) })
}

// cuts is printed when all tests of the package are done.
var cuts = durabletest.Cuts{Each: "ways each", End: "come back and connect"}
