package pkcs11key

import (
	"bytes"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"path/filepath"

	"mooring/hsm/pkcs11key/wire"
	"mooring/internal/durable"
)

const (
	saltBytes = 16
	// stretch is the number of PBKDF2's rounds: some ten milliseconds, which only a
	// device whose PIN was refused spends.
	stretch = 100_000
)

// refusal is a PIN that a token found wrong, as it is noted. Whoever finds the
// note can try PINs on it, but learns one that is wrong.
type refusal struct {
	Serial string `json:"serial"`
	Code   uint   `json:"code"` // CKR_…
	Salt   []byte `json:"salt"`
	PIN    []byte `json:"pin_pbkdf2_sha256"`
}

func newRefusal(serial string, code uint, pin []byte) (*refusal, error) {
	r := &refusal{Serial: serial, Code: code, Salt: make([]byte, saltBytes)}
	_, _ = rand.Read(r.Salt) // never fails
	var err error
	r.PIN, err = r.hash(pin)
	return r, err
}

func (r *refusal) hash(pin []byte) ([]byte, error) {
	return pbkdf2.Key(sha256.New, string(pin), append(bytes.Clone(r.Salt), r.Serial...), stretch, sha256.Size)
}

func (r *refusal) isOf(pin []byte) bool {
	hash, err := r.hash(pin)
	return err == nil && bytes.Equal(hash, r.PIN)
}

// memory keeps the last refusal, in a file if it has one: a service that is
// started again and again must not use up the tries.
type memory struct {
	path string   // empty: in this process alone
	last *refusal // where there is no file, or it cannot be written
}

// at has the memory keep its refusal in dir, in a file of the token that is meant.
func (m *memory) at(dir string, l Location) {
	sum := sha256.Sum256([]byte(l.describe() + "\n" + l.Token.Module + "\n" + l.ModuleName))
	m.path = filepath.Join(dir, "pin-refused-"+hex.EncodeToString(sum[:4])+".json")
}

// recall returns the refusal that is kept, nil for none. A file that makes no
// sense is as none.
func (m *memory) recall() *refusal {
	if m.path == "" || m.last != nil {
		return m.last
	}
	text, err := durable.OS.ReadFile(m.path)
	var r refusal
	if err != nil || json.Unmarshal(text, &r) != nil || len(r.PIN) != sha256.Size || classOf(&wire.Fault{Code: r.Code}) != badPIN {
		return nil
	}
	return &r
}

func (m *memory) keep(r *refusal) {
	m.last = r
	if m.path == "" {
		return
	}
	text, err := json.Marshal(r)
	if err == nil && durable.WriteFile(durable.OS, m.path, append(text, '\n'), 0o600) == nil {
		m.last = nil
	}
}

// forget is for the token that has let this program in.
func (m *memory) forget(serial string) {
	if r := m.recall(); r == nil || r.Serial != serial {
		return
	}
	if m.last = nil; m.path != "" {
		_ = durable.Remove(durable.OS, m.path) // what stays names a PIN that is not used any more
	}
}

// wayOut is for the person whose PIN was right, because the token's was changed.
func (m *memory) wayOut() string {
	if m.path == "" || m.last != nil {
		return ""
	}
	return "; if it was the token's PIN that was changed, remove " + m.path
}
