package agent

import (
	"context"
	"crypto"
	"crypto/rand"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"mooring/agent/localapi"
	"mooring/agent/localmqtt"
	"mooring/internal/problem"
	"mooring/internal/secret"
)

// localRetry is when a door that could not be opened is tried again: its
// directory may not be there yet, its port in somebody's use.
const localRetry = time.Minute

// door is something that answers other programs of the device.
type door interface {
	Serve(context.Context, net.Listener) error
}

// openLocal opens the doors for other programs of the device until ctx ends;
// those that it can are open when it returns.
func (a *Agent) openLocal(ctx context.Context, beside *sync.WaitGroup) error {
	l := &a.cfg.Local
	policy, err := l.Policy()
	if err != nil {
		return err
	}
	open := func(address string, d door) {
		if address != "" {
			l, err := listenLocal(address)
			beside.Go(func() { a.keepOpen(ctx, address, d, l, err) })
		}
	}
	device := localDevice{a}
	open(l.Socket, localapi.New(device, policy, time.Now, a.log))
	open(l.Proxy, localapi.NewProxy(device, policy, a.cfg.Address(a.cfg.HTTPSPort), a.endpoint.Transport(nil), a.log))
	open(l.MQTT, localmqtt.New(device, policy, a.log))
	return nil
}

// keepOpen serves on l until ctx ends. A door that did not open, or closed, is
// tried again each minute; the log hears of it when the reason is another one.
func (a *Agent) keepOpen(ctx context.Context, address string, d door, l net.Listener, err error) {
	told := ""
	for {
		if err == nil {
			told = ""
			a.log.Info("open to programs of this device", "address", l.Addr().String())
			err = d.Serve(ctx, l)
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil && err.Error() != told {
			told = err.Error()
			a.log.Error("closed to programs of this device", "address", address, "err", err)
		}
		select {
		case <-time.After(localRetry):
			l, err = listenLocal(address)
		case <-ctx.Done():
		}
	}
}

// listenLocal listens on a port of the loopback, or on a UNIX socket that every
// user of the device may knock at: the rules say whom it answers.
func listenLocal(address string) (net.Listener, error) {
	if !filepath.IsAbs(address) {
		return net.Listen("tcp", address)
	}
	if err := removeStale(address); err != nil {
		return nil, err
	}
	l, err := net.Listen("unix", address)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(address, 0o666); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// removeStale removes a socket on which nobody listens, and nothing else.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if err != nil || info.Mode().Type() != fs.ModeSocket {
		return nil // listening says what is wrong
	}
	c, err := net.Dial("unix", path)
	if err == nil {
		return errors.Join(errors.New(path+": somebody listens there"), c.Close())
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return nil
	}
	return os.Remove(path)
}

// localDevice is the agent as package localapi sees it.
type localDevice struct{ *Agent }

var _ localapi.Device = localDevice{}

// Look is localapi.Device's.
func (d localDevice) Look() (localapi.Snapshot, <-chan struct{}) {
	v, changed := d.look()
	s := localapi.Snapshot{Status: d.status(v)}
	if v.current != nil {
		s.Chain = v.current.Chain
	}
	return s, changed
}

// DeviceToken is localapi.Device's.
func (d localDevice) DeviceToken(ctx context.Context) (secret.String, time.Time, error) {
	token, claims, err := d.Token(ctx)
	return token, claims.Expires, err
}

// ForgetToken is localapi.Device's.
func (d localDevice) ForgetToken(ctx context.Context, token secret.String) { d.up.Forget(ctx, token) }

// Send is localapi.Device's.
func (d localDevice) Send(ctx context.Context, topic string, payload []byte) error {
	if err := d.enrolled(ctx); err != nil {
		return err
	}
	if strings.HasPrefix(topic, topicUp) { // lines are checked now, not when nobody hears the answer
		if err := checkLines(payload); err != nil {
			return err
		}
	}
	_, err := d.up.Publish(topic, payload, 1)
	return err
}

// Messages is localapi.Device's.
func (d localDevice) Messages(ctx context.Context, topics ...string) <-chan localapi.Message {
	out := make(chan localapi.Message)
	go func() {
		defer close(out)
		for m := range d.up.Listen(ctx, topics...) {
			select {
			case out <- localapi.Message(m):
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

// Sign is localapi.Device's.
func (d localDevice) Sign(ctx context.Context, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if err := d.enrolled(ctx); err != nil {
		return nil, err
	}
	v, _ := d.look()
	if v.current == nil { // its key store is away
		return nil, problem.New(problem.Unavailable, "the device's key cannot be used now", nil)
	}
	return v.current.Signer.Sign(rand.Reader, digest, opts)
}
