package operation_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"mooring/internal/problem"
	"mooring/server/operation"
	"mooring/server/platform"
)

// group makes object 1 a group of devices 2 to 2+n-1 and a group within with one
// more, and something that is no device.
func (r *rig) group(n platform.ID) {
	in := func(parent platform.ID) platform.ChildLink {
		return platform.ChildLink{Parent: parent, Kind: platform.ChildAssets}
	}
	r.things.add(1, "group", false)
	for id := platform.ID(2); id < 2+n; id++ {
		r.things.add(id, "dev", true, in(1))
		r.things.objects[id].Fragments[platform.FragmentIsDevice] = json.RawMessage("{}")
	}
	r.things.add(500, "inner", false, in(1), in(501)) // a ring of groups
	r.things.add(501, "innermost", false, in(500))
	r.things.add(600, "dev", true, in(501), in(500))
	r.things.objects[600].Fragments[platform.FragmentIsDevice] = json.RawMessage("{}")
}

// keeping runs f in a bubble with a service that keeps what falls due.
func keeping(t *testing.T, f func(t *testing.T, r *rig)) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t)
		r.Service = operation.New(operation.Config{Store: r.store, IDs: r.store, Objects: r.things, Options: r, Notices: r})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { r.Keep(ctx); close(done) }()
		f(t, r)
		cancel()
		<-done
	})
}

// devices lists whom operations were created for, in order.
func (r *rig) devices(bulk platform.ID) (list []platform.ID) {
	r.t.Helper()
	synctest.Wait()
	l, err := r.Operations(context.Background(), tenant, platform.OperationFilter{Bulk: bulk}, platform.Page{Number: 1, Size: 2000})
	check(r.t, err)
	for _, o := range l.Items {
		list = append(list, o.Device)
		if string(o.Fragments["c8y_Restart"]) != "{}" || o.Creator != "admin" {
			r.t.Errorf("got %+v", o)
		}
	}
	return list
}

var restart = platform.Fragments{"c8y_Restart": json.RawMessage("{}")}

// TestBulk: one operation a device, at the start and then by the ramp.
func TestBulk(t *testing.T) {
	keeping(t, func(t *testing.T, r *rig) {
		r.group(3)
		b, err := r.CreateBulk(t.Context(), admin, platform.BulkOperation{Group: 1, Start: time.Now().Add(time.Hour), Ramp: 10 * time.Second, Prototype: restart})
		check(t, err)
		want := func(what string, devices ...platform.ID) {
			t.Helper()
			if got := r.devices(b.ID); fmt.Sprint(got) != fmt.Sprint(devices) {
				t.Errorf("%s: got %v, want %v", what, got, devices)
			}
		}
		time.Sleep(time.Hour - time.Second) // of a second SQLite may need a part: it waits for a lock by sleeping
		want("before the start")
		time.Sleep(time.Second)
		want("at the start", 2)
		time.Sleep(9 * time.Second)
		want("before the ramp", 2)
		time.Sleep(time.Second)
		want("after the ramp", 2, 3)
		r.things.mu.Lock()
		delete(r.things.objects, 4)
		r.things.mu.Unlock()
		time.Sleep(10 * time.Second)
		want("one is gone", 2, 3, 600)
		b, err = r.Bulk(t.Context(), tenant, b.ID)
		if err != nil || b.Status != platform.BulkCompleted {
			t.Errorf("got %+v, %v", b, err)
		}
		time.Sleep(time.Hour)
		want("nothing more", 2, 3, 600)
	})
}

// TestBulkCanBeChanged: slower, later, or not at all.
func TestBulkCanBeChanged(t *testing.T) {
	keeping(t, func(t *testing.T, r *rig) {
		r.group(30)
		make := func(start time.Duration, ramp time.Duration) platform.ID {
			b, err := r.CreateBulk(t.Context(), admin, platform.BulkOperation{Group: 1, Start: time.Now().Add(start), Ramp: ramp, Prototype: restart})
			check(t, err)
			return b.ID
		}
		change := func(id platform.ID, ch operation.BulkChange) error {
			_, err := r.UpdateBulk(t.Context(), admin, id, ch)
			return err
		}
		at := func(n int) *time.Duration { d := time.Duration(n) * time.Second; return &d }
		slower := make(0, time.Second)
		time.Sleep(2500 * time.Millisecond)
		if n := len(r.devices(slower)); n != 3 {
			t.Errorf("%d operations, want 3", n)
		}
		check(t, change(slower, operation.BulkChange{Ramp: at(100)}))
		time.Sleep(50 * time.Second)
		if n := len(r.devices(slower)); n != 4 {
			t.Errorf("%d operations, want 4", n)
		}
		later := time.Now().Add(time.Hour)
		wantKind(t, change(slower, operation.BulkChange{Start: &later}), problem.Unprocessable)
		check(t, change(slower, operation.BulkChange{Cancel: true}))
		check(t, change(slower, operation.BulkChange{Cancel: true}))
		time.Sleep(time.Hour)
		if n := len(r.devices(slower)); n != 4 {
			t.Errorf("%d operations after it was cancelled, want 4", n)
		}
		wantKind(t, change(slower, operation.BulkChange{Ramp: at(1)}), problem.Unprocessable)

		moved := make(time.Hour, 0)
		start := time.Now().Add(time.Minute)
		check(t, change(moved, operation.BulkChange{Start: &start}))
		time.Sleep(time.Minute)
		if n := len(r.devices(moved)); n != 31 {
			t.Errorf("%d operations at once, want 31", n)
		}
		wantKind(t, change(moved, operation.BulkChange{Ramp: at(1)}), problem.Unprocessable)
		check(t, change(moved, operation.BulkChange{Cancel: true}))

		past := make(-24*time.Hour, time.Minute) // what was missed does not come at once
		if n := len(r.devices(past)); n != 1 {
			t.Errorf("%d operations, want 1", n)
		}
	})
}

// TestBulkOfFailed repeats what failed.
func TestBulkOfFailed(t *testing.T) {
	keeping(t, func(t *testing.T, r *rig) {
		r.group(3)
		first, err := r.CreateBulk(t.Context(), admin, platform.BulkOperation{Group: 1, Start: time.Now(), Prototype: restart})
		check(t, err)
		r.devices(first.ID)
		check(t, r.Report(t.Context(), admin, 3, operation.Report{Fragment: "c8y_Restart", Status: platform.OperationExecuting}))
		check(t, r.Report(t.Context(), admin, 3, operation.Report{Fragment: "c8y_Restart", Status: platform.OperationFailed}))
		second, err := r.CreateBulk(t.Context(), admin, platform.BulkOperation{Parent: first.ID, Start: time.Now(), Prototype: restart})
		check(t, err)
		time.Sleep(time.Second) // SQLite waits for a lock by sleeping, which synctest.Wait takes for rest
		if got := r.devices(second.ID); len(got) != 1 || got[0] != 3 {
			t.Errorf("got %v, want the one that failed", got)
		}
		progress, err := r.BulkProgress(t.Context(), tenant, first.ID)
		if err != nil || progress[platform.OperationFailed] != 1 || progress[platform.OperationPending] != 3 {
			t.Errorf("got %v, %v", progress, err)
		}
	})
}

func TestBulkBounds(t *testing.T) {
	r := open(t)
	r.group(1)
	create := func(b platform.BulkOperation) error {
		b.Start = r.clock()
		_, err := r.CreateBulk(t.Context(), admin, b)
		return err
	}
	for ramp, want := range map[time.Duration]problem.Kind{-1: problem.Unprocessable, 0: "", operation.MaxRamp - 1: "", operation.MaxRamp: "", operation.MaxRamp + 1: problem.Unprocessable} {
		wantKind(t, create(platform.BulkOperation{Group: 1, Ramp: ramp}), want)
	}
	wantKind(t, create(platform.BulkOperation{Group: 77}), problem.NotFound)
	wantKind(t, create(platform.BulkOperation{Parent: 77}), problem.NotFound)
	stranger := platform.Principal{Tenant: "t2"}
	_, err := r.CreateBulk(t.Context(), stranger, platform.BulkOperation{Group: 1})
	wantKind(t, err, problem.NotFound)
	l, err := r.Bulks(t.Context(), tenant, platform.Page{Number: 1, Size: 5})
	check(t, err)
	_, err = r.Bulk(t.Context(), "t2", l.Items[0].ID)
	wantKind(t, err, problem.NotFound)
	_, err = r.UpdateBulk(t.Context(), stranger, l.Items[0].ID, operation.BulkChange{Cancel: true})
	wantKind(t, err, problem.NotFound)
}

// TestTimeoutsAreKept: within a minute, from when the option is set.
func TestTimeoutsAreKept(t *testing.T) {
	keeping(t, func(t *testing.T, r *rig) {
		r.things.add(1, "dev", true)
		o := r.order(1, `"a":1`)
		time.Sleep(20 * time.Minute)
		r.mu.Lock()
		r.options[platform.OptionPendingTimeout] = "30"
		r.mu.Unlock()
		key := platform.OptionPendingTimeout
		check(t, r.Apply(t.Context(), platform.Change{Kind: platform.ChangeOption, Tenant: tenant, Key: key.Category + "/" + key.Key}))
		time.Sleep(9 * time.Minute)
		synctest.Wait()
		if got := r.read(o.ID).Status; got != platform.OperationPending {
			t.Errorf("got %s", got)
		}
		time.Sleep(2*time.Minute + time.Second)
		synctest.Wait()
		if got := r.read(o.ID).Status; got != platform.OperationFailed {
			t.Errorf("got %s", got)
		}
	})
}
