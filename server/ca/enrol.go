package ca

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"mooring/internal/deviceid"
	"mooring/internal/pki"
	"mooring/internal/problem"
	"mooring/internal/secret"
	"mooring/server/platform"
)

// repeatWindow is how long after an OTP was spent the same key gets the same
// leaf again (design decision 10).
const repeatWindow = 10 * time.Minute

// refusedOTP is the one text for every refusal of an OTP (rest.md §1.5).
const refusedOTP = "No newDeviceRequest found for this ID. It may already be registered, check the audit logs for details."

// Enrolment asks for a device's first leaf, authenticated by its OTP.
type Enrolment struct {
	Tenant     platform.TenantID
	ExternalID string
	CSR        []byte // DER
	OTP        secret.String
	Address    string // the client's, without port: who guesses is slowed
	TLSUnique  []byte // of the connection, if it has one: TLS 1.2 and below
}

// Enrol issues the first leaf of a device and spends its OTP. The right OTP
// with the same key gets the same leaf again for 10 minutes, because the
// answer may have been lost; with another key it is refused and audited.
//
// Errors: problem.TooMany with RetryAfter; problem.Unauthenticated, whose text
// is the same whatever the reason (RefusalOf tells those who may know);
// those of pki.CheckCSR for the request; problem.Pending with
// RetryAfter while an operator has to accept it; problem.NotFound or Unprocessable if
// the tenant has no certificate authority that may issue.
func (s *Service) Enrol(ctx context.Context, e Enrolment) (leafDER []byte, err error) {
	now := s.now()
	giveBack, err := s.guesses.admit(e.Tenant, e.ExternalID, e.Address, now)
	if err != nil {
		return nil, err
	}
	reg, err := s.checkOTP(ctx, e)
	if err != nil {
		return nil, err
	}
	leafDER, err = s.enrolRegistered(ctx, e, reg, now)
	if err == nil || errors.Is(err, errAskedBefore) {
		giveBack()
	}
	return leafDER, err
}

// checkOTP returns the registration that e's OTP belongs to, spent or not.
func (s *Service) checkOTP(ctx context.Context, e Enrolment) (platform.Registration, error) {
	reg, err := s.store.Registration(ctx, e.Tenant, e.ExternalID)
	if errors.Is(err, problem.NotFound) {
		return reg, refuse(false, "the device is not registered")
	}
	if err != nil {
		return reg, fmt.Errorf("read registration: %w", err)
	}
	if reg.Status != platform.StatusAccepted && reg.Status != platform.StatusPending || reg.OTP.KeyID == "" {
		return reg, refuse(true, "the registration has no one-time password")
	}
	ok, err := s.vault.CheckMAC(ctx, e.Tenant, e.ExternalID, e.OTP, reg.OTP)
	if err != nil {
		return reg, fmt.Errorf("check one-time password: %w", err)
	}
	if !ok {
		return reg, refuse(true, "the one-time password is wrong")
	}
	return reg, nil
}

func (s *Service) enrolRegistered(ctx context.Context, e Enrolment, reg platform.Registration, now time.Time) ([]byte, error) {
	req, err := s.checkRequest(ctx, asking{tenant: e.Tenant, device: e.ExternalID, tlsUnique: e.TLSUnique, now: now}, e.CSR)
	if err != nil {
		return nil, err
	}
	if reg.OTPSpent != nil {
		return s.repeat(ctx, reg, req, now)
	}
	if _, err := s.readyIssuer(ctx, e.Tenant, req, now); err != nil {
		return nil, err
	}
	if err := s.checkApproval(ctx, reg, req, now); err != nil {
		return nil, err
	}
	leaf, err := s.issue(ctx, order{
		tenant: e.Tenant, device: e.ExternalID, request: req, now: now,
		enrolment: &platform.OTPSpending{ExternalID: e.ExternalID, Epoch: reg.Epoch},
	})
	if !errors.Is(err, problem.Conflict) {
		return leaf, err
	}
	// Another request spent the OTP, or the device was registered again, since
	// the registration was read.
	reg, err = s.store.Registration(ctx, e.Tenant, e.ExternalID)
	if err != nil && !errors.Is(err, problem.NotFound) {
		return nil, fmt.Errorf("read registration: %w", err)
	}
	if err != nil || reg.OTPSpent == nil {
		return nil, refuse(true, "the device was registered again meanwhile")
	}
	return s.repeat(ctx, reg, req, now)
}

// repeat answers a right OTP that has been spent.
func (s *Service) repeat(ctx context.Context, reg platform.Registration, req *request, now time.Time) ([]byte, error) {
	spent := reg.OTPSpent
	why, err := s.whyNotAgain(ctx, reg, req, now)
	if err != nil {
		return nil, err
	}
	if why == "" {
		return spent.Certificate, nil
	}
	err = s.store.AppendAudit(ctx, platform.AuditRecord{
		Tenant: reg.Tenant, At: platform.Millis(now), Type: auditType, Severity: "warning",
		User: deviceid.DeviceUser(reg.ExternalID), Source: reg.ExternalID,
		Activity: "Tenant certificate authority(CA) refused enrolment of device: " + reg.ExternalID + ".",
		Text:     fmt.Sprintf("The one-time password was already used for the certificate with serial number hex: '%s'; %s.", spent.Serial, why),
	})
	if err != nil {
		return nil, fmt.Errorf("audit refused enrolment: %w", err)
	}
	return nil, refuse(true, "the one-time password is spent; "+why)
}

// whyNotAgain tells why a spent OTP does not get its leaf again, empty if it does.
func (s *Service) whyNotAgain(ctx context.Context, reg platform.Registration, req *request, now time.Time) (string, error) {
	spent := reg.OTPSpent
	switch {
	case spent.KeyHash != req.keyHash:
		return "it came with another key", nil
	case now.Sub(spent.At) >= repeatWindow:
		return "it came too late to be a repetition", nil
	}
	i, err := s.issuer(ctx, reg.Tenant)
	if err != nil {
		return "", err
	}
	leaf, err := x509.ParseCertificate(spent.Certificate)
	if err != nil {
		return "", fmt.Errorf("parse issued leaf: %w", err)
	}
	if string(leaf.AuthorityKeyId) != string(i.cert.SubjectKeyId) {
		return "the certificate authority has been replaced", nil
	}
	revoked, err := s.isRevoked(ctx, reg.Tenant, leaf)
	if revoked {
		return "that certificate is revoked", err
	}
	return "", err
}

func (s *Service) isRevoked(ctx context.Context, tenant platform.TenantID, leaf *x509.Certificate) (bool, error) {
	revoked, err := s.store.Revocations(ctx, tenant)
	if err != nil {
		return false, fmt.Errorf("read revocations: %w", err)
	}
	for _, r := range revoked {
		if r.Serial.Cmp(leaf.SerialNumber) == 0 {
			return true, nil
		}
	}
	return false, nil
}

// order is a leaf to be issued.
type order struct {
	tenant    platform.TenantID
	device    string
	request   *request
	now       time.Time
	enrolment *platform.OTPSpending // nil: a re-enrolment
	convert   bool
}

// issue signs and records a leaf. It is Conflict if the OTP of o was spent.
func (s *Service) issue(ctx context.Context, o order) ([]byte, error) {
	i, err := s.readyIssuer(ctx, o.tenant, o.request, o.now)
	if err != nil {
		return nil, err
	}
	template, err := s.profile.template(o.tenant, o.request.csr, o.now)
	if err != nil {
		return nil, err
	}
	der, err := i.sign(template, o.request.csr.PublicKey)
	if err != nil {
		return nil, err
	}
	serial := pki.SerialHex(template.SerialNumber)
	cmd := platform.Issue{
		Certificate: platform.IssuedCertificate{
			Tenant: o.tenant, Serial: serial, ExternalID: o.device, KeyHash: o.request.keyHash, Certificate: der,
			NotBefore: template.NotBefore, NotAfter: template.NotAfter, IssuedAt: platform.Millis(o.now),
		},
		Enrolment: o.enrolment, Convert: o.convert, Attestation: o.request.tpm.Attestation,
	}
	if err := s.store.Issue(ctx, cmd, issuedAudit(o, serial)...); err != nil {
		return nil, fmt.Errorf("record leaf %s: %w", serial, err)
	}
	s.log.Info("leaf issued", "tenant", o.tenant, "external_id", o.device, "serial", serial, "not_after", template.NotAfter,
		"first", o.enrolment != nil)
	return der, nil
}

// readyIssuer is the tenant's certificate authority, if it may sign req at now.
func (s *Service) readyIssuer(ctx context.Context, tenant platform.TenantID, req *request, now time.Time) (*issuer, error) {
	if err := s.checkFeature(ctx, tenant); err != nil {
		return nil, err
	}
	i, err := s.issuer(ctx, tenant)
	if err != nil {
		return nil, err
	}
	if err := i.ready(now); err != nil {
		return nil, err
	}
	if string(req.csr.RawSubjectPublicKeyInfo) == string(i.cert.RawSubjectPublicKeyInfo) {
		return nil, problem.New(problem.Unprocessable, "the key of the certificate request is that of the certificate authority", nil)
	}
	return i, nil
}

func issuedAudit(o order, serial string) []platform.AuditRecord {
	verb := "re-signed"
	if o.enrolment != nil {
		verb = "signed"
	}
	issued := platform.AuditRecord{
		Tenant: o.tenant, At: platform.Millis(o.now), Type: auditType,
		User: deviceid.DeviceUser(o.device), Source: o.device,
		Activity: fmt.Sprintf("Tenant certificate authority(CA) %s certificate for device: %s.", verb, o.device),
		Text:     fmt.Sprintf("Certificate serial number hex: '%s'", serial) + ofTPM(o.request.tpm),
	}
	if len(o.request.tpm.Others) == 0 {
		return []platform.AuditRecord{issued}
	}
	shared := issued
	shared.Severity, shared.Activity = "warning", "A TPM holds the keys of several devices."
	shared.Text = fmt.Sprintf("That of device %s holds keys of these devices, too: %s", o.device, strings.Join(o.request.tpm.Others, ", "))
	return []platform.AuditRecord{issued, shared}
}

// ofTPM tells what was proved of a key; empty if the device showed nothing.
func ofTPM(j platform.TPMJudgement) string {
	if j.Unproved != "" {
		return "; what the device showed of its TPM counts for nothing: " + j.Unproved
	}
	a := j.Attestation
	if a == nil {
		return ""
	}
	by := "its maker vouches for it"
	if a.Pinned {
		by = "the tenant noted it"
	}
	return fmt.Sprintf("; its key is in the TPM with the endorsement key of SHA-256 '%x', manufacturer '%s', model '%s', firmware '%s' (%s)",
		a.EKHash, a.Manufacturer, a.Model, a.Firmware, by)
}
