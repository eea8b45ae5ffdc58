package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"mooring/agent/identity"
	"mooring/hsm/filekey"
	"mooring/hsm/key"
	"mooring/internal/durable"
	"mooring/internal/durable/durabletest"
	"mooring/internal/pki"
)

const (
	cutState = "/state"
	cutKeys  = "/state/keys"
)

// maker issues certificates for keys that exist.
type maker struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate

	brought string // a file with a key
	chain   pki.Chain
}

func newMaker(t testing.TB) *maker {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	m := &maker{key: k}
	m.cert = m.issue(t, "Factory", k.Public(), time.Now().AddDate(10, 0, 0), true)
	return m
}

func (m *maker) issue(t testing.TB, cn string, public crypto.PublicKey, end time.Time, authority bool) *x509.Certificate {
	t.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: cn}, NotBefore: end.AddDate(-20, 0, 0), NotAfter: end,
		IsCA: authority, BasicConstraintsValid: true}
	parent := m.cert
	if parent == nil {
		parent = tmpl
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, public, m.key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// cutDevice is a device whose disk is in memory, and its commands.
type cutDevice struct {
	t     testing.TB
	maker *maker
	disk  *durabletest.FS
	open  func(*durabletest.FS) (key.Store, error)
	dir   string // of files that a person brings
	said  bytes.Buffer

	chain  pki.Chain // brought
	name   key.Ref   // of a key made for the part
	others []key.Ref // in a token that others use, too
}

func (d *cutDevice) run(args ...string) int {
	d.said.Reset()
	disk := d.disk
	p := &program{ctx: d.t.Context(), stdin: &bytes.Buffer{}, stdout: &d.said, stderr: &d.said, fsys: disk,
		openKeys: func(context.Context, string) (key.Store, error) { return d.open(disk) },
		lock:     func(string) (func(), error) { return func() {}, nil }}
	return p.main(slices.Insert(slices.Clone(args), 1, "--state", cutState))
}

// do runs a command that must succeed.
func (d *cutDevice) do(args ...string) {
	d.t.Helper()
	if status := d.run(args...); status != exitDone {
		d.t.Fatalf("%v: %d %s", args, status, &d.said)
	}
}

func (d *cutDevice) store() key.Store {
	d.t.Helper()
	keys, err := d.open(d.disk)
	if err != nil {
		d.t.Fatal(err)
	}
	return keys
}

// keys lists the device's own.
func (d *cutDevice) keys() []key.Ref {
	d.t.Helper()
	refs, err := d.store().List(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	return slices.DeleteFunc(refs, func(r key.Ref) bool { return slices.Contains(d.others, r) })
}

func (d *cutDevice) find() (identity.Found, error) {
	ids, err := identity.Open(d.disk, cutState, d.store())
	if err != nil {
		return identity.Found{}, err
	}
	return ids.Find(d.t.Context())
}

// file writes what a person brings to the real disk.
func (d *cutDevice) file(name string, text []byte) string {
	d.t.Helper()
	path := filepath.Join(d.dir, name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		d.t.Fatal(err)
	}
	return path
}

// keyFile makes a key of PEM, encrypted if there is a passphrase, and its chain;
// all devices of a maker bring the same.
func (d *cutDevice) keyFile(passphrase string) (path string) {
	d.t.Helper()
	m := d.maker
	if m.brought == "" {
		dir := d.t.TempDir()
		store, err := filekey.Open(durable.OS, dir)
		if passphrase != "" {
			store, err = filekey.OpenEncrypted(durable.OS, dir, d.file("passphrase", []byte(passphrase+"\n")))
		}
		if err != nil {
			d.t.Fatal(err)
		}
		ref, signer, err := store.Create(d.t.Context(), key.Spec{Label: "brought"})
		if err != nil {
			d.t.Fatal(err)
		}
		d.issue(signer)
		m.brought, m.chain = filepath.Join(dir, string(ref)+".pem"), d.chain
	}
	d.chain = m.chain
	return m.brought
}

func (d *cutDevice) issue(signer crypto.Signer) {
	d.chain = pki.Chain{d.maker.issue(d.t, "dev1", signer.Public(), time.Now().AddDate(1, 0, 0), false), d.maker.cert}
}

// expired gives the device an identity that is over, with a key of its own.
func (d *cutDevice) expired() {
	d.t.Helper()
	ctx := d.t.Context()
	ids, err := identity.Open(d.disk, cutState, d.store())
	if err != nil {
		d.t.Fatal(err)
	}
	id, err := ids.Prepare(ctx, 1, 1, time.Now())
	if err != nil {
		d.t.Fatal(err)
	}
	leaf := d.maker.issue(d.t, "dev1", id.Signer.Public(), time.Now().Add(-time.Hour), false)
	if err := errors.Join(ids.SaveChain(ctx, 1, pki.Chain{leaf, d.maker.cert}), ids.Commit(ctx, 1)); err != nil {
		d.t.Fatal(err)
	}
}

// commandCuts is printed when all tests of the package are done.
var commandCuts = durabletest.Cuts{Each: "lives", End: "the old identity or the new one, no orphans, repeatable"}
