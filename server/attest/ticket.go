package attest

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	"mooring/internal/attestation"
	"mooring/internal/problem"
	"mooring/server/platform"
)

const (
	// purpose is vault.PurposeChallenge.
	purpose = "attestation-challenge"
	// ticketLife is how long a challenge is good for; ours. A TPM on a slow bus takes
	// seconds for its part.
	ticketLife = 10 * time.Minute
	saltBytes  = 16
)

// A ticket is, in bytes:
//
//	version(1) = 1, end(8) in Unix seconds, salt(16), HMAC-SHA-256(32)
//
// The HMAC is over all before it, tenant, device and the names of EK and AK. The
// secret that is sealed is another HMAC over the same.
const (
	ticketVersion = 1
	headBytes     = 1 + 8 + saltBytes
	ticketBytes   = headBytes + sha256.Size
)

// about is what a ticket is good for.
type about struct {
	tenant platform.TenantID
	device string
	ek, ak *attestation.Public
}

func (a about) sum(key []byte, use string, head []byte) []byte {
	h := hmac.New(sha256.New, key)
	for _, part := range [][]byte{[]byte(use), head, []byte(a.tenant), []byte(a.device), a.ek.Name, a.ak.Name} {
		var length [4]byte
		binary.BigEndian.PutUint32(length[:], uint32(len(part)))
		h.Write(length[:])
		h.Write(part)
	}
	return h.Sum(nil)
}

func (a about) ticket(key, head []byte) []byte {
	return append(head[:headBytes:headBytes], a.sum(key, "ticket", head)...)
}

func (a about) secret(key, head []byte) []byte { return a.sum(key, "secret", head) }

func (s *Service) key(ctx context.Context) ([]byte, error) {
	_, key, err := s.keys.Current(ctx, platform.Management, purpose, func() ([]byte, error) {
		key := make([]byte, sha256.Size)
		rand.Read(key) // never fails, crypto/rand
		return key, nil
	})
	if err != nil {
		return nil, fmt.Errorf("key of challenges: %w", err)
	}
	return key, nil
}

// Challenge makes a challenge for a device that has shown who it is.
//
// Errors: problem.NotFound if the tenant wants no attestation, problem.Unprocessable
// for keys that cannot be EK and AK.
func (s *Service) Challenge(ctx context.Context, tenant platform.TenantID, device string, keys platform.TPMKeys) (platform.TPMChallenge, error) {
	var none platform.TPMChallenge
	policy, err := s.Policy(ctx, tenant)
	if err != nil {
		return none, err
	}
	if policy == platform.AttestationOff {
		return none, problem.WithCode(problem.NotFound, "attestation/Not Found", "This tenant does not ask for attestation.", nil)
	}
	a := about{tenant: tenant, device: device}
	if a.ek, a.ak, err = attestation.CheckKeys(keys.EKPublic, keys.AKPublic); err != nil {
		return none, refused(err)
	}
	key, err := s.key(ctx)
	if err != nil {
		return none, err
	}
	head := make([]byte, headBytes)
	head[0] = ticketVersion
	binary.BigEndian.PutUint64(head[1:], uint64(s.now().Add(ticketLife).Unix()))
	rand.Read(head[1+8:]) // never fails, crypto/rand
	credential, encrypted, err := s.seal(keys.EKPublic, a.ak.Name, a.secret(key, head))
	if err != nil {
		return none, refused(attestation.FlawAlgorithm)
	}
	return platform.TPMChallenge{Ticket: a.ticket(key, head), Credential: credential, Secret: encrypted}, nil
}

// nonce gives the secret of the challenge that a ticket was for: FlawNonce if it was
// for something else, FlawStale if it is over.
func (s *Service) nonce(ctx context.Context, a about, ticket []byte, now time.Time) ([]byte, error) {
	if len(ticket) != ticketBytes || ticket[0] != ticketVersion {
		return nil, attestation.FlawNonce
	}
	key, err := s.key(ctx)
	if err != nil {
		return nil, err
	}
	head := ticket[:headBytes]
	if !hmac.Equal(ticket, a.ticket(key, head)) {
		return nil, attestation.FlawNonce
	}
	if now.Unix() >= int64(binary.BigEndian.Uint64(head[1:])) {
		return nil, attestation.FlawStale
	}
	return a.secret(key, head), nil
}
