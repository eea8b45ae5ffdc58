package attest

import (
	"context"
	"errors"
	"fmt"

	"mooring/internal/attestation"
	"mooring/internal/problem"
	"mooring/server/platform"
)

// maxOthers bounds the devices that are named beside one in the same TPM.
const maxOthers = 10

// sameTPMRefuse is the value of platform.OptionSameTPM that refuses.
const sameTPMRefuse = "refuse"

// known is a claim with what is known of the device.
type known struct {
	platform.TPMClaim
	pin  *platform.TPMPin      // nil: the tenant noted none
	last *platform.Attestation // of the certificate in force; nil: this is no renewal, or its key was not proved
	must bool                  // it has to prove its key
}

// Judge judges a certificate request by what the tenant wants.
//
// Errors: problem.Unprocessable with platform.CodeAttestation, whose text is for the
// device.
func (s *Service) Judge(ctx context.Context, c platform.TPMClaim) (platform.TPMJudgement, error) {
	policy, err := s.Policy(ctx, c.Tenant)
	if err != nil || policy == platform.AttestationOff {
		return platform.TPMJudgement{}, err
	}
	k, err := s.know(ctx, c)
	if err != nil {
		return platform.TPMJudgement{}, err
	}
	k.must = policy == platform.AttestationRequired || k.pin != nil || k.last != nil
	j, err := s.judge(ctx, k)
	return j, refused(err)
}

// know reads what the store has of the device.
func (s *Service) know(ctx context.Context, c platform.TPMClaim) (known, error) {
	k := known{TPMClaim: c}
	pin, err := s.store.TPMPin(ctx, c.Tenant, c.ExternalID)
	switch {
	case err == nil:
		k.pin = &pin
	case !errors.Is(err, problem.NotFound):
		return k, fmt.Errorf("read the noted TPM: %w", err)
	}
	if !c.Renewal {
		return k, nil
	}
	newest, err := s.store.IssuedCertificates(ctx, c.Tenant, c.ExternalID, platform.Page{Number: 1, Size: 1})
	if err != nil {
		return k, fmt.Errorf("read issued certificates: %w", err)
	}
	if len(newest.Items) == 0 {
		return k, nil
	}
	last, err := s.store.Attestation(ctx, c.Tenant, newest.Items[0].Serial)
	switch {
	case err == nil:
		k.last = &last
	case !errors.Is(err, problem.NotFound):
		return k, fmt.Errorf("read the last attestation: %w", err)
	}
	return k, nil
}

func (s *Service) judge(ctx context.Context, k known) (j platform.TPMJudgement, err error) {
	e, err := attestation.FromRequest(k.TBS)
	switch {
	case err != nil:
		return j, err
	case e == nil && k.last != nil:
		return j, FlawNoMore
	case e == nil && k.must:
		return j, FlawNone
	case e == nil:
		return j, nil
	}
	ek, err := attestation.Verify(e, k.Key, func(ek, ak *attestation.Public, ticket []byte) ([]byte, error) {
		return s.nonce(ctx, about{k.Tenant, k.ExternalID, ek, ak}, ticket, k.Now)
	})
	if err != nil {
		return j, err
	}
	found, err := s.endorsed(ctx, k, e, ek)
	if flaw, ok := errors.AsType[attestation.Flaw](err); ok && !k.must {
		return platform.TPMJudgement{Unproved: string(flaw)}, nil
	}
	if err != nil {
		return j, err
	}
	others, err := s.others(ctx, k, found)
	return platform.TPMJudgement{Attestation: found, Others: others}, err
}

// endorsed says whose TPM has the endorsement key.
func (s *Service) endorsed(ctx context.Context, k known, e *attestation.Evidence, ek *attestation.Public) (*platform.Attestation, error) {
	hash, err := ek.KeyHash()
	if err != nil {
		return nil, err
	}
	found := &platform.Attestation{Tenant: k.Tenant, ExternalID: k.ExternalID, EKHash: hash, Pinned: k.pin != nil}
	switch {
	case k.pin != nil && k.pin.EKHash != hash:
		return nil, FlawPinned
	case k.pin == nil && k.last != nil && k.last.EKHash != hash:
		return nil, FlawOtherTPM
	case len(e.Certificates) == 0 && k.pin != nil:
		return found, nil
	case len(e.Certificates) == 0:
		return nil, attestation.FlawNoEK
	}
	certificate, err := attestation.ParseEndorsement(e.Certificates[0])
	if err == nil {
		err = certificate.For(ek.Key)
	}
	if err == nil {
		found.Manufacturer, found.Model, found.Firmware = certificate.Manufacturer, certificate.Model, certificate.Firmware
	}
	if k.pin != nil {
		return found, nil // its certificate is not needed
	}
	if err != nil {
		return nil, err
	}
	anchors, err := s.anchors(ctx, k.Tenant)
	if err != nil {
		return nil, err
	}
	// A TPM that was vouched for when it came grows no worse with its certificate.
	return found, certificate.Verify(anchors, attestation.Issuers(e.Certificates[1:]), k.Now, k.last != nil)
}

// others finds the devices whose keys are in the same TPM.
func (s *Service) others(ctx context.Context, k known, found *platform.Attestation) ([]string, error) {
	others, err := s.store.DevicesOfTPM(ctx, k.Tenant, found.EKHash, k.ExternalID, k.Now, maxOthers)
	if err != nil || len(others) == 0 {
		return nil, err
	}
	value, _, err := s.options.Option(ctx, k.Tenant, platform.OptionSameTPM)
	if err != nil {
		return nil, err
	}
	if value == sameTPMRefuse && k.pin == nil {
		s.log.Info("a TPM holds the key of another device", "tenant", k.Tenant, "external_id", k.ExternalID, "others", others)
		return others, FlawSameTPM
	}
	return others, nil
}
