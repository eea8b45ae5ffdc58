package ca_test

import (
	"context"
	"crypto"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"mooring/hsm/filekey"
	"mooring/hsm/key"
	"mooring/internal/durable"
	"mooring/internal/problem"
	"mooring/server/ca"
	"mooring/server/platform"
)

var errFault = errors.New("a fault of the test")

// faultyKeys is a key store that fails before or after it does something.
type faultyKeys struct {
	key.Store
	fault string // "create", "create-after", "destroy", "list" or empty
}

func (f *faultyKeys) Create(ctx context.Context, spec key.Spec) (key.Ref, crypto.Signer, error) {
	if f.fault == "create" {
		return "", nil, errFault
	}
	ref, signer, err := f.Store.Create(ctx, spec)
	if f.fault == "create-after" {
		return "", nil, errFault
	}
	return ref, signer, err
}

func (f *faultyKeys) Destroy(ctx context.Context, ref key.Ref) error {
	if f.fault == "destroy" {
		return errFault
	}
	return f.Store.Destroy(ctx, ref)
}

func (f *faultyKeys) List(ctx context.Context) ([]key.Ref, error) {
	if f.fault == "list" {
		return nil, errFault
	}
	return f.Store.List(ctx)
}

type sealedRows interface{ platform.SealedKeys }

// faultyRows is a store that fails before or after it writes.
type faultyRows struct {
	ca.Store
	sealedRows
	fault string // "note", "note-after", "issuer", "issuer-after" or empty
}

func (f *faultyRows) PutSealedKey(ctx context.Context, k platform.SealedKey, audit ...platform.AuditRecord) error {
	if f.fault == "note" {
		return errFault
	}
	err := f.sealedRows.PutSealedKey(ctx, k, audit...)
	if f.fault == "note-after" {
		return errFault
	}
	return err
}

func (f *faultyRows) CreateIssuer(ctx context.Context, i platform.Issuer, k platform.SealedKey, c platform.TrustedCertificate, audit ...platform.AuditRecord) error {
	if f.fault == "issuer" {
		return errFault
	}
	err := f.Store.CreateIssuer(ctx, i, k, c, audit...)
	if f.fault == "issuer-after" {
		return errFault
	}
	return err
}

// sweepRig is an authority whose key store and rows fail on demand, with keys of
// others in the key store.
type sweepRig struct {
	*rig
	*ca.Service
	keys   *faultyKeys
	rows   *faultyRows
	others []key.Ref
}

func newSweepRig(t *testing.T) *sweepRig {
	t.Helper()
	store, err := filekey.Open(durable.OS, filepath.Join(t.TempDir(), "keys"))
	if err != nil {
		t.Fatal(err)
	}
	s := &sweepRig{rig: newRig(t, setup{}), keys: &faultyKeys{Store: store}}
	s.rows = &faultyRows{Store: s.store, sealedRows: s.store}
	s.Service = ca.New(ca.Config{Store: s.rows, Keys: s.rows, Vault: s.vault, KeyStore: s.keys, Now: s.clock})
	// Of a person, and of another instance with a tenant of the same name.
	for _, label := range []string{"by hand", "mooring-ca-t1000", "mooring-ca-t1000-0123456789abcdef"} {
		ref, _, err := store.Create(t.Context(), key.Spec{Label: label})
		if err != nil {
			t.Fatal(err)
		}
		s.others = append(s.others, ref)
	}
	return s
}

// want checks how many keys there are besides those of others, and notes.
func (s *sweepRig) want(t *testing.T, keys, notes int) {
	t.Helper()
	refs, err := s.keys.Store.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, ref := range s.others {
		if !slices.Contains(refs, ref) {
			t.Errorf("the key %s of others is gone", ref)
		}
	}
	rows, err := s.store.SealedKeys(t.Context(), platform.Management, "tenant-ca-note")
	if err != nil || len(refs)-len(s.others) != keys || len(rows) != notes {
		t.Errorf("%d keys and %d notes, %v; want %d and %d: %v", len(refs)-len(s.others), len(rows), err, keys, notes, refs)
	}
}

// Whatever fails on the way, an authority has its key, and what belongs to none
// goes.
func TestKeysWithoutIssuer(t *testing.T) {
	for _, tt := range []struct {
		keys, rows string
		keep       int // keys after the sweep
	}{
		{keys: "create"}, {keys: "create-after"}, {rows: "note"}, {rows: "note-after"}, {rows: "issuer"}, {rows: "issuer-after", keep: 1}, {keep: 1},
		{keys: "destroy", rows: "issuer"}, {keys: "list", rows: "issuer"},
	} {
		t.Run(tt.keys+" "+tt.rows, func(t *testing.T) {
			s := newSweepRig(t)
			s.keys.fault, s.rows.fault = tt.keys, tt.rows
			if _, err := s.Create(t.Context(), tenant, admin); (err == nil) != (tt.keys == "" && tt.rows == "") {
				t.Errorf("create: %v", err)
			}
			s.rows.fault = ""
			s.advance(time.Hour + time.Second)
			if err := s.SweepKeys(t.Context()); err != nil && !errors.Is(err, problem.Unavailable) {
				t.Errorf("sweep: %v", err)
			}
			s.keys.fault = ""
			if err := s.SweepKeys(t.Context()); err != nil {
				t.Errorf("sweep: %v", err)
			}
			s.want(t, tt.keep, tt.keep)
			if tt.keep == 0 {
				if _, err := s.Create(t.Context(), tenant, admin); err != nil {
					t.Fatalf("create again: %v", err)
				}
			}
			if _, err := s.CRL(t.Context(), tenant); err != nil {
				t.Errorf("the authority signs nothing: %v", err)
			}
		})
	}
}

// A key that was just made is left alone: its transaction may be under way.
func TestSweepWaits(t *testing.T) {
	s := newSweepRig(t)
	s.rows.fault = "issuer"
	if _, err := s.Create(t.Context(), tenant, admin); err == nil {
		t.Fatal("created")
	}
	for _, tt := range []struct {
		after time.Duration
		left  int
	}{{time.Hour - time.Millisecond, 1}, {time.Millisecond, 0}} {
		s.advance(tt.after)
		if err := s.SweepKeys(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.want(t, tt.left, tt.left)
	}
}

// With an authority goes its key, with a second one that loses nothing else.
func TestKeyOfDeletedAuthority(t *testing.T) {
	s := newSweepRig(t)
	record, err := s.Create(t.Context(), tenant, admin)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Create(t.Context(), "t2000", admin); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Create(t.Context(), tenant, admin); !errors.Is(err, problem.Conflict) {
		t.Fatalf("a second one: %v", err)
	}
	s.want(t, 2, 2)
	if err := s.store.DeleteTrustedCertificate(t.Context(), tenant, record.Fingerprint); err != nil {
		t.Fatal(err)
	}
	s.advance(time.Hour)
	s.keys.fault = "list" // the token is away
	if err := s.SweepKeys(t.Context()); !errors.Is(err, problem.Unavailable) {
		t.Errorf("sweep without token: %v", err)
	}
	s.want(t, 2, 2)
	s.keys.fault = ""
	if err := s.SweepKeys(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.want(t, 1, 1)
	if _, err := s.CRL(t.Context(), "t2000"); err != nil {
		t.Errorf("the other tenant's authority: %v", err)
	}
}
