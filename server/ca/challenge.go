package ca

import (
	"context"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// WantsAttestation tells whether requests of a tenant's devices are judged by what
// they show of their TPMs.
func (s *Service) WantsAttestation(ctx context.Context, tenant platform.TenantID) (bool, error) {
	if s.attests == nil {
		return false, nil
	}
	policy, err := s.attests.Policy(ctx, tenant)
	return err == nil && policy != platform.AttestationOff, err
}

// ChallengeEnrolling gives a device that is about to enrol the challenge that its
// attestation has to answer. Only Tenant, ExternalID, OTP and Address of e count. The
// OTP stays unspent, and one that is wrong is counted as at Enrol.
//
// Errors: those of Enrol about the OTP; problem.NotFound if the tenant wants no
// attestation; problem.Unprocessable for keys that a TPM would not attest with.
func (s *Service) ChallengeEnrolling(ctx context.Context, e Enrolment, keys platform.TPMKeys) (platform.TPMChallenge, error) {
	giveBack, err := s.guesses.admit(e.Tenant, e.ExternalID, e.Address, s.now())
	if err != nil {
		return platform.TPMChallenge{}, err
	}
	if _, err := s.checkOTP(ctx, e); err != nil {
		return platform.TPMChallenge{}, err
	}
	c, err := s.challenge(ctx, e.Tenant, e.ExternalID, keys)
	if err == nil {
		giveBack()
	}
	return c, err
}

// ChallengeRenewing is ChallengeEnrolling for a device that has authenticated. Its
// challenges are limited as its leaves are, apart from them.
func (s *Service) ChallengeRenewing(ctx context.Context, p platform.Principal, keys platform.TPMKeys) (platform.TPMChallenge, error) {
	if !p.IsDevice() {
		return platform.TPMChallenge{}, problem.WithCode(problem.Forbidden, "security/Forbidden", "Access is denied.", nil)
	}
	if wait, ok := s.asked.take(bucketKey{tenant: p.Tenant, device: p.Device}, s.now()); !ok {
		return platform.TPMChallenge{}, tooMany(wait)
	}
	return s.challenge(ctx, p.Tenant, p.Device, keys)
}

func (s *Service) challenge(ctx context.Context, tenant platform.TenantID, device string, keys platform.TPMKeys) (platform.TPMChallenge, error) {
	if s.attests == nil {
		return platform.TPMChallenge{}, problem.New(problem.NotFound, "This server does not ask for attestation.", nil)
	}
	return s.attests.Challenge(ctx, tenant, device, keys)
}
