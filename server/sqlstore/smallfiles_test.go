package sqlstore_test

import (
	"context"
	"fmt"
	"os/signal"
	"syscall"
	"testing"

	"mooring/internal/problem"
	"mooring/server/platform"
	"mooring/server/sqlstore"
)

// When the operating system refuses to write, here because files may not grow,
// commands are unavailable, and go on as soon as it allows it again.
func TestFilesThatMayNotGrow(t *testing.T) {
	dir := t.TempDir()
	s := openSQLite(t, dir, sqlstore.Options{})
	createTenant(t, s)
	closeStore(t, s)
	p := startChild(t, "small files", dir)
	stored := map[string]bool{}
	verdict := ""
	for {
		fields, ok := p.line()
		if !ok {
			break
		}
		if fields[0] == "m" {
			stored[fields[1]] = true
			continue
		}
		verdict += fields[0]
	}
	if err := p.cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if verdict != "unavailable" || len(stored) < 2 {
		t.Fatalf("got %q and %d stored", verdict, len(stored))
	}
	s = openSQLite(t, dir, sqlstore.Options{})
	defer closeStore(t, s)
	l, err := s.Measurements(t.Context(), tenant, platform.TelemetryFilter{}, platform.Page{Number: 1, Size: 2000})
	if err != nil || len(l.Items) != len(stored) {
		t.Fatalf("got %d measurements, %v, want %d", len(l.Items), err, len(stored))
	}
	for _, m := range l.Items {
		if !stored[m.ID.String()] {
			t.Errorf("measurement %d was never acknowledged", m.ID)
		}
	}
}

// writeIntoSmallFiles is the child: it says "m ID" for each measurement, then
// the kind of the first failure, then one more "m" when files may grow again.
func writeIntoSmallFiles(s *sqlstore.Store) {
	signal.Ignore(syscall.SIGXFSZ) // the write fails instead
	limit := syscall.Rlimit{Cur: 400 << 10, Max: ^uint64(0)}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		fmt.Println("error", err)
		return
	}
	store := func(id platform.ID) error {
		b := measurement(id)
		b.Measurements[0].Body = make([]byte, 20_000)
		err := submit(s, b)
		if err == nil {
			fmt.Println("m", id)
		}
		return err
	}
	var err error
	id := platform.ID(1)
	for ; err == nil && id < 1000; id++ {
		err = store(id)
	}
	fmt.Println(problem.KindOf(err))
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		fmt.Println("error", err)
		return
	}
	if err := store(id + 1); err != nil {
		fmt.Println("error", err)
	}
	if err := s.PutUser(context.Background(), platform.User{Tenant: tenant, Name: "last"}); err != nil {
		fmt.Println("error", err)
	}
	if err := s.Close(); err != nil {
		fmt.Println("error", err)
	}
}
