package doctor

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"
	"time"

	"mooring/agent/dial"
	"mooring/agent/identity"
	"mooring/internal/deviceid"
)

// maxEntries bounds how many files of the state directory are looked at.
const maxEntries = 1000

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
	e.daemon(ctx)
	if usable {
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
