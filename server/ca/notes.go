package ca

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"mooring/hsm/key"
	"mooring/internal/pki"
	"mooring/internal/problem"
	"mooring/server/platform"
)

// A key in a key store outlives the server that made it: a crash between the key
// and the transaction that names it would leave it there for ever, and so does
// the deletion of an authority. Hence each has a note, written before the key is
// made and kept as long as it is there: the tenant and the label of the key,
// which is random, so that no other instance has one like it.
const (
	notePurpose = "tenant-ca-note"
	// noteRest is how old a note is when its key is looked for. Create gives up in
	// half of that.
	noteRest = time.Hour
)

// note says that a key of label may be in the key store, for tenant.
type note struct {
	id     string
	tenant platform.TenantID
	label  string
}

// makeNote stores the note of a key that is about to be made.
func (s *Service) makeNote(ctx context.Context, tenant platform.TenantID) (note, error) {
	n := note{id: pki.SerialHex(newSerial()), tenant: tenant}
	random := n.id[:16]
	name := labelPrefix + string(tenant)
	n.label = name[:min(len(name), key.MaxLabelBytes-1-len(random))] + "-" + random
	sealed, err := s.vault.Seal(ctx, platform.Management, notePurpose, n.id, []byte(string(tenant)+"\n"+n.label))
	if err != nil {
		return n, err
	}
	sealed.Created = platform.Millis(s.now())
	if err := s.keys.PutSealedKey(ctx, sealed); err != nil {
		return n, fmt.Errorf("note the key of an issuer: %w", err)
	}
	return n, nil
}

// dropNote forgets a note whose key is gone.
func (s *Service) dropNote(ctx context.Context, n note) error {
	err := s.keys.DeleteSealedKey(ctx, platform.Management, notePurpose, n.id)
	if errors.Is(err, problem.NotFound) {
		return nil
	}
	return err
}

// SweepKeys destroys the keys in the key store that were made for issuers of this
// instance and belong to none: a crash left them, or the authority was deleted.
// Keys without a note, as those of other instances, are not touched. It is called
// now and then, on every node; what fails is tried again at the next call.
func (s *Service) SweepKeys(ctx context.Context) error {
	if s.keyStore == nil {
		return nil
	}
	sealed, err := s.keys.SealedKeys(ctx, platform.Management, notePurpose)
	if err != nil {
		return fmt.Errorf("list the notes of issuer keys: %w", err)
	}
	var failed error
	for _, k := range sealed {
		if s.now().Sub(k.Created) < noteRest {
			continue
		}
		if err := s.sweepNote(ctx, k); err != nil {
			failed = errors.Join(failed, err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return failed
}

func (s *Service) sweepNote(ctx context.Context, k platform.SealedKey) error {
	plain, err := s.vault.Open(ctx, k)
	if err != nil {
		return err
	}
	tenant, label, _ := strings.Cut(string(plain), "\n")
	n := note{id: k.KeyID, tenant: platform.TenantID(tenant), label: label}
	if !strings.HasPrefix(label, labelPrefix) {
		return fmt.Errorf("the note %s of an issuer key makes no sense", k.KeyID)
	}
	if named, err := s.named(ctx, n); err != nil || named {
		return err
	}
	refs, err := s.keyStore.List(ctx)
	if err != nil {
		return unreachable(err)
	}
	for _, ref := range slices.DeleteFunc(refs, func(r key.Ref) bool { return !n.of(r) }) {
		if err := s.keyStore.Destroy(ctx, ref); err != nil && !errors.Is(err, key.ErrNotFound) {
			return unreachable(err)
		}
		s.log.Info("a key of no issuer is gone from the key store", "tenant", tenant, "key", ref)
	}
	return s.dropNote(ctx, n)
}

// of tells whether a key is the one of the note.
func (n note) of(ref key.Ref) bool { return strings.HasPrefix(string(ref), n.label+"-") }

// named tells whether an issuer of the tenant has the key. What cannot be opened
// might.
func (s *Service) named(ctx context.Context, n note) (bool, error) {
	sealed, err := s.keys.SealedKeys(ctx, n.tenant, purpose)
	if errors.Is(err, problem.NotFound) {
		return false, nil // the tenant is gone
	}
	if err != nil {
		return false, fmt.Errorf("list the issuer keys of tenant %s: %w", n.tenant, err)
	}
	for _, k := range sealed {
		plain, err := s.vault.Open(ctx, k)
		if err != nil {
			return false, err
		}
		if ref, ok := strings.CutPrefix(string(plain), refPrefix); ok && n.of(key.Ref(ref)) {
			return true, nil
		}
	}
	return false, nil
}
