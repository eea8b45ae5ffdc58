package spool_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"mooring/agent/spool"
	"mooring/internal/durable"
	"mooring/internal/durable/durabletest"
	"mooring/internal/problem"
)

const dir = "/spool"

func open(t testing.TB, fsys durable.FS, edit func(*spool.Config)) *spool.Spool {
	t.Helper()
	cfg := spool.Config{FS: fsys, Dir: dir, MaxBytes: 1 << 20, Now: func() (time.Time, bool) { return time.Now(), true }}
	if edit != nil {
		edit(&cfg)
	}
	s, err := spool.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() }) // tests that care close it themselves
	return s
}

func put(t testing.TB, s *spool.Spool, payload string) uint64 {
	t.Helper()
	seq, err := s.Put(spool.Message{Topic: "s/us", Payload: []byte(payload), QoS: 1})
	if err != nil {
		t.Fatalf("put %.20s: %v", payload, err)
	}
	return seq
}

// drain takes what waits, and reports it done if told so.
func drain(t testing.TB, s *spool.Spool, done bool) (payloads []string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for after := uint64(0); ; {
		e, err := s.Next(ctx, after)
		if err != nil {
			return payloads
		}
		if e.Seq <= after {
			t.Fatalf("message %d after %d", e.Seq, after)
		}
		if after = e.Seq; done {
			s.Done(after)
		}
		payloads = append(payloads, string(e.Payload))
	}
}

func numbers(from, to int) (all []string) {
	for i := from; i < to; i++ {
		all = append(all, fmt.Sprintf("200,c8y_Test,N,%d", i))
	}
	return all
}

func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	if strings.Join(got, "\n") == strings.Join(want, "\n") {
		return
	}
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Fatalf("%s: %d messages, want %d; at %d %.40q, want %.40q", what, len(got), len(want), i, got[i], want[i])
		}
	}
	t.Fatalf("%s: %d messages, want %d", what, len(got), len(want))
}

// Many segments, some dealt with, over restarts with and without a Close.
func TestOrderOverRestarts(t *testing.T) {
	disk := durabletest.New()
	s := open(t, disk, nil)
	all := numbers(0, 5000)
	for _, p := range all {
		put(t, s, p)
	}
	same(t, "put", drain(t, s, false), all)
	s.Done(1234)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(spool.Message{}); !errors.Is(err, problem.Unavailable) {
		t.Errorf("put after the end: got %v", err)
	}
	s = open(t, disk, nil)
	if n := s.Stats().Messages; n != 5000-1234 {
		t.Errorf("%d messages wait, want %d", n, 5000-1234)
	}
	more := numbers(5000, 5100)
	for _, p := range more {
		put(t, s, p)
	}
	same(t, "after a restart", drain(t, s, true), append(all[1234:], more...))
	_ = s.Close()
	s = open(t, disk.Restart(), nil)
	if st := s.Stats(); st.Messages != 0 || st.Bytes > 100<<10 || st.Dropped != (spool.Dropped{}) {
		t.Errorf("in the end: %+v", st)
	}
	if seq := put(t, s, "next"); seq != 5101 {
		t.Errorf("the next number is %d, want 5101", seq)
	}
}

func TestMessageSizes(t *testing.T) {
	s := open(t, durabletest.New(), nil)
	room := spool.MaxMessage - len("s/us")
	for _, tt := range []struct {
		n    int
		qos  byte
		want error
	}{{0, 1, nil}, {room - 1, 1, nil}, {room, 0, nil}, {room + 1, 1, problem.TooLarge}, {1, 2, problem.TooLarge}} {
		if _, err := s.Put(spool.Message{Topic: "s/us", Payload: make([]byte, tt.n), QoS: tt.qos}); !errors.Is(err, tt.want) {
			t.Errorf("%d bytes, QoS %d: got %v, want %v", tt.n, tt.qos, err, tt.want)
		}
	}
	if got := drain(t, s, true); len(got) != 3 || len(got[2]) != room {
		t.Errorf("%d messages", len(got))
	}
}

// Both policies, over a restart: what is left is in order, and every message is
// either there or counted.
func TestFull(t *testing.T) {
	for _, keepOldest := range []bool{false, true} {
		t.Run(fmt.Sprint(keepOldest), func(t *testing.T) {
			disk := durabletest.New()
			edit := func(c *spool.Config) { c.MaxBytes, c.KeepOldest = spool.MinBytes, keepOldest }
			s := open(t, disk, edit)
			const n = 20000
			all, refused := numbers(0, n), 0
			for i, p := range all {
				_, err := s.Put(spool.Message{Topic: "s/us", Payload: []byte(p), QoS: 1})
				if errors.Is(err, spool.ErrFull) && keepOldest {
					refused++
				} else if err != nil {
					t.Fatal(i, err)
				}
				if b := s.Stats().Bytes; b > spool.MinBytes {
					t.Fatalf("%d bytes after %d messages", b, i)
				}
			}
			_ = s.Close()
			s = open(t, disk.Restart(), edit)
			st := s.Stats()
			if st.Bytes < spool.MinBytes*3/4 {
				t.Errorf("only %d bytes are used", st.Bytes)
			}
			kept := int(st.Messages)
			if keepOldest {
				same(t, "kept", drain(t, s, true), all[:kept])
				if kept+refused != n {
					t.Errorf("%d kept, %d refused of %d", kept, refused, n)
				}
			} else {
				same(t, "kept", drain(t, s, true), all[n-kept:])
				if kept+int(st.Dropped.Full) != n {
					t.Errorf("%d kept, %+v of %d", kept, st.Dropped, n)
				}
			}
			put(t, s, "room again")
			if int(s.Stats().Dropped.Full)+kept != n {
				t.Errorf("drops after a restart: %+v, want %d", s.Stats().Dropped, n-kept)
			}
		})
	}
}

func TestAge(t *testing.T) {
	now, trusted := time.Unix(0, 0), false
	s := open(t, durabletest.New(), func(c *spool.Config) {
		c.MaxAge, c.Now = time.Hour, func() (time.Time, bool) { return now, trusted }
	})
	put(t, s, "in 1970, as a clock without battery says")
	now, trusted = time.Unix(1_800_000_000, 0), true
	put(t, s, "now")
	for _, tt := range []struct {
		after   time.Duration
		trusted bool
		want    bool
	}{{0, true, false}, {time.Hour, true, false}, {time.Hour + time.Millisecond, false, false}, {time.Hour + time.Millisecond, true, true}} {
		now, trusted = time.Unix(1_800_000_000, 0).Add(tt.after), tt.trusted
		first, _ := s.Next(t.Context(), 0)
		second, _ := s.Next(t.Context(), first.Seq)
		if first.Expired || second.Expired != tt.want {
			t.Errorf("after %v, trusted %v: got %v, %v", tt.after, tt.trusted, first.Expired, second.Expired)
		}
	}
	s.Done(1)
	s.Drop(2, spool.Expired)
	s.Drop(2, spool.Expired) // once only
	if st := s.Stats(); st.Dropped.Expired != 1 || st.Messages != 0 {
		t.Errorf("got %+v", st)
	}
}

func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, durabletest.New(), func(c *spool.Config) { c.MaxBytes = spool.MinBytes })
		first, second := put(t, s, "a"), put(t, s, "b")
		results := make(chan error, 2)
		go func() { results <- s.Wait(t.Context(), first) }()
		s.Done(first)
		if err := <-results; err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errors.New("no patience"))
		if err := s.Wait(ctx, second); err == nil || err.Error() != "no patience" {
			t.Errorf("got %v", err)
		}
		go func() { results <- s.Wait(t.Context(), second) }()
		synctest.Wait()
		for range 30 {
			put(t, s, strings.Repeat("x", 16000))
		}
		if err := <-results; !errors.Is(err, spool.ErrDropped) {
			t.Errorf("pushed out: got %v", err)
		}
	})
}

// A consumer beside many producers: each producer's messages come in its order.
func TestConcurrent(t *testing.T) {
	s := open(t, durabletest.New(), func(c *spool.Config) { c.MaxBytes = 8 << 20 })
	const producers, each = 8, 300
	var wg sync.WaitGroup
	for p := range producers {
		wg.Go(func() {
			for i := range each {
				put(t, s, fmt.Sprintf("%d,%d", p, i))
			}
		})
	}
	next := [producers]int{}
	for after := uint64(0); after < producers*each; {
		e, err := s.Next(t.Context(), after)
		if err != nil || e.Seq != after+1 {
			t.Fatal(e.Seq, err)
		}
		var p, i int
		if _, err := fmt.Sscanf(string(e.Payload), "%d,%d", &p, &i); err != nil || next[p] != i {
			t.Fatalf("%s: want number %d of it", e.Payload, next[p])
		}
		next[p]++
		after = e.Seq
		if after%7 == 0 {
			s.Done(after)
		}
	}
	wg.Wait()
}

// A spool that keeps the oldest gives nothing up for a disk that is full.
func TestFullDiskKeepsOldest(t *testing.T) {
	disk := durabletest.New()
	s := open(t, disk, func(c *spool.Config) { c.KeepOldest = true })
	all := numbers(0, 300)
	for _, p := range all {
		put(t, s, p+strings.Repeat(" ", 1000))
	}
	disk.FailAt(disk.Steps(), syscall.ENOSPC)
	if _, err := s.Put(spool.Message{Topic: "s/us", Payload: []byte("more"), QoS: 1}); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("put: %v", err)
	}
	if st := s.Stats(); st.Messages != uint64(len(all)) || st.Dropped.Full != 0 {
		t.Errorf("got %+v", st)
	}
	_ = s.Close()
}
