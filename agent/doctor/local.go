package doctor

import (
	"context"
	"crypto/x509"
	"errors"
	"io/fs"
	"time"

	"mooring/agent"
	"mooring/agent/dial"
	"mooring/agent/identity"
	"mooring/internal/deviceid"
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
	owners := identity.CheckOwners(e.o.FS, e.cfg.State)
	if owners != nil {
		e.fail("state", "M012", owners)
	}
	if closed, ok := errors.AsType[*identity.Error](e.o.ConfigErr); ok && owners == nil {
		e.fail("config", "M010", closed)
	}
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
		e.configFault("M001", e.o.ConfigErr)
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
			err = agent.NoAnchors(text, e.cfg.CA)
		}
	}
	if err != nil {
		e.configFault("M002", err)
		return true
	}
	proxy, err := e.cfg.DialProxy(e.o.FS, e.o.Getenv)
	if err != nil {
		e.configFault("M003", err)
		return true
	}
	e.dialer = dial.New(dial.Config{Server: e.cfg.Server, Addresses: e.cfg.Addresses, Proxy: proxy, Direct: e.o.Direct, Now: e.now})
	e.ok("config", "device %s at %s", e.cfg.DeviceID, e.cfg.Server)
	return true
}

// configFault adds a fault unless it is one of the state directory's owners,
// who are next.
func (e *exam) configFault(code Code, err error) {
	if !e.denied("config", err) {
		e.fail("config", code, err)
	}
}

// denied reports whether err is for want of a permission in the state directory,
// which has its own codes.
func (e *exam) denied(check string, err error) bool {
	fault := identity.Denied(e.o.FS, e.cfg.State, err)
	switch {
	case fault == nil:
		return false
	case identity.CheckOwners(e.o.FS, e.cfg.State) != nil:
		e.skip(check, cut(err.Error())) // for the file that M012 names
	default:
		e.fail(check, "M010", fault)
	}
	return true
}

// now is the time certificates are judged by, as the agent does.
func (e *exam) now() time.Time { return e.clock.Now() }
