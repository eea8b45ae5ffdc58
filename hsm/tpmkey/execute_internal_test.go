package tpmkey

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"
	"github.com/google/go-tpm/tpm2/transport/linuxudstpm"

	"mooring/hsm/tpmkey/swtpmtest"
)

// interposer sits on the bus: it sees all and changes what it likes.
type interposer struct {
	transport.TPM
	seen   []byte
	change func(code tpm2.TPMCC, answer []byte) []byte // nil: nothing
}

func (i *interposer) Send(command []byte) ([]byte, error) {
	answer, err := i.TPM.Send(command)
	i.seen = append(append(i.seen, command...), answer...)
	if i.change != nil && err == nil {
		answer = i.change(tpm2.TPMCC(command[8])<<8|tpm2.TPMCC(command[9]), answer)
	}
	return answer, err
}

// sealed returns a storage key and something sealed under it that is loaded.
func sealed(t *testing.T, tpm transport.TPM, secret []byte) (srk *storageKey, unseal func() ([]byte, error)) {
	t.Helper()
	srk, err := createPrimary(tpm, tpm2.TPMRHOwner, srkTemplate())
	if err != nil {
		t.Fatal(err)
	}
	file, err := srk.create(tpm, tpm2.TPMSSensitiveCreate{Data: tpm2.NewTPMUSensitiveCreate(&tpm2.TPM2BSensitiveData{Buffer: secret})},
		tpm2.TPMTPublic{Type: tpm2.TPMAlgKeyedHash, NameAlg: tpm2.TPMAlgSHA256,
			ObjectAttributes: tpm2.TPMAObject{FixedTPM: true, FixedParent: true, UserWithAuth: true, NoDA: true}})
	if err != nil {
		t.Fatal(err)
	}
	handle, name, err := srk.load(tpm, file.Private, file.Public)
	if err != nil {
		t.Fatal(err)
	}
	return srk, func() ([]byte, error) {
		got, err := command{code: tpm2.TPMCCUnseal, handles: []tpm2.AuthHandle{
			{Handle: handle, Name: name, Auth: srk.session(tpm2.AESEncryption(128, tpm2.EncryptOut))}}}.execute(tpm)
		if err != nil {
			return nil, err
		}
		return got.buffer(), got.err
	}
}

// Who listens on the bus learns no secret, and who changes or shortens an answer
// is found out, whichever byte it is.
func TestInterposer(t *testing.T) {
	real, err := linuxudstpm.Open(swtpmtest.Start(t).Socket)
	if err != nil {
		t.Fatal(err)
	}
	bus := &interposer{TPM: real}
	secret := []byte("a secret that nobody on the bus may see")
	_, unseal := sealed(t, bus, secret)
	length := 0
	bus.change = func(code tpm2.TPMCC, answer []byte) []byte {
		if code == tpm2.TPMCCUnseal {
			length = len(answer)
		}
		return answer
	}
	if got, err := unseal(); err != nil || !bytes.Equal(got, secret) {
		t.Fatalf("%q, %v", got, err)
	}
	if bytes.Contains(bus.seen, secret) {
		t.Error("the secret went over the bus")
	}
	for at := headerBytes; at < length; at++ {
		for name, change := range map[string]func([]byte) []byte{
			"changed": func(b []byte) []byte { b[at] ^= 0x81; return b },
			"cut":     func(b []byte) []byte { return b[:at] },
		} {
			bus.change = func(code tpm2.TPMCC, answer []byte) []byte {
				if code != tpm2.TPMCCUnseal {
					return answer
				}
				return change(slices.Clone(answer))
			}
			if _, err := unseal(); err == nil {
				t.Errorf("byte %d of %d %s: no error", at, length, name)
			}
		}
	}
	bus.change = func(code tpm2.TPMCC, answer []byte) []byte {
		if code == tpm2.TPMCCUnseal {
			answer = append(answer, 0)
		}
		return answer
	}
	if _, err := unseal(); err == nil {
		t.Error("a byte more: no error")
	}
}

// says answers everything with itself.
type says []byte

func (s says) Send([]byte) ([]byte, error) { return s, nil }

func TestAnswersWithoutSession(t *testing.T) {
	ok := []byte{0x80, 1, 0, 0, 0, 0, 0, 0, 0, 0}
	for _, tt := range []struct {
		name   string
		answer []byte
		want   error
	}{
		{"nothing", nil, errAnswer},
		{"header less one", ok[:9], errAnswer},
		{"header alone", ok, errAnswer},
		{"half a length", append(ok[:10:10], 0), errAnswer},
		{"one byte less", append(ok[:10:10], 0, 3, 1, 2), errAnswer},
		{"whole", append(ok[:10:10], 0, 3, 1, 2, 3), nil},
		{"refused", []byte{0x80, 1, 0, 0, 0, 10, 0, 0, 9, 0x21}, tpm2.TPMRCLockout},
	} {
		got, err := command{code: tpm2.TPMCCPolicyGetDigest, handles: []tpm2.AuthHandle{{Handle: 0x03000000}}}.execute(says(tt.answer))
		if err == nil {
			_ = got.buffer()
			err = got.err
		}
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
}

// What no command of ours needs is refused before anything is sent.
func TestSessionsThatAreRefused(t *testing.T) {
	name := tpm2.TPM2BName{Buffer: []byte{0, 0x0b}}
	plain, secret := tpm2.PasswordAuth(nil), (&storageKey{}).session(encryptIn())
	for what, handles := range map[string][]tpm2.AuthHandle{
		"no name":            {{Handle: 0x80000000, Auth: plain}},
		"second encrypts":    {{Handle: 1, Name: name, Auth: plain}, {Handle: 2, Name: name, Auth: secret}},
		"more than there is": {{Auth: plain}, {Auth: plain}, {Auth: plain}, {Auth: plain}},
	} {
		if _, err := (command{code: tpm2.TPMCCUnseal, handles: handles}).execute(nil); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
}
