// Package tpmkey keeps private keys in a TPM 2.0.
//
// The TPM makes a key and gives it out encrypted under its storage root key, so
// that only this TPM can use it; the encrypted key is a file, in the form that
// OpenSSL's tpm2 provider reads too ("TSS2 PRIVATE KEY"). Nothing is stored in
// the TPM itself, whose memory is small and wears out.
//
// Keys have no password and are exempt from the dictionary attack lockout
// (noDA): with it, a handful of power cuts locks a device out for hours.
// Commands are authorized by HMAC sessions salted to the storage root key, whose
// Name is noted at first use, and their secrets are encrypted on the bus.
//
// There is one device for each TPM in a process and one command at a time. What
// the TPM loses (a reset, a resume) is loaded again without the caller noticing.
package tpmkey

import (
	"context"
	"crypto"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	crand "crypto/rand"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"

	"mooring/hsm/key"
	"mooring/internal/durable"
)

const (
	keySuffix = ".tss2"
	fileMode  = 0o600
	dirMode   = 0o700

	// maxFileBytes bounds a key file. An RSA 4096 key has about 2 KiB.
	maxFileBytes = 16 << 10
	// maxRefBytes leaves room in a file name (255) for the suffix and the mark
	// of temporary files.
	maxRefBytes = 128
)

// Store is a directory of keys of one TPM.
type Store struct {
	fsys   durable.FS
	dir    string
	device *device
	pcrs   []uint

	mu      sync.Mutex // guards what follows; one change at a time
	cleaned bool       // leftovers of power cuts were removed

	pin []byte // Name of the storage root key, guarded by device.turn; nil: not read
}

var _ key.Store = (*Store)(nil)

// Open opens the store of l, whose directory it makes if it does not exist. It
// does not speak to the TPM yet.
func Open(fsys durable.FS, l Location) (*Store, error) {
	return open(fsys, l, deviceAt(l.Device))
}

func open(fsys durable.FS, l Location, d *device) (*Store, error) {
	if l.Dir == "" {
		return nil, refuse("a tpm: key store needs a directory for its key files, as in tpm:?dir=/var/lib/mooring/keys")
	}
	if err := durable.MkdirAll(fsys, l.Dir, dirMode); err != nil {
		return nil, fmt.Errorf("key directory: %w", err)
	}
	return &Store{fsys: fsys, dir: l.Dir, device: d, pcrs: l.PCRs}, nil
}

// Create implements key.Store. The label becomes part of the Ref as far as its
// characters allow.
func (s *Store) Create(ctx context.Context, spec key.Spec) (key.Ref, crypto.Signer, error) {
	if len(spec.Label) > key.MaxLabelBytes {
		return "", nil, fmt.Errorf("the label of a key is longer than %d bytes", key.MaxLabelBytes)
	}
	if err := ctx.Err(); err != nil {
		return "", nil, err
	}
	template, err := template(spec.Algorithm)
	if err != nil {
		return "", nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.clean(); err != nil {
		return "", nil, err
	}
	var file *keyFile
	err = s.device.do(ctx, createLimit, func(tpm transport.TPM) error {
		file, err = s.make(tpm, template)
		return err
	})
	if err != nil {
		return "", nil, fmt.Errorf("create key: %w", err)
	}
	file.Description = spec.Label
	ref, err := newRef(spec.Label)
	if err != nil {
		return "", nil, err
	}
	signer, err := s.signer(ref, file)
	if err != nil {
		return "", nil, err
	}
	text, err := file.encode()
	if err != nil {
		return "", nil, err
	}
	if err := durable.WriteFile(s.fsys, s.path(ref), text, fileMode); err != nil {
		return "", nil, fmt.Errorf("create key: %w", err)
	}
	return ref, signer, nil
}

// make has the TPM make a key, in the turn of the device.
func (s *Store) make(tpm transport.TPM, public tpm2.TPMTPublic) (*keyFile, error) {
	srk, err := s.storage(tpm)
	if err != nil {
		return nil, err
	}
	if len(s.pcrs) > 0 {
		if public.AuthPolicy, err = policyDigest(tpm, s.pcrs); err != nil {
			return nil, err
		}
		public.ObjectAttributes.UserWithAuth = false
	}
	made, err := tpm2.Create{ParentHandle: srk.auth(encryptIn()), InPublic: tpm2.New2B(public),
		InSensitive: tpm2.TPM2BSensitiveCreate{Sensitive: &tpm2.TPMSSensitiveCreate{}}}.Execute(tpm)
	if err != nil {
		return nil, err
	}
	file := &keyFile{Public: made.OutPublic, Private: made.OutPrivate}
	if len(s.pcrs) > 0 {
		file.Policy = []policyStep{pcrPolicy(s.pcrs)}
	}
	return file, nil
}

// storage returns the storage root key, which must be the one that was noted.
// It is called in the turn of the device.
func (s *Store) storage(tpm transport.TPM) (*storageKey, error) {
	if s.pin == nil {
		pin, err := readPin(s.fsys, s.dir)
		if err != nil {
			return nil, err
		}
		s.pin = pin
	}
	srk, err := s.device.storage(tpm, s.pin)
	if err != nil {
		return nil, err
	}
	if s.pin == nil {
		if err := writePin(s.fsys, s.dir, srk.name); err != nil {
			return nil, err
		}
		s.pin = srk.name.Buffer
	}
	if !slices.Equal(s.pin, srk.name.Buffer) {
		return nil, foreign(errors.New("its storage root key is not the one that was noted"))
	}
	return srk, nil
}

// clean removes incomplete files once, before the first key is made. It is not
// done by Open, because another process may only look.
func (s *Store) clean() error {
	if s.cleaned {
		return nil
	}
	if err := durable.RemoveTemporary(s.fsys, s.dir); err != nil {
		return err
	}
	s.cleaned = true
	return nil
}

// Open implements key.Store. The key is not loaded yet: whether the TPM takes it
// shows when it signs.
func (s *Store) Open(ctx context.Context, ref key.Ref) (crypto.Signer, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !validRef(ref) {
		return nil, fmt.Errorf("key %.40q: %w", ref, key.ErrNotFound)
	}
	file, err := readKey(s.fsys, s.path(ref))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("key %s in %s: %w", ref, s.dir, key.ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	return s.signer(ref, file)
}

func readKey(fsys durable.FS, path string) (*keyFile, error) {
	info, err := fsys.Lstat(path)
	if err != nil {
		return nil, fmt.Errorf("read key file: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxFileBytes {
		return nil, fmt.Errorf("key file %s is not a regular file of at most %d bytes", path, maxFileBytes)
	}
	text, err := fsys.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read key file: %w", err)
	}
	file, err := decode(text)
	if err != nil {
		return nil, fmt.Errorf("key file %s is damaged: %w", path, err)
	}
	return file, nil
}

// List implements key.Store. Files whose names are no Ref are skipped.
func (s *Store) List(ctx context.Context) ([]key.Ref, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	// What the list does not show must not come back with a power cut: callers
	// forget keys that are not there.
	if err := durable.SyncDir(s.fsys, s.dir); err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	entries, err := s.fsys.ReadDir(s.dir)
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	var refs []key.Ref
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), keySuffix)
		if ok && validRef(key.Ref(name)) && e.Type().IsRegular() {
			refs = append(refs, key.Ref(name))
		}
	}
	slices.Sort(refs)
	return refs, nil
}

// Destroy implements key.Store: without its file the TPM cannot use the key.
func (s *Store) Destroy(ctx context.Context, ref key.Ref) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !validRef(ref) {
		return fmt.Errorf("key %.40q: %w", ref, key.ErrNotFound)
	}
	_, found := s.fsys.Lstat(s.path(ref))
	// Also if it is not there: a process that was killed may have removed it from
	// the cache alone, and who hears ErrNotFound forgets the key for good.
	if err := durable.Remove(s.fsys, s.path(ref)); err != nil {
		return fmt.Errorf("destroy key: %w", err)
	}
	if errors.Is(found, fs.ErrNotExist) {
		return fmt.Errorf("key %s in %s: %w", ref, s.dir, key.ErrNotFound)
	}
	return nil
}

// Close implements key.Store. It unloads what is loaded; the device is shared,
// so another store loads its key again.
func (s *Store) Close() error {
	s.device.turn <- struct{}{}
	s.device.shut()
	<-s.device.turn
	return nil
}

// Device says which TPM the store uses, for people.
func (s *Store) Device() string { return s.device.path }

func (s *Store) path(ref key.Ref) string { return filepath.Join(s.dir, string(ref)+keySuffix) }

// newRef returns label and 64 random bits.
func newRef(label string) (key.Ref, error) {
	random := make([]byte, 8)
	if _, err := crand.Read(random); err != nil {
		return "", fmt.Errorf("read random bytes: %w", err)
	}
	name := strings.Map(func(r rune) rune {
		if refRune(r) {
			return r
		}
		return '-'
	}, label)
	if name = strings.TrimLeft(name, ".-_"); name == "" {
		name = "key"
	}
	return key.Ref(name + "-" + hex.EncodeToString(random)), nil
}

func refRune(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '.' || r == '_' || r == '-'
}

// validRef keeps a Ref inside the directory: no separators, no leading dot.
func validRef(ref key.Ref) bool {
	if ref == "" || len(ref) > maxRefBytes || strings.ContainsRune(".-_", rune(ref[0])) {
		return false
	}
	return !strings.ContainsFunc(string(ref), func(r rune) bool { return !refRune(r) })
}
