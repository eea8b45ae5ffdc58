package pkcs11key

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"

	"mooring/hsm/key"
	"mooring/hsm/pkcs11key/wire"
)

// Layout of sealed data, in bytes:
//
//	0      1  version, 3
//	1      1  length i of the ID
//	2      i  CKA_ID of the token's key
//	2+i    2  length w of the wrapped key, big endian
//	4+i    w  an AES-256 key, encrypted by the token (AES-GCM or RSA-OAEP)
//	4+i+w 12  nonce, random
//	       n  ciphertext of the n bytes of plaintext, AES-256-GCM
//	      16  tag
//
// Each has a key of its own, which only the token unwraps. The additional data
// of GCM are all bytes before the nonce followed by the caller's.
const (
	sealVersion  = 3
	maxWrapped   = 1024
	nonceBytes   = 12
	tagBytes     = 16
	dataKeyBytes = 32

	// DefaultSealingLabel is the label of the sealing key if the URI has no
	// object=.
	DefaultSealingLabel = "mooring-kek"
)

// Sealer seals under an AES key or an RSA key of a token.
type Sealer struct {
	supervisor *supervisor
	label      string
	id         []byte
}

var _ key.Sealer = (*Sealer)(nil)

// OpenSealer opens the sealing key of l, which it makes if the token has none
// and l names none. The token must be there. Which PIN it refused is noted in
// the directory notes, as key.Rememberer has it; empty: nowhere.
func OpenSealer(ctx context.Context, l Location, notes string) (*Sealer, error) {
	s := &Sealer{supervisor: newSupervisor(l), label: l.Object}
	if notes != "" {
		s.supervisor.refused.at(notes, l)
	}
	if s.label == "" {
		s.label = DefaultSealingLabel
	}
	answer, err := s.supervisor.do(ctx, wire.Request{Op: wire.OpSealer, Label: s.label, New: l.Object == ""})
	if errors.Is(err, key.ErrNotFound) {
		err = &Error{Kind: Refused, Text: "the token has no key with the label " + s.label, Hint: "make an AES key of that label, or leave object= out of the URI"}
	}
	if err == nil && (len(answer.Data) == 0 || len(answer.Data) > 64) {
		err = &Error{Kind: Refused, Text: "the ID of the sealing key does not have 1 to 64 bytes"}
	}
	if err != nil {
		s.supervisor.shut()
		return nil, err
	}
	s.id = answer.Data
	return s, nil
}

// SealerID implements key.Sealer.
func (s *Sealer) SealerID() string { return "pkcs11:" + hex.EncodeToString(s.id) }

// Close ends the helper.
func (s *Sealer) Close() error {
	s.supervisor.shut()
	return nil
}

// ask wraps or unwraps. The helper finds the key again after it opened the token
// anew, and it must be the same.
func (s *Sealer) ask(ctx context.Context, op string, data []byte) ([]byte, error) {
	answer, err := s.supervisor.do(ctx, wire.Request{Op: op, Label: s.label, ObjectID: s.id, Data: data})
	return answer.Data, err
}

// Seal implements key.Sealer.
func (s *Sealer) Seal(ctx context.Context, plaintext, aad []byte) ([]byte, error) {
	if len(plaintext) > key.MaxPlaintext || len(aad) > key.MaxAAD {
		return nil, fmt.Errorf("seal: at most %d bytes and %d of associated data", key.MaxPlaintext, key.MaxAAD)
	}
	dataKey := make([]byte, dataKeyBytes)
	_, _ = rand.Read(dataKey) // never fails (crypto/rand)
	wrapped, err := s.ask(ctx, wire.OpWrap, dataKey)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	aead, err := gcm(dataKey)
	if err != nil {
		return nil, err
	}
	out := append([]byte{sealVersion, byte(len(s.id))}, s.id...)
	out = binary.BigEndian.AppendUint16(out, uint16(len(wrapped)))
	out = append(out, wrapped...)
	bound := bind(out, aad)
	nonce := make([]byte, nonceBytes)
	_, _ = rand.Read(nonce)
	return aead.Seal(append(out, nonce...), nonce, plaintext, bound), nil
}

// Unseal implements key.Sealer.
func (s *Sealer) Unseal(ctx context.Context, sealed, aad []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	id, wrapped, head, err := split(sealed)
	if err != nil || len(aad) > key.MaxAAD {
		return nil, fmt.Errorf("%w: its form is unknown", key.ErrSealed)
	}
	if string(id) != string(s.id) {
		return nil, fmt.Errorf("%w: it needs pkcs11:%x, this is %s", key.ErrSealed, id, s.SealerID())
	}
	dataKey, err := s.ask(ctx, wire.OpUnwrap, wrapped)
	if err != nil {
		return nil, fmt.Errorf("unseal: %w", err)
	}
	aead, err := gcm(dataKey)
	if err != nil {
		return nil, fmt.Errorf("%w: it holds no key", key.ErrSealed)
	}
	plaintext, err := aead.Open(nil, sealed[head:head+nonceBytes], sealed[head+nonceBytes:], bind(sealed[:head], aad))
	if err != nil {
		return nil, fmt.Errorf("%w: it was changed or belongs to something else", key.ErrSealed)
	}
	return plaintext, nil
}

// split takes sealed data apart; head is where the nonce begins.
func split(sealed []byte) (id, wrapped []byte, head int, err error) {
	if len(sealed) < 2 || sealed[0] != sealVersion {
		return nil, nil, 0, key.ErrSealed
	}
	at := 2 + int(sealed[1])
	if len(sealed) < at+2 {
		return nil, nil, 0, key.ErrSealed
	}
	n := int(binary.BigEndian.Uint16(sealed[at:]))
	head = at + 2 + n
	if n > maxWrapped || len(sealed) < head+nonceBytes+tagBytes || len(sealed) > head+nonceBytes+tagBytes+key.MaxPlaintext {
		return nil, nil, 0, key.ErrSealed
	}
	return sealed[2:at], sealed[at+2 : head], head, nil
}

func gcm(dataKey []byte) (cipher.AEAD, error) {
	if len(dataKey) != dataKeyBytes {
		return nil, errors.New("a data key has 32 bytes")
	}
	block, err := aes.NewCipher(dataKey)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func bind(head, aad []byte) []byte { return append(append([]byte{}, head...), aad...) }
