package vault_test

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"mooring/hsm/filekey"
	"mooring/hsm/key"
	"mooring/internal/durable"
	"mooring/internal/problem"
	"mooring/internal/secret"
	"mooring/server/platform"
	"mooring/server/vault"
)

// memory is a store of sealed keys, newest first by order of arrival.
type memory struct {
	mu   sync.Mutex
	keys []platform.SealedKey
}

var _ platform.SealedKeys = (*memory)(nil)

func (m *memory) PutSealedKey(_ context.Context, k platform.SealedKey, _ ...platform.AuditRecord) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.keys = slices.Insert(m.keys, 0, k)
	return nil
}

func (m *memory) SealedKeys(_ context.Context, tenant platform.TenantID, purpose string) ([]platform.SealedKey, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var found []platform.SealedKey
	for _, k := range m.keys {
		if k.Tenant == tenant && k.Purpose == purpose {
			found = append(found, k)
		}
	}
	return found, nil
}

func (m *memory) SealedKey(ctx context.Context, tenant platform.TenantID, purpose, keyID string) (platform.SealedKey, error) {
	keys, _ := m.SealedKeys(ctx, tenant, purpose)
	for _, k := range keys {
		if k.KeyID == keyID {
			return k, nil
		}
	}
	return platform.SealedKey{}, problem.NotFound
}

func (m *memory) DeleteSealedKey(_ context.Context, tenant platform.TenantID, purpose, keyID string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.keys = slices.DeleteFunc(m.keys, func(k platform.SealedKey) bool {
		return k.Tenant == tenant && k.Purpose == purpose && k.KeyID == keyID
	})
	return nil
}

func newSealer(t testing.TB) key.Sealer {
	t.Helper()
	s, err := filekey.OpenSealer(durable.OS, filepath.Join(t.TempDir(), "kek"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSealIsBoundToItsPlace(t *testing.T) {
	ctx := t.Context()
	sealer := newSealer(t)
	sealed, err := vault.New(&memory{}, sealer, nil).Seal(ctx, "t1", vault.PurposeTenantCA, "k1", []byte("the key"))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed.Sealed, []byte("the key")) {
		t.Fatal("the sealed key holds its plaintext")
	}
	tests := []struct {
		name    string
		move    func(*platform.SealedKey)
		wantErr error
	}{
		{name: "where it was sealed for", move: func(*platform.SealedKey) {}},
		{name: "another tenant", move: func(k *platform.SealedKey) { k.Tenant = "t2" }, wantErr: key.ErrSealed},
		{name: "another purpose", move: func(k *platform.SealedKey) { k.Purpose = vault.PurposeSecretMAC }, wantErr: key.ErrSealed},
		{name: "another key ID", move: func(k *platform.SealedKey) { k.KeyID = "k2" }, wantErr: key.ErrSealed},
		{name: "bytes moved from tenant to key ID", move: func(k *platform.SealedKey) { k.Tenant, k.KeyID = "t", "1k1" }, wantErr: key.ErrSealed},
		{name: "tampered", move: func(k *platform.SealedKey) {
			k.Sealed = append([]byte(nil), k.Sealed...)
			k.Sealed[len(k.Sealed)-1] ^= 1
		}, wantErr: key.ErrSealed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := sealed
			tt.move(&k)
			got, err := vault.New(&memory{}, sealer, nil).Open(ctx, k)
			if !errors.Is(err, tt.wantErr) {
				t.Fatalf("error = %v, want %v", err, tt.wantErr)
			}
			if err == nil && string(got) != "the key" {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestOpenHandsOutCopies(t *testing.T) {
	v := vault.New(&memory{}, newSealer(t), nil)
	k, err := v.Seal(t.Context(), "t1", vault.PurposeTenantCA, "k1", []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		got, err := v.Open(t.Context(), k)
		if err != nil || string(got) != "secret" {
			t.Fatalf("Open = %q, %v", got, err)
		}
		clear(got)
	}
}

func TestCurrentMakesOneKey(t *testing.T) {
	store := &memory{}
	v := vault.New(store, newSealer(t), nil)
	var wg sync.WaitGroup
	ids := make([]string, 16)
	for i := range ids {
		wg.Go(func() {
			id, _, err := v.Current(t.Context(), platform.Management, vault.PurposeSessionTicket, vault.RandomBytes(32))
			if err != nil {
				t.Error(err)
			}
			ids[i] = id
		})
	}
	wg.Wait()
	if n := len(slices.Compact(ids)); n != 1 || len(store.keys) != 1 {
		t.Errorf("%d key IDs and %d stored keys, want one", n, len(store.keys))
	}
}

func TestRotate(t *testing.T) {
	ctx := t.Context()
	store := &memory{}
	v := vault.New(store, newSealer(t), nil)
	var made []string
	for range 4 {
		if err := v.Rotate(ctx, platform.Management, vault.PurposeSessionTicket, vault.RandomBytes(32), 3); err != nil {
			t.Fatal(err)
		}
		id, _, err := v.Current(ctx, platform.Management, vault.PurposeSessionTicket, vault.RandomBytes(32))
		if err != nil {
			t.Fatal(err)
		}
		made = append([]string{id}, made...)
	}
	all, err := v.All(ctx, platform.Management, vault.PurposeSessionTicket)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, k := range all {
		got = append(got, k.ID)
	}
	if want := made[:3]; !slices.Equal(got, want) {
		t.Errorf("keys = %v, want the newest three %v", got, want)
	}
	if err := v.Rotate(ctx, platform.Management, vault.PurposeSessionTicket, vault.RandomBytes(32), 0); err == nil {
		t.Error("keeping no key is no error")
	}
}

func TestMAC(t *testing.T) {
	ctx := t.Context()
	store, sealer := &memory{}, newSealer(t)
	v := vault.New(store, sealer, nil)
	mac, err := v.MAC(ctx, "t1", "device_d1", secret.New("password"))
	if err != nil {
		t.Fatal(err)
	}
	changed := platform.SecretMAC{KeyID: mac.KeyID, MAC: append([]byte(nil), mac.MAC...)}
	changed.MAC[0] ^= 1
	tests := []struct {
		name   string
		tenant platform.TenantID
		user   string
		secret string
		mac    platform.SecretMAC
		want   bool
	}{
		{name: "right", tenant: "t1", user: "device_d1", secret: "password", mac: mac, want: true},
		{name: "wrong secret", tenant: "t1", user: "device_d1", secret: "passwort", mac: mac},
		{name: "empty secret", tenant: "t1", user: "device_d1", mac: mac},
		{name: "other user", tenant: "t1", user: "device_d2", secret: "password", mac: mac},
		{name: "other tenant", tenant: "t2", user: "device_d1", secret: "password", mac: mac},
		{name: "parts shifted", tenant: "t1d", user: "evice_d1", secret: "password", mac: mac},
		{name: "changed MAC", tenant: "t1", user: "device_d1", secret: "password", mac: changed},
		{name: "zero MAC", tenant: "t1", user: "device_d1", secret: "password"},
		{name: "zero MAC, empty secret", tenant: "t1", user: "device_d1"},
		{name: "short MAC", tenant: "t1", user: "device_d1", secret: "password", mac: platform.SecretMAC{KeyID: mac.KeyID, MAC: mac.MAC[:31]}},
		{name: "unknown key", tenant: "t1", user: "device_d1", secret: "password", mac: platform.SecretMAC{KeyID: "x", MAC: mac.MAC}},
	}
	vaults := map[string]*vault.Vault{"same vault": v, "after a restart": vault.New(store, sealer, nil)}
	for which, v := range vaults {
		for _, tt := range tests {
			t.Run(which+"/"+tt.name, func(t *testing.T) {
				got, err := v.CheckMAC(ctx, tt.tenant, tt.user, secret.New(tt.secret), tt.mac)
				if err != nil || got != tt.want {
					t.Errorf("CheckMAC = %v, %v, want %v", got, err, tt.want)
				}
			})
		}
	}
}

func TestMACKeyRotation(t *testing.T) {
	ctx := t.Context()
	store := &memory{}
	v := vault.New(store, newSealer(t), nil)
	before, err := v.MAC(ctx, "t1", "d1", secret.New("otp"))
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Rotate(ctx, platform.Management, vault.PurposeSecretMAC, vault.RandomBytes(32), 2); err != nil {
		t.Fatal(err)
	}
	after, err := v.MAC(ctx, "t1", "d1", secret.New("otp"))
	if err != nil {
		t.Fatal(err)
	}
	if before.KeyID == after.KeyID {
		t.Error("the key is the same after a rotation")
	}
	for _, mac := range []platform.SecretMAC{before, after} {
		if ok, err := v.CheckMAC(ctx, "t1", "d1", secret.New("otp"), mac); !ok || err != nil {
			t.Errorf("CheckMAC under key %s = %v, %v", mac.KeyID, ok, err)
		}
	}
}

func TestOtherSealer(t *testing.T) {
	store := &memory{}
	if _, err := vault.New(store, newSealer(t), nil).MAC(t.Context(), "t1", "d1", secret.New("otp")); err != nil {
		t.Fatal(err)
	}
	_, err := vault.New(store, newSealer(t), nil).MAC(t.Context(), "t1", "d1", secret.New("otp"))
	if !errors.Is(err, key.ErrSealed) {
		t.Errorf("error = %v, want ErrSealed", err)
	}
}
