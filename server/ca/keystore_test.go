package ca_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"mooring/hsm/filekey"
	"mooring/internal/durable"
	"mooring/internal/problem"
	"mooring/server/ca"
)

// With a key store the key of an issuer is made there and stays there.
func TestKeyStore(t *testing.T) {
	keys, err := filekey.Open(durable.OS, filepath.Join(t.TempDir(), "keys"))
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, setup{keys: keys})
	r.create()
	refs, err := keys.List(t.Context())
	if err != nil || len(refs) != 1 || !strings.HasPrefix(string(refs[0]), "mooring-ca-"+string(tenant)) {
		t.Fatalf("keys in the store: %v, %v", refs, err)
	}
	sealed, err := r.store.SealedKeys(t.Context(), tenant, "tenant-ca")
	if err != nil || len(sealed) != 1 {
		t.Fatalf("sealed keys: %v, %v", sealed, err)
	}
	if plain, err := r.vault.Open(t.Context(), sealed[0]); err != nil || string(plain) != "ref:"+string(refs[0]) {
		t.Errorf("sealed is %q, %v", plain, err)
	}
	if _, err := r.CRL(t.Context(), tenant); err != nil {
		t.Errorf("sign a list: %v", err)
	}
	if _, err := r.Create(t.Context(), tenant, admin); !errors.Is(err, problem.Conflict) {
		t.Errorf("a second one: %v", err)
	}
	if refs, err := keys.List(t.Context()); err != nil || len(refs) != 1 {
		t.Errorf("a key that was not needed stays: %v, %v", refs, err)
	}
	without := ca.New(ca.Config{Store: r.store, Keys: r.store, Vault: r.vault, Now: r.clock})
	if _, err := without.CRL(t.Context(), tenant); !errors.Is(err, problem.Unavailable) {
		t.Errorf("without the key store: %v, want Unavailable", err)
	}
}
