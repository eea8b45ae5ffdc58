package restapi

import (
	"net/http"

	"mooring/server/c8yjson"
	"mooring/server/platform"
	"mooring/server/trust"
)

func (a *API) trustedCertificateRoutes() []route {
	const all = "/tenant/tenants/{tenant}/trusted-certificates"
	const one = all + "/{fingerprint}"
	reader, admin := having(tenantReaders...), having(tenantAdmins...)
	return []route{
		{method: "GET", path: all, access: reader, serve: listTrusted,
			doc: doc{Does: "List trusted certificates", Query: "certificateAuthority: boolean, paging", Gives: "trustedCertificateCollection"}},
		{method: "POST", path: all, access: admin, serve: createTrusted,
			doc: doc{Does: "Add a trusted certificate, or several", Query: "addToTrustStore: boolean", Takes: "newTrustedCertificate", Gives: "trustedCertificate | trustedCertificates", Also: "409"}},
		{method: "POST", path: all + "/bulk", access: admin, serve: createTrusted,
			doc: doc{Does: "Add several trusted certificates", Query: "addToTrustStore: boolean", Takes: "newTrustedCertificates", Gives: "trustedCertificates", Also: "409"}},
		{method: "GET", path: one, access: reader, serve: readTrusted,
			doc: doc{Does: "Read a trusted certificate", Gives: "trustedCertificate"}},
		{method: "PUT", path: one, access: admin, serve: updateTrusted,
			doc: doc{Does: "Change name, status or auto-registration of a trusted certificate", Takes: "trustedCertificateChange", Gives: "trustedCertificate"}},
		{method: "DELETE", path: one, access: admin, serve: deleteTrusted,
			doc: doc{Does: "Delete a trusted certificate; devices below it are disconnected"}},
	}
}

// certificateTenant is the tenant of the path: the caller's own, or for single
// certificates any if the caller administers the instance (rest.md §3.1).
func certificateTenant(c *call) (platform.TenantID, error) {
	if c.tenant() != platform.Management {
		return c.tenant(), c.ownTenant()
	}
	t, err := c.api.Accounts.Tenant(c.ctx(), platform.TenantID(c.param("tenant")))
	return t.ID, err
}

func listTrusted(c *call) error {
	if err := c.ownTenant(); err != nil {
		return err
	}
	p, err := c.paging()
	if err != nil {
		return err
	}
	list, err := c.api.Trust.List(c.ctx(), c.tenant(), c.asks("certificateAuthority"), p.Page)
	if err != nil {
		return err
	}
	collection(c, c8yjson.MediaJSON, "certificates", p, list, func(w *c8yjson.Writer, t platform.TrustedCertificate) {
		c8yjson.TrustedCertificate(w, c.base(), t)
	})
	return nil
}

// createTrusted takes one certificate, or several in "certificates", which
// some clients post to the plain path (rest.md §3.1).
func createTrusted(c *call) error {
	if err := c.ownTenant(); err != nil {
		return err
	}
	body, err := c.body()
	if err != nil {
		return err
	}
	if body.Has("certificates") {
		return createTrustedAll(c, body)
	}
	n, err := newCertificate(c, body)
	if err != nil {
		return err
	}
	t, err := c.api.Trust.Create(c.ctx(), c.actor(), c.tenant(), n)
	if err != nil {
		return err
	}
	createdCertificate(c, t)
	return nil
}

func createdCertificate(c *call, t platform.TrustedCertificate) {
	location := c.base() + "/tenant/tenants/" + string(t.Tenant) + "/trusted-certificates/" + t.Fingerprint
	c.created(location, c8yjson.MediaJSON, func(w *c8yjson.Writer) { c8yjson.TrustedCertificate(w, c.base(), t) })
}

func createTrustedAll(c *call, body c8yjson.Object) error {
	items, err := body.Objects("certificates")
	if err != nil {
		return err
	}
	all := make([]trust.NewCertificate, len(items))
	for i, item := range items {
		if all[i], err = newCertificate(c, item); err != nil {
			return err
		}
	}
	stored, err := c.api.Trust.CreateAll(c.ctx(), c.actor(), c.tenant(), all)
	if err != nil {
		return err
	}
	c.written(http.StatusCreated, c8yjson.MediaJSON, func(w *c8yjson.Writer) {
		w.Open('{')
		w.Link("self", c.base(), "/tenant/tenants/", string(c.tenant()), "/trusted-certificates")
		w.Key("certificates")
		w.Open('[')
		for _, t := range stored {
			c8yjson.TrustedCertificate(w, c.base(), t)
		}
		w.Close(']')
		w.Key("statistics")
		w.Open('{')
		w.Int("currentPage", 1)
		w.Int("pageSize", int64(len(stored)))
		w.Close('}')
		w.Close('}')
	})
	return nil
}

// newCertificate reads one that is to be added. With addToTrustStore=false it is
// kept but trusts nobody until it is enabled.
func newCertificate(c *call, body c8yjson.Object) (trust.NewCertificate, error) {
	in, err := c8yjson.ParseTrustedCertificate(body)
	if err != nil {
		return trust.NewCertificate{}, err
	}
	var missing []string
	if in.Text == "" {
		missing = append(missing, "certInPemFormat")
	}
	if in.Status == nil {
		missing = append(missing, "status")
	}
	if missing != nil {
		return trust.NewCertificate{}, c8yjson.Missing(missing...)
	}
	status := *in.Status
	if c.query.Get("addToTrustStore") == "false" && status == "ENABLED" {
		status = "DISABLED"
	}
	return trust.NewCertificate{Text: in.Text, Name: c8yjson.Text(in.Name), Status: status,
		AutoRegistration: in.AutoRegistration != nil && *in.AutoRegistration}, nil
}

func readTrusted(c *call) error {
	tenant, err := certificateTenant(c)
	if err != nil {
		return err
	}
	t, err := c.api.Trust.Get(c.ctx(), tenant, c.param("fingerprint"))
	if err != nil {
		return err
	}
	c.answer(http.StatusOK, c8yjson.MediaJSON, func(w *c8yjson.Writer) { c8yjson.TrustedCertificate(w, c.base(), t) })
	return nil
}

func updateTrusted(c *call) error {
	tenant, err := certificateTenant(c)
	if err != nil {
		return err
	}
	body, err := c.body()
	if err != nil {
		return err
	}
	in, err := c8yjson.ParseTrustedCertificate(body)
	if err != nil {
		return err
	}
	t, err := c.api.Trust.Update(c.ctx(), c.actor(), tenant, c.param("fingerprint"),
		trust.CertificateChange{Name: in.Name, Status: in.Status, AutoRegistration: in.AutoRegistration})
	if err != nil {
		return err
	}
	c.written(http.StatusOK, c8yjson.MediaJSON, func(w *c8yjson.Writer) { c8yjson.TrustedCertificate(w, c.base(), t) })
	return nil
}

func deleteTrusted(c *call) error {
	tenant, err := certificateTenant(c)
	if err != nil {
		return err
	}
	if err := c.api.Trust.Delete(c.ctx(), c.actor(), tenant, c.param("fingerprint")); err != nil {
		return err
	}
	c.empty(http.StatusNoContent)
	return nil
}
