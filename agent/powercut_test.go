package agent_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"mooring/agent"
	"mooring/internal/durable/durabletest"
	"mooring/internal/secret"
	"mooring/server/servertest"
)

// TestPowerCuts cuts the power at every step that enrolling and renewing make
// on the disk, and starts the agent again on what a disk would hold.
func TestPowerCuts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := servertest.Start(t, servertest.Options{Easy: true})
		clean := newRig(t, s, "clean")
		first := clean.disk.Steps()
		s.Register("clean", "password-of-clean")
		clean.live("password-of-clean")
		total := clean.disk.Steps() - first
		for n := range total {
			for way, found := range ways {
				d := newRig(t, s, fmt.Sprintf("cut%d-%d", n, way))
				otp := "password-of-" + d.id
				s.Register(d.id, otp)
				d.disk.CutAt(first + n)
				d.live(otp)
				d.disk = found(d.disk, uint64(n))
				if err := d.comeBack(otp); err != nil {
					t.Fatalf("cut before step %d, way %d: %v", n, way, err)
				}
			}
		}
		t.Logf("%d cut points of enrol and renew, each in %d ways: all come back", total, len(ways))
	})
}

// ways are what a disk may hold after the cut: what was synced, some of the
// rest too, or everything, when only the process was killed.
var ways = []func(*durabletest.FS, uint64) *durabletest.FS{
	func(f *durabletest.FS, _ uint64) *durabletest.FS { return f.PowerLoss(nil) },
	func(f *durabletest.FS, n uint64) *durabletest.FS { return f.PowerLoss(rand.New(rand.NewPCG(n, 1))) },
	func(f *durabletest.FS, _ uint64) *durabletest.FS { return f.Restart() },
}

// comeBack starts the agent on what it finds and brings it to a valid state.
func (d *rig) comeBack(otp string) error {
	d.t.Helper()
	d.start()
	if d.until("loaded", func(s agent.Status) bool { return s.Rung != "" }).Generation == 0 {
		d.enrol(otp)
	}
	d.until("valid", valid)
	d.renew() // a key that waited for its certificate is used now
	if err := d.stop(); err != nil {
		return err
	}
	if keys := d.keys(); len(keys) != 1 {
		return fmt.Errorf("keys %v, want one", keys)
	}
	return nil
}

// live enrols and renews as far as the disk lets it.
func (d *rig) live(otp string) {
	d.start()
	ctx, cancel := context.WithTimeout(d.t.Context(), 20*time.Second)
	defer cancel()
	if _, err := d.agent.Enrol(ctx, secret.New(otp)); err == nil {
		_, _ = d.agent.Renew(ctx)
	}
	_ = d.stop()
}

// TestPowerCutsWhileRecovering does the same to a device whose certificate has
// expired and that comes back by its second one-time password: whatever is lost,
// it is not a password without a certificate.
func TestPowerCutsWhileRecovering(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := servertest.Start(t, servertest.Options{Easy: true})
		d := newRig(t, s, "dev1")
		s.Register(d.id, "the-right-password")
		d.start()
		d.enrol("the-right-password")
		d.until("valid", valid)
		_ = d.stop()
		time.Sleep(366 * 24 * time.Hour)
		d.keepOTP("the-second-password")
		expired := d.disk
		recover := func(cut int) *durabletest.FS {
			s.Register(d.id, "the-second-password")
			d.disk = expired.PowerLoss(nil)
			if cut >= 0 {
				d.disk.CutAt(cut)
			}
			d.start()
			for range 180 { // three minutes: the grace that is not granted comes first
				if time.Sleep(time.Second); isOff(d.disk) || valid(d.status()) {
					break
				}
			}
			_ = d.stop()
			return d.disk
		}
		total := recover(-1).Steps()
		for n := range total {
			for way, found := range ways[:2] {
				d.disk = found(recover(n), uint64(n))
				d.start()
				time.Sleep(time.Second)
				got := d.until(fmt.Sprintf("valid after a cut before step %d, way %d,", n, way), func(s agent.Status) bool { return valid(s) && s.Rung == "certificate" })
				_ = d.stop()
				if keys := d.keys(); len(keys) != 1 {
					t.Fatalf("cut before step %d, way %d: keys %v of %+v", n, way, keys, got)
				}
			}
		}
		t.Logf("%d cut points of recover, each in 2 ways: all come back", total)
	})
}

func isOff(disk *durabletest.FS) bool {
	_, err := disk.Lstat(state)
	return errors.Is(err, durabletest.ErrPowerCut)
}
