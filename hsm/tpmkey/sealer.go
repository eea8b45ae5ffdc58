package tpmkey

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"

	"mooring/hsm/key"
)

// Layout of sealed data, in bytes:
//
//	 0      1  version, 2
//	 1      8  first bytes of the Name's digest of the storage root key
//	 9      2  length b of the blob, big endian
//	11      b  TPM2B_PUBLIC and TPM2B_PRIVATE of a sealed AES-256 key
//	11+b   12  nonce, random
//	23+b    n  ciphertext of the n bytes of plaintext, AES-256-GCM
//	       16  tag
//
// Each has a key of its own, which only this TPM unseals. The additional data of
// GCM are all bytes before the nonce followed by the caller's.
const (
	sealVersion  = 2
	ownerBytes   = 8
	blobAt       = 1 + ownerBytes + 2
	maxBlobBytes = 1024
	nonceBytes   = 12
	tagBytes     = 16
	dataKeyBytes = 32
)

// Sealer seals under the storage root key of a TPM. It keeps no file.
type Sealer struct {
	device *device
	owner  [ownerBytes]byte
}

var _ key.Sealer = (*Sealer)(nil)

// OpenSealer opens the sealer of the TPM of l, which must answer.
func OpenSealer(ctx context.Context, l Location) (*Sealer, error) {
	return openSealer(ctx, deviceAt(l.Device))
}

func openSealer(ctx context.Context, d *device) (*Sealer, error) {
	s := &Sealer{device: d}
	err := d.do(ctx, commandLimit, func(tpm transport.TPM) error {
		srk, err := d.storage(tpm, nil)
		if err == nil {
			s.owner = ownerOf(srk)
		}
		return err
	})
	return s, err
}

// ownerOf shortens the Name: two bytes of algorithm, then the digest.
func ownerOf(k *storageKey) (owner [ownerBytes]byte) {
	copy(owner[:], k.name.Buffer[2:])
	return owner
}

// SealerID implements key.Sealer.
func (s *Sealer) SealerID() string { return "tpm:" + hex.EncodeToString(s.owner[:]) }

// Seal implements key.Sealer.
func (s *Sealer) Seal(ctx context.Context, plaintext, aad []byte) ([]byte, error) {
	if len(plaintext) > key.MaxPlaintext || len(aad) > key.MaxAAD {
		return nil, fmt.Errorf("seal: at most %d bytes and %d of associated data", key.MaxPlaintext, key.MaxAAD)
	}
	dataKey := make([]byte, dataKeyBytes)
	_, _ = rand.Read(dataKey) // never fails (crypto/rand)
	var blob []byte
	err := s.device.do(ctx, commandLimit, func(tpm transport.TPM) (err error) {
		blob, err = s.sealKey(tpm, dataKey)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	aead, err := gcm(dataKey)
	if err != nil {
		return nil, err
	}
	out := append([]byte{sealVersion}, s.owner[:]...)
	out = binary.BigEndian.AppendUint16(out, uint16(len(blob)))
	out = append(out, blob...)
	bound := bind(out, aad)
	nonce := make([]byte, nonceBytes)
	_, _ = rand.Read(nonce)
	return aead.Seal(append(out, nonce...), nonce, plaintext, bound), nil
}

func (s *Sealer) sealKey(tpm transport.TPM, dataKey []byte) ([]byte, error) {
	srk, err := s.storage(tpm)
	if err != nil {
		return nil, err
	}
	made, err := srk.create(tpm, tpm2.TPMSSensitiveCreate{Data: tpm2.NewTPMUSensitiveCreate(&tpm2.TPM2BSensitiveData{Buffer: dataKey})},
		tpm2.TPMTPublic{Type: tpm2.TPMAlgKeyedHash, NameAlg: tpm2.TPMAlgSHA256,
			ObjectAttributes: tpm2.TPMAObject{FixedTPM: true, FixedParent: true, UserWithAuth: true, NoDA: true}})
	if err != nil {
		return nil, err
	}
	return parameters(made.Public, made.Private), nil
}

// storage returns the storage root key, which must be that of OpenSealer.
func (s *Sealer) storage(tpm transport.TPM) (*storageKey, error) {
	srk, err := s.device.storage(tpm, nil)
	if err != nil {
		return nil, err
	}
	if ownerOf(srk) != s.owner {
		return nil, foreign(errors.New("its storage root key changed"))
	}
	return srk, nil
}

// Unseal implements key.Sealer.
func (s *Sealer) Unseal(ctx context.Context, sealed, aad []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(sealed) < blobAt || sealed[0] != sealVersion || len(aad) > key.MaxAAD {
		return nil, fmt.Errorf("%w: its form is unknown", key.ErrSealed)
	}
	if id := sealed[1 : 1+ownerBytes]; string(id) != string(s.owner[:]) {
		return nil, fmt.Errorf("%w: it needs tpm:%x, this is %s", key.ErrSealed, id, s.SealerID())
	}
	end := blobAt + int(binary.BigEndian.Uint16(sealed[blobAt-2:]))
	if end-blobAt > maxBlobBytes || len(sealed) < end+nonceBytes+tagBytes || len(sealed) > end+nonceBytes+tagBytes+key.MaxPlaintext {
		return nil, fmt.Errorf("%w: its length is impossible", key.ErrSealed)
	}
	var dataKey []byte
	err := s.device.do(ctx, commandLimit, func(tpm transport.TPM) (err error) {
		dataKey, err = s.unsealKey(tpm, sealed[blobAt:end])
		return err
	})
	if kind := (*Error)(nil); errors.As(err, &kind) && kind.Kind != Gone {
		return nil, fmt.Errorf("%w: %w", key.ErrSealed, err)
	}
	if err != nil {
		return nil, fmt.Errorf("unseal: %w", err)
	}
	aead, err := gcm(dataKey)
	if err != nil {
		return nil, fmt.Errorf("%w: it holds no key", key.ErrSealed)
	}
	plaintext, err := aead.Open(nil, sealed[end:end+nonceBytes], sealed[end+nonceBytes:], bind(sealed[:end], aad))
	if err != nil {
		return nil, fmt.Errorf("%w: it was changed or belongs to something else", key.ErrSealed)
	}
	return plaintext, nil
}

func (s *Sealer) unsealKey(tpm transport.TPM, blob []byte) ([]byte, error) {
	public, private, err := splitBlob(blob)
	if err != nil {
		return nil, err
	}
	srk, err := s.storage(tpm)
	if err != nil {
		return nil, err
	}
	s.device.unloadKey(tpm) // without a resource manager there is room for two
	handle, name, err := srk.load(tpm, private, public)
	if err != nil {
		return nil, err
	}
	got, err := command{code: tpm2.TPMCCUnseal, handles: []tpm2.AuthHandle{
		{Handle: handle, Name: name, Auth: srk.session(tpm2.AESEncryption(128, tpm2.EncryptOut))}}}.execute(tpm)
	_, flushed := tpm2.FlushContext{FlushHandle: handle}.Execute(tpm)
	if err := errors.Join(err, flushed); err != nil {
		return nil, err
	}
	return got.buffer(), got.err
}

// splitBlob takes the two length-prefixed parts apart.
func splitBlob(blob []byte) (tpm2.TPM2BPublic, tpm2.TPM2BPrivate, error) {
	damaged := &Error{Kind: Refused, Text: "the sealed key is damaged"}
	if len(blob) < 2 {
		return tpm2.TPM2BPublic{}, tpm2.TPM2BPrivate{}, damaged
	}
	cut := 2 + int(binary.BigEndian.Uint16(blob))
	if cut > len(blob) {
		return tpm2.TPM2BPublic{}, tpm2.TPM2BPrivate{}, damaged
	}
	public, err1 := tpm2.Unmarshal[tpm2.TPM2BPublic](blob[:cut])
	private, err2 := tpm2.Unmarshal[tpm2.TPM2BPrivate](blob[cut:])
	if err1 != nil || err2 != nil {
		return tpm2.TPM2BPublic{}, tpm2.TPM2BPrivate{}, damaged
	}
	return *public, *private, nil
}

func gcm(dataKey []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(dataKey)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// bind joins header and aad; the header tells its own length, so no two pairs
// give the same.
func bind(header, aad []byte) []byte {
	return append(append(make([]byte, 0, len(header)+len(aad)), header...), aad...)
}
