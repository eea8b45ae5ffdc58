package operation_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"mooring/internal/problem"
	"mooring/server/operation"
	"mooring/server/platform"
	"mooring/server/sqlstore"
)

const tenant platform.TenantID = "t1"

var admin = platform.Principal{Tenant: tenant, User: "admin"}

// things are a few objects in memory.
type things struct {
	mu      sync.Mutex
	objects map[platform.ID]*platform.ManagedObject
	parents map[platform.ID][]platform.ChildLink
	names   map[platform.ID][]platform.ExternalID
	updates []platform.UpdateObject
	err     error
}

func (f *things) add(id platform.ID, name string, agent bool, parents ...platform.ChildLink) {
	o := &platform.ManagedObject{ID: id, Tenant: tenant, Name: name, Fragments: platform.Fragments{}}
	if agent {
		o.Fragments[platform.FragmentAgent] = json.RawMessage("{}")
	}
	f.objects[id], f.parents[id] = o, parents
	f.names[id] = []platform.ExternalID{{Type: "other", Value: "x"}, {Type: platform.SerialType, Value: name}}
}

func (f *things) Object(_ context.Context, t platform.TenantID, id platform.ID) (platform.ManagedObject, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	o, ok := f.objects[id]
	if !ok || t != tenant {
		return platform.ManagedObject{}, problem.New(problem.NotFound, "no object", nil)
	}
	return *o, f.err
}

func (f *things) Parents(_ context.Context, _ platform.TenantID, child platform.ID, kind platform.ChildKind) ([]platform.ManagedObject, error) {
	var list []platform.ManagedObject
	for _, l := range f.parents[child] {
		if l.Kind == kind {
			list = append(list, *f.objects[l.Parent])
		}
	}
	return list, f.err
}

func (f *things) Children(_ context.Context, _ platform.TenantID, parent platform.ID, kind platform.ChildKind, page platform.Page) (platform.List[platform.ManagedObject], error) {
	var l platform.List[platform.ManagedObject]
	for id := platform.ID(0); id < 1000; id++ {
		for _, link := range f.parents[id] {
			if link.Parent == parent && link.Kind == kind {
				l.Items = append(l.Items, *f.objects[id])
			}
		}
	}
	from := min(page.Offset(), len(l.Items))
	to := min(from+page.Size, len(l.Items))
	l.Items, l.More = l.Items[from:to], to < len(l.Items)
	return l, nil
}

func (f *things) ExternalIDs(_ context.Context, _ platform.TenantID, id platform.ID) ([]platform.ExternalID, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.objects[id] == nil {
		return nil, problem.New(problem.NotFound, "no object", nil)
	}
	return f.names[id], nil
}

func (f *things) Update(_ context.Context, _ platform.TenantID, cmd platform.UpdateObject) (platform.ManagedObject, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.updates = append(f.updates, cmd)
	return platform.ManagedObject{}, f.err
}

// rig is the service on a real store, with a clock of its own.
type rig struct {
	*operation.Service
	t       testing.TB
	store   *sqlstore.Store
	things  *things
	options map[platform.OptionKey]string
	told    []string

	mu  sync.Mutex
	now time.Time
}

func (r *rig) Option(_ context.Context, _ platform.TenantID, key platform.OptionKey) (string, bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v, ok := r.options[key]
	return v, ok, nil
}

func (r *rig) Tenants(ctx context.Context) ([]platform.Tenant, error) { return r.store.Tenants(ctx) }

func (r *rig) Wanted(t platform.TenantID) bool { return t == tenant }

func (r *rig) Post(notices []platform.Notice, done func(error)) {
	r.mu.Lock()
	for _, n := range notices {
		o, _ := n.Object.(platform.Operation) // none: it is gone
		r.told = append(r.told, fmt.Sprintf("%s %s %s of %d", n.API, n.Action, o.Status, n.Source))
	}
	r.mu.Unlock()
	done(nil)
}

func (r *rig) clock() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

func (r *rig) pass(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = r.now.Add(d)
}

func open(t testing.TB) *rig {
	t.Helper()
	store, err := sqlstore.OpenSQLite(t.Context(), t.TempDir(), sqlstore.Options{})
	check(t, err)
	t.Cleanup(func() { check(t, store.Close()) })
	for _, id := range []platform.TenantID{tenant, "t2"} {
		check(t, store.CreateTenant(t.Context(), platform.Tenant{ID: id}, platform.User{Tenant: id, Name: "admin"}))
	}
	r := &rig{t: t, store: store, now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), options: map[platform.OptionKey]string{},
		things: &things{objects: map[platform.ID]*platform.ManagedObject{}, parents: map[platform.ID][]platform.ChildLink{}, names: map[platform.ID][]platform.ExternalID{}}}
	r.Service = operation.New(operation.Config{Store: store, IDs: store, Objects: r.things, Options: r, Notices: r, Now: r.clock})
	return r
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantKind(t testing.TB, err error, want problem.Kind) {
	t.Helper()
	if problem.KindOf(err) != want {
		t.Fatalf("got %v, want %q", err, want)
	}
}

// order creates an operation of JSON members.
func (r *rig) order(device platform.ID, members string) platform.Operation {
	r.t.Helper()
	var f platform.Fragments
	check(r.t, json.Unmarshal([]byte("{"+members+"}"), &f))
	o, err := r.Create(r.t.Context(), admin, device, f)
	check(r.t, err)
	return o
}

func (r *rig) read(id platform.ID) platform.Operation {
	r.t.Helper()
	o, err := r.Operation(r.t.Context(), tenant, id)
	check(r.t, err)
	return o
}
