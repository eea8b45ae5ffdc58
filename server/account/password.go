package account

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"

	"golang.org/x/crypto/argon2"

	"mooring/internal/problem"
	"mooring/internal/secret"
)

// Parameters of argon2id.
const (
	argonLanes = 1
	argonSalt  = 16
	argonKey   = 32
)

// Cost is what hashing a password costs.
type Cost struct{ MemoryKiB, Passes uint32 }

// Usual is OWASP's, its password storage cheat sheet's second choice. Cheap is
// for tests of other things than passwords: it protects nothing.
var Usual, Cheap = Cost{19 << 10, 2}, Cost{8, 1}

// Bounds of what a stored hash may ask for, so that a damaged row cannot take
// the machine's memory.
const (
	maxArgonMemoryKiB = 256 << 10
	maxArgonPasses    = 16
	maxArgonLanes     = 16
	maxHashBytes      = 512
)

// Bounds of a person's password. The upper one keeps a request from buying
// hash time with length.
const (
	MinPasswordBytes = 8
	MaxPasswordBytes = 256
)

// hashes counts the runs of argon2id in this process.
var hashes atomic.Int64

// Hashes returns how often this process has run argon2id, which no device does:
// each run costs what dozens of enrolments cost.
func Hashes() int64 { return hashes.Load() }

func argon2id(password, salt []byte, passes, memoryKiB uint32, lanes uint8, keyBytes uint32) []byte {
	hashes.Add(1)
	return argon2.IDKey(password, salt, passes, memoryKiB, lanes, keyBytes)
}

// Hash returns the argon2id hash of a password in PHC form:
//
//	$argon2id$v=19$m=19456,t=2,p=1$<salt>$<key>     base64 without padding
//
// A password that is too short or too long is problem.Unprocessable.
func (c Cost) Hash(p secret.String) (string, error) {
	text := p.Reveal()
	if len(text) < MinPasswordBytes || len(text) > MaxPasswordBytes {
		return "", problem.WithCode(problem.Unprocessable, "users/Invalid Data",
			fmt.Sprintf("A password has %d to %d bytes.", MinPasswordBytes, MaxPasswordBytes), nil)
	}
	salt := make([]byte, argonSalt)
	_, _ = rand.Read(salt) // never fails (crypto/rand)
	key := argon2id([]byte(text), salt, c.Passes, c.MemoryKiB, argonLanes, argonKey)
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, c.MemoryKiB, c.Passes, argonLanes,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(key)), nil
}

// phc is a parsed hash.
type phc struct {
	memoryKiB, passes uint32
	lanes             uint8
	salt, key         []byte
}

// dummy costs what a real hash costs, so that an unknown user takes as long to
// refuse as a wrong password.
func (c Cost) dummy() phc {
	return phc{memoryKiB: c.MemoryKiB, passes: c.Passes, lanes: argonLanes, salt: make([]byte, argonSalt), key: make([]byte, argonKey)}
}

func (h phc) matches(p secret.String) bool {
	key := argon2id([]byte(p.Reveal()), h.salt, h.passes, h.memoryKiB, h.lanes, uint32(len(h.key)))
	return subtle.ConstantTimeCompare(key, h.key) == 1
}

func parsePHC(s string) (phc, error) {
	var h phc
	parts := strings.Split(s, "$")
	if len(s) > maxHashBytes || len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" ||
		parts[2] != "v="+strconv.Itoa(argon2.Version) {
		return h, fmt.Errorf("password hash is not argon2id of version %d", argon2.Version)
	}
	memory, passes, lanes, err := parseCost(parts[3])
	if err != nil {
		return h, err
	}
	h.memoryKiB, h.passes, h.lanes = uint32(memory), uint32(passes), uint8(lanes)
	if h.salt, err = base64.RawStdEncoding.DecodeString(parts[4]); err != nil {
		return h, fmt.Errorf("salt of password hash: %w", err)
	}
	if h.key, err = base64.RawStdEncoding.DecodeString(parts[5]); err != nil {
		return h, fmt.Errorf("key of password hash: %w", err)
	}
	if len(h.salt) < 8 || len(h.key) < 16 {
		return h, fmt.Errorf("password hash is too short")
	}
	return h, nil
}

func parseCost(s string) (memory, passes, lanes uint64, err error) {
	fields := strings.Split(s, ",")
	if len(fields) != 3 {
		return 0, 0, 0, fmt.Errorf("password hash has cost %q", s)
	}
	if memory, err = cost(fields[0], "m=", maxArgonMemoryKiB); err != nil {
		return
	}
	if passes, err = cost(fields[1], "t=", maxArgonPasses); err != nil {
		return
	}
	lanes, err = cost(fields[2], "p=", maxArgonLanes)
	return
}

func cost(s, prefix string, limit uint64) (uint64, error) {
	digits, ok := strings.CutPrefix(s, prefix)
	n, err := strconv.ParseUint(digits, 10, 32)
	if !ok || err != nil || n == 0 || n > limit {
		return 0, fmt.Errorf("password hash has cost %q, want %s1 to %d", s, prefix, limit)
	}
	return n, nil
}
