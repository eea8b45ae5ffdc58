package trust

import (
	"context"
	"fmt"
	"math/big"
	"strings"
	"time"

	"mooring/internal/pki"
	"mooring/internal/problem"
	"mooring/server/platform"
)

// MaxRevocations is how many serials one call may revoke (rest.md §3.5).
const MaxRevocations = 5000

// maxAuditedSerials is how many of them the audit record names.
const maxAuditedSerials = 100

// Revoke puts serials on the tenant's offline list, for good. A date that is
// missing or in the future becomes now; of a serial that is listed already the
// old entry stays. added counts new entries. They are refused when it returns,
// if the tenant's offline check is on.
//
// Errors: problem.Invalid for a serial that is not positive or too long,
// problem.TooLarge above MaxRevocations.
func (t *Trust) Revoke(ctx context.Context, actor platform.Principal, tenant platform.TenantID, entries []platform.Revocation) (added int, err error) {
	if len(entries) > MaxRevocations {
		return 0, problem.New(problem.TooLarge, fmt.Sprintf("more than %d serial numbers at once", MaxRevocations), nil)
	}
	if len(entries) == 0 {
		return 0, nil
	}
	now := platform.Millis(t.cfg.Now())
	rows := make([]platform.Revocation, len(entries))
	for i, e := range entries {
		if e.Serial == nil || e.Serial.Sign() < 0 || e.Serial.BitLen() > 4*pki.MaxSerialDigits {
			return 0, problem.WithCode(problem.Invalid, "Device Certificates/Bad Request", "a serial number is a number of 1 to 64 hexadecimal digits", nil)
		}
		rows[i] = platform.Revocation{Serial: new(big.Int).Set(e.Serial), At: notAfter(e.At, now)}
	}
	added, err = t.cfg.Revocations.AddRevocations(ctx, tenant, rows, revocationAudit(tenant, actor, now, rows))
	if err != nil {
		return 0, fmt.Errorf("add revocations: %w", err)
	}
	err = t.edit(func(c *change) error {
		for _, r := range rows {
			c.revoke(tenant, r.Serial)
		}
		return nil
	})
	return added, err
}

func notAfter(at, now time.Time) time.Time {
	if at.IsZero() || at.After(now) {
		return now
	}
	return platform.Millis(at)
}

func revocationAudit(tenant platform.TenantID, actor platform.Principal, now time.Time, rows []platform.Revocation) platform.AuditRecord {
	var serials []string
	for _, r := range rows[:min(len(rows), maxAuditedSerials)] {
		serials = append(serials, pki.SerialHex(r.Serial))
	}
	text := "Revoked serials: " + strings.Join(serials, ", ")
	if more := len(rows) - len(serials); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return platform.AuditRecord{
		Tenant: tenant, At: now, Type: "TrustedCertificates", User: actor.User,
		Activity: fmt.Sprintf("Certificate revocation list updated on '%s'.", tenant), Text: text,
	}
}

// Revocations returns the tenant's offline list.
func (t *Trust) Revocations(ctx context.Context, tenant platform.TenantID) ([]platform.Revocation, error) {
	return t.cfg.Revocations.Revocations(ctx, tenant)
}
