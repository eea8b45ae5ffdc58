// Package vault keeps the server's own secrets: keys of tenant CAs, of device
// tokens and session tickets, and the key under which one-time and device
// passwords are stored.
//
// Each secret lies in the store, sealed under the key-encryption key with
// tenant, key ID and purpose as associated data (design decision 15), so a row
// that is moved to another tenant or purpose does not open. Nothing here
// leaves the process; what is handed out is a copy the caller owns.
package vault

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"mooring/hsm/key"
	"mooring/internal/problem"
	"mooring/internal/turn"
	"mooring/server/platform"
)

// The purposes of sealed keys.
const (
	PurposeTenantCA      = "tenant-ca"
	PurposeSecretMAC     = "secret-mac"
	PurposeTokenSigning  = "token-signing"
	PurposeSessionTicket = "session-ticket"
	// PurposeChallenge is the key that challenges of attestation are made with.
	PurposeChallenge = "attestation-challenge"
)

// maxOpened bounds the keys kept open in memory. Key: (tenant, purpose, key
// ID). A key ID never means other bytes, so an entry cannot grow stale; a
// deleted key is no longer listed by the store, which is asked each time.
const maxOpened = 1024

// Key is one opened key.
type Key struct {
	ID      string
	Created time.Time
	Bytes   []byte
}

// Vault seals and opens keys. It may be used by several goroutines.
type Vault struct {
	store  platform.SealedKeys
	sealer key.Sealer
	log    *slog.Logger

	making turn.Turn // held while a key is made, so that a process makes one

	mu     sync.Mutex // guards opened and macKey
	opened map[slot][]byte
	macKey *Key // newest key of PurposeSecretMAC; nil before its first use
}

type slot struct {
	tenant         platform.TenantID
	purpose, keyID string
}

// New returns a vault over store, sealing with sealer. A nil log discards.
func New(store platform.SealedKeys, sealer key.Sealer, log *slog.Logger) *Vault {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Vault{store: store, sealer: sealer, log: log, opened: map[slot][]byte{}, making: turn.New()}
}

// take waits until nobody else makes a key; the caller gives v.making back.
func (v *Vault) take(ctx context.Context) error {
	if err := v.making.Take(ctx); err != nil {
		return problem.New(problem.Unavailable, "", err)
	}
	return nil
}

// Seal encrypts plaintext for its place in the store; it does not store it.
func (v *Vault) Seal(ctx context.Context, tenant platform.TenantID, purpose, keyID string, plaintext []byte) (platform.SealedKey, error) {
	sealed, err := v.sealer.Seal(ctx, plaintext, associatedData(tenant, keyID, purpose))
	if err != nil {
		return platform.SealedKey{}, fmt.Errorf("seal %s key %s of tenant %s: %w", purpose, keyID, tenant, err)
	}
	return platform.SealedKey{
		Tenant: tenant, Purpose: purpose, KeyID: keyID, Sealed: sealed,
		Created: platform.Millis(time.Now()),
	}, nil
}

// Open decrypts a sealed key. The error is key.ErrSealed if k was sealed under
// another key-encryption key or for another place.
func (v *Vault) Open(ctx context.Context, k platform.SealedKey) ([]byte, error) {
	at := slot{k.Tenant, k.Purpose, k.KeyID}
	if plain, ok := v.cached(at); ok {
		return plain, nil
	}
	plain, err := v.sealer.Unseal(ctx, k.Sealed, associatedData(k.Tenant, k.KeyID, k.Purpose))
	if errors.Is(err, key.ErrSealed) {
		v.log.Error("a sealed key does not open: is this the key-encryption key it was sealed under?",
			"tenant", k.Tenant, "purpose", k.Purpose, "key_id", k.KeyID, "sealer", v.sealer.SealerID())
	}
	if err != nil {
		return nil, fmt.Errorf("open %s key %s of tenant %s: %w", k.Purpose, k.KeyID, k.Tenant, err)
	}
	v.remember(at, plain)
	return plain, nil
}

// Current returns the newest key of a purpose. If there is none, it stores
// what makeKey returns. Two nodes that start at the same moment may make one
// each; All then lists both.
func (v *Vault) Current(ctx context.Context, tenant platform.TenantID, purpose string, makeKey func() ([]byte, error)) (keyID string, bytes []byte, err error) {
	if err := v.take(ctx); err != nil {
		return "", nil, err
	}
	defer v.making.Give()
	keys, err := v.store.SealedKeys(ctx, tenant, purpose)
	if err != nil {
		return "", nil, fmt.Errorf("list %s keys of tenant %s: %w", purpose, tenant, err)
	}
	if len(keys) > 0 {
		bytes, err = v.Open(ctx, keys[0])
		return keys[0].KeyID, bytes, err
	}
	return v.add(ctx, tenant, purpose, makeKey)
}

// All returns the keys of a purpose, newest first. A key that does not open is
// an error: leaving it out would refuse what it protects without a word.
func (v *Vault) All(ctx context.Context, tenant platform.TenantID, purpose string) ([]Key, error) {
	sealed, err := v.store.SealedKeys(ctx, tenant, purpose)
	if err != nil {
		return nil, fmt.Errorf("list %s keys of tenant %s: %w", purpose, tenant, err)
	}
	keys := make([]Key, len(sealed))
	for i, k := range sealed {
		bytes, err := v.Open(ctx, k)
		if err != nil {
			return nil, err
		}
		keys[i] = Key{ID: k.KeyID, Created: k.Created, Bytes: bytes}
	}
	return keys, nil
}

// Rotate adds a new key of a purpose and deletes the oldest until keep are
// left, the new one counted; keep is at least 1.
func (v *Vault) Rotate(ctx context.Context, tenant platform.TenantID, purpose string, makeKey func() ([]byte, error), keep int) error {
	if keep < 1 {
		return problem.New(problem.Internal, "", fmt.Errorf("rotate %s keys: keep = %d", purpose, keep))
	}
	if err := v.take(ctx); err != nil {
		return err
	}
	defer v.making.Give()
	newest, _, err := v.add(ctx, tenant, purpose, makeKey)
	if err != nil {
		return err
	}
	keys, err := v.store.SealedKeys(ctx, tenant, purpose)
	if err != nil {
		return fmt.Errorf("list %s keys of tenant %s: %w", purpose, tenant, err)
	}
	left := keep - 1
	for _, k := range keys {
		if k.KeyID == newest {
			continue
		}
		if left > 0 {
			left--
			continue
		}
		if err := v.delete(ctx, k); err != nil {
			return err
		}
	}
	return nil
}

func (v *Vault) delete(ctx context.Context, k platform.SealedKey) error {
	if err := v.store.DeleteSealedKey(ctx, k.Tenant, k.Purpose, k.KeyID); err != nil && !errors.Is(err, problem.NotFound) {
		return fmt.Errorf("delete %s key %s of tenant %s: %w", k.Purpose, k.KeyID, k.Tenant, err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.opened, slot{k.Tenant, k.Purpose, k.KeyID})
	return nil
}

// add stores a new key. It is this caller's turn.
func (v *Vault) add(ctx context.Context, tenant platform.TenantID, purpose string, makeKey func() ([]byte, error)) (string, []byte, error) {
	plain, err := makeKey()
	if err != nil {
		return "", nil, fmt.Errorf("make %s key of tenant %s: %w", purpose, tenant, err)
	}
	sealed, err := v.Seal(ctx, tenant, purpose, NewKeyID(), plain)
	if err != nil {
		return "", nil, err
	}
	if err := v.store.PutSealedKey(ctx, sealed); err != nil {
		return "", nil, fmt.Errorf("store %s key of tenant %s: %w", purpose, tenant, err)
	}
	v.remember(slot{tenant, purpose, sealed.KeyID}, plain)
	if purpose == PurposeSecretMAC {
		v.forgetMACKey()
	}
	v.log.Info("new server key", "tenant", tenant, "purpose", purpose, "key_id", sealed.KeyID)
	return sealed.KeyID, plain, nil
}

func (v *Vault) cached(at slot) ([]byte, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	plain, ok := v.opened[at]
	return append([]byte(nil), plain...), ok
}

func (v *Vault) remember(at slot, plain []byte) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for victim := range v.opened {
		if len(v.opened) < maxOpened {
			break
		}
		delete(v.opened, victim)
	}
	v.opened[at] = append([]byte(nil), plain...)
}

// associatedData binds a sealed key to its place:
//
//	{ uint32 length, bytes } tenant, key ID, purpose
func associatedData(tenant platform.TenantID, keyID, purpose string) []byte {
	var out []byte
	for _, part := range []string{string(tenant), keyID, purpose} {
		out = appendPart(out, part)
	}
	return out
}

// appendPart appends s with its length before it, so that no two lists of
// parts have the same bytes.
func appendPart(out []byte, s string) []byte {
	out = binary.BigEndian.AppendUint32(out, uint32(len(s)))
	return append(out, s...)
}

// Unseal decrypts what Seal made, without keeping it in memory: for values that
// change under their name. Errors are those of Open.
func (v *Vault) Unseal(ctx context.Context, k platform.SealedKey) ([]byte, error) {
	plain, err := v.sealer.Unseal(ctx, k.Sealed, associatedData(k.Tenant, k.KeyID, k.Purpose))
	if err != nil {
		return nil, fmt.Errorf("unseal %s %s of tenant %s: %w", k.Purpose, k.KeyID, k.Tenant, err)
	}
	return plain, nil
}
