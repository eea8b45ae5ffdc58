package estapi

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"mooring/internal/deviceid"
	"mooring/internal/est"
	"mooring/internal/problem"
	"mooring/server/c8yjson"
	"mooring/server/ca"
	"mooring/server/httpauth"
	"mooring/server/platform"
)

// AttestationPath is where devices ask for challenges.
const AttestationPath = est.AttestationPath

const opAttestation = "attestation"

// maxKeysBytes bounds the body of a request for a challenge: two public keys have
// less than 1 KiB in base64.
const maxKeysBytes = 16 << 10

// parsePath is est.ParsePath that also knows AttestationPath, without and with the
// label of a tenant.
func parsePath(p string) (label, op string, ok bool) {
	rest, ours := strings.CutPrefix(p, AttestationPath)
	if !ours {
		return est.ParsePath(p)
	}
	label, labelled := strings.CutPrefix(rest, "/")
	if rest != "" && !labelled || len(label) > est.MaxLabelBytes || strings.Contains(label, "/") {
		return "", "", false
	}
	return label, opAttestation, true
}

// challenge gives a device what its attestation has to answer, to who could enrol or
// re-enrol.
func (c *call) challenge() error {
	keys, err := c.tpmKeys()
	if err != nil {
		return err
	}
	tenant, device, made, err := c.challenged(keys)
	if err != nil {
		if device != "" {
			c.refuse(tenant, device, err)
		}
		return err
	}
	var w c8yjson.Writer
	w.Open('{')
	for _, part := range []struct {
		name  string
		bytes []byte
	}{{"ticket", made.Ticket}, {"credential", made.Credential}, {"secret", made.Secret}} {
		w.Text(part.name, base64.StdEncoding.EncodeToString(part.bytes))
	}
	w.Close('}')
	c.answer(http.StatusOK, c8yjson.MediaJSON, w.Bytes())
	return nil
}

// challenged authenticates as enrol and simpleReEnrol do. device is empty until the
// caller has said which it is.
func (c *call) challenged(keys platform.TPMKeys) (tenant platform.TenantID, device string, made platform.TPMChallenge, err error) {
	basic, isBasic := httpauth.BasicCredentials(c.r)
	if isBasic {
		if tenant, err = c.enrolmentTenant(basic); err != nil {
			return "", "", made, err
		}
		made, err = c.ca.ChallengeEnrolling(c.r.Context(), ca.Enrolment{
			Tenant: tenant, ExternalID: basic.User, OTP: basic.Password, Address: httpauth.Address(c.r),
		}, keys)
		_, isUser := deviceid.DeviceOfUser(basic.User)
		if !isUser || !errors.Is(err, problem.Unauthenticated) {
			return tenant, basic.User, made, err
		}
	}
	p, authErr := c.principal(c.auth.ReEnrolling)
	if authErr != nil && isBasic {
		return tenant, basic.User, made, err // of the one-time password
	}
	if authErr != nil {
		return "", "", made, authErr
	}
	made, err = c.ca.ChallengeRenewing(c.r.Context(), p, keys)
	return p.Tenant, p.Device, made, err
}

// tpmKeys reads the body. What cannot be read is told to who is authenticated: the
// keys are then empty, which the authority refuses.
func (c *call) tpmKeys() (keys platform.TPMKeys, err error) {
	text, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, maxKeysBytes))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return keys, problem.New(problem.TooLarge, "The request is longer than 16 KiB.", nil)
	}
	if err != nil {
		return keys, problem.New(problem.Invalid, "The request could not be read.", err)
	}
	var body struct {
		EKPublic []byte `json:"ek_public"`
		AKPublic []byte `json:"ak_public"`
	}
	if json.Unmarshal(text, &body) != nil {
		return keys, nil
	}
	return platform.TPMKeys{EKPublic: body.EKPublic, AKPublic: body.AKPublic}, nil
}
