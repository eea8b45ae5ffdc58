package ca

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"mooring/internal/pki"
	"mooring/internal/problem"
	"mooring/server/platform"
)

// request is a checked CSR.
type request struct {
	csr     *x509.CertificateRequest
	keyHash [sha256.Size]byte
	tpm     platform.TPMJudgement
}

// asking is who sends a certificate request.
type asking struct {
	tenant    platform.TenantID
	device    string
	tlsUnique []byte
	renewal   bool
	now       time.Time
}

// checkRequest is checkCSR with what the tenant wants of the binding, and of the
// device's TPM.
func (s *Service) checkRequest(ctx context.Context, a asking, der []byte) (*request, error) {
	required, err := s.option(ctx, a.tenant, platform.OptionTLSUnique)
	if err != nil {
		return nil, err
	}
	req, err := checkCSR(der, a.device, a.tlsUnique, required == "true")
	if err != nil || s.attests == nil {
		return req, err
	}
	req.tpm, err = s.attests.Judge(ctx, platform.TPMClaim{Tenant: a.tenant, ExternalID: a.device,
		TBS: req.csr.RawTBSCertificateRequest, Key: req.csr.PublicKey, Renewal: a.renewal, Now: a.now})
	if err != nil {
		return nil, err
	}
	return req, nil
}

// checkCSR holds a CSR to the rules for device, and to its binding with
// the TLS connection it came over. The errors are those of pki.CheckCSR.
func checkCSR(der []byte, device string, tlsUnique []byte, bound bool) (*request, error) {
	csr, err := pki.CheckCSR(der, device)
	if err != nil {
		return nil, err
	}
	if err := checkPoP(csr, tlsUnique, bound); err != nil {
		return nil, err
	}
	return &request{csr: csr, keyHash: sha256.Sum256(csr.RawSubjectPublicKeyInfo)}, nil
}

// checkPoP compares a challengePassword with the connection (RFC 7030 §3.5):
// it is base64 of tls-unique. That value exists up to TLS 1.2 only; without it
// a challengePassword is neither refused nor trusted (est-interop.md §2 item 8).
//
// With bound, a request without such a link is refused: one over TLS 1.3 too,
// because else the link would be left out by choosing that version.
func checkPoP(csr *x509.CertificateRequest, tlsUnique []byte, bound bool) error {
	switch {
	case len(tlsUnique) > 0:
	case bound:
		return problem.New(problem.Invalid, "this tenant takes certificate requests only with the tls-unique of their connection, which TLS 1.3 and resumed connections do not have: connect anew with TLS 1.2", nil)
	default:
		return nil
	}
	challenge, found, err := challengePassword(csr.RawTBSCertificateRequest)
	if err != nil {
		return problem.New(problem.Invalid, "the attributes of the certificate request cannot be read", err)
	}
	if !found && bound {
		return problem.New(problem.Invalid, "the certificate request has no challengePassword with the tls-unique of its connection, which this tenant requires", nil)
	}
	if !found {
		return nil
	}
	want := base64.StdEncoding.EncodeToString(tlsUnique)
	if subtle.ConstantTimeCompare([]byte(challenge), []byte(want)) != 1 {
		return problem.New(problem.Invalid, "the challengePassword of the certificate request does not belong to this TLS connection", nil)
	}
	return nil
}

// oidChallengePassword is PKCS #9's (RFC 2985 §5.4.1).
var oidChallengePassword = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 7}

var errAttributes = errors.New("malformed attributes")

// challengePassword finds the attribute in
//
//	SEQUENCE { INTEGER version, Name, SubjectPublicKeyInfo, [0] { SEQUENCE { OID, SET { string } } … } }
func challengePassword(tbs []byte) (text string, found bool, err error) {
	in := cryptobyte.String(tbs)
	var info, attributes cryptobyte.String
	var has bool
	if !in.ReadASN1(&info, cbasn1.SEQUENCE) || !info.SkipASN1(cbasn1.INTEGER) ||
		!info.SkipASN1(cbasn1.SEQUENCE) || !info.SkipASN1(cbasn1.SEQUENCE) ||
		!info.ReadOptionalASN1(&attributes, &has, cbasn1.Tag(0).Constructed().ContextSpecific()) {
		return "", false, errAttributes
	}
	for !attributes.Empty() {
		var attribute, values cryptobyte.String
		var id asn1.ObjectIdentifier
		if !attributes.ReadASN1(&attribute, cbasn1.SEQUENCE) || !attribute.ReadASN1ObjectIdentifier(&id) {
			return "", false, errAttributes
		}
		if !id.Equal(oidChallengePassword) {
			continue
		}
		var value cryptobyte.String
		var tag cbasn1.Tag
		if !attribute.ReadASN1(&values, cbasn1.SET) || !values.ReadAnyASN1(&value, &tag) {
			return "", false, errAttributes
		}
		return string(value), true, nil
	}
	return "", false, nil
}
