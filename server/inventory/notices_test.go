package inventory_test

import (
	"context"
	"fmt"
	"reflect"
	"strconv"
	"sync"
	"testing"

	"mooring/internal/durable/durabletest"
	"mooring/internal/problem"
	"mooring/server/inventory"
	"mooring/server/platform"
	"mooring/server/sqlstore"
)

// listener notes what it is told of tenant t1.
type listener struct {
	mu   sync.Mutex
	told []string
	last platform.ManagedObject
}

func (l *listener) Wanted(tenant platform.TenantID) bool { return tenant == "t1" }

func (l *listener) Post(notices []platform.Notice, done func(error)) {
	l.mu.Lock()
	for _, n := range notices {
		o, isObject := n.Object.(platform.ManagedObject)
		l.told = append(l.told, fmt.Sprintf("%s %s %s %v", n.Action, n.API, n.Type, isObject))
		l.last = o
	}
	l.mu.Unlock()
	done(nil)
}

func listening(t testing.TB) (*inventory.Service, *listener) {
	t.Helper()
	ctx := context.Background()
	store, err := sqlstore.OpenSQLite(ctx, durabletest.Dir(t), sqlstore.Options{})
	check(t, err)
	t.Cleanup(func() { check(t, store.Close()) })
	for _, id := range []platform.TenantID{"t1", "t2"} {
		check(t, store.CreateTenant(ctx, platform.Tenant{ID: id}, platform.User{Tenant: id, Name: "admin"}))
	}
	l := &listener{}
	return inventory.New(inventory.Config{Store: store, IDs: store, Notices: l}), l
}

func TestNotices(t *testing.T) {
	s, l := listening(t)
	ctx := context.Background()
	for _, tenant := range []platform.TenantID{"t2", "t1"} {
		o, err := s.Create(ctx, tenant, platform.CreateObject{Object: platform.ManagedObject{Type: "a"}})
		check(t, err)
		typ := "b"
		_, err = s.Update(ctx, tenant, platform.UpdateObject{ID: o.ID, Type: &typ})
		check(t, err)
		_, err = s.Update(platform.WithMode(ctx, platform.ModeQuiescent), tenant, platform.UpdateObject{ID: o.ID, Type: &typ})
		check(t, err)
		_, err = s.Update(ctx, tenant, platform.UpdateObject{ID: 1 << 50, Type: &typ})
		wantKind(t, err, problem.NotFound)
		check(t, s.Delete(ctx, platform.Principal{}, tenant, o.ID, platform.DeleteAlone))
	}
	want := []string{"CREATE managedobjects a true", "UPDATE managedobjects b true", "DELETE managedobjects  false"}
	if !reflect.DeepEqual(l.told, want) {
		t.Errorf("told\n got %q\nwant %q", l.told, want)
	}
}

// TestNoticesInOrder changes one object from many sides: the last notice is of
// what is stored.
func TestNoticesInOrder(t *testing.T) {
	s, l := listening(t)
	ctx := context.Background()
	o, err := s.Create(ctx, "t1", platform.CreateObject{Object: platform.ManagedObject{Type: "a"}})
	check(t, err)
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			name := strconv.Itoa(i)
			if _, err := s.Update(ctx, "t1", platform.UpdateObject{ID: o.ID, Name: &name}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	stored, err := s.Object(ctx, "t1", o.ID)
	check(t, err)
	if l.last.Name != stored.Name {
		t.Errorf("told last of %q, stored is %q", l.last.Name, stored.Name)
	}
}
