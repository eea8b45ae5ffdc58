package templates_test

import (
	"context"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mooring/internal/durable/durabletest"
	"mooring/internal/problem"
	"mooring/internal/smartrest/template"
	"mooring/server/inventory"
	"mooring/server/platform"
	"mooring/server/sqlstore"
	"mooring/server/templates"
)

const mine, theirs platform.TenantID = "t1", "t2"

// counting counts how often the inventory is read.
type counting struct {
	*inventory.Service
	reads int
}

func (c *counting) Object(ctx context.Context, tenant platform.TenantID, id platform.ID) (platform.ManagedObject, error) {
	c.reads++
	return c.Service.Object(ctx, tenant, id)
}

func newService(t *testing.T) (*templates.Service, *counting, *time.Time) {
	t.Helper()
	ctx := t.Context()
	var hear atomic.Pointer[func(platform.Change)]
	store, err := sqlstore.OpenSQLite(ctx, durabletest.Dir(t), sqlstore.Options{OnCommit: func(changes []platform.Change) {
		for _, c := range changes {
			if f := hear.Load(); f != nil {
				(*f)(c)
			}
		}
	}})
	check(t, err)
	t.Cleanup(func() { check(t, store.Close()) })
	for _, id := range []platform.TenantID{mine, theirs} {
		check(t, store.CreateTenant(ctx, platform.Tenant{ID: id}, platform.User{Tenant: id, Name: "admin"}))
	}
	objects := &counting{Service: inventory.New(inventory.Config{Store: store, IDs: store})}
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s := templates.New(objects, func() time.Time { return now })
	apply := func(c platform.Change) {
		_ = objects.Apply(context.Background(), c)
		_ = s.Apply(context.Background(), c)
	}
	hear.Store(&apply)
	return s, objects, &now
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestCreateAndFind(t *testing.T) {
	s, objects, _ := newService(t)
	ctx := t.Context()
	if _, err := s.Collection(ctx, mine, "x"); problem.KindOf(err) != problem.NotFound {
		t.Errorf("before: %v", err)
	}
	id, err := s.Create(ctx, mine, "device_dev1", "x", []byte("10,1,GET,INVENTORY,,true\n11,2,,,type"))
	check(t, err)
	for range 3 {
		c, err := s.Collection(ctx, mine, "x")
		check(t, err)
		if c.ID != id || len(c.Requests) != 1 || len(c.Responses) != 1 {
			t.Errorf("found %+v", c)
		}
	}
	if objects.reads != 1 {
		t.Errorf("read %d times", objects.reads)
	}
	o, err := objects.Object(ctx, mine, id)
	check(t, err)
	if o.Type != template.ObjectType || o.Owner != "device_dev1" || string(o.Fragments["__externalId"]) != `"x"` {
		t.Errorf("object %+v", o)
	}
	if _, err := s.Create(ctx, mine, "device_dev1", "x", []byte("11,2,,,type")); err == nil || !strings.HasPrefix(err.Error(), "41,,Cannot create") {
		t.Errorf("again: %v", err)
	}
	if _, err := s.Create(ctx, mine, "device_dev1", "y", []byte("nonsense")); err == nil {
		t.Error("nonsense is a collection")
	}
	for n, want := range map[int]bool{253: true, 254: true, 255: false} {
		if _, err := s.Create(ctx, mine, "u", strings.Repeat("x", n), []byte("11,2,,,type")); (err == nil) != want {
			t.Errorf("X-ID of %d bytes: %v", n, err)
		}
	}
}

// TestChanges: a client that changes or removes the object by REST is believed at once.
func TestChanges(t *testing.T) {
	s, objects, now := newService(t)
	ctx := t.Context()
	id, err := s.Create(ctx, mine, "u", "x", []byte("11,2,,,type"))
	check(t, err)
	size := func() (n, listed int) {
		c, err := s.Collection(ctx, mine, "x")
		check(t, err)
		l, err := s.List(ctx, mine)
		check(t, err)
		return len(c.Responses), len(l)
	}
	if n, l := size(); n != 1 || l != 1 {
		t.Fatalf("%d responses, %d collections", n, l)
	}
	_, err = objects.Update(ctx, mine, platform.UpdateObject{ID: id, Set: platform.Fragments{template.Fragment: []byte(`{"responseTemplates":[]}`)}})
	check(t, err)
	if n, _ := size(); n != 0 {
		t.Errorf("%d responses after the change", n)
	}
	// A collection made by REST is listed when the list is old.
	_, err = objects.Create(ctx, mine, platform.CreateObject{Object: platform.ManagedObject{Type: template.ObjectType},
		ExternalIDs: []platform.ExternalID{{Type: template.ExternalIDType, Value: "rest"}}})
	check(t, err)
	_, err = s.Collection(ctx, mine, "rest")
	check(t, err)
	*now = now.Add(5 * time.Second)
	if _, l := size(); l != 2 {
		t.Errorf("%d collections", l)
	}
	check(t, objects.Delete(ctx, platform.Principal{}, mine, id, platform.DeleteAlone))
	if _, err := s.Collection(ctx, mine, "x"); problem.KindOf(err) != problem.NotFound {
		t.Errorf("removed: %v", err)
	}
	check(t, objects.Unbind(ctx, mine, platform.ExternalID{Type: template.ExternalIDType, Value: "rest"}))
	if _, err := s.Collection(ctx, mine, "rest"); problem.KindOf(err) != problem.NotFound {
		t.Errorf("without its name: %v", err)
	}
	if l, _ := s.List(ctx, mine); len(l) != 0 {
		t.Errorf("still %v", l)
	}
}

func TestTenants(t *testing.T) {
	s, _, _ := newService(t)
	ctx := t.Context()
	_, err := s.Create(ctx, theirs, "u", "x", []byte("11,2,,,type"))
	check(t, err)
	_, err = s.Collection(ctx, theirs, "x")
	check(t, err)
	if _, err := s.Collection(ctx, mine, "x"); problem.KindOf(err) != problem.NotFound {
		t.Errorf("another tenant's: %v", err)
	}
	if l, _ := s.List(ctx, mine); len(l) != 0 {
		t.Errorf("another tenant's: %v", l)
	}
}

// TestBound: the caches do not grow without end, and stay right.
func TestBound(t *testing.T) {
	s, _, _ := newService(t)
	ctx := t.Context()
	for i := range 1001 {
		_, err := s.Create(ctx, mine, "u", strconv.Itoa(i), []byte("11,2,,,type"))
		check(t, err)
		c, err := s.Collection(ctx, mine, strconv.Itoa(i))
		check(t, err)
		if c.XID != strconv.Itoa(i) {
			t.Fatalf("%d is %s", i, c.XID)
		}
	}
	if n := s.Cached(); n != 1 {
		t.Errorf("%d cached", n)
	}
	if l, err := s.List(ctx, mine); err != nil || len(l) != templates.MaxListed {
		t.Errorf("%d listed, %v", len(l), err)
	}
}

// TestBytes: large collections are not kept beyond the bound.
func TestBytes(t *testing.T) {
	s, objects, _ := newService(t)
	ctx := t.Context()
	large := []byte(`{"responseTemplates":[],"x":"` + strings.Repeat("x", template.MaxDocumentBytes-40) + `"}`)
	sizes := func() (int, int) {
		t.Helper()
		known, said, listed, saidListed := s.Sizes()
		if known != said || listed != saidListed || known > templates.MaxCachedBytes || listed > templates.MaxListedBytes {
			t.Fatalf("%d bytes, said to be %d; %d listed, said to be %d", known, said, listed, saidListed)
		}
		return known, listed
	}
	var ids []platform.ID
	for i := range 80 {
		o, err := objects.Create(ctx, mine, platform.CreateObject{Object: platform.ManagedObject{Type: template.ObjectType,
			Fragments: platform.Fragments{template.Fragment: large}},
			ExternalIDs: []platform.ExternalID{{Type: template.ExternalIDType, Value: strconv.Itoa(i)}, {Type: template.ExternalIDType, Value: "also " + strconv.Itoa(i)}}})
		check(t, err)
		ids = append(ids, o.ID)
		for _, xid := range []string{strconv.Itoa(i), "also " + strconv.Itoa(i), strconv.Itoa(i)} {
			_, err = s.Collection(ctx, mine, xid)
			check(t, err)
		}
		sizes()
	}
	if l, err := s.List(ctx, mine); err != nil || len(l) != templates.MaxListedBytes/len(large) {
		t.Errorf("%d listed, %v", len(l), err)
	}
	known, listed := sizes()
	if known == 0 || listed == 0 {
		t.Errorf("%d known, %d listed", known, listed)
	}
	for _, id := range ids {
		check(t, objects.Delete(ctx, platform.Principal{}, mine, id, platform.DeleteAlone))
	}
	if known, listed := sizes(); known+listed != 0 {
		t.Errorf("%d known, %d listed of nothing", known, listed)
	}
}
