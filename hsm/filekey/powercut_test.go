package filekey_test

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"syscall"
	"testing"

	"mooring/hsm/filekey"
	"mooring/hsm/key"
	"mooring/internal/durable"
	"mooring/internal/durable/durabletest"
	"mooring/internal/pki"
)

const dir = "/var/lib/mooring/keys"

// TestCreateAtEveryPowerCut: a key that Create returned is there afterwards;
// one that it did not return is there whole or not at all.
func TestCreateAtEveryPowerCut(t *testing.T) {
	create := func(fsys durable.FS) (key.Ref, error) {
		store, err := filekey.Open(fsys, dir)
		if err != nil {
			return "", err
		}
		ref, _, err := store.Create(t.Context(), key.Spec{})
		return ref, err
	}
	clean := durabletest.New()
	if _, err := create(clean); err != nil {
		t.Fatal(err)
	}
	for n := range clean.Steps() + 1 {
		for seed := range uint64(10) {
			fsys := durabletest.New()
			fsys.CutAt(n)
			ref, err := create(fsys)
			if (err == nil) != (n == clean.Steps()) {
				t.Fatalf("cut at %d of %d: %v", n, clean.Steps(), err)
			}
			after := fsys.PowerLoss(rand.New(rand.NewPCG(seed, 0)))
			if seed == 0 {
				after = fsys.PowerLoss(nil)
			}
			checkStore(t, after, ref)
		}
	}
}

// checkStore opens every listed key, ref among them if it is not empty.
func checkStore(t *testing.T, fsys *durabletest.FS, ref key.Ref) {
	t.Helper()
	store := open(t, fsys, dir)
	refs, err := store.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found := ref == ""
	for _, r := range refs {
		signer, err := store.Open(t.Context(), r)
		if err != nil {
			t.Errorf("a key that is there does not open: %v", err)
			continue
		}
		if err := pki.SignVerify(signer); err != nil {
			t.Error(err)
		}
		found = found || r == ref
	}
	if !found {
		t.Errorf("key %s is lost", ref)
	}
	if _, _, err := store.Create(t.Context(), key.Spec{}); err != nil {
		t.Errorf("create afterwards: %v", err)
	}
	entries, err := fsys.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if durable.IsTemporary(e.Name()) {
			t.Errorf("leftover %s", e.Name())
		}
	}
}

func TestFullDisk(t *testing.T) {
	clean := durabletest.New()
	first := open(t, clean, dir)
	begin := clean.Steps()
	if _, _, err := first.Create(t.Context(), key.Spec{}); err != nil {
		t.Fatal(err)
	}
	failed := 0
	for n := begin; n < clean.Steps(); n++ {
		fsys := durabletest.New()
		store := open(t, fsys, dir)
		fsys.FailAt(n, syscall.ENOSPC)
		ref, _, err := store.Create(t.Context(), key.Spec{})
		if err != nil {
			failed++
			if !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("step %d: %v, want ENOSPC", n, err)
			}
		}
		checkStore(t, fsys, ref)
	}
	if failed < 4 {
		t.Errorf("only %d steps can fail", failed)
	}
}

func TestUnreadable(t *testing.T) {
	store := open(t, denied{durabletest.New()}, dir)
	ref, _, err := store.Create(t.Context(), key.Spec{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(t.Context(), ref); !errors.Is(err, fs.ErrPermission) || errors.Is(err, key.ErrNotFound) {
		t.Errorf("error = %v, want ErrPermission", err)
	}
}

// denied is a file system that lets nobody read; tests may run as root.
type denied struct{ durable.FS }

func (denied) ReadFile(path string) ([]byte, error) {
	return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrPermission}
}
