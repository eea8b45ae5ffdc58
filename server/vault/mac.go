package vault

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"

	"mooring/internal/problem"
	"mooring/internal/secret"
	"mooring/server/platform"
)

// macKeyBytes is the length of a key of PurposeSecretMAC: the output of the
// hash, beyond which a longer key adds nothing (RFC 2104 §3).
const macKeyBytes = sha256.Size

// keyIDBytes is the length of the random part of a key ID: enough that two
// never meet.
const keyIDBytes = 12

// NewKeyID returns a random key ID, 24 lower-case hexadecimal digits.
func NewKeyID() string {
	id := make([]byte, keyIDBytes)
	rand.Read(id) // never fails, crypto/rand
	return fmt.Sprintf("%x", id)
}

// RandomBytes returns a function for Current and Rotate that makes a key of n
// random bytes.
func RandomBytes(n int) func() ([]byte, error) {
	return func() ([]byte, error) {
		b := make([]byte, n)
		_, err := rand.Read(b)
		return b, err
	}
}

// MAC returns what is stored instead of s: HMAC-SHA-256 over tenant, user and
// secret under the instance's newest key (design decision 9). One-time
// passwords are random and device passwords are slowed down at the door, so
// a slow hash would only cost throughput.
//
// User is "device_<external ID>" for a device password, the bare external ID
// for an enrolment OTP.
func (v *Vault) MAC(ctx context.Context, tenant platform.TenantID, user string, s secret.String) (platform.SecretMAC, error) {
	k, err := v.newestMACKey(ctx)
	if err != nil {
		return platform.SecretMAC{}, err
	}
	return platform.SecretMAC{KeyID: k.ID, MAC: sum(k.Bytes, tenant, user, s)}, nil
}

// CheckMAC reports, in constant time, whether mac was made of s. The zero mac
// matches nothing, not even the empty secret.
func (v *Vault) CheckMAC(ctx context.Context, tenant platform.TenantID, user string, s secret.String, mac platform.SecretMAC) (bool, error) {
	if mac.KeyID == "" || len(mac.MAC) != sha256.Size {
		return false, nil
	}
	k, err := v.macKeyByID(ctx, mac.KeyID)
	if errors.Is(err, problem.NotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return hmac.Equal(mac.MAC, sum(k, tenant, user, s)), nil
}

// sum hashes { uint32 length, bytes } of tenant, user and secret.
func sum(k []byte, tenant platform.TenantID, user string, s secret.String) []byte {
	h := hmac.New(sha256.New, k)
	var text []byte
	for _, part := range []string{string(tenant), user, s.Reveal()} {
		text = appendPart(text, part)
	}
	h.Write(text)
	return h.Sum(nil)
}

func (v *Vault) newestMACKey(ctx context.Context) (Key, error) {
	v.mu.Lock()
	k := v.macKey
	v.mu.Unlock()
	if k != nil {
		return *k, nil
	}
	id, bytes, err := v.Current(ctx, platform.Management, PurposeSecretMAC, RandomBytes(macKeyBytes))
	if err != nil {
		return Key{}, err
	}
	k = &Key{ID: id, Bytes: bytes}
	v.mu.Lock()
	v.macKey = k
	v.mu.Unlock()
	return *k, nil
}

func (v *Vault) macKeyByID(ctx context.Context, keyID string) ([]byte, error) {
	if bytes, ok := v.cached(slot{platform.Management, PurposeSecretMAC, keyID}); ok {
		return bytes, nil
	}
	sealed, err := v.store.SealedKey(ctx, platform.Management, PurposeSecretMAC, keyID)
	if err != nil {
		return nil, fmt.Errorf("read %s key %s: %w", PurposeSecretMAC, keyID, err)
	}
	return v.Open(ctx, sealed)
}

func (v *Vault) forgetMACKey() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.macKey = nil
}
