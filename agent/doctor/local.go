package doctor

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"mooring/agent/dial"
	"mooring/agent/identity"
	"mooring/hsm/key"
	"mooring/internal/deviceid"
	"mooring/internal/pki"
)

const (
	// slowSignature is where limits of servers come near: they give a
	// handshake 10 s or more, and it needs one signature.
	slowSignature = 2 * time.Second
	// maxEntries bounds how many files of the state directory are looked at.
	maxEntries = 1000
	clockFile  = "clock"
)

// local is what needs no network.
func (e *exam) local(ctx context.Context) {
	usable := e.configuration()
	if e.cfg.State == "" {
		return
	}
	if err := identity.CheckDir(e.o.FS, e.cfg.State); err != nil {
		if e.cfg.DeviceID == "" && errors.Is(err, fs.ErrNotExist) {
			e.find("identity", "M190", "there is no state directory "+e.cfg.State)
			return
		}
		e.fail("state", "M010", err)
		return
	}
	e.ok("state", "%s", e.cfg.State)
	e.owners()
	e.disk()
	if usable {
		e.ownClock()
		e.identity(ctx)
	}
}

// configuration makes what later steps need, and reports whether to go on.
func (e *exam) configuration() bool {
	if _, ok := errors.AsType[*identity.Error](e.o.ConfigErr); ok {
		return false // about the state directory, which is next
	}
	if e.o.ConfigErr != nil {
		e.fail("config", "M001", e.o.ConfigErr)
		return false
	}
	if e.cfg.Server == "" && e.cfg.DeviceID == "" {
		e.skip("config", "neither server nor device_id is set: the device was never enrolled")
		return true
	}
	if err := e.cfg.Validate(); err != nil {
		code := Code("M001")
		if e.cfg.DeviceID != "" && deviceid.ValidExternalID(e.cfg.DeviceID) != nil {
			code = "M004"
		}
		e.fail("config", code, err)
		return true
	}
	text, err := e.cfg.Anchors(e.o.FS)
	if err == nil && e.cfg.CA != "" {
		e.roots = x509.NewCertPool()
		if !e.roots.AppendCertsFromPEM(text) {
			err = fmt.Errorf("%s holds no certificate", e.cfg.CA)
		}
	}
	if err != nil {
		e.fail("config", "M002", err)
		return true
	}
	proxy, err := e.cfg.DialProxy(e.o.FS, e.o.Getenv)
	if err != nil {
		e.fail("config", "M003", err)
		return true
	}
	e.dialer = dial.New(dial.Config{Server: e.cfg.Server, Addresses: e.cfg.Addresses, Proxy: proxy, Direct: e.o.Direct, Now: e.now})
	e.ok("config", "device %s at %s", e.cfg.DeviceID, e.cfg.Server)
	return true
}

// now is the time certificates are judged by, as the agent does.
func (e *exam) now() time.Time { return e.clock.Now() }

// owners looks for files of other users, left by a command that ran as root.
func (e *exam) owners() {
	info, err := e.o.FS.Lstat(e.cfg.State)
	if err != nil {
		return // CheckDir has just seen it
	}
	top, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return
	}
	left := maxEntries
	if path, uid := e.foreign(e.cfg.State, top.Uid, &left); path != "" {
		e.find("state", "M012", fmt.Sprintf("%s belongs to user %d, the directory to user %d", path, uid, top.Uid))
	}
}

func (e *exam) foreign(dir string, owner uint32, left *int) (path string, uid uint32) {
	entries, err := e.o.FS.ReadDir(dir)
	if err != nil {
		return "", 0 // what cannot be read is said where it is needed
	}
	for _, entry := range entries {
		if *left--; *left < 0 {
			return "", 0
		}
		p := filepath.Join(dir, entry.Name())
		info, err := e.o.FS.Lstat(p)
		if err != nil {
			continue // gone meanwhile
		}
		if s, ok := info.Sys().(*syscall.Stat_t); ok && s.Uid != owner {
			return p, s.Uid
		}
		if entry.IsDir() {
			if p, uid := e.foreign(p, owner, left); p != "" {
				return p, uid
			}
		}
	}
	return "", 0
}

// ownClock compares the wall clock with what is known to have passed.
func (e *exam) ownClock() {
	_ = e.clock.Load(e.o.FS, filepath.Join(e.cfg.State, clockFile)) // without it there is only less to compare with
}

// identity looks at key and certificate.
func (e *exam) identity(ctx context.Context) {
	keys, err := e.o.OpenKeys(ctx, e.cfg.KeyURI())
	if err != nil {
		e.fail("key", "M040", err)
		return
	}
	e.keys = keys
	ids, err := identity.Open(e.o.FS, e.cfg.State, keys)
	if err != nil {
		e.fail("state", "M010", err)
		return
	}
	found, err := ids.Find(ctx)
	switch {
	case err != nil:
		e.identityFault(err)
	case found.Current == nil:
		e.find("identity", "M190", "")
	default:
		leaf := found.Current.Chain.Leaf()
		e.clock.Observe(leaf.NotBefore)
		e.clockTrust()
		e.key(found.Current)
		e.chain(found.Current.Chain)
		e.id = found.Current
		return
	}
	e.clockTrust()
}

func (e *exam) clockTrust() {
	if !e.clock.Trusted() {
		e.find("clock", "M032", fmt.Sprintf("the clock says %s, and %s has passed", e.o.Now().UTC().Format(time.RFC3339), e.clock.Floor().UTC().Format(time.RFC3339)))
	}
}

// identityFault names what is wrong with an identity that cannot be loaded.
func (e *exam) identityFault(err error) {
	fault, _ := errors.AsType[*identity.Error](err)
	switch {
	case fault == nil:
		e.fail("identity", "M011", err)
	case strings.HasPrefix(fault.Path, "key ") || errors.Is(err, key.ErrNotFound):
		e.fail("key", "M041", err)
	case fault.What == identity.WrongKey && e.misordered():
		e.find("certificate", "M050", fault.Path)
	case fault.What == identity.WrongKey:
		e.fail("key", "M042", err)
	default:
		e.fail("identity", "M011", err)
	}
}

// misordered reports whether the stored chain begins with an issuer of a
// certificate that comes later.
func (e *exam) misordered() bool {
	text, err := e.o.FS.ReadFile(filepath.Join(e.cfg.State, "current", "chain.pem"))
	if err != nil {
		return false
	}
	chain, err := pki.ParsePEMChain(text)
	if err != nil {
		return false
	}
	for _, c := range chain[1:] {
		if c.CheckSignatureFrom(chain[0]) == nil {
			return true
		}
	}
	return false
}

// key proves possession, and how fast.
func (e *exam) key(id *identity.Identity) {
	begin := time.Now()
	if err := pki.SignVerify(id.Signer); err != nil {
		e.fail("key", "M043", err)
		return
	}
	if took := time.Since(begin); took > slowSignature {
		e.find("key", "M044", took.Round(time.Millisecond).String()+" for one signature")
		return
	}
	e.ok("key", "%s signs in %v", id.KeyRef, time.Since(begin).Round(100*time.Microsecond))
}
