package inventory_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"mooring/internal/durable/durabletest"
	"mooring/internal/problem"
	"mooring/server/inventory"
	"mooring/server/platform"
	"mooring/server/sqlstore"
)

// open returns two services on one real store, as two nodes are: the store
// tells only the second of changes, so that the first knows what it did itself.
func open(t testing.TB) (alone, told *inventory.Service) {
	t.Helper()
	ctx := context.Background()
	store, err := sqlstore.OpenSQLite(ctx, durabletest.Dir(t), sqlstore.Options{OnCommit: func(changes []platform.Change) {
		for _, c := range changes {
			check(t, told.Apply(ctx, c))
		}
	}})
	check(t, err)
	t.Cleanup(func() { check(t, store.Close()) })
	told = inventory.New(inventory.Config{Store: store, IDs: store})
	alone = inventory.New(inventory.Config{Store: store, IDs: store})
	for _, id := range []platform.TenantID{"t1", "t2"} {
		check(t, store.CreateTenant(ctx, platform.Tenant{ID: id}, platform.User{Tenant: id, Name: "admin"}))
	}
	return alone, told
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantKind(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
}

func TestCreateDevice(t *testing.T) {
	s, _ := open(t)
	ctx := context.Background()
	_, err := s.Device(ctx, "t1", "dev1")
	wantKind(t, err, problem.NotFound)
	id, created, err := s.CreateDevice(ctx, "t1", "dev1", "", "", "device_dev1")
	if err != nil || !created {
		t.Fatal(id, created, err)
	}
	o, err := s.Object(ctx, "t1", id)
	check(t, err)
	if o.Name != "MQTT Device dev1" || o.Type != "c8y_MQTTDevice" || o.Owner != "device_dev1" || o.Created.IsZero() ||
		string(o.Fragments[platform.FragmentIsDevice]) != "{}" || string(o.Fragments[platform.FragmentAgent]) != "{}" {
		t.Errorf("got %+v", o)
	}
	again, created, err := s.CreateDevice(ctx, "t1", "dev1", "other", "other", "somebody")
	if again != id || created || err != nil {
		t.Errorf("got %v, %v, %v; want %v", again, created, err, id)
	}
	if o, _ := s.Object(ctx, "t1", id); o.Name != "MQTT Device dev1" {
		t.Errorf("it was changed to %+v", o)
	}
	_, err = s.Device(ctx, "t2", "dev1")
	wantKind(t, err, problem.NotFound)
}

// TestTypeOfRegistered: an object that was there before its device, and has no
// type, gets the one that the device names first.
func TestTypeOfRegistered(t *testing.T) {
	s, _ := open(t)
	ctx := context.Background()
	o, err := s.Create(ctx, "t1", platform.CreateObject{Object: platform.ManagedObject{Name: "dev1", Owner: "device_dev1"}})
	check(t, err)
	check(t, s.Bind(ctx, "t1", o.ID, platform.ExternalID{Type: platform.SerialType, Value: "dev1"}))
	for _, step := range []struct{ says, want string }{{"", ""}, {"gateway", "gateway"}, {"other", "gateway"}, {"", "gateway"}} {
		id, created, err := s.CreateDevice(ctx, "t1", "dev1", "another name", step.says, "device_dev1")
		if id != o.ID || created || err != nil {
			t.Fatal(id, created, err)
		}
		if o, err := s.Object(ctx, "t1", id); err != nil || o.Type != step.want || o.Name != "dev1" {
			t.Errorf("after type %q: %+v, %v; want %q", step.says, o, err, step.want)
		}
	}
}

// TestCreateDeviceAtOnce lets many messages of a new device arrive together.
func TestCreateDeviceAtOnce(t *testing.T) {
	s, _ := open(t)
	var mu sync.Mutex
	ids, made := map[platform.ID]bool{}, 0
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			id, created, err := s.CreateDevice(context.Background(), "t1", "dev1", "n", "t", "device_dev1")
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			ids[id] = true
			if created {
				made++
			}
		})
	}
	wg.Wait()
	if len(ids) != 1 || made != 1 {
		t.Errorf("%d objects, created %d times", len(ids), made)
	}
}

// TestCaches sees that what was resolved is forgotten when it changes, by this
// node or by another.
func TestCaches(t *testing.T) {
	alone, told := open(t)
	ctx := context.Background()
	xid := platform.ExternalID{Type: platform.SerialType, Value: "dev1"}
	make1 := func() platform.ID {
		id, _, err := alone.CreateDevice(ctx, "t1", "dev1", "n", "t", "device_dev1")
		check(t, err)
		return id
	}
	for name, forget := range map[string]func(platform.ID) error{
		"deleted": func(id platform.ID) error {
			return alone.Delete(ctx, platform.Principal{}, "t1", id, platform.DeleteAlone)
		},
		"cascading": func(id platform.ID) error {
			return alone.Delete(ctx, platform.Principal{}, "t1", id, platform.DeleteHierarchy)
		},
		"unbound": func(platform.ID) error { return alone.Unbind(ctx, "t1", xid) },
	} {
		id := make1()
		for _, s := range []*inventory.Service{alone, told, alone, told} {
			if got, err := s.Device(ctx, "t1", "dev1"); got != id || err != nil {
				t.Fatalf("%s: got %v, %v; want %v", name, got, err, id)
			}
		}
		check(t, forget(id))
		for _, s := range []*inventory.Service{alone, told} {
			_, err := s.Device(ctx, "t1", "dev1")
			wantKind(t, err, problem.NotFound)
		}
	}
	id := make1()
	for _, s := range []*inventory.Service{alone, told} {
		if owner, err := s.Owner(ctx, "t1", id); owner != "device_dev1" || err != nil {
			t.Errorf("got %s, %v", owner, err)
		}
		_, err := s.Owner(ctx, "t2", id)
		wantKind(t, err, problem.NotFound)
	}
	owner := "somebody"
	_, err := alone.Update(ctx, "t1", platform.UpdateObject{ID: id, Owner: &owner})
	check(t, err)
	for _, s := range []*inventory.Service{alone, told} {
		if got, err := s.Owner(ctx, "t1", id); got != owner || err != nil {
			t.Errorf("got %s, %v", got, err)
		}
	}
}

func TestCreateChild(t *testing.T) {
	s, _ := open(t)
	ctx := context.Background()
	dev := func(name string) platform.ID {
		id, _, err := s.CreateDevice(ctx, "t1", name, "n", "t", "device_"+name)
		check(t, err)
		return id
	}
	one, two := dev("one"), dev("two")
	child, created, err := s.CreateChild(ctx, "t1", one, "c1", "", "", "device_one", true)
	if err != nil || !created {
		t.Fatal(child, created, err)
	}
	o, err := s.Object(ctx, "t1", child)
	check(t, err)
	if o.Name != "MQTT Device c1" || o.Type != "c8y_MQTTChildDevice" || o.Fragments[platform.FragmentIsDevice] == nil || o.Fragments[platform.FragmentAgent] != nil {
		t.Errorf("got %+v", o)
	}
	unmarked, _, err := s.CreateChild(ctx, "t1", one, "c2", "n", "t", "device_one", false)
	check(t, err)
	if o, _ := s.Object(ctx, "t1", unmarked); o.Fragments[platform.FragmentIsDevice] != nil {
		t.Errorf("got %+v", o)
	}
	if again, created, err := s.CreateChild(ctx, "t1", one, "c1", "x", "x", "device_one", true); again != child || created || err != nil {
		t.Errorf("got %v, %v, %v", again, created, err)
	}
	// Another device may take neither the child nor the first device for its own.
	for _, name := range []string{"c1", "one"} {
		_, _, err := s.CreateChild(ctx, "t1", two, name, "x", "x", "device_two", true)
		wantKind(t, err, problem.Forbidden)
	}
	_, _, err = s.CreateChild(ctx, "t1", one, "one", "x", "x", "device_one", true)
	wantKind(t, err, problem.Unprocessable) // its own child
	_, _, err = s.CreateChild(ctx, "t1", 999999, "c3", "x", "x", "device_one", true)
	wantKind(t, err, problem.NotFound)
	_, _, err = s.CreateChild(ctx, "t2", one, "c4", "x", "x", "device_one", true)
	wantKind(t, err, problem.NotFound)
	names, err := s.ChildExternalIDs(ctx, "t1", one)
	if err != nil || !slices.Equal(names, []string{"c1", "c2"}) {
		t.Errorf("got %v, %v", names, err)
	}
	if names, err := s.ChildExternalIDs(ctx, "t1", two); err != nil || len(names) != 0 {
		t.Errorf("got %v, %v", names, err)
	}
}

func TestPutService(t *testing.T) {
	s, _ := open(t)
	ctx := context.Background()
	dev, _, err := s.CreateDevice(ctx, "t1", "dev1", "n", "t", "device_dev1")
	check(t, err)
	id, err := s.PutService(ctx, "t1", dev, "dev1:db", "systemd", "da\"ta", "up", "device_dev1")
	check(t, err)
	again, err := s.PutService(ctx, "t1", dev, "dev1:db", "systemd", "da\"ta", "down", "device_dev1")
	if again != id || err != nil {
		t.Errorf("got %v, %v; want %v", again, err, id)
	}
	o, err := s.Object(ctx, "t1", id)
	check(t, err)
	if o.Type != "c8y_Service" || o.Name != "da\"ta" || string(o.Fragments["status"]) != `"down"` || string(o.Fragments["serviceType"]) != `"systemd"` {
		t.Errorf("got %+v %s", o, o.Fragments)
	}
	list, err := s.Children(ctx, "t1", dev, platform.ChildAdditions, platform.Page{Number: 1, Size: 5})
	if err != nil || len(list.Items) != 1 {
		t.Errorf("got %+v, %v", list, err)
	}
	_, err = s.PutService(ctx, "t1", dev, "dev1", "x", "x", "x", "device_dev2")
	if err == nil {
		t.Error("a device became a service of itself")
	}
}

func TestBounds(t *testing.T) {
	s, _ := open(t)
	ctx := context.Background()
	create := func(o platform.ManagedObject, xids ...platform.ExternalID) error {
		_, err := s.Create(ctx, "t1", platform.CreateObject{Object: o, ExternalIDs: xids})
		return err
	}
	for n, want := range map[int]error{inventory.MaxNameBytes - 1: nil, inventory.MaxNameBytes: nil, inventory.MaxNameBytes + 1: problem.Unprocessable} {
		wantKind(t, create(platform.ManagedObject{Name: strings.Repeat("n", n)}), want)
		wantKind(t, create(platform.ManagedObject{}, platform.ExternalID{Type: "t", Value: strings.Repeat("v", n)}), want)
	}
	wantKind(t, create(platform.ManagedObject{Name: "a\x00"}), problem.Unprocessable)
	wantKind(t, create(platform.ManagedObject{}, platform.ExternalID{Type: "t"}), problem.Unprocessable)
	size := func(n int) platform.Fragments {
		return platform.Fragments{"f": json.RawMessage(`"` + strings.Repeat("x", n-len(`f""`)) + `"`)}
	}
	for n, want := range map[int]error{inventory.MaxFragmentsBytes: nil, inventory.MaxFragmentsBytes + 1: problem.Unprocessable} {
		wantKind(t, create(platform.ManagedObject{Fragments: size(n)}), want)
	}
	many := func(n int) platform.Fragments {
		f := platform.Fragments{}
		for i := range n {
			f[strings.Repeat("a", i+1)[:min(i+1, 900)]+string(rune('a'+i%26))+string(rune('0'+i/26%10))+string(rune('A'+i/260))] = json.RawMessage("1")
		}
		return f
	}
	for n, want := range map[int]error{inventory.MaxFragments: nil, inventory.MaxFragments + 1: problem.Unprocessable} {
		f := many(n)
		if len(f) != n {
			t.Fatalf("%d names", len(f))
		}
		wantKind(t, create(platform.ManagedObject{Fragments: f}), want)
	}
	// Small updates do not add up to more than one large object.
	o, err := s.Create(ctx, "t1", platform.CreateObject{Object: platform.ManagedObject{Fragments: size(inventory.MaxFragmentsBytes)}})
	check(t, err)
	_, err = s.Update(ctx, "t1", platform.UpdateObject{ID: o.ID, Set: platform.Fragments{"g": json.RawMessage("1")}})
	wantKind(t, err, problem.Unprocessable)
	_, err = s.Update(ctx, "t1", platform.UpdateObject{ID: o.ID, Set: platform.Fragments{"g": json.RawMessage("1")}, Remove: []string{"f"}})
	check(t, err)
}

func BenchmarkDevice(b *testing.B) {
	s, _ := open(b)
	_, _, err := s.CreateDevice(context.Background(), "t1", "dev1", "n", "t", "device_dev1")
	check(b, err)
	for b.Loop() {
		if _, err := s.Device(context.Background(), "t1", "dev1"); err != nil {
			b.Fatal(err)
		}
	}
}

// TestDeleteInTurns deletes hierarchies around the size of one transaction.
func TestDeleteInTurns(t *testing.T) {
	s, _ := open(t)
	ctx := context.Background()
	for _, n := range []int{inventory.DeletedAtOnce - 1, inventory.DeletedAtOnce, inventory.DeletedAtOnce + 1} {
		root, err := s.Create(ctx, "t1", platform.CreateObject{})
		check(t, err)
		for range n - 1 {
			_, err := s.Create(ctx, "t1", platform.CreateObject{Parent: &platform.ChildLink{Parent: root.ID, Kind: platform.ChildAssets}})
			check(t, err)
		}
		check(t, s.Delete(ctx, platform.Principal{}, "t1", root.ID, platform.DeleteHierarchy))
		left, err := s.Objects(ctx, "t1", platform.ObjectFilter{}, platform.Page{Number: 1, Size: 1})
		if err != nil || len(left.Items) != 0 {
			t.Errorf("%d objects: left %+v, %v", n, left.Items, err)
		}
		wantKind(t, s.Delete(ctx, platform.Principal{}, "t1", root.ID, platform.DeleteHierarchy), problem.NotFound)
	}
}

func TestWithin(t *testing.T) {
	s, _ := open(t)
	ctx := context.Background()
	top, err := s.Create(ctx, "t1", platform.CreateObject{Object: platform.ManagedObject{Owner: "device_a"}})
	check(t, err)
	mid, err := s.Create(ctx, "t1", platform.CreateObject{Parent: &platform.ChildLink{Parent: top.ID, Kind: platform.ChildAdditions}})
	check(t, err)
	low, err := s.Create(ctx, "t1", platform.CreateObject{Parent: &platform.ChildLink{Parent: mid.ID, Kind: platform.ChildDevices}, Object: platform.ManagedObject{Owner: "device_b"}})
	check(t, err)
	for _, tt := range []struct {
		id   platform.ID
		user string
		want bool
	}{
		{top.ID, "device_a", true}, {mid.ID, "device_a", true}, {low.ID, "device_a", true}, {low.ID, "device_b", true},
		{mid.ID, "device_b", false}, {top.ID, "device_b", false}, {mid.ID, "", false}, {low.ID, "device_c", false},
	} {
		if got, err := s.Within(ctx, "t1", tt.id, tt.user); got != tt.want || err != nil {
			t.Errorf("%v of %q: got %v, %v", tt.id, tt.user, got, err)
		}
		_, err := s.Within(ctx, "t2", tt.id, tt.user)
		wantKind(t, err, problem.NotFound)
	}
}
