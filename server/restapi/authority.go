package restapi

import (
	"net/http"
	"strconv"

	"mooring/internal/problem"
	"mooring/server/c8yjson"
	"mooring/server/ca"
	"mooring/server/platform"
)

// authorityRoutes is the tenant's own certificate authority (rest.md §2.1).
// GET and DELETE are ours: the real platform has them on the trusted
// certificate alone.
func (a *API) authorityRoutes() []route {
	const path = "/certificate-authority"
	return []route{
		{method: "POST", path: path, access: having(tenantAdmins...), serve: createAuthority,
			doc: doc{Does: "Create the certificate authority of the tenant", Gives: "trustedCertificate", Also: "404 409 422"}},
		{method: "GET", path: path, access: having(tenantReaders...), serve: readAuthority,
			doc: doc{Does: "Read the certificate authority of the tenant", Gives: "trustedCertificate", Also: "404"}},
		{method: "DELETE", path: path, access: having(tenantAdmins...), serve: deleteAuthority,
			doc: doc{Does: "Delete the certificate authority with its key", Also: "404"}},
		{method: "POST", path: path + "/renew", access: having(tenantAdmins...), serve: renewAuthority,
			doc: doc{Does: "Renew the certificate of the authority", Gives: "trustedCertificate", Also: "404"}},
		{method: "GET", path: "/crl/{file}", access: anyone, serve: readAuthorityList,
			doc: doc{Does: "Read the CRL of an authority", Gives: "application/pkix-crl"}},
	}
}

func createAuthority(c *call) error {
	if err := authorityFeature(c); err != nil {
		return err
	}
	t, err := c.api.Authority.Create(c.ctx(), c.tenant(), c.actor())
	if err != nil {
		return err
	}
	createdAuthority(c, t)
	return nil
}

func renewAuthority(c *call) error {
	if err := authorityFeature(c); err != nil {
		return err
	}
	t, err := c.api.Authority.Renew(c.ctx(), c.tenant(), c.actor())
	if err != nil {
		return err
	}
	createdAuthority(c, t)
	return nil
}

func authorityFeature(c *call) error {
	on, err := c.api.Accounts.FeatureOf(c.ctx(), c.tenant(), platform.FeatureCertificateAuthority)
	if err != nil {
		return err
	}
	if !on.Active {
		return problem.New(problem.NotFound, "This feature is disabled, please contact system administrator.", nil)
	}
	return nil
}

func createdAuthority(c *call, t platform.TrustedCertificate) {
	location := c.base() + "/tenant/tenants/" + string(t.Tenant) + "/trusted-certificates/" + t.Fingerprint
	c.created(location, c8yjson.MediaJSON, func(w *c8yjson.Writer) { authority(w, c, t) })
}

func authority(w *c8yjson.Writer, c *call, t platform.TrustedCertificate) {
	state := ca.StateOf(t.NotAfter, c.api.now())
	c8yjson.CertificateAuthority(w, c.base(), t, state.Renewable, state.NearExpiry)
}

// ownAuthority finds the trusted certificate of the tenant's authority.
func ownAuthority(c *call) (platform.TrustedCertificate, error) {
	list, err := c.api.Trust.List(c.ctx(), c.tenant(), true, platform.Page{Number: 1, Size: 1})
	if err != nil {
		return platform.TrustedCertificate{}, err
	}
	if len(list.Items) == 0 {
		return platform.TrustedCertificate{}, problem.WithCode(problem.NotFound, "Certificate Authority (CA)/Not Found",
			"Tenant Certificate Authority (CA) object not found for tenant "+string(c.tenant()), nil)
	}
	return list.Items[0], nil
}

func readAuthority(c *call) error {
	t, err := ownAuthority(c)
	if err != nil {
		return err
	}
	c.answer(http.StatusOK, c8yjson.MediaJSON, func(w *c8yjson.Writer) { authority(w, c, t) })
	return nil
}

// deleteAuthority destroys the key with the certificate; what it signed is
// trusted no more.
func deleteAuthority(c *call) error {
	t, err := ownAuthority(c)
	if err != nil {
		return err
	}
	if err := c.api.Trust.Delete(c.ctx(), c.actor(), c.tenant(), t.Fingerprint); err != nil {
		return err
	}
	c.empty(http.StatusNoContent)
	return nil
}

// renewalWindow tells a device when to renew the certificate of this
// connection, which may have expired within its grace window.
func renewalWindow(c *call) error {
	who, err := c.api.auth.ReEnrolling(c.r)
	if err != nil {
		return err
	}
	if who.Method != platform.ByCertificate {
		return forbidden()
	}
	v, err := c.api.auth.Verdict(c.r)
	if err != nil {
		return err
	}
	window := ca.RenewalWindow(who.Tenant, who.Device, v.Leaf, c.api.now())
	wait := int64(window.AskAgain.Seconds())
	c.w.Header().Set("Retry-After", strconv.FormatInt(wait, 10))
	c.answer(http.StatusOK, c8yjson.MediaJSON, func(w *c8yjson.Writer) {
		w.Open('{')
		w.Time("start", window.Start)
		w.Time("end", window.End)
		w.Int("retryAfter", wait)
		w.Close('}')
	})
	return nil
}
