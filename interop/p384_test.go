package interop_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"strings"
	"testing"
)

// TestP384 is the life of devices whose keys are to be P-384, in each key store.
func TestP384(t *testing.T) {
	s := launch{}.start(t, t.TempDir())
	s.authority(t)
	for _, place := range append(hardware(t), keyPlace{name: "file"}) {
		t.Run(place.name, func(t *testing.T) {
			d := newDevice(t, s, "p384-"+place.name)
			d.env = place.env
			args := append(d.enrol(), "--algorithm", "ecdsa-p384")
			if place.uri != "" {
				args = append(args, "--key", place.uri)
			}
			d.run(t, args...).want(t, exitDone)
			d.pub(t, 1).want(t, exitDone)
			first := d.curve(t, elliptic.P384())
			d.run(t, "renew").want(t, exitDone)
			if d.curve(t, elliptic.P384()).Equal(first) {
				t.Error("the renewal kept the key")
			}
			d.pub(t, 2).want(t, exitDone)
			d.run(t, "token").want(t, exitDone)
			d.run(t, "keystore", "selftest", "--algorithm", "ecdsa-p384", "-n", "3").want(t, exitDone)
			d.doctor(t, exitDone, "")

			// The kind of the next key is changed by the configuration.
			settings := d.state + "/settings.toml"
			writeFile(t, settings, strings.Replace(readFile(t, settings), "ecdsa-p384", "ecdsa-p256", 1))
			d.run(t, "renew").want(t, exitDone)
			d.curve(t, elliptic.P256())
			d.pub(t, 3).want(t, exitDone)
			if o := d.run(t, "keystore", "list"); strings.Count(o.stdout, "\n") != 1 || !strings.Contains(o.stdout, "current") {
				t.Errorf("keys are left: %s", o)
			}
			if got := s.values(t, d.id, "c8y_Kill"); len(got) != 3 {
				t.Errorf("values %v", got)
			}
		})
	}
}

// curve checks that of the key in force.
func (d *device) curve(t testing.TB, want elliptic.Curve) *ecdsa.PublicKey {
	t.Helper()
	public, ok := d.leaf(t).PublicKey.(*ecdsa.PublicKey)
	if !ok || public.Curve != want {
		t.Fatalf("the key is %T, want one on %s", d.leaf(t).PublicKey, want.Params().Name)
	}
	return public
}
