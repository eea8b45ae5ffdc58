package tpmkey

import (
	"crypto"
	"crypto/ecdsa"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"
)

// silent is a TPM that takes a command and says nothing.
type silent struct{ end chan struct{} }

func (s *silent) Send([]byte) ([]byte, error) {
	<-s.end
	return nil, errors.New("ended")
}

func (s *silent) Close() error { return nil }

// A command that nobody answers is given up, and the TPM is opened anew for the
// next one: two tries of ten seconds.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := make(chan struct{})
		defer close(end)
		opened := 0
		d := newDevice("x", func() (transport.TPMCloser, error) {
			opened++
			return &silent{end}, nil
		})
		start := time.Now()
		err := d.do(t.Context(), commandLimit, func(tpm transport.TPM) error {
			_, err := tpm2.GetRandom{BytesRequested: 8}.Execute(tpm)
			return err
		})
		var gone *Error
		if !errors.As(err, &gone) || gone.Kind != Gone {
			t.Errorf("%v, want an error of kind gone", err)
		}
		if waited := time.Since(start); waited != 2*commandLimit || opened != 2 {
			t.Errorf("waited %v, opened %d times", waited, opened)
		}
	})
}

// A store may be told how long its TPM takes.
func TestSignLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := make(chan struct{})
		defer close(end)
		s := &Store{pin: []byte{1}, device: newDevice("x", func() (transport.TPMCloser, error) { return &silent{end}, nil })}
		s.SetSignLimit(45 * time.Second)
		start := time.Now()
		_, err := (&Signer{store: s, public: &ecdsa.PublicKey{}}).Sign(nil, make([]byte, 32), crypto.SHA256)
		if waited := time.Since(start); err == nil || waited != 90*time.Second {
			t.Errorf("waited %v: %v", waited, err)
		}
	})
}

// One that is always busy is given up, too.
func TestBusyForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDevice("x", func() (transport.TPMCloser, error) { return busyTPM{}, nil })
		err := d.do(t.Context(), commandLimit, func(tpm transport.TPM) error {
			_, err := tpm2.GetRandom{BytesRequested: 8}.Execute(tpm)
			return err
		})
		if gone := (*Error)(nil); !errors.As(err, &gone) || gone.Kind != Gone {
			t.Errorf("%v, want an error of kind gone", err)
		}
	})
}

type busyTPM struct{}

func (busyTPM) Send([]byte) ([]byte, error) { return []byte{0x80, 1, 0, 0, 0, 10, 0, 0, 9, 0x22}, nil }
func (busyTPM) Close() error                { return nil }
