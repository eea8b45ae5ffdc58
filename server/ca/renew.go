package ca

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"mooring/internal/pki"
	"mooring/internal/problem"
	"mooring/server/platform"
)

// renewableMonths: a CA certificate may be renewed when fewer months than
// these are left (rest.md §2.1).
const renewableMonths = 24

// nearExpiry is how long before the authority stops issuing it is said to be
// near its end; ours. It leaves an operator a quarter of a year.
const nearExpiry = minRemaining + 90*24*time.Hour

// State is where a CA certificate stands in its life.
type State struct {
	Renewable  bool // fewer than 24 months are left
	NearExpiry bool // it will soon be too short-lived to sign leaves, or is already
}

// StateOf tells the state at now of a certificate that ends at notAfter.
func StateOf(notAfter, now time.Time) State {
	return State{
		Renewable:  notAfter.Before(now.AddDate(0, renewableMonths, 0)),
		NearExpiry: notAfter.Before(now.Add(nearExpiry)),
	}
}

// Alerts tells people that a certificate authority is in danger: by alarm, by
// e-mail. It must not block for long.
type Alerts interface {
	// RenewalFailed is called at most once a day for each tenant.
	RenewalFailed(ctx context.Context, tenant platform.TenantID, a Alert)
	// RenewalDone ends the alarm, if there is one.
	RenewalDone(ctx context.Context, tenant platform.TenantID)
}

// Alert is what went wrong, in words that the tenant may read.
type Alert struct {
	Text     string
	NotAfter time.Time // of the CA certificate; zero if it could not be read
	Critical bool      // it is near its end
	At       time.Time
}

// Renew gives the tenant's certificate authority its next certificate: same
// key, same subject, new dates. Leaves signed before stay good, and so do
// chains with the older CA certificate.
//
// Errors: problem.NotFound if there is none or more than 24 months are left.
func (s *Service) Renew(ctx context.Context, tenant platform.TenantID, actor platform.Principal) (platform.TrustedCertificate, error) {
	now := s.now()
	record, err := s.renew(ctx, tenant, actor, now, platform.Turn{})
	switch {
	case errors.Is(err, problem.Conflict):
		return record, notEligible(tenant, err) // somebody else has just done it
	case err != nil && !errors.Is(err, errNotEligible):
		s.renewalFailed(ctx, tenant, actor, now, err)
	}
	return record, err
}

var errNotEligible = errors.New("not eligible for renewal")

func notEligible(tenant platform.TenantID, cause error) error {
	return problem.WithCode(problem.NotFound, "Certificate Authority (CA)/Not Found",
		"Certificate Authority is not found or not eligible for renewal for tenant "+string(tenant), errors.Join(errNotEligible, cause))
}

func (s *Service) renew(ctx context.Context, tenant platform.TenantID, actor platform.Principal, now time.Time, turn platform.Turn) (platform.TrustedCertificate, error) {
	var none platform.TrustedCertificate
	s.issuers.forget(tenant) // another node may have renewed: look at what is stored
	i, err := s.openIssuer(ctx, tenant)
	if errors.Is(err, errNoIssuer) {
		return none, notEligible(tenant, err)
	}
	if err != nil {
		return none, err
	}
	if !StateOf(i.cert.NotAfter, now).Renewable {
		return none, notEligible(tenant, nil)
	}
	cert, err := i.successor(now)
	if err != nil {
		return none, err
	}
	next := trustedRecord(tenant, cert, now)
	err = s.store.RenewIssuer(ctx, platform.RenewIssuer{Tenant: tenant, Old: pki.Fingerprint(i.cert), Next: next, Turn: turn},
		renewalAudit(tenant, actor, now, fmt.Sprintf("Tenant certificate authority(CA) was renewed for Tenant: '%s'", tenant),
			fmt.Sprintf("Certificate fingerprint: '%s'.\n Certificate subject name: '%s'.\n NotAfter='%s'.\n Replaced fingerprint: '%s', NotAfter='%s'",
				next.Fingerprint, pki.JavaName(cert.RawSubject), cert.NotAfter.Format(auditTime),
				pki.Fingerprint(i.cert), i.cert.NotAfter.Format(auditTime))))
	if err != nil {
		return none, fmt.Errorf("store renewed issuer of tenant %s: %w", tenant, err)
	}
	s.issuers.forget(tenant)
	s.lists.forget(tenant)
	s.log.Info("tenant certificate authority renewed", "tenant", tenant, "fingerprint", next.Fingerprint, "not_after", cert.NotAfter)
	if s.alerts != nil {
		s.alerts.RenewalDone(ctx, tenant)
	}
	return s.store.TrustedCertificate(ctx, tenant, next.Fingerprint)
}

// successor is the certificate of i with new dates and a new serial.
func (i *issuer) successor(now time.Time) (*x509.Certificate, error) {
	notBefore := now.Add(-defaultBackdate).UTC().Truncate(time.Second)
	template := &x509.Certificate{
		SerialNumber:          newSerial(),
		RawSubject:            i.cert.RawSubject,
		NotBefore:             notBefore,
		NotAfter:              notBefore.Add(issuerValidity),
		KeyUsage:              i.cert.KeyUsage,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLen:            i.cert.MaxPathLen,
		MaxPathLenZero:        i.cert.MaxPathLenZero,
		SubjectKeyId:          i.cert.SubjectKeyId,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, i.cert.PublicKey, i.signer)
	if err != nil {
		return nil, fmt.Errorf("sign renewed issuer certificate: %w", err)
	}
	return x509.ParseCertificate(der)
}

// renewalFailed tells everybody who can act. A store that cannot write still
// lets the log and the e-mail out.
func (s *Service) renewalFailed(ctx context.Context, tenant platform.TenantID, actor platform.Principal, now time.Time, cause error) {
	if ctx.Err() != nil {
		return // the caller went away or the server stops: that is no failure to tell of
	}
	s.log.Error("renewal of the tenant certificate authority failed", "tenant", tenant, "err", cause)
	a := Alert{At: now, Text: fmt.Sprintf("The certificate authority of tenant %s could not be renewed; the server's log has the reason.", tenant)}
	if record, err := s.store.Issuer(ctx, tenant); err == nil {
		if cert, err := x509.ParseCertificate(record.Certificate); err == nil {
			a.NotAfter, a.Critical = cert.NotAfter, StateOf(cert.NotAfter, now).NearExpiry
			a.Text += " Its certificate ends on " + cert.NotAfter.UTC().Format(auditTime) + "."
		}
	}
	if a.Critical {
		a.Text += " It is near its end: no certificates are signed in its last year."
	}
	audit := renewalAudit(tenant, actor, now, fmt.Sprintf("Tenant certificate authority(CA) renewal for Tenant: '%s' failed", tenant), a.Text)
	audit.Severity = "critical"
	turn := platform.Turn{Name: "ca-renewal-failure", On: now.UTC().Format(time.DateOnly)}
	if err := s.store.TakeTurn(ctx, tenant, turn, audit); errors.Is(err, problem.Conflict) {
		return // told today, by this node or another
	} else if ctx.Err() != nil {
		return // stopping: whether today was told is not known, so the next start asks again
	} else if err != nil {
		s.log.Error("failed renewal was not audited", "tenant", tenant, "err", err)
	}
	if s.alerts != nil {
		s.alerts.RenewalFailed(ctx, tenant, a)
	}
}

func renewalAudit(tenant platform.TenantID, actor platform.Principal, now time.Time, activity, text string) platform.AuditRecord {
	return platform.AuditRecord{Tenant: tenant, At: platform.Millis(now), Type: auditType, User: actor.User, Source: string(tenant),
		Activity: activity, Text: text}
}
