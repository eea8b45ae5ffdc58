package ca

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"mooring/internal/deviceid"
	"mooring/internal/problem"
	"mooring/server/platform"
)

// approvalManual is the value of platform.OptionApproval that makes devices wait.
const approvalManual = "manual"

// approvalRetry is when a device that waits for the operator should ask again;
// ours: people take minutes, and a poll is cheap.
const approvalRetry = time.Minute

// errAskedBefore is the cause of a pending problem whose key is known.
var errAskedBefore = errors.New("the key asked before")

// checkApproval is nil unless the tenant wants to accept each first enrolment
// and has not accepted this key: then problem.Pending. A device that comes
// with another key than the one accepted waits again.
func (s *Service) checkApproval(ctx context.Context, reg platform.Registration, req *request, now time.Time) error {
	mode, err := s.option(ctx, reg.Tenant, platform.OptionApproval)
	if err != nil || mode != approvalManual {
		return err
	}
	known := reg.AskedKey == req.keyHash
	switch {
	case known && reg.Status == platform.StatusAccepted:
		return nil
	case known && reg.Status == platform.StatusPending:
		return pending(errAskedBefore)
	}
	err = s.store.AwaitApproval(ctx, reg.Tenant, reg.ExternalID, reg.Epoch, req.keyHash, platform.AuditRecord{
		Tenant: reg.Tenant, At: platform.Millis(now), Type: auditType, User: deviceid.DeviceUser(reg.ExternalID), Source: reg.ExternalID,
		Activity: fmt.Sprintf("Tenant certificate authority(CA) was asked for a certificate for device: %s.", reg.ExternalID),
		Text:     fmt.Sprintf("The request waits to be accepted. SHA-256 of its public key: '%s'", hex.EncodeToString(req.keyHash[:])),
	})
	if err != nil && !errors.Is(err, problem.Conflict) { // Conflict: something changed meanwhile, look again next time
		return fmt.Errorf("await approval: %w", err)
	}
	return pending(nil)
}

func pending(cause error) error {
	p := problem.New(problem.Pending, "The request waits to be accepted by an operator, ask again later.", cause)
	p.RetryAfter = approvalRetry
	return p
}
