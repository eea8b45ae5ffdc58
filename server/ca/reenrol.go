package ca

import (
	"context"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// ReEnrolment asks for a device's next leaf, authenticated by what it has.
type ReEnrolment struct {
	Principal platform.Principal
	CSR       []byte // DER
	Convert   bool   // turn a device user with a password into one with a certificate
	TLSUnique []byte // as in Enrolment
}

// ReEnrol issues the next leaf of an authenticated device, for a new key or
// the same. Nothing but the CN of the request has to be as before
// (est-interop.md §2 item 5). The leaves issued earlier stay valid.
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
	req, err := checkRequest(r.CSR, p.Device, r.TLSUnique)
	if err != nil {
		return nil, err
	}
	return s.issue(ctx, order{tenant: p.Tenant, device: p.Device, request: req, now: now, convert: r.Convert})
}
