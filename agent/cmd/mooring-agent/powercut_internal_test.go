package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mooring/agent"
	"mooring/agent/config"
	"mooring/agent/identity"
	"mooring/hsm/filekey"
	"mooring/hsm/key"
	"mooring/hsm/pkcs11key"
	"mooring/hsm/pkcs11key/p11test"
	"mooring/hsm/tpmkey"
	"mooring/hsm/tpmkey/swtpmtest"
	"mooring/internal/durable"
	"mooring/internal/durable/durabletest"
	"mooring/internal/pki"
)

// commandPart is a command that is cut.
type commandPart struct {
	name   string
	stores string // those that it makes sense with
	before func(d *cutDevice)
	args   func(d *cutDevice) []string
	// keys are how many the device has at the end.
	keys int
	// repeated are the exit statuses of the command when it is run again.
	repeated []int
	// brings says that the command makes an identity.
	brings bool
}

var server = []string{"--server", "127.0.0.1:1", "--ca", "/root.pem"}

func importArgs(more ...string) []string {
	return append(append([]string{"import"}, server...), more...)
}

var commandParts = []commandPart{
	{name: "import, PEM", stores: "file encrypted", keys: 1, brings: true, args: func(d *cutDevice) []string {
		path := d.keyFile("")
		return importArgs("--cert", d.file("chain.pem", pki.EncodePEM(d.chain...)), "--key-file", path)
	}},
	{name: "import, encrypted PEM, chain reversed", stores: "file", keys: 1, brings: true, args: func(d *cutDevice) []string {
		path := d.keyFile("a passphrase")
		d.file("passphrase", []byte("a passphrase\n"))
		reversed := slices.Clone(d.chain)
		slices.Reverse(reversed)
		return importArgs("--cert", d.file("chain.pem", pki.EncodePEM(reversed...)), "--key-file", path, "--passphrase-file", filepath.Join(d.dir, "passphrase"))
	}},
	{name: "import, PKCS#12", stores: "file", keys: 1, brings: true, args: func(d *cutDevice) []string {
		d.chain = nil // that of the file
		return importArgs("--cert", "../../../hsm/filekey/testdata/pkcs12/ec.p12", "--passphrase-file", d.file("passphrase", []byte("correct horse\n")))
	}},
	{name: "import, key in the store", stores: "file tpm pkcs11", before: (*cutDevice).makeKey, keys: 1, brings: true, args: func(d *cutDevice) []string {
		return importArgs("--cert", d.file("chain.pem", pki.EncodePEM(d.chain...)))
	}},
	{name: "import over an expired identity", stores: "file", before: (*cutDevice).expired, keys: 1, brings: true, args: func(d *cutDevice) []string {
		path := d.keyFile("")
		return importArgs("--cert", d.file("chain.pem", pki.EncodePEM(d.chain...)), "--key-file", path)
	}},
	{name: "selfsign", stores: "file encrypted tpm pkcs11", keys: 1, brings: true, args: selfsignArgs},
	{name: "selfsign over an expired identity", stores: "file tpm pkcs11", before: (*cutDevice).expired, keys: 1, brings: true, args: selfsignArgs},
	{name: "keystore create", stores: "file encrypted tpm", keys: -1, args: func(*cutDevice) []string { return []string{"keystore", "create", "--label", "mine"} }},
	{name: "keystore import", stores: "file", keys: -1, args: func(d *cutDevice) []string { return []string{"keystore", "import", d.keyFile("")} }},
	{name: "keystore destroy", stores: "file tpm pkcs11", before: (*cutDevice).makeKey, repeated: []int{exitDone, exitFailed}, args: func(d *cutDevice) []string {
		return []string{"keystore", "destroy", string(d.name)}
	}},
	{name: "keystore sweep", stores: "file tpm pkcs11", before: (*cutDevice).makeOrphans, keys: 1, args: func(*cutDevice) []string {
		return []string{"keystore", "sweep", "--force"}
	}},
}

func selfsignArgs(*cutDevice) []string {
	return append([]string{"selfsign", "--id", "dev1"}, server...)
}

func (d *cutDevice) makeKey() {
	d.t.Helper()
	ref, signer, err := d.store().Create(d.t.Context(), key.Spec{Label: "factory"})
	if err != nil {
		d.t.Fatal(err)
	}
	d.name = ref
	d.issue(signer)
}

// makeOrphans is a device that lost its directory of generations twice.
func (d *cutDevice) makeOrphans() {
	d.t.Helper()
	for range 2 {
		d.expired()
		if err := errors.Join(durable.RemoveAll(d.disk, cutState+"/generations"), durable.Remove(d.disk, cutState+"/current")); err != nil {
			d.t.Fatal(err)
		}
	}
	d.expired()
}

// losses are what a disk may hold after the cut: what was synced, some of the rest
// too, or everything, when only the process was killed.
var losses = []func(*durabletest.FS, uint64) *durabletest.FS{
	func(f *durabletest.FS, _ uint64) *durabletest.FS { return f.PowerLoss(nil) },
	func(f *durabletest.FS, n uint64) *durabletest.FS { return f.PowerLoss(rand.New(rand.NewPCG(n, 1))) },
	func(f *durabletest.FS, _ uint64) *durabletest.FS { return f.Restart() },
}

func TestCommandsPowerCuts(t *testing.T) {
	t.Parallel()
	for _, p := range commandParts {
		cutCommand(t, p, "file", losses, func(disk *durabletest.FS) (key.Store, error) { return filekey.Open(disk, cutKeys) })
		cutCommand(t, p, "encrypted", losses[:1], func(disk *durabletest.FS) (key.Store, error) {
			return filekey.OpenEncrypted(disk, cutKeys, "/passphrase")
		})
	}
}

func TestCommandsPowerCutsWithTPM(t *testing.T) {
	t.Parallel()
	socket := swtpmtest.Start(t).Socket
	for _, p := range commandParts {
		cutCommand(t, p, "tpm", losses[:1], func(disk *durabletest.FS) (key.Store, error) {
			return tpmkey.Open(disk, tpmkey.Location{Device: socket, Dir: cutKeys})
		})
	}
}

func TestCommandsPowerCutsWithPKCS11(t *testing.T) {
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
	for _, p := range commandParts {
		cutCommand(t, p, "pkcs11", losses[:1], func(*durabletest.FS) (key.Store, error) { return lentStore{keys}, nil })
	}
}

// lentStore is a token whose helper outlives the commands that use it.
type lentStore struct{ key.Store }

func (lentStore) Close() error { return nil }

// cutEvery is which cut points are tried without ALL_CUTS=1: hashing a passphrase
// and a token take their time.
var cutEvery = map[string]int{"file": 1, "encrypted": 12, "tpm": 5, "pkcs11": 5}

// cutCommand stops a command at every write, rename and sync, drops what was not
// synced, and looks at what is found. The next thing is a sweep, the start of an
// agent, or the same command again: all of them after each cut with ALL_CUTS=1,
// else one of them.
func cutCommand(t *testing.T, p commandPart, keys string, ways []func(*durabletest.FS, uint64) *durabletest.FS, open func(*durabletest.FS) (key.Store, error)) {
	if !slices.Contains(strings.Fields(p.stores), keys) {
		return
	}
	t.Run(keys+"/"+p.name, func(t *testing.T) {
		made := newMaker(t)
		device := func() (d *cutDevice, args []string) {
			d = &cutDevice{t: t, maker: made, open: open, disk: durabletest.New(), dir: t.TempDir()}
			err := errors.Join(durable.MkdirAll(d.disk, cutState, 0o700), durable.WriteFile(d.disk, "/root.pem", pki.EncodePEM(made.cert), 0o644),
				durable.WriteFile(d.disk, "/passphrase", []byte("correct horse\n"), 0o600))
			if err != nil {
				t.Fatal(err)
			}
			d.others = d.keys()
			if p.before != nil {
				p.before(d)
			}
			args = p.args(d)
			d.disk = d.disk.PowerLoss(nil)
			return d, args
		}
		clean, args := device()
		clean.do(args...)
		points := clean.disk.Steps()
		clean.check(p, "without a cut")
		after := []func(*cutDevice){func(*cutDevice) {}, (*cutDevice).sweep}
		if keys == "file" {
			after = append(after, (*cutDevice).start)
		}
		lives, all := 0, os.Getenv("ALL_CUTS") == "1"
		every := cutEvery[keys]
		for n := range points {
			for way, found := range ways {
				for i, next := range after {
					if !all && (n%every != 0 || n/every%len(ways) != way || n/every/len(ways)%len(after) != i) {
						continue
					}
					where := fmt.Sprintf("cut before step %d of %d, way %d, then %d", n, points, way, i)
					d, args := device()
					d.disk.CutAt(n)
					if status := d.run(args...); !d.disk.WasCut() {
						t.Fatalf("%s: no cut; %d %s", where, status, &d.said)
					}
					d.disk = found(d.disk, uint64(n))
					if f, err := d.find(); err != nil {
						t.Fatalf("%s: found %+v, %v", where, f, err)
					}
					next(d)
					status := d.run(args...)
					if status != exitDone && !slices.Contains(p.repeated, status) {
						t.Fatalf("%s: again: %d %s", where, status, &d.said)
					}
					d.check(p, where)
					lives++
				}
			}
		}
		commandCuts.Add(keys, p.name, points, lives)
	})
}

// sweep leaves no key that an agent made and nobody uses.
func (d *cutDevice) sweep() {
	d.do("keystore", "sweep", "--force")
	d.noOrphans("after sweep")
}

// start lets an agent that reaches no server tidy up; a device without settings
// has none.
func (d *cutDevice) start() {
	c, err := config.Load(d.disk, cutState, "/agent.toml", false)
	if err != nil || c.Server == "" {
		return
	}
	synctest.Test(d.t.(*testing.T), func(t *testing.T) {
		disk := d.disk
		a := agent.New(agent.Options{Config: c, FS: disk, OpenKeys: func(context.Context, string) (key.Store, error) { return d.open(disk) },
			DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no network") }})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- a.Run(ctx) }()
		time.Sleep(time.Minute)
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the agent: %v", err)
		}
	})
	d.noOrphans("after an agent")
}

func (d *cutDevice) noOrphans(when string) {
	d.t.Helper()
	f, err := d.find()
	if err != nil {
		d.t.Fatal(err)
	}
	for _, ref := range d.keys() {
		used := f.Current != nil && f.Current.KeyRef == ref || f.Next != nil && f.Next.KeyRef == ref
		if identity.Made(ref) && !used {
			d.t.Errorf("%s: nobody uses %s", when, ref)
		}
	}
}

// check looks at a device at the end of its command, and gives its keys away.
func (d *cutDevice) check(p commandPart, where string) {
	d.t.Helper()
	own := d.keys()
	if p.keys >= 0 && len(own) != p.keys || p.keys < 0 && len(own) < -p.keys {
		d.t.Errorf("%s: keys %v, want %d", where, own, p.keys)
	}
	if p.brings {
		d.checkIdentity(where)
	}
	for _, dir := range []string{cutState, cutKeys, cutState + "/generations"} {
		entries, _ := d.disk.ReadDir(dir) // it may not be there
		for _, e := range entries {
			if durable.IsTemporary(e.Name()) {
				d.t.Errorf("%s: %s is left in %s", where, e.Name(), dir)
			}
		}
		if strings.HasSuffix(dir, "generations") && len(entries) > 1 {
			d.t.Errorf("%s: %d generations", where, len(entries))
		}
	}
	store := d.store()
	for _, ref := range own {
		if signer, err := store.Open(d.t.Context(), ref); err != nil || pki.SignVerify(signer) != nil {
			d.t.Errorf("%s: key %s: %v", where, ref, err)
		}
		if err := store.Destroy(d.t.Context(), ref); err != nil {
			d.t.Error(err)
		}
	}
}

// checkIdentity wants the one that was brought, and the settings for it.
func (d *cutDevice) checkIdentity(where string) {
	d.t.Helper()
	f, err := d.find()
	if err != nil || f.Current == nil {
		d.t.Fatalf("%s: no identity: %+v, %v", where, f, err)
	}
	leaf := f.Current.Chain.Leaf()
	if time.Now().After(leaf.NotAfter) || d.chain != nil && !leaf.IsCA && !leaf.Equal(d.chain.Leaf()) {
		d.t.Errorf("%s: the certificate of %s, valid to %s", where, leaf.Issuer, leaf.NotAfter)
	}
	d.do("prove", "some-code")
	d.do("status")
	if !strings.Contains(d.said.String(), "dev1") || !strings.Contains(d.said.String(), "127.0.0.1") {
		d.t.Errorf("%s: status\n%s", where, &d.said)
	}
}
