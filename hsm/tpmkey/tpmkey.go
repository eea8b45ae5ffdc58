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
	"time"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"

	"mooring/hsm/key"
	"mooring/hsm/keydir"
	"mooring/internal/durable"
)

const keySuffix = ".tss2"

// maxFileBytes bounds a key file. An RSA 4096 key has about 2 KiB.
const maxFileBytes = 16 << 10

// Store is a directory of keys of one TPM.
type Store struct {
	fsys   durable.FS
	dir    *keydir.Dir
	device *device
	pcrs   []uint

	signLimit time.Duration // of each command on the way to a signature

	pin []byte // Name of the storage root key, guarded by device.turn; nil: not read
}

var (
	_ key.Store   = (*Store)(nil)
	_ key.Limiter = (*Store)(nil)

	_ key.Resetter = (*Store)(nil)
)

// Open opens the store of l, whose directory it makes if it does not exist. It
// does not speak to the TPM yet.
func Open(fsys durable.FS, l Location) (*Store, error) {
	return open(fsys, l, deviceAt(l.Device))
}

func open(fsys durable.FS, l Location, d *device) (*Store, error) {
	if l.Dir == "" {
		return nil, refuse("a tpm: key store needs a directory for its key files, as in tpm:?dir=/var/lib/mooring/keys")
	}
	dir, err := keydir.Open(fsys, l.Dir, keySuffix)
	if err != nil {
		return nil, err
	}
	return &Store{fsys: fsys, dir: dir, device: d, pcrs: l.PCRs, signLimit: commandLimit}, nil
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
	var file *keyFile
	err = s.device.do(ctx, createLimit, func(tpm transport.TPM) error {
		file, err = s.make(tpm, template)
		return err
	})
	if err != nil {
		return "", nil, fmt.Errorf("create key: %w", err)
	}
	file.Description = spec.Label
	public, err := publicKey(file)
	if err != nil {
		return "", nil, err
	}
	text, err := file.encode()
	if err != nil {
		return "", nil, err
	}
	ref, err := s.dir.Create(spec.Label, text)
	if err != nil {
		return "", nil, err
	}
	path, err := s.dir.Path(ref)
	return ref, &Signer{store: s, path: path, file: file, public: public}, err
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
	file, err := srk.create(tpm, tpm2.TPMSSensitiveCreate{}, public)
	if err != nil {
		return nil, err
	}
	if len(s.pcrs) > 0 {
		file.Policy = []policyStep{pcrPolicy(s.pcrs)}
	}
	return file, nil
}

// storage returns the storage root key, which must be the one that was noted.
// It is called in the turn of the device.
func (s *Store) storage(tpm transport.TPM) (*storageKey, error) {
	if s.pin == nil {
		pin, err := readPin(s.fsys, s.dir.String())
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
		if err := s.dir.WriteFile(pinFile, []byte(hex.EncodeToString(srk.name.Buffer)+"\n")); err != nil {
			return nil, err
		}
		s.pin = srk.name.Buffer
	}
	if !slices.Equal(s.pin, srk.name.Buffer) {
		return nil, foreign(errors.New("its storage root key is not the one that was noted"))
	}
	return srk, nil
}

// Open implements key.Store. The key is not loaded yet: whether the TPM takes it
// shows when it signs.
func (s *Store) Open(ctx context.Context, ref key.Ref) (crypto.Signer, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	path, err := s.dir.Path(ref)
	if err != nil {
		return nil, err
	}
	file, err := readKey(s.fsys, path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, s.dir.NotFound(ref)
	}
	if err != nil {
		return nil, err
	}
	public, err := publicKey(file)
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", ref, err)
	}
	return &Signer{store: s, path: path, file: file, public: public}, nil
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
func (s *Store) List(ctx context.Context) ([]key.Ref, error) { return s.dir.List(ctx) }

// Destroy implements key.Store: without its file the TPM cannot use the key.
func (s *Store) Destroy(ctx context.Context, ref key.Ref) error { return s.dir.Destroy(ctx, ref) }

// SetSignLimit implements key.Limiter.
func (s *Store) SetSignLimit(d time.Duration) { s.signLimit = d }

// Reset implements key.Resetter: the next key is made under the storage root key
// that the TPM has then, whose name is noted.
func (s *Store) Reset(ctx context.Context) error {
	select {
	case s.device.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.device.turn }()
	if err := durable.Remove(s.fsys, filepath.Join(s.dir.String(), pinFile)); err != nil {
		return fmt.Errorf("forget the TPM: %w", err)
	}
	s.device.shut()
	s.pin = nil
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
