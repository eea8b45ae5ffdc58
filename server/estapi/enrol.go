package estapi

import (
	"crypto/sha256"
	"errors"
	"io"
	"net/http"

	"mooring/internal/deviceid"
	"mooring/internal/est"
	"mooring/internal/pki"
	"mooring/internal/problem"
	"mooring/server/ca"
	"mooring/server/httpauth"
	"mooring/server/platform"
)

// enrol serves simpleenroll. Basic credentials are an external ID with its
// OTP or, if they are not that, a device user with its password; anything else
// that authenticates a device re-enrols it.
func (c *call) enrol() error {
	basic, ok := httpauth.BasicCredentials(c.r)
	if !ok {
		return c.reEnrol(c.auth.Principal)
	}
	body, err := c.body()
	if err != nil {
		return err
	}
	tenant, err := c.enrolmentTenant(basic)
	if err != nil {
		return err
	}
	leaf, err := c.byOTP(tenant, basic, body)
	if _, isUser := deviceid.DeviceOfUser(basic.User); isUser && errors.Is(err, problem.Unauthenticated) {
		if p, authErr := c.principal(c.auth.Principal); authErr == nil {
			return c.reEnrolAs(p, body)
		}
	}
	if err != nil {
		c.refuse(tenant, basic.User, err)
		return err
	}
	return c.certificate(leaf, true)
}

func (c *call) byOTP(tenant platform.TenantID, basic httpauth.Credentials, body requestBody) ([]byte, error) {
	leaf, err := c.ca.Enrol(c.r.Context(), ca.Enrolment{
		Tenant: tenant, ExternalID: basic.User, CSR: body.der, OTP: basic.Password,
		Address: httpauth.Address(c.r), TLSUnique: tlsUnique(c.r),
	})
	return leaf, body.explain(err)
}

// enrolmentTenant is the tenant of OTP credentials. A label and a tenant in
// the user name must agree.
func (c *call) enrolmentTenant(basic httpauth.Credentials) (platform.TenantID, error) {
	tenant, err := c.tenant(c.r)
	if err == nil && basic.Tenant != "" && basic.Tenant != string(tenant) {
		return "", problem.WithCode(problem.Unauthenticated, "security/Unauthorized", "Invalid credentials! : Bad credentials",
			errors.New("label and user name are of two tenants"))
	}
	return tenant, err
}

// simpleReEnrol serves simplereenroll, where a certificate that has just
// expired may still do.
func (c *call) simpleReEnrol() error { return c.reEnrol(c.auth.ReEnrolling) }

func (c *call) reEnrol(who authenticate) error {
	p, err := c.principal(who)
	if err != nil {
		return err
	}
	body, err := c.body()
	if err != nil {
		return err
	}
	return c.reEnrolAs(p, body)
}

// reEnrolAs answers a device with its next leaf. One that came with its
// password becomes a certificate device (mqtt.md §1.6).
func (c *call) reEnrolAs(p platform.Principal, body requestBody) error {
	leaf, err := c.ca.ReEnrol(c.r.Context(), ca.ReEnrolment{
		Principal: p, CSR: body.der, Convert: p.Method == platform.ByPassword, TLSUnique: tlsUnique(c.r),
		Current: currentLeaf(c.r, p),
	})
	if err = body.explain(err); err != nil {
		c.refuse(p.Tenant, p.Device, err)
		return err
	}
	return c.certificate(leaf, true)
}

// requestBody is the body of a request. What is wrong with it is told only to
// who is authenticated, so err waits until the CA has refused the empty DER.
type requestBody struct {
	der []byte
	err error
}

// explain replaces the CA's error about an empty request by what is wrong with
// the body.
func (b requestBody) explain(err error) error {
	if b.err != nil && (err == nil || errors.Is(err, problem.Invalid)) {
		return b.err
	}
	return err
}

// body reads the request. Too long a one is an error at once.
func (c *call) body() (requestBody, error) {
	tooLarge := problem.New(problem.TooLarge, "The request is longer than 64 KiB.", nil)
	if c.r.ContentLength > est.MaxBodyBytes {
		return requestBody{}, tooLarge
	}
	text, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, est.MaxBodyBytes))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return requestBody{}, tooLarge
	}
	if err != nil {
		return requestBody{}, problem.New(problem.Invalid, "The request could not be read.", err)
	}
	der, err := est.DecodeRequest(text)
	return requestBody{der: der, err: err}, nil
}

// currentLeaf is the certificate by which p authenticated, nil if it did so
// otherwise.
func currentLeaf(r *http.Request, p platform.Principal) []byte {
	if p.Method != platform.ByCertificate || r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return nil
	}
	return r.TLS.PeerCertificates[0].Raw
}

// tlsUnique is the channel binding of RFC 5929 §3, nil from TLS 1.3 on.
func tlsUnique(r *http.Request) []byte {
	if r.TLS == nil {
		return nil
	}
	return r.TLS.TLSUnique
}

// refuse keeps why a device got no leaf. A refused OTP is charged to the
// tenant only if it has registered that external ID, so that strangers cannot
// fill the tenant's records.
func (c *call) refuse(tenant platform.TenantID, device string, err error) {
	refusal := platform.Refusal{Tenant: tenant, CN: device, At: c.now(), Door: Door, Address: httpauth.Address(c.r)}
	otp, isOTP := ca.RefusalOf(err)
	switch kind := problem.KindOf(err); {
	case isOTP:
		refusal.Reason, refusal.Detail = platform.ReasonBadOTP, otp.Detail
		if !otp.Registered {
			refusal.Tenant = platform.Management
		}
	case codeOf(err) == platform.CodeAttestation:
		refusal.Reason, refusal.Detail = platform.ReasonAttestation, detailOf(err)
	case kind == problem.Invalid || kind == problem.Unprocessable:
		refusal.Reason, refusal.Detail = platform.ReasonBadCSR, detailOf(err)
	default:
		return
	}
	if r := c.r.TLS; r != nil && len(r.PeerCertificates) > 0 {
		refusal.Leaf.Serial = pki.SerialHex(r.PeerCertificates[0].SerialNumber)
		refusal.Leaf.Fingerprint = sha256.Sum256(r.PeerCertificates[0].Raw)
	}
	c.log.Info("enrolment refused", "tenant", tenant, "external_id", device, "reason", refusal.Reason, "detail", refusal.Detail,
		"address", refusal.Address)
	if c.refusals != nil {
		c.refusals.Record(refusal)
	}
}
