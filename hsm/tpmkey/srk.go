package tpmkey

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"

	"mooring/internal/durable"
)

// persistentSRK is where a storage root key lives by convention (TCG TPM v2.0
// Provisioning Guidance §7.8). It is used if it is ours: making one takes a
// discrete chip most of a second.
const persistentSRK tpm2.TPMHandle = 0x81000001

// pinFile holds the Name of the storage root key in hex. An interposer on the
// bus that answers with a key of its own would read what is encrypted to it.
const pinFile = "srk.name"

// srkTemplate is H-2 of the TCG EK Credential Profile (§B.4.5) for storage keys:
// the reference template with nothing in its unique field, as OpenSSL has it.
func srkTemplate() tpm2.TPMTPublic {
	t := tpm2.ECCSRKTemplate
	t.Unique = tpm2.NewTPMUPublicID(tpm2.TPMAlgECC, &tpm2.TPMSECCPoint{})
	return t
}

// storageKey is the primary key of the owner hierarchy, which all keys are
// children of: the ECC H-2 template, so that OpenSSL makes the same one.
type storageKey struct {
	handle tpm2.TPMHandle
	name   tpm2.TPM2BName
	public tpm2.TPMTPublic
}

// session returns the authorization of one command: an HMAC session salted to
// the storage key, which encrypts the first parameter of the command, and of the
// answer, too, where that is secret.
func (k *storageKey) session(more ...tpm2.AuthOption) tpm2.Session {
	options := append([]tpm2.AuthOption{tpm2.Salted(k.handle, k.public)}, more...)
	return tpm2.HMAC(tpm2.TPMAlgSHA256, 16, options...)
}

func encryptIn() tpm2.AuthOption { return tpm2.AESEncryption(128, tpm2.EncryptIn) }

func (k *storageKey) auth(more ...tpm2.AuthOption) tpm2.AuthHandle {
	return tpm2.AuthHandle{Handle: k.handle, Name: k.name, Auth: k.session(more...)}
}

// storage returns the storage key of the TPM, made if it must be. It is called
// in the device's turn.
func (d *device) storage(tpm transport.TPM, pin []byte) (*storageKey, error) {
	if d.srk != nil {
		return d.srk, nil
	}
	if k, err := readStorage(tpm); err == nil && len(pin) > 0 && bytes.Equal(k.name.Buffer, pin) {
		d.srk = k
		return k, nil
	}
	k, err := createPrimary(tpm, tpm2.TPMRHOwner, srkTemplate())
	if err != nil {
		return nil, fmt.Errorf("make the storage root key: %w", err)
	}
	if err := checkName(k.public, k.name); err != nil {
		return nil, err
	}
	d.srk = k
	return k, nil
}

func readStorage(tpm transport.TPM) (*storageKey, error) {
	read, err := command{code: tpm2.TPMCCReadPublic, handles: []tpm2.AuthHandle{{Handle: persistentSRK}}}.execute(tpm)
	if err != nil {
		return nil, err
	}
	public, err := tpm2.Unmarshal[tpm2.TPMTPublic](read.buffer())
	name := tpm2.TPM2BName{Buffer: read.buffer()}
	if err := errors.Join(err, read.err); err != nil {
		return nil, err
	}
	return &storageKey{handle: persistentSRK, name: name, public: *public}, checkName(*public, name)
}

// checkName holds a public part against the Name it came with.
func checkName(public tpm2.TPMTPublic, name tpm2.TPM2BName) error {
	want, err := tpm2.ObjectName(&public)
	if err != nil {
		return err
	}
	if !bytes.Equal(want.Buffer, name.Buffer) {
		return errors.New("the TPM gives its storage root key a name that is not its own")
	}
	return nil
}

// readPin reads the Name that was noted in dir; none is nil.
func readPin(fsys durable.FS, dir string) ([]byte, error) {
	path := filepath.Join(dir, pinFile)
	text, err := fsys.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the TPM's name: %w", err)
	}
	pin, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(pin) != sha256.Size+2 {
		return nil, &Error{Kind: Foreign, Text: path + " is damaged", Advice: "restore the file; else register the device again, stop the agent and run mooring-agent enrol --again"}
	}
	return pin, nil
}
