package interop_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/hex"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"mooring/hsm/pkcs11key/p11test"
)

// TestObjectsOfOneLabel: of keys of one label in a token, as a factory makes them,
// the one of the certificate is used, and no other is ever touched.
func TestObjectsOfOneLabel(t *testing.T) {
	hsm := p11test.Start(t)
	s := launch{}.start(t, t.TempDir())
	s.authority(t)
	m := newMaker(t, s)
	d := tokenDevice(t, s, hsm, "labelled")
	for _, id := range []string{"01", "02", "03"} {
		hsm.Tool(t, d.id, "--keypairgen", "--key-type", "EC:prime256v1", "--label", "factory", "--id", id)
	}
	factory := hsm.Objects(t, d.id)
	chain := m.chain(t, d.id, tokenKey(t, hsm, d.id, "02"), time.Now().AddDate(1, 0, 0))
	uri := hsm.URI(d.id, "")
	d.run(t, append(append([]string{"import", "--cert", chain}, d.aim()...), "--key", uri)...).want(t, exitDone)
	d.pub(t, 1).want(t, exitDone)
	if o := d.run(t, "keystore", "list"); !regexp.MustCompile(`factory-02 .* current`).MatchString(o.stdout) {
		t.Errorf("another key is in use: %s", o)
	}
	for n := range 3 {
		d.run(t, "renew").want(t, exitDone)
		d.pub(t, 2+n).want(t, exitDone)
		if objects := hsm.Objects(t, d.id); len(objects) != len(factory)+2 || !containsAll(objects, factory) {
			t.Fatalf("renewal %d left %v of %v", n, objects, factory)
		}
	}
	s.register(t, d.id, "otp-of-"+d.id)
	d.run(t, append(d.enrol(), "--again")...).want(t, exitDone)
	d.run(t, "renew").want(t, exitDone) // it has proved the certificate before
	if objects := hsm.Objects(t, d.id); len(objects) != len(factory)+2 {
		t.Errorf("enrolling again left %v", objects)
	}

	// A second object of the very name of the key in use: none is guessed.
	name := strings.Fields(currentKey(t, d))[0]
	label, id := name[:strings.LastIndex(name, "-")], name[strings.LastIndex(name, "-")+1:]
	hsm.Tool(t, d.id, "--keypairgen", "--key-type", "EC:prime256v1", "--label", label, "--id", id)
	d.finds(t, exitFailed, "M041", "2 private keys", "id=")
	o := d.run(t, "pub", "--timeout", "3s", "200,c8y_Kill,N,9")
	if o.status == exitDone || !strings.Contains(o.stderr, "2 private keys") {
		t.Errorf("a key was guessed: %s", o)
	}
}

func currentKey(t testing.TB, d *device) string {
	t.Helper()
	for line := range strings.Lines(d.run(t, "keystore", "list").stdout) {
		if strings.Contains(line, "current") {
			return line
		}
	}
	t.Fatal("no key is in use")
	return ""
}

func containsAll(all, some []string) bool {
	for _, s := range some {
		if !slices.Contains(all, s) {
			return false
		}
	}
	return true
}

// tokenKey reads a public key as OpenSC shows it.
func tokenKey(t testing.TB, hsm *p11test.SoftHSM, label, id string) *ecdsa.PublicKey {
	t.Helper()
	out := hsm.Tool(t, label, "--list-objects", "--type", "pubkey")
	found := regexp.MustCompile(`EC_POINT:\s+([0-9a-f]+)\n.*\n.*\n\s+ID:\s+` + id).FindStringSubmatch(out)
	if len(found) != 2 {
		t.Fatalf("no point in %s", out)
	}
	point, err := hex.DecodeString(found[1])
	if err != nil || len(point) != 67 { // OCTET STRING of 65 bytes
		t.Fatalf("%x: %v", point, err)
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point[2:])
	if err != nil {
		t.Fatal(err)
	}
	return key
}
