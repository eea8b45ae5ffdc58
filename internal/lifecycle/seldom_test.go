package lifecycle_test

import (
	"testing"
	"time"

	lc "mooring/internal/lifecycle"
)

// A device that is awake for minutes, and reaches MQTT alone, asks by the token of
// its connection in one of two wakes, however long it waits between its tries.
func TestSeldomAwake(t *testing.T) {
	for _, attempts := range []uint16{0, 1, 20, 21} {
		d := enrolled(t, lc.Policy{})
		d.now = d.s.RenewAt().Time()
		d.s.Attempt = attempts
		asked := map[lc.Auth]int{}
		for range 2 {
			d.now = d.now.Add(8 * time.Hour)
			begun := d.now
			d.act(d.step(lc.Event{Kind: lc.Booted, Current: d.s.Current, Next: d.s.Next, Highest: d.s.Highest}), asked)
			d.act(d.step(lc.Event{Kind: lc.TimeTrust, Trusted: true}), asked)
			d.now = begun.Add(2 * time.Second)
			d.act(d.step(lc.Event{Kind: lc.Connected, Generation: 1, Leaf: d.s.Current.Leaf}), asked)
			d.now = begun.Add(5 * time.Minute)
			d.act(d.step(ev(lc.Tick, 0)), asked)
		}
		if asked[lc.Token] == 0 {
			t.Errorf("after %d failures: asked %v, never by token", attempts, asked)
		}
	}
}

// A device that cannot connect does not wait for it: its certificate may do.
func TestNotConnectedAtTheStart(t *testing.T) {
	for _, kind := range []lc.EventKind{lc.ConnectFailed, lc.ConnectRefused} {
		d := enrolled(t, lc.Policy{})
		d.now = d.s.RenewAt().Time()
		asked := map[lc.Auth]int{}
		d.act(d.step(lc.Event{Kind: lc.Booted, Current: d.s.Current, Highest: 1}), asked)
		d.act(d.step(lc.Event{Kind: lc.TimeTrust, Trusted: true}), asked)
		if len(asked) != 0 {
			t.Fatalf("asked %v before it tried to connect", asked)
		}
		d.act(d.step(ev(kind, 1)), asked)
		if asked[lc.Certificate] != 1 {
			t.Errorf("asked %v, want once by certificate", asked)
		}
	}
}

// act answers actions until nothing is left to do: keys are made, requests fail.
func (d *device) act(actions []lc.Action, asked map[lc.Auth]int) {
	for _, a := range actions {
		switch a.Kind {
		case lc.CreateKey:
			d.act(d.step(ev(lc.KeyCreated, a.Generation)), asked)
		case lc.DestroyOld:
			d.act(d.step(ev(lc.Destroyed, a.Generation)), asked)
		case lc.RequestCertificate:
			asked[a.Auth]++
			d.act(d.step(ev(lc.Failed, a.Generation)), asked)
		}
	}
}
