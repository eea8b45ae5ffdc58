package mqttapi_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mooring/server/mqttapi"
)

// fakeNodes is what several servers share besides the store: who lives, and what
// they tell each other.
type fakeNodes struct {
	mu    sync.Mutex
	live  []string
	hear  []func(string)
	blind bool // the database does not answer
}

func (f *fakeNodes) HoldNode(ctx context.Context, node string, held func()) error {
	f.mu.Lock()
	f.live = append(f.live, node)
	f.mu.Unlock()
	held()
	<-ctx.Done()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.live = slices.DeleteFunc(f.live, func(n string) bool { return n == node })
	return ctx.Err()
}

func (f *fakeNodes) LiveNodes(_ context.Context, nodes []string) (list []string, _ error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.blind {
		return nil, errors.New("no database")
	}
	for _, n := range nodes {
		if slices.Contains(f.live, n) {
			list = append(list, n)
		}
	}
	return list, nil
}

func (f *fakeNodes) Tell(_ context.Context, text string) error {
	f.mu.Lock()
	hear := slices.Clone(f.hear)
	f.mu.Unlock()
	for _, h := range hear {
		h(text)
	}
	return nil
}

// node is one of several servers on one store. die ends what shows that it lives.
func (f *fakeNodes) node(t *testing.T, store *fakeTelemetry) (r *rig, die func()) {
	r = newRigOf(t, func(c *mqttapi.Config) {
		c.Telemetry, c.Wills, c.Nodes, c.Tell = store, store, f, f.Tell
	})
	f.mu.Lock()
	f.hear = append(f.hear, r.Hear)
	f.mu.Unlock()
	ctx, die := context.WithCancel(t.Context())
	go r.KeepWills(ctx)
	return r, die
}

func (r *rig) told() []string {
	r.presence.mu.Lock()
	defer r.presence.mu.Unlock()
	list := r.presence.online
	r.presence.online = nil
	return list
}

// TestServerDies: the wills of a server that is gone are carried out by another
// within seconds, its devices are disconnected, those that have come back are not,
// and nobody judges who cannot see.
func TestServerDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, f := newFakeTelemetry(), &fakeNodes{}
		a, die := f.node(t, store)
		b, stop := f.node(t, store)
		defer stop()
		a.connect(t, withWill("dev1", "400,x,gone"))
		a.connect(t, dev("dev2"))
		a.connect(t, withWill("dev3", "400,x,gone"))
		time.Sleep(time.Hour)
		if got := store.lines(); len(got) != 0 {
			t.Fatalf("stored %q while the server lives", got)
		}
		f.mu.Lock()
		f.hear = f.hear[1:] // it hears nothing any more
		f.mu.Unlock()
		die()
		b.connect(t, withWill("dev3", "400,x,later")) // comes back at once: its will is said first
		if got := store.lines(); len(got) != 1 {
			t.Errorf("stored %q when a device came back", got)
		}
		f.blind = true
		time.Sleep(time.Minute)
		f.blind = false
		synctest.Wait()
		if got := store.lines(); len(got) != 1 {
			t.Errorf("stored %q by one who cannot see", got)
		}
		b.told()
		time.Sleep(17 * time.Second)
		synctest.Wait()
		if got := store.lines(); len(got) != 2 {
			t.Errorf("stored %q after the server died", got)
		}
		got := b.told()
		slices.Sort(got)
		if !slices.Equal(got, []string{"t1000 dev1 false", "t1000 dev2 false"}) {
			t.Errorf("told %q", got)
		}
		if got := store.kept(); got != 1 {
			t.Errorf("%d rows, want that of dev3", got)
		}
	})
}

// TestTakeoverElsewhere: a device has one session on all servers, the newest; its
// will is said once, and it is not told of as disconnected.
func TestTakeoverElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, f := newFakeTelemetry(), &fakeNodes{}
		a, stopA := f.node(t, store)
		defer stopA()
		b, stopB := f.node(t, store)
		defer stopB()
		first, other := a.connect(t, withWill("dev1", "400,x,gone")), a.connect(t, dev("dev2"))
		second := b.connect(t, withWill("dev1", "400,x,gone"))
		first.wantClosed()
		synctest.Wait()
		if got := store.lines(); len(got) != 1 {
			t.Errorf("stored %q", got)
		}
		if got := a.told(); !slices.Equal(got, []string{"t1000 dev1 true", "t1000 dev2 true", "t1000 dev1 elsewhere"}) {
			t.Errorf("told %q", got)
		}
		third := a.connect(t, withWill("dev1", "400,x,gone")) // and back
		second.wantClosed()
		other.sync()
		third.sync()
		third.Close()
		synctest.Wait()
		if got := store.lines(); len(got) != 3 {
			t.Errorf("stored %q", got)
		}
		if got := store.kept(); got != 1 {
			t.Errorf("%d rows, want that of dev2", got)
		}
		if got := slices.Compact(a.told()); !slices.Equal(got, []string{"t1000 dev1 true", "t1000 dev1 false"}) {
			t.Errorf("told %q", got)
		}
		foreign := b.connect(t, dev("dev2").in(otherTenant))
		other.sync()
		foreign.sync()
	})
}
