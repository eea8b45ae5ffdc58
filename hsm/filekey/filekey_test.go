package filekey_test

import (
	"errors"
	"testing"

	"mooring/hsm/filekey"
	"mooring/hsm/key"
	"mooring/internal/durable"
	"mooring/internal/pki"
)

func TestSignAfterReopen(t *testing.T) {
	dir := t.TempDir() + "/keys"
	store, err := filekey.Open(durable.OS, dir)
	if err != nil {
		t.Fatal(err)
	}
	ref, _, err := store.Create(t.Context(), key.Spec{Label: "dev 1"})
	if err != nil {
		t.Fatal(err)
	}
	again, err := filekey.Open(durable.OS, dir)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := again.Open(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	if err := pki.SignVerify(signer); err != nil {
		t.Error(err)
	}
	if _, err := again.Open(t.Context(), "../keys/"+ref); !errors.Is(err, key.ErrNotFound) {
		t.Errorf("path trick: %v", err)
	}
}
