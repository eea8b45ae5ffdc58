package audit_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"mooring/internal/durable/durabletest"
	"mooring/internal/problem"
	"mooring/server/audit"
	"mooring/server/platform"
	"mooring/server/sqlstore"
)

func TestAudit(t *testing.T) {
	ctx := context.Background()
	store, err := sqlstore.OpenSQLite(ctx, durabletest.Dir(t), sqlstore.Options{})
	check(t, err)
	t.Cleanup(func() { check(t, store.Close()) })
	for _, id := range []platform.TenantID{"t1", "t2"} {
		check(t, store.CreateTenant(ctx, platform.Tenant{ID: id}, platform.User{Tenant: id, Name: "admin"}))
	}
	now := time.Date(2026, 1, 10, 8, 0, 0, 0, time.UTC)
	s := audit.New(store, func() time.Time { return now })
	actor := platform.Principal{Tenant: "t1", User: "admin"}

	// Who appends decides neither about the tenant nor about the name.
	made, err := s.Append(ctx, actor, platform.AuditRecord{Tenant: "t2", User: "somebody", Type: "Test", Activity: "a", Text: "one"})
	check(t, err)
	list, err := s.List(ctx, "t1", platform.AuditFilter{Type: "Test"}, platform.Page{Number: 1, Size: 5})
	check(t, err)
	if len(list.Items) != 1 || list.Items[0].User != "admin" || !list.Items[0].At.Equal(now) {
		t.Fatalf("got %+v", list)
	}
	id := list.Items[0].ID
	if id != made.ID || !made.Created.Equal(now) {
		t.Errorf("the record %+v is kept as %+v", made, list.Items[0])
	}
	if r, err := s.Record(ctx, "t1", id); err != nil || r.Text != "one" {
		t.Errorf("got %+v, %v", r, err)
	}
	if _, err := s.Record(ctx, "t2", id); !errors.Is(err, problem.NotFound) {
		t.Errorf("another tenant gets %v", err)
	}
	for n, want := range map[int]error{audit.MaxTextBytes: nil, audit.MaxTextBytes + 1: problem.Unprocessable} {
		if _, err := s.Append(ctx, actor, platform.AuditRecord{Type: "Test", Text: strings.Repeat("x", n)}); !errors.Is(err, want) {
			t.Errorf("%d bytes: got %v, want %v", n, err, want)
		}
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
