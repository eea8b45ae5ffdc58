package sqlstore_test

import (
	"sync"
	"testing"

	"mooring/internal/problem"
	"mooring/server/platform"
	"mooring/server/sqlstore"
)

// stall keeps the telemetry writer from its next turn until release is called.
// What is submitted meanwhile stays in the queue.
func stall(t *testing.T, s *sqlstore.Store) (release func()) {
	t.Helper()
	busy, free := make(chan struct{}), make(chan struct{})
	s.Submit(platform.Batch{Tenant: tenant}, func(error) {
		close(busy)
		<-free
	})
	<-busy
	return sync.OnceFunc(func() { close(free) })
}

// answers collects what done was told, in order.
type answers struct {
	all   sync.WaitGroup
	kinds []problem.Kind
	order []int
}

func (a *answers) submit(s *sqlstore.Store, n int, b platform.Batch) {
	a.all.Add(1)
	s.Submit(b, func(err error) {
		a.kinds = append(a.kinds, problem.KindOf(err))
		a.order = append(a.order, n)
		a.all.Done()
	})
}

func TestFullQueue(t *testing.T) {
	const limit = 3
	tests := []struct {
		name   string
		opts   sqlstore.Options
		body   int
		submit int
		refuse int
	}{
		{"commands n-1", sqlstore.Options{MaxQueued: limit}, 2, limit - 1, 0},
		{"commands n", sqlstore.Options{MaxQueued: limit}, 2, limit, 0},
		{"commands n+1", sqlstore.Options{MaxQueued: limit}, 2, limit + 1, 1},
		{"bytes n-1", sqlstore.Options{MaxQueuedBytes: 3000}, 999 - 400, 3, 0},
		{"bytes n", sqlstore.Options{MaxQueuedBytes: 3000}, 1000 - 400, 3, 0},
		{"bytes n+1", sqlstore.Options{MaxQueuedBytes: 3000}, 1001 - 400, 3, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := openSQLite(t, t.TempDir(), tt.opts)
			defer closeStore(t, s)
			createTenant(t, s)
			release := stall(t, s)
			var got answers
			for i := range tt.submit {
				b := measurement(platform.ID(i + 1))
				b.Measurements[0].Body = make([]byte, tt.body)
				got.submit(s, i, b)
			}
			release()
			got.all.Wait()
			refused := 0
			for i, kind := range got.kinds {
				if got.order[i] != i {
					t.Errorf("answers came in the order %v", got.order)
				}
				if kind == problem.Unavailable {
					refused++
				}
			}
			if refused != tt.refuse || got.kinds[0] != "" {
				t.Errorf("got %q, want %d refused at the end", got.kinds, tt.refuse)
			}
			if err := submit(s, measurement(100)); err != nil {
				t.Errorf("after the queue was full: %v", err)
			}
		})
	}
}

// Even refusals are bounded: the last ones are answered at once.
func TestQueueOfRefusals(t *testing.T) {
	s := openSQLite(t, t.TempDir(), sqlstore.Options{MaxQueued: 2})
	defer closeStore(t, s)
	createTenant(t, s)
	release := stall(t, s)
	defer release()
	var got answers
	for i := range 4 { // two wait, two wait to be refused
		got.submit(s, i, measurement(platform.ID(i+1)))
	}
	if err := submit(s, measurement(9)); problem.KindOf(err) != problem.Unavailable {
		t.Errorf("got %v while the writer stands still, want unavailable", err)
	}
	if len(got.kinds) != 0 {
		t.Errorf("got answers %v before their turn", got.kinds)
	}
	release()
	got.all.Wait()
}

func TestCloseDrains(t *testing.T) {
	engines(t, func(t *testing.T, open func(sqlstore.Options) *sqlstore.Store) {
		s := open(sqlstore.Options{})
		createTenant(t, s)
		release := stall(t, s)
		const n = 5000 // more than one transaction
		var got answers
		for i := range n {
			got.submit(s, i, measurement(platform.ID(i+1)))
		}
		closed := make(chan error)
		go func() { closed <- s.Close() }()
		release()
		if err := <-closed; err != nil {
			t.Fatal(err)
		}
		got.all.Wait()
		stored := 0
		for _, kind := range got.kinds {
			if kind == "" {
				stored++
			}
		}
		if stored != n {
			t.Errorf("got %d stored of those queued before Close, want %d", stored, n)
		}
		s = open(sqlstore.Options{})
		defer closeStore(t, s)
		l, err := s.Measurements(t.Context(), tenant, platform.TelemetryFilter{}, platform.Page{Number: 1, Size: 1, WithTotal: true})
		if err != nil || l.Total != n {
			t.Errorf("got %d measurements, %v, want %d", l.Total, err, n)
		}
	})
}
