package spool_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"mooring/agent/spool"
	"mooring/internal/durable/durabletest"
)

// scenario puts messages that fill several segments and reports most of them.
// It returns those whose Put returned, and the last one it reported.
func scenario(t *testing.T, disk *durabletest.FS) (accepted []string, done int) {
	s, err := spool.Open(spool.Config{FS: disk, Dir: dir, MaxBytes: 1 << 20, Now: func() (time.Time, bool) { return time.Now(), false }})
	if err != nil {
		return nil, 0
	}
	for i := range 30 {
		p := fmt.Sprintf("%d,%s", i, strings.Repeat("x", 9000))
		if _, err := s.Put(spool.Message{Topic: "s/us", Payload: []byte(p), QoS: 1}); err != nil {
			break // the power is off
		}
		accepted = append(accepted, p)
		if i%3 == 2 {
			done = i - 1
			s.Done(uint64(done))
		}
	}
	_ = s.Close() // the power may be off
	return accepted, done
}

// TestPowerCuts stops at every step on the disk. Whatever Put returned for is
// there again or was reported done; what was reported is repeated for one segment
// at most; the order stays, and the spool goes on.
func TestPowerCuts(t *testing.T) {
	clean := durabletest.New()
	scenario(t, clean)
	total, repeated := clean.Steps(), 0
	ways := []func(*durabletest.FS, int) *durabletest.FS{
		func(f *durabletest.FS, _ int) *durabletest.FS { return f.PowerLoss(nil) },
		func(f *durabletest.FS, n int) *durabletest.FS {
			return f.PowerLoss(rand.New(rand.NewPCG(uint64(n), 1)))
		},
		func(f *durabletest.FS, _ int) *durabletest.FS { return f.Restart() },
	}
	for n := range total {
		for way, found := range ways {
			disk := durabletest.New()
			disk.CutAt(n)
			accepted, done := scenario(t, disk)
			s := open(t, found(disk, n), nil)
			where := fmt.Sprintf("cut before step %d of %d, way %d", n, total, way)
			if s.Stats().Damaged != 0 {
				t.Fatalf("%s: damage", where)
			}
			got := drain(t, s, false)
			again := len(accepted) - len(got) // got may have one more: written, but Put did not return
			switch {
			case len(got) > 0 && strings.HasPrefix(got[len(got)-1], fmt.Sprintf("%d,", len(accepted))):
				got = got[:len(got)-1]
				again = len(accepted) - len(got)
			}
			if again > done {
				t.Fatalf("%s: %d of %d messages are left, %d were done", where, len(got), len(accepted), done)
			}
			same(t, where, got, accepted[again:])
			repeated = max(repeated, done-again)
			put(t, s, "after the cut")
			if all := drain(t, s, true); all[len(all)-1] != "after the cut" {
				t.Fatalf("%s: it does not go on", where)
			}
			_ = s.Close()
		}
	}
	if repeated > 9 {
		t.Errorf("%d messages of 9 kB are repeated, want one segment at most", repeated)
	}
	t.Logf("%d cut points, each in %d ways; at most %d messages repeated", total, len(ways), repeated)
}

// A power cut while nothing new comes repeats 256 messages at most, and the files
// of what was reported are gone.
func TestPowerCutWhileDraining(t *testing.T) { synctest.Test(t, testPowerCutWhileDraining) }

func testPowerCutWhileDraining(t *testing.T) {
	disk := durabletest.New()
	s := open(t, disk, nil)
	all := numbers(0, 4000)
	for _, p := range all {
		put(t, s, p)
	}
	for _, done := range []int{1000, 2001, 3500, 4000} {
		for i := range done + 1 {
			s.Done(uint64(i))
		}
		synctest.Wait()
		after := open(t, disk.PowerLoss(nil), nil)
		got := drain(t, after, false)
		if again := len(got) - (len(all) - done); again < 0 || again > 256 {
			t.Errorf("%d done: %d are repeated, want 256 at most", done, again)
		}
		same(t, "left", got, all[len(all)-len(got):])
		if bytes := s.Stats().Bytes; bytes > int64(len(all)-done)*50+100<<10 {
			t.Errorf("%d done: %d bytes are left", done, bytes)
		}
	}
}

// What is reported message by message is synced once in 256.
func TestSyncOfWhatIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := durabletest.New()
		s := open(t, disk, nil)
		all := numbers(0, 600)
		for _, p := range all {
			put(t, s, p)
		}
		most := 0
		for done := 1; done <= len(all); done++ {
			s.Done(uint64(done))
			synctest.Wait()
			left := len(drain(t, open(t, disk.PowerLoss(nil), nil), false))
			most = max(most, left-(len(all)-done))
		}
		if most != 255 {
			t.Errorf("%d messages are repeated at most, want 255", most)
		}
	})
}

// TestFaults lets one step on the disk fail, each in turn: that Put says so, the
// others are kept in order.
func TestFaults(t *testing.T) {
	clean := durabletest.New()
	_ = open(t, clean, nil).Close()
	first := clean.Steps()
	scenario(t, clean)
	for n := first; n < clean.Steps(); n++ {
		for _, fault := range []error{syscall.EIO, syscall.ENOSPC} {
			disk := durabletest.New()
			disk.FailAt(n, fault)
			s := open(t, disk, nil)
			var want []string
			for i := range 30 {
				p := fmt.Sprintf("%d,%s", i, strings.Repeat("x", 9000))
				_, err := s.Put(spool.Message{Topic: "s/us", Payload: []byte(p), QoS: 1})
				if err == nil {
					want = append(want, p)
				} else if !errors.Is(err, fault) {
					t.Fatalf("step %d: %v", n, err)
				}
			}
			lost := int(s.Stats().Dropped.Full) // by making room on a full disk
			if len(want) < 29 || lost > 9 {
				t.Fatalf("step %d: %d of 30 accepted, %d dropped", n, len(want), lost)
			}
			same(t, fmt.Sprintf("step %d, before a restart", n), drain(t, s, false), want[lost:])
			_ = s.Close()
			s = open(t, disk.Restart(), nil)
			got := drain(t, s, true)
			if len(want) == 29 && len(got) == 30-lost { // the last one failed: a start cannot know that
				got = got[:29-lost]
			}
			same(t, fmt.Sprintf("step %d, %v", n, fault), got, want[lost:])
			_ = s.Close()
		}
	}
}
