package sqlstore_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"mooring/internal/problem"
	"mooring/server/platform"
	"mooring/server/sqlstore"
)

// Each node hears what any of them broadcasts, in the order of each.
func TestBroadcast(t *testing.T) {
	nodes := twoNodes(t, sqlstore.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	texts := make(chan string, 10)
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- nodes[1].FollowBroadcasts(ctx, func() { close(ready) }, func(text string) { texts <- text })
	}()
	<-ready
	longest := strings.Repeat("é", platform.MaxBroadcast/2)
	want := []string{"one", longest, "three"}
	for i, text := range want {
		if err := nodes[i%2].Broadcast(t.Context(), text); err != nil {
			t.Fatal(err)
		}
	}
	got := []string{<-texts, <-texts, <-texts}
	if !slices.Equal(got, want) {
		t.Errorf("got %.40q", got)
	}
	if err := nodes[0].Broadcast(t.Context(), longest+"xx"); !errors.Is(err, problem.Invalid) {
		t.Errorf("too long: %v", err)
	}
	cancel()
	if err := <-done; err == nil {
		t.Error("the end is no error")
	}
}

// A store of one node alone says so.
func TestBroadcastAlone(t *testing.T) {
	s, err := sqlstore.OpenSQLite(t.Context(), t.TempDir(), sqlstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer closeStore(t, s)
	if err := s.Broadcast(t.Context(), "x"); !errors.Is(err, problem.NotFound) {
		t.Errorf("got %v", err)
	}
	if err := s.FollowBroadcasts(t.Context(), func() {}, func(string) {}); !errors.Is(err, problem.NotFound) {
		t.Errorf("got %v", err)
	}
}

// TestNodesThatLive: a node is seen to live while it holds, and no longer.
func TestNodesThatLive(t *testing.T) {
	nodes := twoNodes(t, sqlstore.Options{})
	a, b, elsewhere := nodes[0], nodes[1], twoNodes(t, sqlstore.Options{})[0]
	live := func(s *sqlstore.Store, want ...string) {
		t.Helper()
		got, err := s.LiveNodes(t.Context(), []string{"one", "two"})
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("live %q, want %q, %v", got, want, err)
		}
	}
	live(b)
	ctx, stop := context.WithCancel(t.Context())
	held, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- a.HoldNode(ctx, "one", func() { close(held) }) }()
	<-held
	live(a, "one")
	live(b, "one")
	live(elsewhere)
	stop()
	if err := <-ended; err == nil {
		t.Error("the end of holding is no error")
	}
	again, cancel := context.WithCancel(t.Context())
	held = make(chan struct{})
	go func() { ended <- b.HoldNode(again, "one", func() { close(held) }) }()
	<-held // PostgreSQL gives it to one at a time: the first is gone
	live(a, "one")
	cancel()
	<-ended
	s, err := sqlstore.OpenSQLite(t.Context(), t.TempDir(), sqlstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.HoldNode(t.Context(), "one", func() {}); problem.KindOf(err) != problem.NotFound {
		t.Errorf("alone: %v", err)
	}
}
