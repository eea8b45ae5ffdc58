package agent

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"mooring/agent/config"
	"mooring/hsm/key"
	"mooring/internal/durable"
)

// measuredFile is what a self-test of the key store found, in the state directory.
const measuredFile = "keystore.json"

// A limit of a signature is ten times what the slowest took. The least leaves
// room for a chip that was reset and a machine that is busy; the most is what an
// agent waits before it calls a key store dead.
const (
	MinSignLimit = 3 * time.Second
	MaxSignLimit = 2 * time.Minute
	signFactor   = 10
)

// handshakeNetwork is what a handshake may take without its signature.
const handshakeNetwork = 30 * time.Second

// measured is about the key store of one URI. The zero value was not measured.
type measured struct {
	// Key is the SHA-256 of the URI in hex: a URI may hold a PIN.
	Key string `json:"key_sha256"`
	// Sign is the limit of one signature, in milliseconds.
	Sign int64 `json:"sign_limit_ms"`
}

// SignLimit is what to allow for a signature when the slowest of many took slowest.
func SignLimit(slowest time.Duration) time.Duration {
	if slowest >= MaxSignLimit/signFactor {
		return MaxSignLimit
	}
	return max(signFactor*slowest, MinSignLimit)
}

// HandshakeLimit is what to allow for a TLS handshake with a key whose
// signatures may take sign: a key store tries a second time.
func HandshakeLimit(sign time.Duration) time.Duration { return handshakeNetwork + 2*sign }

// SaveSignLimit notes the limit for the device's key store. An agent uses it from
// its next start on.
func SaveSignLimit(fsys durable.FS, c config.Config, sign time.Duration) error {
	text, err := json.Marshal(measured{hashURI(c), sign.Milliseconds()})
	if err != nil {
		return err
	}
	return durable.WriteFile(fsys, filepath.Join(c.State, measuredFile), append(text, '\n'), 0o600)
}

func hashURI(c config.Config) string {
	sum := sha256.Sum256([]byte(c.KeyURI()))
	return hex.EncodeToString(sum[:])
}

// readMeasured reads what was noted about the key store in use. A file that
// makes no sense is as none: the usual limits do.
func (a *Agent) readMeasured() measured {
	m, err := readMeasured(a.o.FS, a.cfg)
	if err != nil {
		a.log.Warn("the measured limits of the key store are not usable; keystore selftest writes them anew", "path", filepath.Join(a.cfg.State, measuredFile), "err", err)
	}
	return m
}

// MeasuredSignLimit is what to allow for a signature of the device's key store,
// zero if that was not measured.
func MeasuredSignLimit(fsys durable.FS, c config.Config) time.Duration {
	m, _ := readMeasured(fsys, c) // of a file that makes no sense it is zero
	return m.sign()
}

func readMeasured(fsys durable.FS, c config.Config) (m measured, err error) {
	text, err := fsys.ReadFile(filepath.Join(c.State, measuredFile))
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	if limit := time.Duration(m.Sign) * time.Millisecond; err == nil && (m.Sign > MaxSignLimit.Milliseconds() || limit < MinSignLimit) {
		err = fmt.Errorf("sign_limit_ms is not %d to %d", MinSignLimit.Milliseconds(), MaxSignLimit.Milliseconds())
	}
	if err != nil {
		return measured{}, err
	}
	if m.Key != hashURI(c) {
		return measured{}, nil // of another key store
	}
	return m, nil
}

func (m measured) sign() time.Duration { return time.Duration(m.Sign) * time.Millisecond }

// apply tells a key store its limit.
func (m measured) apply(keys key.Store) {
	if limiter, ok := keys.(key.Limiter); ok && m.Sign > 0 {
		limiter.SetSignLimit(m.sign())
	}
}

// handshake is the limit of a TLS handshake, zero if nothing was measured.
func (m measured) handshake() time.Duration {
	if m.Sign == 0 {
		return 0
	}
	return HandshakeLimit(m.sign())
}
