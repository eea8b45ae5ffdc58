package agent_test

import (
	"context"
	"crypto"
	"io"
	"sync"
	"testing"

	"mooring/hsm/filekey"
	"mooring/hsm/key"
	"mooring/hsm/pkcs11key"
	"mooring/hsm/pkcs11key/p11test"
	"mooring/hsm/tpmkey"
	"mooring/hsm/tpmkey/swtpmtest"
	"mooring/internal/durable/durabletest"
)

func TestPowerCuts(t *testing.T) {
	t.Parallel()
	powerCuts(t, "file", ways, func(disk *durabletest.FS) (key.Store, error) { return filekey.Open(disk, state+"/keys") })
}

// TestPowerCutsWithTPM has the keys in a TPM.
func TestPowerCutsWithTPM(t *testing.T) {
	t.Parallel()
	socket := swtpmtest.Start(t).Socket
	real := newOutside(t)
	powerCuts(t, "tpm", ways[:1], func(disk *durabletest.FS) (store key.Store, err error) {
		real.do(func() { store, err = tpmkey.Open(disk, tpmkey.Location{Device: socket, Dir: state + "/keys"}) })
		return outsideStore{real, store}, err
	})
}

// TestPowerCutsWithPKCS11 has them in a token. What the token has done stays
// done, whatever the disk loses.
func TestPowerCutsWithPKCS11(t *testing.T) {
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
	real := newOutside(t)
	powerCuts(t, "pkcs11", ways[:1], func(*durabletest.FS) (key.Store, error) { return outsideStore{real, lent{keys}}, nil })
}

// lent is a token whose helper outlives the agents that use it.
type lent struct{ key.Store }

func (lent) Close() error { return nil }

// outside lets hardware work in real time for tests in a bubble, whose time
// stands still meanwhile.
type outside struct {
	mu    sync.Mutex // one at a time
	calls chan func()
	done  chan struct{}
}

func newOutside(t *testing.T) *outside {
	o := &outside{calls: make(chan func()), done: make(chan struct{})}
	go func() {
		for f := range o.calls {
			f()
			o.done <- struct{}{}
		}
	}()
	t.Cleanup(func() { close(o.calls) })
	return o
}

func (o *outside) do(f func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.calls <- f
	<-o.done
}

// outsideStore is a store there. Contexts of the bubble end nothing in it.
type outsideStore struct {
	*outside
	store key.Store
}

func (s outsideStore) Create(_ context.Context, spec key.Spec) (ref key.Ref, signer crypto.Signer, err error) {
	s.do(func() { ref, signer, err = s.store.Create(context.Background(), spec) })
	return ref, outsideSigner{signer, s.outside}, err
}

func (s outsideStore) Open(_ context.Context, ref key.Ref) (signer crypto.Signer, err error) {
	s.do(func() { signer, err = s.store.Open(context.Background(), ref) })
	return outsideSigner{signer, s.outside}, err
}

func (s outsideStore) List(context.Context) (refs []key.Ref, err error) {
	s.do(func() { refs, err = s.store.List(context.Background()) })
	return refs, err
}

func (s outsideStore) Destroy(_ context.Context, ref key.Ref) (err error) {
	s.do(func() { err = s.store.Destroy(context.Background(), ref) })
	return err
}

func (s outsideStore) Close() (err error) {
	s.do(func() { err = s.store.Close() })
	return err
}

type outsideSigner struct {
	crypto.Signer
	o *outside
}

func (s outsideSigner) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) (signature []byte, err error) {
	s.o.do(func() { signature, err = s.Signer.Sign(random, digest, opts) })
	return signature, err
}
