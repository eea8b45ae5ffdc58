package uplink

import (
	"crypto"
	"errors"
	"io"
	"sync/atomic"
)

// keyFault is why the key did not sign in a handshake. TLS keeps the text alone, and
// not in all versions.
type keyFault struct{ error }

// Unwrap returns what the key store said.
func (k keyFault) Unwrap() error { return k.error }

// IsKeyFault reports whether a connection failed because the key did not sign.
func IsKeyFault(err error) bool {
	_, is := errors.AsType[keyFault](err)
	return is
}

// keyWatcher notes how signatures end.
type keyWatcher struct{ err atomic.Pointer[error] }

// blamed is the fault of the key if there was one, else err.
func (w *keyWatcher) blamed(err error) error {
	if fault := w.err.Load(); fault != nil {
		return keyFault{*fault}
	}
	return err
}

// watchedBy is the credential with a key that w watches.
func (c *Credential) watchedBy(w *keyWatcher) *Credential {
	signer, ok := c.Certificate.PrivateKey.(crypto.Signer)
	if !ok {
		return c
	}
	watched := *c
	watched.Certificate.PrivateKey = watchedSigner{signer, w}
	return &watched
}

type watchedSigner struct {
	crypto.Signer
	watcher *keyWatcher
}

// Sign implements crypto.Signer.
func (s watchedSigner) Sign(random io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	signature, err := s.Signer.Sign(random, digest, o)
	if err != nil {
		s.watcher.err.Store(&err)
	}
	return signature, err
}
