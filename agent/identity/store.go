package identity

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"mooring/hsm/key"
	"mooring/internal/durable"
	"mooring/internal/lifecycle"
	"mooring/internal/pki"
)

// Store is the state directory's part that holds identities. One process at a
// time may change it, which Lock sees to.
type Store struct {
	fsys durable.FS
	dir  string
	keys key.Store
	kind *key.Algorithm // of new keys; nil: the best that the key store has
}

// Open takes the state directory dir, which must exist and belong to this user
// alone, and the store of its keys.
func Open(fsys durable.FS, dir string, keys key.Store) (*Store, error) {
	if err := CheckDir(fsys, dir); err != nil {
		return nil, err
	}
	return &Store{fsys: fsys, dir: dir, keys: keys}, nil
}

// MakeKeysOf has new keys be of one kind, whatever the key store finds best.
func (s *Store) MakeKeysOf(a key.Algorithm) { s.kind = &a }

// Prepare makes generation number with a new key, or with that of generation
// keyOf if it differs. The metadata names the label before the key exists, so
// that a power cut between the two leaves no key that nobody knows.
func (s *Store) Prepare(ctx context.Context, number, keyOf uint32, now time.Time) (*Identity, error) {
	if err := durable.MkdirAll(s.fsys, s.dirOf(number), dirMode); err != nil {
		return nil, err
	}
	m := metadata{Version: metadataVersion, Number: number, KeyOf: keyOf, Created: now.UTC().Round(0)}
	if keyOf != number {
		old, err := s.withKeyOf(keyOf)
		if err != nil {
			return nil, fmt.Errorf("keep the key of generation %d: %w", keyOf, err)
		}
		m.Key, m.KeyLabel, m.KeyStays = old.Key, old.KeyLabel, old.KeyStays
	} else if err := s.createKey(ctx, &m); err != nil {
		return nil, err
	}
	if err := s.writeMetadata(m); err != nil {
		return nil, err
	}
	return s.Load(ctx, number)
}

// withKeyOf finds the metadata of a generation that has the key of keyOf: that one
// itself may be gone since.
func (s *Store) withKeyOf(keyOf uint32) (metadata, error) {
	list, err := s.numbers()
	if err != nil {
		return metadata{}, err
	}
	for _, n := range list {
		if m, err := s.readMetadata(n); err == nil && m.KeyOf == keyOf && m.Key != "" {
			return m, nil
		}
	}
	return metadata{}, fs.ErrNotExist
}

// labelFormat is the label of a key: its generation, and eight random hexadecimal
// digits.
const labelFormat = "mooring-%04d-%s"

// Made reports whether ref is the name of a key that Prepare or Import made, for
// whichever device: a name in which such a label is.
func Made(ref key.Ref) bool {
	_, label, found := strings.Cut(string(ref), "mooring-")
	number, random, two := strings.Cut(label, "-")
	if _, err := strconv.ParseUint(number, 10, 31); !found || !two || err != nil || len(number) < 4 || len(random) < 8 {
		return false
	}
	_, err := hex.DecodeString(random[:8])
	return err == nil
}

// label names the key to come and notes the name, before there is a key.
func (s *Store) label(m *metadata) error {
	random := make([]byte, 4)
	if _, err := rand.Read(random); err != nil {
		return err
	}
	m.KeyLabel = fmt.Sprintf(labelFormat, m.Number, hex.EncodeToString(random))
	return s.writeMetadata(*m)
}

func (s *Store) createKey(ctx context.Context, m *metadata) error {
	if err := s.label(m); err != nil {
		return err
	}
	algorithm, err := s.algorithm(ctx)
	if err != nil {
		return err
	}
	ref, _, err := s.keys.Create(ctx, key.Spec{Algorithm: algorithm, Label: m.KeyLabel})
	if err != nil {
		return err
	}
	m.Key = ref
	return nil
}

// algorithm is the one that was chosen, else the usual one or the best that the
// key store has.
func (s *Store) algorithm(ctx context.Context) (usual key.Algorithm, err error) {
	if s.kind != nil {
		return *s.kind, nil
	}
	chooser, ok := s.keys.(key.Chooser)
	if !ok {
		return usual, nil
	}
	all, err := chooser.Algorithms(ctx)
	if err != nil {
		return usual, err
	}
	if len(all) == 0 {
		return usual, errors.New("the key store makes no keys of the kinds that devices use")
	}
	return all[0], nil
}

// Adopt makes generation number from a key that the store has already and the
// certificate that belongs to it. It is the candidate then. The key is never
// destroyed.
func (s *Store) Adopt(ctx context.Context, number uint32, ref key.Ref, chain pki.Chain, now time.Time) error {
	return s.bring(ctx, number, chain, now, func(m *metadata) error {
		m.Key, m.KeyStays = ref, true
		return nil
	})
}

// Import is Adopt for a key that take brings into the store, under the label that
// it is given. It belongs to the generation.
func (s *Store) Import(ctx context.Context, number uint32, take func(label string) (key.Ref, error), chain pki.Chain, now time.Time) error {
	return s.bring(ctx, number, chain, now, func(m *metadata) (err error) {
		if err := s.label(m); err != nil {
			return err
		}
		m.Key, err = take(m.KeyLabel)
		return err
	})
}

func (s *Store) bring(ctx context.Context, number uint32, chain pki.Chain, now time.Time, withKey func(*metadata) error) error {
	if err := durable.MkdirAll(s.fsys, s.dirOf(number), dirMode); err != nil {
		return err
	}
	m := metadata{Version: metadataVersion, Number: number, KeyOf: number, Created: now.UTC().Round(0)}
	if err := withKey(&m); err != nil {
		return err
	}
	if err := s.writeMetadata(m); err != nil {
		return err
	}
	return s.SaveChain(ctx, number, chain)
}

// SaveChain gives generation number its certificate. When it returns, the
// generation is the candidate.
func (s *Store) SaveChain(ctx context.Context, number uint32, chain pki.Chain) error {
	m, err := s.readMetadata(number)
	if err != nil {
		return err
	}
	signer, err := s.keys.Open(ctx, m.Key)
	if err != nil {
		return keyMissing(m.Key, err)
	}
	leaf := chain.Leaf()
	if leaf == nil || !pki.KeyMatches(leaf, signer) {
		return errors.New("the certificate is for another key")
	}
	notAfter := leaf.NotAfter.UTC()
	m.Serial, m.NotAfter, m.Device = pki.SerialHex(leaf.SerialNumber), &notAfter, leaf.Subject.CommonName
	m.Fingerprint = (&Identity{Chain: chain}).FingerprintHex()
	if err := durable.WriteFile(s.fsys, filepath.Join(s.dirOf(number), chainFile), pki.EncodePEM(chain...), fileMode); err != nil {
		return err
	}
	if err := s.writeMetadata(m); err != nil {
		return err
	}
	digest, err := s.digest(number)
	if err != nil {
		return err
	}
	return durable.WriteFile(s.fsys, filepath.Join(s.dirOf(number), digestFile), []byte(digest), fileMode)
}

// Commit makes generation number the current one.
func (s *Store) Commit(ctx context.Context, number uint32) error {
	id, err := s.Load(ctx, number)
	if err != nil {
		return err
	}
	if id.Chain == nil {
		return fmt.Errorf("generation %d has no certificate", number)
	}
	return durable.PointAt(s.fsys, filepath.Join(s.dir, currentLink), filepath.Join(generationsDir, filepath.Base(s.dirOf(number))))
}

// RollBack makes generation number a candidate no longer. Sweep removes the
// rest of it.
func (s *Store) RollBack(number uint32) error {
	current, err := s.current()
	if err != nil {
		return err
	}
	if number == current {
		return fmt.Errorf("generation %d is the current one", number)
	}
	// Without its digest the generation is a prepared one; without its
	// metadata it is nothing.
	for _, name := range []string{digestFile, identityFile} {
		if err := s.forget(number, name); err != nil {
			return err
		}
	}
	return nil
}

// forget removes a file, keeping the key's name for Sweep.
func (s *Store) forget(number uint32, name string) error {
	if name != identityFile {
		return durable.Remove(s.fsys, filepath.Join(s.dirOf(number), name))
	}
	m, err := s.readMetadata(number)
	if err != nil {
		return err
	}
	m.Key = ""
	return s.writeMetadata(m)
}

// current returns the number that the pointer names, 0 if there is none.
func (s *Store) current() (uint32, error) {
	link := filepath.Join(s.dir, currentLink)
	target, err := s.fsys.ReadLink(link)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, damaged(link, "not a symbolic link", err)
	}
	dir, name := filepath.Split(target)
	number, ok := parseNumber(name)
	if filepath.Clean(dir) != generationsDir || !ok {
		return 0, damaged(link, "does not lead to a generation", nil)
	}
	return number, nil
}

func parseNumber(name string) (uint32, bool) {
	n, err := strconv.ParseUint(name, 10, 31)
	return uint32(n), err == nil && n > 0 && fmt.Sprintf("%04d", n) == name
}

// numbers lists the generations on disk, lowest first.
func (s *Store) numbers() ([]uint32, error) {
	entries, err := s.fsys.ReadDir(filepath.Join(s.dir, generationsDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list generations: %w", err)
	}
	var list []uint32
	for _, e := range entries {
		if n, ok := parseNumber(e.Name()); ok && e.IsDir() {
			at, _ := slices.BinarySearch(list, n)
			list = slices.Insert(list, at, n)
		}
	}
	return list, nil
}

// Found is what the disk holds.
type Found struct {
	Current *Identity // nil: never enrolled
	Next    *Identity // the candidate, or a key that waits for its certificate
	Highest uint32
}

// Event tells internal/lifecycle.
func (f Found) Event() lifecycle.Event {
	return lifecycle.Event{Kind: lifecycle.Booted, Current: f.Current.Generation(), Next: f.Next.Generation(), Highest: f.Highest}
}

// Find reads the state. A damaged current generation is an error; a damaged
// later one is only a leftover.
func (s *Store) Find(ctx context.Context) (Found, error) {
	var f Found
	number, err := s.current()
	if err != nil {
		return f, err
	}
	if number != 0 {
		id, err := s.Load(ctx, number)
		if err != nil {
			return f, err
		}
		if id.Chain == nil {
			return f, damaged(s.dirOf(number), "the current generation has no certificate", nil)
		}
		f.Current = id
	}
	list, err := s.numbers()
	if err != nil {
		return f, err
	}
	f.Highest = number
	for _, n := range list {
		f.Highest = max(f.Highest, n)
		if n <= number {
			continue
		}
		if id, err := s.Load(ctx, n); err == nil {
			f.Next = better(f.Next, id)
		}
	}
	return f, nil
}

// better prefers a certificate to a bare key, and then the later generation.
func better(a, b *Identity) *Identity {
	if a != nil && a.Chain != nil && b.Chain == nil {
		return a
	}
	return b
}

// Sweep removes every generation but those kept, and every key that only they
// used. It goes on after an error, and returns the first.
func (s *Store) Sweep(ctx context.Context, keep ...uint32) error {
	// A pointer flipped by a process that was killed may not be on disk yet: a
	// power cut would bring back the one before, and with it the need for what
	// goes now.
	if err := durable.SyncDir(s.fsys, s.dir); err != nil {
		return fmt.Errorf("sync the state directory: %w", err)
	}
	list, err := s.numbers()
	if err != nil {
		return err
	}
	used := map[key.Ref]bool{}
	for _, n := range list {
		if !slices.Contains(keep, n) {
			continue
		}
		m, err := s.readMetadata(n)
		if err != nil {
			return fmt.Errorf("whose keys to keep: %w", err)
		}
		used[m.Key] = true
	}
	var first error
	for _, n := range list {
		if slices.Contains(keep, n) {
			continue
		}
		if err := s.destroy(ctx, n, used); err != nil && first == nil {
			first = fmt.Errorf("remove generation %d: %w", n, err)
		}
	}
	return first
}

// Abandon gives up the identity, whose key is lost, and all that is left of others.
func (s *Store) Abandon(ctx context.Context) error {
	if err := durable.Remove(s.fsys, filepath.Join(s.dir, currentLink)); err != nil {
		return err
	}
	return s.Sweep(ctx)
}

// IsLost reports whether an error of Find, or of a signature, says that the key is
// gone for good.
func IsLost(err error) bool { return errors.Is(err, key.ErrNotFound) || errors.Is(err, key.ErrLost) }

// destroy removes the keys of a generation first, because the generation is
// what knows their names.
func (s *Store) destroy(ctx context.Context, number uint32, used map[key.Ref]bool) error {
	if m, err := s.readMetadata(number); err == nil && !m.KeyStays {
		refs, err := s.keysOf(ctx, m)
		if err != nil {
			return err
		}
		for _, ref := range refs {
			if used[ref] {
				continue
			}
			if err := s.keys.Destroy(ctx, ref); err != nil && !errors.Is(err, key.ErrNotFound) {
				return err
			}
		}
	}
	return durable.RemoveAll(s.fsys, s.dirOf(number))
}

// keysOf finds the key of a generation, by its name or, if a power cut came
// before the name was written, by the label that is part of it.
func (s *Store) keysOf(ctx context.Context, m metadata) ([]key.Ref, error) {
	if m.Key != "" {
		return []key.Ref{m.Key}, nil
	}
	if m.KeyLabel == "" {
		return nil, nil
	}
	all, err := s.keys.List(ctx)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(r key.Ref) bool { return !strings.Contains(string(r), m.KeyLabel) }), nil
}
