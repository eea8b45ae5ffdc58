package devicetoken

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// Facts about signing keys. Clients keep a token in a fixed buffer, so the key
// stays at RSA 2048 (rest.md §4.2). Two nodes that start together make a key
// each; with the previous one that is three.
const (
	keyBits  = 2048
	purpose  = "token-signing"
	keptKeys = 2
	maxTried = 3
	// reloadEvery is the staleness of the ring on a node that did not rotate. An
	// unknown signature makes it read the keys earlier, at most each expireAfter.
	reloadEvery = time.Minute
	expireAfter = 5 * time.Second
)

// SealedKeys lists sealed keys, newest first.
type SealedKeys interface {
	SealedKeys(ctx context.Context, tenant platform.TenantID, purpose string) ([]platform.SealedKey, error)
}

// Vault opens and makes keys of the server.
type Vault interface {
	Open(ctx context.Context, k platform.SealedKey) ([]byte, error)
	Current(ctx context.Context, tenant platform.TenantID, purpose string, makeKey func() ([]byte, error)) (keyID string, key []byte, err error)
	Rotate(ctx context.Context, tenant platform.TenantID, purpose string, makeKey func() ([]byte, error), keep int) error
}

type signingKey struct {
	id      string
	private *rsa.PrivateKey
}

// keyring holds the signing keys, read again every minute.
type keyring struct {
	keys  SealedKeys
	vault Vault
	now   func() time.Time
	log   *slog.Logger
	turns platform.Turns // nil: one node only

	mu     sync.Mutex // guards the rest; held while loading, so that one goroutine loads
	loaded time.Time
	ring   []signingKey // newest first
}

// all returns the keys, newest first, never none.
func (r *keyring) all(ctx context.Context) ([]signingKey, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if len(r.ring) > 0 && now.Sub(r.loaded) < reloadEvery && !now.Before(r.loaded) {
		return r.ring, nil
	}
	ring, err := r.load(ctx)
	switch {
	case err == nil:
		r.ring, r.loaded = ring, now
	case len(r.ring) > 0: // the keys of a minute ago are better than none
		r.log.Warn("token signing keys were not read again", "err", err)
		r.loaded = now
	default:
		return nil, err
	}
	return r.ring, nil
}

// expire makes the next use read the keys again, unless they were read just now.
func (r *keyring) expire() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.now().Sub(r.loaded) < expireAfter {
		return false
	}
	r.loaded = time.Time{}
	return true
}

func (r *keyring) load(ctx context.Context) ([]signingKey, error) {
	if _, _, err := r.vault.Current(ctx, platform.Management, purpose, newKey); err != nil {
		return nil, err
	}
	sealed, err := r.keys.SealedKeys(ctx, platform.Management, purpose)
	if err != nil {
		return nil, fmt.Errorf("list token signing keys: %w", err)
	}
	ring := make([]signingKey, 0, maxTried)
	for _, s := range sealed[:min(len(sealed), maxTried)] {
		k, err := r.open(ctx, s)
		if err != nil {
			return nil, err
		}
		ring = append(ring, k)
	}
	if len(ring) == 0 {
		return nil, errors.New("no token signing key")
	}
	return ring, nil
}

func (r *keyring) open(ctx context.Context, s platform.SealedKey) (signingKey, error) {
	for _, have := range r.ring {
		if have.id == s.KeyID {
			return have, nil
		}
	}
	der, err := r.vault.Open(ctx, s)
	if err != nil {
		return signingKey{}, err
	}
	private, err := x509.ParsePKCS1PrivateKey(der)
	if err != nil {
		return signingKey{}, fmt.Errorf("parse token signing key %s: %w", s.KeyID, err)
	}
	return signingKey{id: s.KeyID, private: private}, nil
}

func (r *keyring) newest(ctx context.Context) (signingKey, error) {
	ring, err := r.all(ctx)
	if err != nil {
		return signingKey{}, err
	}
	return ring[0], nil
}

// public returns the keys that verify.
func (r *keyring) public(ctx context.Context) (jwt.VerificationKeySet, error) {
	ring, err := r.all(ctx)
	var set jwt.VerificationKeySet
	for _, k := range ring {
		set.Keys = append(set.Keys, &k.private.PublicKey)
	}
	return set, err
}

func (r *keyring) rotate(ctx context.Context) error {
	if err := r.vault.Rotate(ctx, platform.Management, purpose, newKey, keptKeys); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.loaded = time.Time{}
	return nil
}

// rotateDue takes at most one turn a day, so that a node that stops in the
// middle delays the rotation by a day.
func (r *keyring) rotateDue(ctx context.Context) (bool, error) {
	sealed, err := r.keys.SealedKeys(ctx, platform.Management, purpose)
	if err != nil {
		return false, fmt.Errorf("list token signing keys: %w", err)
	}
	now := r.now()
	if len(sealed) == 0 || now.Sub(sealed[0].Created) < RotateEvery {
		return false, nil
	}
	if r.turns != nil {
		err := r.turns.TakeTurn(ctx, platform.Management, platform.Turn{Name: "token-signing-rotation", On: now.UTC().Format(time.DateOnly)})
		if errors.Is(err, problem.Conflict) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("take turn: %w", err)
		}
	}
	if err := r.rotate(ctx); err != nil {
		return false, err
	}
	r.log.Info("token signing key rotated", "previous", sealed[0].KeyID)
	return true, nil
}

func newKey() ([]byte, error) {
	k, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, fmt.Errorf("generate token signing key: %w", err)
	}
	return x509.MarshalPKCS1PrivateKey(k), nil
}
