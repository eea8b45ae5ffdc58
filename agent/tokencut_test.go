package agent_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"mooring/hsm/key"
	"mooring/hsm/pkcs11key"
	"mooring/hsm/pkcs11key/p11test"
	"mooring/hsm/tpmkey"
	"mooring/hsm/tpmkey/swtpmtest"
	"mooring/internal/durable/durabletest"
	"mooring/internal/secret"
	"mooring/server/servertest"
)

// TestPowerCutsWithTPM is TestPowerCuts with the keys in a TPM, whose answers
// take real time; each cut loses what was not synced.
func TestPowerCutsWithTPM(t *testing.T) {
	socket := swtpmtest.Start(t).Socket
	realPowerCuts(t, func(disk *durabletest.FS) (key.Store, error) {
		return tpmkey.Open(disk, tpmkey.Location{Device: socket, Dir: state + "/keys"})
	})
}

// TestPowerCutsWithPKCS11 is the same with the keys in a token. What the token
// has done stays done.
func TestPowerCutsWithPKCS11(t *testing.T) {
	token := p11test.Start(t)
	token.AddToken(t, "device")
	l, err := pkcs11key.ParseURI(token.URI("device", ""))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := pkcs11key.Open(l)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = keys.Close() }()
	realPowerCuts(t, func(*durabletest.FS) (key.Store, error) { return lent{keys}, nil })
}

// lent is a token whose helper outlives the agents that use it.
type lent struct{ *pkcs11key.Store }

func (lent) Close() error { return nil }

func realPowerCuts(t *testing.T, open func(*durabletest.FS) (key.Store, error)) {
	s := servertest.Start(t, servertest.Options{Easy: true})
	device := func(id string) *rig {
		d := newRig(t, s, id)
		d.poll, d.openKeys = 5*time.Millisecond, open
		s.Register(id, "password-of-"+id)
		return d
	}
	clean := device("clean")
	first := clean.disk.Steps()
	clean.liveUntilCut()
	total := clean.disk.Steps() - first
	clean.clear()
	for n := range total {
		d := device(fmt.Sprintf("cut%d", n))
		d.disk.CutAt(first + n)
		d.liveUntilCut()
		d.disk = d.disk.PowerLoss(nil)
		if err := d.comeBack("password-of-" + d.id); err != nil {
			t.Fatalf("cut before step %d: %v", n, err)
		}
		d.clear()
	}
	t.Logf("%d cut points of enrol and renew: all come back", total)
}

// liveUntilCut enrols and renews until the disk is cut off.
func (d *rig) liveUntilCut() {
	d.start()
	ctx, cancel := context.WithCancel(d.t.Context())
	defer cancel()
	go func() {
		for ; ctx.Err() == nil; time.Sleep(d.poll) {
			if isOff(d.disk) {
				cancel()
			}
		}
	}()
	if _, err := d.agent.Enrol(ctx, secret.New("password-of-"+d.id)); err == nil {
		_, _ = d.agent.Renew(ctx)
	}
	cancel()
	_ = d.stop()
}

// clear removes the device's keys, so that the next finds an empty token.
func (d *rig) clear() {
	d.t.Helper()
	keys, err := d.openKeys(d.disk)
	if err != nil {
		d.t.Fatal(err)
	}
	for _, ref := range d.keys() {
		if err := keys.Destroy(d.t.Context(), ref); err != nil {
			d.t.Fatal(err)
		}
	}
}
