package ca

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// ReEnrolment asks for a device's next leaf, authenticated by what it has.
type ReEnrolment struct {
	Principal platform.Principal
	CSR       []byte // DER
	Convert   bool   // turn a device user with a password into one with a certificate
	TLSUnique []byte // as in Enrolment
	// Current is the certificate that authenticated, in DER; nil if none did.
	Current []byte
}

// ReEnrol issues the next leaf of an authenticated device, for a new key or
// the same. Nothing but the CN of the request has to be as before
// (est-interop.md §2 item 5), unless the tenant wants the whole subject so. The leaves issued earlier stay valid.
//
// Errors: problem.Forbidden if the principal is no device, problem.TooMany, and
// those of Enrol that concern the request and the certificate authority.
func (s *Service) ReEnrol(ctx context.Context, r ReEnrolment) (leafDER []byte, err error) {
	p := r.Principal
	if !p.IsDevice() {
		return nil, problem.WithCode(problem.Forbidden, "security/Forbidden", "Access is denied.", nil)
	}
	now := s.now()
	bucket := bucketKey{tenant: p.Tenant, device: p.Device}
	if wait, ok := s.renewals.take(bucket, now); !ok {
		return nil, tooMany(wait)
	}
	req, err := s.checkRequest(ctx, asking{tenant: p.Tenant, device: p.Device, tlsUnique: r.TLSUnique, renewal: true, now: now}, r.CSR)
	if err != nil {
		return nil, err
	}
	if err := s.checkSubject(ctx, p, r.Current, req); err != nil {
		return nil, err
	}
	return s.issue(ctx, order{tenant: p.Tenant, device: p.Device, request: req, now: now, convert: r.Convert})
}

// checkSubject compares the subject of a request byte for byte with that of
// the certificate it is to replace (RFC 7030 §4.2.2), if the tenant wants that:
// current or, without, the newest one issued to the device. A device that has
// none yet may choose.
func (s *Service) checkSubject(ctx context.Context, p platform.Principal, current []byte, req *request) error {
	strict, err := s.option(ctx, p.Tenant, platform.OptionStrictSubject)
	if err != nil || strict != "true" {
		return err
	}
	if current == nil {
		issued, err := s.store.IssuedCertificates(ctx, p.Tenant, p.Device, platform.Page{Number: 1, Size: 1})
		if err != nil {
			return fmt.Errorf("read issued certificates: %w", err)
		}
		if len(issued.Items) == 0 {
			return nil
		}
		current = issued.Items[0].Certificate
	}
	leaf, err := x509.ParseCertificate(current)
	if err != nil {
		return fmt.Errorf("parse current certificate: %w", err)
	}
	if !bytes.Equal(leaf.RawSubject, req.csr.RawSubject) {
		return problem.New(problem.Unprocessable, "the subject of the certificate request differs from that of the current certificate", nil)
	}
	return nil
}
