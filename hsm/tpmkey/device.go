package tpmkey

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"
	"github.com/google/go-tpm/tpm2/transport/linuxtpm"
	"github.com/google/go-tpm/tpm2/transport/linuxudstpm"
)

// Limits of one command. A discrete chip signs in 50 to 300 ms and makes an RSA
// key in up to a minute; sessions that another program has used up make a
// command sleep for ever.
const (
	commandLimit = 10 * time.Second
	createLimit  = 2 * time.Minute
	retryPause   = 20 * time.Millisecond
	openTries    = 3 // an I2C chip fails the first times it is opened
)

// device is one TPM of this process: one command at a time, whoever sends it.
type device struct {
	path string
	dial func() (transport.TPMCloser, error)
	turn chan struct{} // holds one element while the TPM is in use

	// Guarded by turn.
	tpm transport.TPMCloser // nil: not open
	srk *storageKey         // nil: not made since it was opened
	key loadedKey           // the one key that stays loaded; zero: none
	// empty says that it is full of what a program left that was killed.
	empty bool
}

// loadedKey is a key of a store in the memory of the TPM.
type loadedKey struct {
	file   string // path of its file
	handle tpm2.TPMHandle
	name   tpm2.TPM2BName
}

// devices shares a TPM between all stores and sealers of the process.
var devices = struct {
	sync.Mutex
	byPath map[string]*device
}{byPath: map[string]*device{}}

func deviceAt(path string) *device {
	devices.Lock()
	defer devices.Unlock()
	d := devices.byPath[path]
	if d == nil {
		d = newDevice(path, func() (transport.TPMCloser, error) { return dial(path) })
		devices.byPath[path] = d
	}
	return d
}

func newDevice(path string, dial func() (transport.TPMCloser, error)) *device {
	return &device{path: path, dial: dial, turn: make(chan struct{}, 1)}
}

// dial opens a character device or the UNIX socket of a TPM in software.
func dial(path string) (transport.TPMCloser, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &Error{Kind: Gone, Text: "there is no TPM at " + path,
			Advice: "see that the TPM is switched on in the firmware and that the kernel has a driver for it", err: err}
	case err != nil:
		return nil, &Error{Kind: Gone, Text: "the TPM at " + path + " cannot be looked at", err: err}
	case info.Mode()&fs.ModeSocket != 0:
		return linuxudstpm.Open(path)
	}
	for try := 1; ; try++ {
		tpm, err := linuxtpm.Open(path)
		if err == nil {
			return tpm, nil
		}
		if errors.Is(err, fs.ErrPermission) {
			return nil, &Error{Kind: Refused, Text: "this user may not use the TPM at " + path,
				Advice: "add the user to the group that owns " + path + ", mostly tss", err: err}
		}
		if try == openTries {
			return nil, &Error{Kind: Gone, Text: "the TPM at " + path + " cannot be opened", err: err}
		}
		time.Sleep(retryPause)
	}
}

// do runs work when it is its turn, with the TPM open. If the TPM has lost what
// it held (a reset, a resume, a resource manager that was restarted) everything
// is opened again and work runs once more; it must be able to.
func (d *device) do(ctx context.Context, limit time.Duration, work func(transport.TPM) error) error {
	select {
	case d.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-d.turn }()
	if err := ctx.Err(); err != nil {
		return err
	}
	err := d.once(ctx, limit, work)
	if lost(err) && ctx.Err() == nil {
		d.shut()
		d.empty = full(err)
		err = d.once(ctx, limit, work)
	}
	if lost(err) {
		d.shut()
	}
	return explain(d.path, err)
}

func (d *device) once(ctx context.Context, limit time.Duration, work func(transport.TPM) error) error {
	if d.tpm == nil {
		tpm, err := d.dial()
		if err != nil {
			return err
		}
		d.tpm = tpm
	}
	bounded := &commands{ctx: ctx, tpm: d.tpm, limit: limit}
	if d.empty {
		d.empty = false
		flushAll(bounded)
	}
	err := work(bounded)
	if err != nil {
		bounded.endSessions()
	}
	if bounded.stuck { // whoever still waits for the answer keeps the connection
		d.tpm, d.srk, d.key = nil, nil, loadedKey{}
	}
	return err
}

// shut unloads what is loaded, since without a resource manager it would stay,
// and closes the TPM. Errors are of no interest: it may have lost all that.
func (d *device) shut() {
	if d.tpm == nil {
		return
	}
	bounded := &commands{ctx: context.Background(), tpm: d.tpm, limit: commandLimit}
	d.unloadKey(bounded)
	if d.srk != nil && d.srk.handle != persistentSRK {
		_, _ = tpm2.FlushContext{FlushHandle: d.srk.handle}.Execute(bounded)
	}
	if !bounded.stuck {
		_ = d.tpm.Close()
	}
	d.tpm, d.srk = nil, nil
}

// unloadKey makes room in the TPM.
func (d *device) unloadKey(tpm transport.TPM) {
	if d.key.handle != 0 {
		_, _ = tpm2.FlushContext{FlushHandle: d.key.handle}.Execute(tpm)
	}
	d.key = loadedKey{}
}
