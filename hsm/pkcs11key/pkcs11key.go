// Package pkcs11key keeps private keys in a PKCS#11 token.
//
// The vendor's module, which needs cgo and may crash or hang, is loaded by the
// program mooring-pkcs11 and by nothing else; this package starts one for each
// store, speaks to it over pipes (package wire), and replaces it when it fails.
// What a token loses when it is pulled, reset or put back is opened again
// without the caller noticing.
//
// The PIN comes from a file or a systemd credential, is read whenever the token
// is opened, and is never tried again once the token has found it wrong, until
// its file changes; a Store with a directory to Remember in notes it there, for
// the processes that follow. The last try before a token locks itself is never used.
//
// Keys are named by label and CKA_ID (wire.RefOf). The name of a new key is
// chosen here, before the token is asked, so that a failure at any point leaves
// nothing that cannot be found and destroyed.
package pkcs11key

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"

	"mooring/hsm/key"
	"mooring/hsm/pkcs11key/wire"
)

// Store is the keys of one token, or those among them that the URI names.
type Store struct {
	supervisor *supervisor
}

var (
	_ key.Store   = (*Store)(nil)
	_ key.Chooser = (*Store)(nil)
	_ key.Limiter = (*Store)(nil)

	_ key.Rememberer = (*Store)(nil)

	_ key.Recoverer = (*Store)(nil)
	_ key.Recoverer = (*Sealer)(nil)
)

// Open opens the store of l. It does not speak to the token yet.
func Open(l Location) (*Store, error) {
	if l.Token.Module == "" && l.ModuleName == "" {
		_, err := l.findModule()
		return nil, err
	}
	return &Store{supervisor: newSupervisor(l)}, nil
}

// Create implements key.Store. The label becomes part of the Ref as far as its
// characters allow.
func (s *Store) Create(ctx context.Context, spec key.Spec) (key.Ref, crypto.Signer, error) {
	if len(spec.Label) > key.MaxLabelBytes {
		return "", nil, fmt.Errorf("the label of a key is longer than %d bytes", key.MaxLabelBytes)
	}
	if _, err := key.ParseAlgorithm(spec.Algorithm.String()); err != nil {
		return "", nil, err
	}
	if err := ctx.Err(); err != nil {
		return "", nil, err
	}
	if l := s.supervisor.location; l.Object != "" || l.ObjectID != nil {
		return "", nil, &Error{Kind: Refused, Text: "the URI names one object of the token, so no other is made",
			Hint: "leave object= and id= out of the URI to have keys made"}
	}
	id := make([]byte, 8)
	_, _ = rand.Read(id) // never fails (crypto/rand)
	ref := wire.RefOf(spec.Label, id)
	undo := wire.Request{Op: wire.OpDestroy, Ref: ref}
	answer, err := s.supervisor.do(ctx, wire.Request{Op: wire.OpCreate, Ref: ref, Algorithm: spec.Algorithm.String()}, undo)
	if err != nil {
		// Whatever there is of it goes, also if ctx is done. If that fails too, it
		// is listed, and whoever noted the label before destroys it.
		_, _ = s.supervisor.do(context.WithoutCancel(ctx), undo)
		return "", nil, fmt.Errorf("create key: %w", err)
	}
	signer, err := s.signer(key.Ref(ref), answer.Public)
	return key.Ref(ref), signer, err
}

// Open implements key.Store.
func (s *Store) Open(ctx context.Context, ref key.Ref) (crypto.Signer, error) {
	if !s.holds(ref) {
		return nil, fmt.Errorf("key %.40q: %w", ref, key.ErrNotFound)
	}
	answer, err := s.supervisor.do(ctx, wire.Request{Op: wire.OpPublic, Ref: string(ref)})
	if err != nil {
		return nil, fmt.Errorf("key %s in %s: %w", ref, s.supervisor.location.describe(), err)
	}
	return s.signer(ref, answer.Public)
}

// holds tells whether a Ref can be one of this store.
func (s *Store) holds(ref key.Ref) bool {
	id, ok := wire.IDOf(string(ref))
	l := s.supervisor.location
	return ok && (l.ObjectID == nil || slices.Equal(id, l.ObjectID)) && (l.Object == "" || string(ref) == wire.RefOf(l.Object, id))
}

// List implements key.Store. It also lists what is left of keys of ours that
// were destroyed or made by half.
func (s *Store) List(ctx context.Context) ([]key.Ref, error) {
	l := s.supervisor.location
	answer, err := s.supervisor.do(ctx, wire.Request{Op: wire.OpList, Object: l.Object, ObjectID: l.ObjectID})
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	refs := make([]key.Ref, 0, len(answer.Refs))
	for _, r := range answer.Refs {
		if _, ok := wire.IDOf(r); ok {
			refs = append(refs, key.Ref(r))
		}
	}
	slices.Sort(refs)
	return refs, nil
}

// Destroy implements key.Store.
func (s *Store) Destroy(ctx context.Context, ref key.Ref) error {
	if !s.holds(ref) {
		return fmt.Errorf("key %.40q: %w", ref, key.ErrNotFound)
	}
	if _, err := s.supervisor.do(ctx, wire.Request{Op: wire.OpDestroy, Ref: string(ref)}); err != nil {
		return fmt.Errorf("destroy key %s: %w", ref, err)
	}
	return nil
}

// Algorithms implements key.Chooser.
func (s *Store) Algorithms(ctx context.Context) ([]key.Algorithm, error) {
	token, err := s.Token(ctx)
	if err != nil {
		return nil, err
	}
	var all []key.Algorithm
	for _, name := range token.Algorithms {
		if a, err := key.ParseAlgorithm(name); err == nil {
			all = append(all, a)
		}
	}
	return all, nil
}

// Token tells which token it is. It asks it something first.
func (s *Store) Token(ctx context.Context) (wire.Token, error) {
	if _, err := s.List(ctx); err != nil {
		return wire.Token{}, err
	}
	s.supervisor.turn <- struct{}{}
	defer func() { <-s.supervisor.turn }()
	return s.supervisor.token, nil
}

// SetSignLimit implements key.Limiter. A token that is slow to sign is slow in
// what else it does.
func (s *Store) SetSignLimit(d time.Duration) {
	s.supervisor.limits.sign = d
	s.supervisor.limits.command = max(usualLimits.command, d)
}

// Remember implements key.Rememberer.
func (s *Store) Remember(dir string) { s.supervisor.refused.at(dir, s.supervisor.location) }

// Close implements key.Store. It ends the helper.
func (s *Store) Close() error {
	s.supervisor.shut()
	return nil
}

// Device says which token the store uses, for people.
func (s *Store) Device() string { return strings.TrimSuffix(s.supervisor.location.describe(), ":") }

func (s *Store) signer(ref key.Ref, der []byte) (crypto.Signer, error) {
	public, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, fmt.Errorf("key %s: its public half is not readable: %w", ref, err)
	}
	return newSigner(s.supervisor, ref, public)
}
