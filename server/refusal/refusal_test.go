package refusal_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mooring/internal/problem"
	"mooring/server/platform"
	"mooring/server/refusal"
)

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// store keeps refusals in memory, as platform.Refusals says.
type store struct {
	mu    sync.Mutex
	rows  []platform.Refusal
	calls int
	err   error
	block chan struct{} // if set, saving waits for it
	fails func(platform.Refusal) error
	// onRead, if set, runs once before refusals are read.
	onRead func()
}

var _ platform.Refusals = (*store)(nil)

func (s *store) SaveRefusals(ctx context.Context, refusals []platform.Refusal, perCN int) error {
	if s.block != nil {
		<-s.block
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	if s.err != nil || ctx.Err() != nil {
		return errors.Join(s.err, ctx.Err())
	}
	for _, f := range refusals {
		if s.fails != nil && s.fails(f) != nil {
			return s.fails(f)
		}
	}
	s.rows = append(s.rows, refusals...)
	slices.SortStableFunc(s.rows, func(a, b platform.Refusal) int { return b.At.Compare(a.At) })
	kept := map[string]int{}
	s.rows = slices.DeleteFunc(s.rows, func(f platform.Refusal) bool {
		kept[string(f.Tenant)+"/"+f.CN]++
		return kept[string(f.Tenant)+"/"+f.CN] > perCN
	})
	return nil
}

func (s *store) Refusals(_ context.Context, tenant platform.TenantID, cn string, page platform.Page) (platform.List[platform.Refusal], error) {
	if hook := s.onRead; hook != nil {
		s.onRead = nil
		hook()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []platform.Refusal
	for _, f := range s.rows {
		if f.Tenant == tenant && (cn == "" || f.CN == cn) {
			all = append(all, f)
		}
	}
	from := min(page.Offset(), len(all))
	to := min(from+page.Size, len(all))
	return platform.List[platform.Refusal]{Items: all[from:to], More: to < len(all), Total: int64(len(all))}, s.err
}

func (s *store) stored() []platform.Refusal {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.rows)
}

func of(cn string, n int) platform.Refusal {
	return platform.Refusal{Tenant: "t1", CN: cn, At: epoch.Add(time.Duration(n) * time.Second), Door: "mqtts", Reason: platform.ReasonExpired, Detail: fmt.Sprint(n)}
}

func TestRunFlushes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{}
		r := refusal.New(refusal.Config{Store: s})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); r.Run(ctx) }()
		r.Record(of("dev1", 1))
		time.Sleep(refusal.FlushEvery - time.Millisecond)
		synctest.Wait()
		if n := len(s.stored()); n != 0 {
			t.Errorf("%d written before it was time", n)
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if n := len(s.stored()); n != 1 {
			t.Errorf("%d written, want 1", n)
		}
		time.Sleep(10 * refusal.FlushEvery)
		synctest.Wait()
		if s.calls != 1 {
			t.Errorf("%d calls, want none without refusals", s.calls)
		}
		r.Record(of("dev1", 2))
		cancel()
		<-done
		if n := len(s.stored()); n != 2 {
			t.Errorf("%d written at the end, want 2", n)
		}
	})
}

func TestStoreFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{err: problem.New(problem.Unavailable, "disk full", nil)}
		r := refusal.New(refusal.Config{Store: s})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); r.Run(ctx) }()
		for i := range 5 {
			r.Record(of("dev1", i))
		}
		time.Sleep(refusal.FlushEvery)
		synctest.Wait()
		r.Record(of("dev1", 5))
		s.mu.Lock()
		s.err = nil
		s.mu.Unlock()
		time.Sleep(refusal.FlushEvery)
		synctest.Wait()
		if got := details(s.stored()); got != "5 4 3 2 1 0" {
			t.Errorf("stored %s", got)
		}
		if r.Dropped() != 0 {
			t.Errorf("%d dropped", r.Dropped())
		}
		cancel()
		<-done
	})
}

// TestPoison holds that a refusal that the store will never take does not hold
// up the others.
func TestPoison(t *testing.T) {
	s := &store{fails: func(f platform.Refusal) error {
		switch {
		case f.Tenant == "nobody":
			return problem.New(problem.NotFound, "", nil)
		case f.CN == "poison":
			return errors.New("constraint failed")
		}
		return nil
	}}
	r := refusal.New(refusal.Config{Store: s})
	r.Record(of("dev1", 0))
	r.Record(of("poison", 1))
	guess := of("dev2", 2)
	guess.Tenant = "nobody"
	r.Record(guess)
	r.Record(of("dev3", 3))
	flushed(t, r)
	rows := s.stored()
	if got := details(rows); got != "3 2 0" || rows[1].Tenant != platform.Management || r.Dropped() != 1 {
		t.Errorf("stored %s, %d dropped: %+v", got, r.Dropped(), rows)
	}
}

// TestRecordNeverBlocks holds that a store that hangs stops nobody.
func TestRecordNeverBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{block: make(chan struct{})}
		r := refusal.New(refusal.Config{Store: s})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); r.Run(ctx) }()
		r.Record(of("dev1", 0))
		time.Sleep(refusal.FlushEvery)
		synctest.Wait() // the flush hangs now
		for i := range 3 {
			r.Record(of("dev1", i+1))
		}
		list, err := r.List(ctx, "t1", "dev1", platform.Page{Number: 1, Size: 10})
		if err != nil || details(list.Items) != "3 2 1 0" {
			t.Errorf("list %s, %v", details(list.Items), err)
		}
		close(s.block)
		cancel()
		<-done
		if got := details(s.stored()); got != "3 2 1 0" {
			t.Errorf("stored %s", got)
		}
	})
}

func details(list []platform.Refusal) string {
	var all []string
	for _, f := range list {
		all = append(all, f.Detail)
	}
	return strings.Join(all, " ")
}

func flushed(tb testing.TB, r *refusal.Recorder) {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r.Run(ctx)
}

func TestRing(t *testing.T) {
	for _, tt := range []struct {
		name            string
		names, each     int
		stored, dropped int
	}{
		{"one less than fit a name", 1, refusal.PerName - 1, refusal.PerName - 1, 0},
		{"as many as fit a name", 1, refusal.PerName, refusal.PerName, 0},
		{"one more", 1, refusal.PerName + 1, refusal.PerName, 1},
		{"one name less than fit", refusal.MaxNames - 1, 1, refusal.MaxNames - 1, 0},
		{"as many names as fit", refusal.MaxNames, 1, refusal.MaxNames, 0},
		{"one name more", refusal.MaxNames + 1, 1, refusal.MaxNames, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &store{}
			r := refusal.New(refusal.Config{Store: s})
			for n := range tt.names {
				for i := range tt.each {
					r.Record(of(fmt.Sprint(n), n*tt.each+i))
				}
			}
			flushed(t, r)
			rows := s.stored()
			if len(rows) != tt.stored || int(r.Dropped()) != tt.dropped {
				t.Errorf("%d stored, %d dropped; want %d, %d", len(rows), r.Dropped(), tt.stored, tt.dropped)
			}
			if want := fmt.Sprint(tt.names*tt.each - 1); rows[0].Detail != want {
				t.Errorf("newest is %s, want %s", rows[0].Detail, want)
			}
			if want := fmt.Sprint(tt.dropped); rows[len(rows)-1].Detail != want {
				t.Errorf("oldest is %s, want %s", rows[len(rows)-1].Detail, want)
			}
		})
	}
}

func TestRecordNormalises(t *testing.T) {
	long := strings.Repeat("ä", 1000)
	facts := platform.CertificateFacts{Subject: long, Issuer: long}
	for _, tt := range []struct {
		name     string
		in, want platform.Refusal
	}{
		{"unknown tenant", platform.Refusal{CN: "dev1", At: epoch}, platform.Refusal{Tenant: platform.Management, CN: "dev1", At: epoch}},
		{"no name", platform.Refusal{Tenant: "t1", Address: "192.0.2.1", At: epoch}, platform.Refusal{Tenant: "t1", CN: "192.0.2.1", Address: "192.0.2.1", At: epoch}},
		{"name of control characters", platform.Refusal{Tenant: "t1", CN: "\x01", Address: "192.0.2.1", At: epoch}, platform.Refusal{Tenant: "t1", CN: "192.0.2.1", Address: "192.0.2.1", At: epoch}},
		{"no time", platform.Refusal{Tenant: "t1", CN: "dev1"}, platform.Refusal{Tenant: "t1", CN: "dev1", At: epoch}},
		{"long texts", platform.Refusal{Tenant: "t1", CN: long, Address: long, Door: long, Detail: long, Leaf: facts, At: epoch},
			platform.Refusal{Tenant: "t1", CN: long[:254], Address: long[:64], Door: long[:16], Detail: long[:512], At: epoch,
				Leaf: platform.CertificateFacts{Subject: long[:512], Issuer: long[:512]}}},
		{"tenant of 65 bytes", platform.Refusal{Tenant: platform.TenantID(long[:65]), CN: "dev1", At: epoch}, platform.Refusal{Tenant: platform.Management, CN: "dev1", At: epoch}},
		{"tenant of 64 bytes", platform.Refusal{Tenant: platform.TenantID(long[:64]), CN: "dev1", At: epoch}, platform.Refusal{Tenant: platform.TenantID(long[:64]), CN: "dev1", At: epoch}},
		{"control characters", platform.Refusal{Tenant: "t1", CN: "dev\x001\n", Detail: "\xff", At: epoch}, platform.Refusal{Tenant: "t1", CN: "dev1", At: epoch}},
		{"cut between runes", platform.Refusal{Tenant: "t1", CN: "x" + long, At: epoch}, platform.Refusal{Tenant: "t1", CN: "x" + long[:252], At: epoch}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &store{}
			r := refusal.New(refusal.Config{Store: s, Now: func() time.Time { return epoch }})
			r.Record(tt.in)
			flushed(t, r)
			if got := s.stored(); len(got) != 1 || got[0] != tt.want {
				t.Errorf("stored %+v, want %+v", got, tt.want)
			}
		})
	}
}

// TestListPages holds that pages add up to the whole whatever part of it has
// been written.
func TestListPages(t *testing.T) {
	const all = 13
	for written := range all + 1 {
		s := &store{}
		r := refusal.New(refusal.Config{Store: s})
		for i := range all {
			r.Record(of("dev1", i))
			r.Record(of("dev2", i))
			if i == written-1 {
				flushed(t, r)
			}
		}
		for size := 1; size <= all+1; size++ {
			var got []platform.Refusal
			for number := 1; ; number++ {
				list, err := r.List(t.Context(), "t1", "dev1", platform.Page{Number: number, Size: size, WithTotal: true})
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, list.Items...)
				if list.Total != all || len(list.Items) > size || list.More != (len(got) < all) {
					t.Errorf("%d written, page %d of %d: total %d, %d items, more %v", written, number, size, list.Total, len(list.Items), list.More)
				}
				if !list.More || number > all {
					break
				}
			}
			if want := "12 11 10 9 8 7 6 5 4 3 2 1 0"; details(got) != want {
				t.Errorf("%d written, size %d: %s", written, size, details(got))
			}
		}
	}
}

// TestListWhileWriting holds that what is written during a read is not listed
// twice.
func TestListWhileWriting(t *testing.T) {
	s := &store{}
	r := refusal.New(refusal.Config{Store: s})
	r.Record(of("dev1", 0))
	flushed(t, r)
	r.Record(of("dev1", 1))
	s.onRead = func() { flushed(t, r) }
	list, err := r.List(t.Context(), "t1", "dev1", platform.Page{Number: 1, Size: 10})
	if err != nil || details(list.Items) != "1 0" {
		t.Errorf("list %s, %v", details(list.Items), err)
	}
}

// TestRingKeepsTheLoud holds that the name that was refused longest ago goes
// first.
func TestRingKeepsTheLoud(t *testing.T) {
	s := &store{}
	r := refusal.New(refusal.Config{Store: s})
	for i := range refusal.MaxNames {
		r.Record(of(fmt.Sprint(i), i))
	}
	r.Record(of("0", refusal.MaxNames))
	r.Record(of("new", refusal.MaxNames+1))
	flushed(t, r)
	kept := map[string]bool{}
	for _, f := range s.stored() {
		kept[f.CN] = true
	}
	if !kept["0"] || !kept["new"] || kept["1"] {
		t.Errorf("0 kept %v, new kept %v, 1 kept %v", kept["0"], kept["new"], kept["1"])
	}
}

func TestListKeepsTenantsApart(t *testing.T) {
	r := refusal.New(refusal.Config{Store: &store{}})
	r.Record(of("dev1", 1))
	stranger := of("dev1", 2)
	stranger.Tenant = "t2"
	r.Record(stranger)
	for range 2 {
		for _, cn := range []string{"dev1", ""} {
			list, err := r.List(t.Context(), "t1", cn, platform.Page{Number: 1, Size: 10})
			if err != nil || details(list.Items) != "1" {
				t.Errorf("list %s, %v", details(list.Items), err)
			}
		}
		flushed(t, r)
	}
}

func TestCounts(t *testing.T) {
	r := refusal.New(refusal.Config{Store: &store{}})
	for i := range 3 {
		r.Record(of("dev1", i))
	}
	r.Record(platform.Refusal{Door: "mtls", Reason: platform.ReasonRevoked})
	got := r.Counts()
	if len(got) != 2 || got[refusal.Counter{Door: "mqtts", Reason: platform.ReasonExpired}] != 3 || got[refusal.Counter{Door: "mtls", Reason: platform.ReasonRevoked}] != 1 {
		t.Errorf("counts %v", got)
	}
	for i := range 5000 {
		r.Record(platform.Refusal{Door: fmt.Sprint(i)})
	}
	if n := len(r.Counts()); n > 1024 {
		t.Errorf("%d counters", n)
	}
}
