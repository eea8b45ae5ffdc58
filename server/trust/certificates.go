package trust

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"mooring/internal/bounded"
	"mooring/internal/pki"
	"mooring/internal/problem"
	"mooring/server/platform"
)

// The two states of a trusted certificate on the wire.
const (
	StatusEnabled  = "ENABLED"
	StatusDisabled = "DISABLED"
)

// Bounds of what is uploaded.
const (
	// MaxNameBytes bounds the free text that names a trusted certificate.
	MaxNameBytes = 254
	// MaxBulk bounds one bulk upload.
	MaxBulk = 1000
)

// NewCertificate is what a tenant uploads (rest.md §3.1).
type NewCertificate struct {
	Text             string // PEM in any form clients send it, or bare base64
	Name             string
	Status           string // StatusEnabled or StatusDisabled
	AutoRegistration bool
}

// CertificateChange changes the fields that are set.
type CertificateChange struct {
	Name             *string
	Status           *string
	AutoRegistration *bool
}

// Create adds one trusted certificate. The errors are those of CreateAll.
func (t *Trust) Create(ctx context.Context, actor platform.Principal, tenant platform.TenantID, n NewCertificate) (platform.TrustedCertificate, error) {
	rows, err := t.CreateAll(ctx, actor, tenant, []NewCertificate{n})
	if err != nil {
		return platform.TrustedCertificate{}, err
	}
	return rows[0], nil
}

// CreateAll adds all or none. They are trusted when it returns.
//
// Errors: problem.Unprocessable for what is no certificate, no CA certificate,
// out of date or incomplete; problem.Conflict for one that some tenant has
// already; problem.TooLarge above MaxBulk.
func (t *Trust) CreateAll(ctx context.Context, actor platform.Principal, tenant platform.TenantID, all []NewCertificate) ([]platform.TrustedCertificate, error) {
	if len(all) > MaxBulk {
		return nil, problem.New(problem.TooLarge, fmt.Sprintf("more than %d certificates at once", MaxBulk), nil)
	}
	if t.current.Load().tenant(tenant).anchors+len(all) > t.cfg.MaxPerTenant {
		return nil, problem.New(problem.Unprocessable, fmt.Sprintf("a tenant has at most %d trusted certificates", t.cfg.MaxPerTenant), nil)
	}
	now := platform.Millis(t.cfg.Now())
	rows := make([]platform.TrustedCertificate, 0, len(all))
	audit := make([]platform.AuditRecord, 0, len(all))
	for _, n := range all {
		row, err := t.newRow(tenant, n, now, rows)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
		audit = append(audit, auditOf("created on", row, actor, now))
	}
	if err := t.cfg.Certificates.AddTrustedCertificates(ctx, rows, audit...); err != nil {
		if errors.Is(err, problem.Conflict) {
			return nil, duplicate(rows[0].Fingerprint, err)
		}
		return nil, fmt.Errorf("add trusted certificates: %w", err)
	}
	for _, row := range rows {
		if err := t.changed(ctx, row); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// newRow checks n and makes its record; before are those of the same upload.
func (t *Trust) newRow(tenant platform.TenantID, n NewCertificate, now time.Time, before []platform.TrustedCertificate) (platform.TrustedCertificate, error) {
	if missing := n.missing(); missing != "" {
		return platform.TrustedCertificate{}, problem.WithCode(problem.Unprocessable, "undefined/validationError",
			"Following mandatory fields should be included: "+missing, nil)
	}
	enabled, err := parseStatus(n.Status)
	if err != nil {
		return platform.TrustedCertificate{}, err
	}
	if err := checkName(n.Name); err != nil {
		return platform.TrustedCertificate{}, err
	}
	c, err := parseAnchor(n.Text, now)
	if err != nil {
		return platform.TrustedCertificate{}, err
	}
	row := platform.TrustedCertificate{
		Tenant: tenant, Fingerprint: pki.Fingerprint(c), Certificate: c.Raw, Name: n.Name,
		Enabled: enabled, AutoRegistration: n.AutoRegistration, Created: now,
		Subject: c.RawSubject, KeyHash: pki.SPKIHash(c), NotAfter: c.NotAfter,
	}
	taken := t.current.Load().anchor(row.Fingerprint) != nil
	for _, b := range before {
		taken = taken || b.Fingerprint == row.Fingerprint
	}
	if taken {
		return platform.TrustedCertificate{}, duplicate(row.Fingerprint, nil)
	}
	return row, nil
}

func (n NewCertificate) missing() string {
	var names []string
	if strings.TrimSpace(n.Text) == "" {
		names = append(names, "certInPemFormat")
	}
	if n.Status == "" {
		names = append(names, "status")
	}
	return strings.Join(names, ", ")
}

func parseStatus(s string) (enabled bool, err error) {
	switch s {
	case StatusEnabled:
		return true, nil
	case StatusDisabled:
		return false, nil
	}
	return false, problem.WithCode(problem.Unprocessable, "undefined/validationError", "status is neither ENABLED nor DISABLED", nil)
}

func checkName(name string) error {
	if len(name) > MaxNameBytes {
		return problem.WithCode(problem.Unprocessable, "undefined/validationError", "name is longer than 254 bytes", nil)
	}
	return nil
}

// parseAnchor reads a certificate that may be trusted: version 3, CA:true,
// valid at now, with a key that devices' chains may lead to.
func parseAnchor(text string, now time.Time) (*x509.Certificate, error) {
	c, err := pki.ParseCertificateText(text)
	if err != nil {
		return nil, unparsable(err.Error(), err)
	}
	switch {
	case c.Version != 3:
		return nil, unparsable(fmt.Sprintf("it has version %d, not 3", c.Version), nil)
	case !c.BasicConstraintsValid || !c.IsCA:
		return nil, unparsable("its basic constraints do not say CA:true", nil)
	case !pki.ValidAt(c, now):
		return nil, outOfDate()
	}
	if err := pki.CheckKeyStrength(c.PublicKey); err != nil {
		return nil, unparsable(err.Error(), err)
	}
	return c, nil
}

func unparsable(why string, cause error) error {
	return problem.New(problem.Unprocessable, "Cannot parse X509 certificate. : Could not parse certificate: "+bounded.Text(why, maxFactBytes), cause)
}

func outOfDate() error {
	return problem.New(problem.Unprocessable, "Can not activate a certificate which is either expired or not yet valid", nil)
}

func duplicate(fingerprint string, cause error) error {
	return problem.New(problem.Conflict, fmt.Sprintf(
		"Cannot add certificate - certificate with %s fingerprint already exists. : Certificate with %[1]s fingerprint already exists.", fingerprint), cause)
}

func notFound(fingerprint string, cause error) error {
	return problem.WithCode(problem.NotFound, "certificate/Not Found", "Cannot find certificate with fingerprint "+bounded.Text(fingerprint, maxFactBytes)+".", cause)
}

// Get returns one trusted certificate of tenant, problem.NotFound if there is
// none of that fingerprint.
func (t *Trust) Get(ctx context.Context, tenant platform.TenantID, fingerprint string) (platform.TrustedCertificate, error) {
	row, err := t.cfg.Certificates.TrustedCertificate(ctx, tenant, strings.ToLower(fingerprint))
	if errors.Is(err, problem.NotFound) {
		return row, notFound(fingerprint, err)
	}
	return row, err
}

// List returns a page in the order of creation; onlyCA keeps only the tenant CA.
func (t *Trust) List(ctx context.Context, tenant platform.TenantID, onlyCA bool, page platform.Page) (platform.List[platform.TrustedCertificate], error) {
	return t.cfg.Certificates.TrustedCertificates(ctx, tenant, onlyCA, page)
}

// Update changes what ch sets. It is in force when it returns. A certificate
// that is out of date cannot be enabled.
func (t *Trust) Update(ctx context.Context, actor platform.Principal, tenant platform.TenantID, fingerprint string, ch CertificateChange) (platform.TrustedCertificate, error) {
	row, err := t.Get(ctx, tenant, fingerprint)
	if err != nil {
		return row, err
	}
	now := platform.Millis(t.cfg.Now())
	if err := ch.apply(&row, now); err != nil {
		return row, err
	}
	err = t.cfg.Certificates.UpdateTrustedCertificate(ctx, row, auditOf("updated on", row, actor, now))
	if errors.Is(err, problem.NotFound) {
		return row, notFound(fingerprint, err)
	}
	if err != nil {
		return row, fmt.Errorf("update trusted certificate %s: %w", row.Fingerprint, err)
	}
	return row, t.changed(ctx, row)
}

func (ch CertificateChange) apply(row *platform.TrustedCertificate, now time.Time) error {
	if ch.Name != nil {
		if err := checkName(*ch.Name); err != nil {
			return err
		}
		row.Name = *ch.Name
	}
	if ch.AutoRegistration != nil {
		row.AutoRegistration = *ch.AutoRegistration
	}
	if ch.Status == nil {
		return nil
	}
	enabled, err := parseStatus(*ch.Status)
	if err != nil {
		return err
	}
	if enabled && !row.Enabled {
		if c, err := pki.ParseDER(row.Certificate); err != nil || !pki.ValidAt(c, now) {
			return outOfDate()
		}
	}
	row.Enabled = enabled
	return nil
}

// Delete removes a trusted certificate, and its key if it is the tenant CA.
// Nothing below it is trusted any more when it returns.
func (t *Trust) Delete(ctx context.Context, actor platform.Principal, tenant platform.TenantID, fingerprint string) error {
	row, err := t.Get(ctx, tenant, fingerprint)
	if err != nil {
		return err
	}
	err = t.cfg.Certificates.DeleteTrustedCertificate(ctx, tenant, row.Fingerprint, auditOf("deleted from", row, actor, platform.Millis(t.cfg.Now())))
	if errors.Is(err, problem.NotFound) {
		return notFound(fingerprint, err)
	}
	if err != nil {
		return fmt.Errorf("delete trusted certificate %s: %w", row.Fingerprint, err)
	}
	return t.changed(ctx, row)
}

// changed puts what was written in force, should the store's own report of the
// change not have done so already. The write stands whatever happens to the
// caller, so its cancellation does not count.
func (t *Trust) changed(ctx context.Context, row platform.TrustedCertificate) error {
	return t.Apply(context.WithoutCancel(ctx), platform.Change{Tenant: row.Tenant, Kind: platform.ChangeTrust, Key: row.Fingerprint})
}

// auditOf is the audit record of rest.md §1.9.
func auditOf(what string, row platform.TrustedCertificate, actor platform.Principal, now time.Time) platform.AuditRecord {
	subject := pki.JavaName(row.Subject)
	if c, err := pki.ParseDER(row.Certificate); err == nil {
		subject = pki.JavaName(c.RawSubject)
	}
	return platform.AuditRecord{
		Tenant: row.Tenant, At: now, Type: "TrustedCertificates", User: actor.User, Source: row.Fingerprint,
		Activity: fmt.Sprintf("Trusted certificate %s '%s'.", what, row.Tenant),
		Text: fmt.Sprintf("Certificate fingerprint: '%s'.\n Certificate subject name: '%s'.\n NotAfter='%s'",
			row.Fingerprint, bounded.Text(subject, maxFactBytes), row.NotAfter.UTC().Format("2006-01-02T15:04:05.000Z")),
	}
}
