package restapi

import (
	"net/http"

	"mooring/server/c8yjson"
	"mooring/server/platform"
)

// possessionRoutes is the proof of possession of trusted certificates
// (rest.md §3.2).
func (a *API) possessionRoutes() []route {
	const path = "/tenant/tenants/{tenant}/trusted-certificates-pop/{fingerprint}"
	return []route{
		{method: "POST", path: path + "/verification-code", access: having(tenantAdmins...), serve: newVerificationCode,
			doc: doc{Does: "Make a code to prove the possession of a key", Gives: "trustedCertificate", Status: http.StatusOK}},
		{method: "POST", path: path + "/pop", access: having(tenantAdmins...), serve: provePossession,
			doc: doc{Does: "Prove the possession of a key by the signature of the code", Takes: "signedCode", Gives: "trustedCertificate", Status: http.StatusOK}},
		{method: "POST", path: path + "/confirmed", access: having(tenantAdmins...), serve: confirmPossession,
			doc: doc{Does: "Confirm the possession of a key, for the management tenant", Gives: "trustedCertificate", Also: "422", Status: http.StatusOK}},
	}
}

// ownKey refuses a proof for another tenant, be it there or not.
func (c *call) ownKey() error {
	if platform.TenantID(c.param("tenant")) != c.tenant() {
		return forbidden()
	}
	return nil
}

func (c *call) provenCertificate(t platform.TrustedCertificate) {
	c.answer(http.StatusOK, c8yjson.MediaJSON, func(w *c8yjson.Writer) { c8yjson.TrustedCertificate(w, c.base(), t) })
}

func newVerificationCode(c *call) error {
	if err := c.ownKey(); err != nil {
		return err
	}
	t, err := c.api.Trust.NewCode(c.ctx(), c.actor(), c.tenant(), c.param("fingerprint"))
	if err != nil {
		return err
	}
	c.provenCertificate(t)
	return nil
}

func provePossession(c *call) error {
	if err := c.ownKey(); err != nil {
		return err
	}
	body, err := c.body()
	if err != nil {
		return err
	}
	signature, err := body.Text("proofOfPossessionSignedVerificationCode")
	if err != nil {
		return err
	}
	t, err := c.api.Trust.Prove(c.ctx(), c.actor(), c.tenant(), c.param("fingerprint"), signature)
	if err != nil {
		return err
	}
	c.provenCertificate(t)
	return nil
}

// confirmPossession takes the word of who administers the instance, for any
// tenant.
func confirmPossession(c *call) error {
	if err := c.management(); err != nil {
		return err
	}
	owner, err := certificateTenant(c)
	if err != nil {
		return err
	}
	t, err := c.api.Trust.Confirm(c.ctx(), c.actor(), owner, c.param("fingerprint"))
	if err != nil {
		return err
	}
	c.provenCertificate(t)
	return nil
}
