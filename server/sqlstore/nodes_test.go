package sqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"mooring/internal/problem"
	"mooring/server/platform"
	"mooring/server/sqlstore"
	"mooring/server/sqlstore/postgrestest"
)

// twoNodes opens one database twice, at the same time, as nodes do when a
// cluster starts for the first time.
func twoNodes(t *testing.T, opts sqlstore.Options) [2]*sqlstore.Store {
	t.Helper()
	dsn := postgrestest.Database(t)
	var (
		nodes [2]*sqlstore.Store
		errs  [2]error
		both  sync.WaitGroup
	)
	for i := range nodes {
		both.Go(func() { nodes[i], errs[i] = sqlstore.OpenPostgres(t.Context(), dsn, opts) })
	}
	both.Wait()
	for i, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { closeStore(t, nodes[i]) })
	}
	createTenant(t, nodes[0])
	return nodes
}

// Who follows the change log of two busy nodes sees every change, once.
func TestNodesFollowChanges(t *testing.T) {
	nodes := twoNodes(t, sqlstore.Options{})
	const workers, writes = 6, 40
	start, err := nodes[0].LastChange(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var writers sync.WaitGroup
	for w := range workers {
		writers.Go(func() {
			for i := range writes {
				if err := putUser(context.Background(), nodes[w%2], fmt.Sprint(w, "-", i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	finished := make(chan struct{})
	go func() { writers.Wait(); close(finished) }()
	seen := map[string]int{}
	for after, over := start, false; ; {
		select {
		case <-finished:
			over = true
		default:
		}
		list, err := nodes[1].ChangesAfter(t.Context(), after, 5)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range list {
			if c.Number <= after {
				t.Errorf("got change %d after %d", c.Number, after)
			}
			after = c.Number
			seen[c.Key]++
		}
		if over && len(list) == 0 {
			break
		}
	}
	if len(seen) != workers*writes {
		t.Errorf("saw %d changes, want %d", len(seen), workers*writes)
	}
}

// TestNodesNudge: a commit of one node tells the other at once, one that changes
// nothing does not, and who cannot listen any more says so.
func TestNodesNudge(t *testing.T) {
	nodes := twoNodes(t, sqlstore.Options{})
	nudges, ended := make(chan struct{}, 10), make(chan error, 1)
	go func() { ended <- nodes[1].FollowChanges(t.Context(), func() { nudges <- struct{}{} }) }()
	next := func(what string) {
		t.Helper()
		select {
		case <-nudges:
		case err := <-ended:
			t.Fatalf("%s: %v", what, err)
		case <-time.After(time.Minute):
			t.Fatalf("%s: no nudge", what)
		}
	}
	next("at the start")
	if err := nodes[0].SetMeta(t.Context(), "no", "change"); err != nil {
		t.Fatal(err)
	}
	for i, node := range nodes {
		if err := putUser(t.Context(), node, fmt.Sprint("user-", i)); err != nil {
			t.Fatal(err)
		}
		next(fmt.Sprintf("node %d", i))
	}
	if len(nudges) != 0 {
		t.Errorf("%d nudges too many", len(nudges))
	}
	postgrestest.Restart(t)
	select {
	case err := <-ended:
		if err == nil {
			t.Error("no error after the connection was lost")
		}
	case <-time.After(time.Minute):
		t.Error("the loss of the connection is not noticed")
	}
}

// A store of one node has nobody to follow.
func TestNobodyToFollow(t *testing.T) {
	store, err := sqlstore.OpenSQLite(t.Context(), t.TempDir(), sqlstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer closeStore(t, store)
	if err := store.FollowChanges(t.Context(), func() { t.Error("nudged") }); !errors.Is(err, problem.NotFound) {
		t.Errorf("got %v, want not found", err)
	}
}

func TestNodesShareNoIDs(t *testing.T) {
	nodes := twoNodes(t, sqlstore.Options{})
	seen := map[platform.ID]bool{}
	for i := range 5000 {
		id, err := nodes[i%2].NewID(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if seen[id] {
			t.Fatalf("ID %d came twice", id)
		}
		seen[id] = true
	}
}

// Of two nodes that spend one OTP, one wins.
func TestNodesSpendOneOTP(t *testing.T) {
	nodes := twoNodes(t, sqlstore.Options{})
	for round := range 10 {
		r := platform.Registration{Tenant: tenant, ExternalID: "dev1", OTP: platform.SecretMAC{KeyID: "k", MAC: []byte{1}}}
		if _, err := nodes[round%2].Register(t.Context(), platform.RegisterDevice{Registration: r}); err != nil {
			t.Fatal(err)
		}
		var (
			both sync.WaitGroup
			errs [2]error
		)
		for i, s := range nodes {
			both.Go(func() {
				errs[i] = s.Issue(context.Background(), platform.Issue{
					Certificate: platform.IssuedCertificate{Tenant: tenant, Serial: fmt.Sprint(round, i), ExternalID: "dev1"},
					Enrolment:   &platform.OTPSpending{ExternalID: "dev1", Epoch: int64(round + 1)},
				})
			})
		}
		both.Wait()
		kinds := map[problem.Kind]int{problem.KindOf(errs[0]): 1}
		kinds[problem.KindOf(errs[1])]++
		if kinds[""] != 1 || kinds[problem.Conflict] != 1 {
			t.Errorf("got %v, want one success and one conflict", errs)
		}
	}
}

// Nodes that raise the same alarms in opposite orders get into each other's
// way in the database; it shows to nobody.
func TestNodesRaiseTheSameAlarms(t *testing.T) {
	nodes := twoNodes(t, sqlstore.Options{})
	const rounds, types = 20, 20
	var both sync.WaitGroup
	for n, s := range nodes {
		both.Go(func() {
			for range rounds {
				b := platform.Batch{Tenant: tenant}
				for i := range types {
					if n == 1 {
						i = types - 1 - i
					}
					id, err := s.NewID(context.Background())
					if err != nil {
						t.Error(err)
						return
					}
					b.Alarms = append(b.Alarms, platform.Alarm{ID: id, Source: 1, Type: fmt.Sprint(i), Status: platform.Active})
				}
				if err := submit(s, b); err != nil {
					t.Error(err)
				}
			}
		})
	}
	both.Wait()
	l, err := nodes[0].Alarms(t.Context(), tenant, platform.TelemetryFilter{}, platform.Page{Number: 1, Size: 100})
	if err != nil || len(l.Items) != types {
		t.Fatalf("got %d alarms, %v, want %d", len(l.Items), err, types)
	}
	for _, a := range l.Items {
		if a.Count != 2*rounds {
			t.Errorf("alarm %s: got count %d, want %d", a.Type, a.Count, 2*rounds)
		}
	}
}

// After the database was restarted, the next commands and reads find it.
func TestDatabaseRestarts(t *testing.T) {
	nodes := twoNodes(t, sqlstore.Options{Connections: 1}) // so that each is one that was used before
	s := nodes[0]
	if err := putUser(t.Context(), s, "before"); err != nil {
		t.Fatal(err)
	}
	if err := submit(s, measurement(1)); err != nil {
		t.Fatal(err)
	}
	postgrestest.Restart(t)
	if _, err := s.User(t.Context(), tenant, "before"); err != nil {
		t.Error(err)
	}
	if err := putUser(t.Context(), s, "after"); err != nil {
		t.Error(err)
	}
	if err := submit(s, measurement(2)); err != nil {
		t.Error(err)
	}
	l, err := nodes[1].Measurements(t.Context(), tenant, platform.TelemetryFilter{}, platform.Page{Number: 1, Size: 5})
	if err != nil || len(l.Items) != 2 {
		t.Errorf("got %d measurements, %v, want 2", len(l.Items), err)
	}
}

// While the database is away, commands and reads are unavailable.
func TestDatabaseIsAway(t *testing.T) {
	nodes := twoNodes(t, sqlstore.Options{})
	s := nodes[0]
	start := postgrestest.StopUntil(t)
	_, err := s.User(t.Context(), tenant, "admin")
	for what, err := range map[string]error{
		"read": err, "command": putUser(t.Context(), s, "x"), "telemetry": submit(s, measurement(1)),
	} {
		if problem.KindOf(err) != problem.Unavailable {
			t.Errorf("%s: got %v, want unavailable", what, err)
		}
	}
	start()
	if err := putUser(t.Context(), s, "x"); err != nil {
		t.Error(err)
	}
	if err := submit(s, measurement(1)); err != nil {
		t.Error(err)
	}
}
