package restapi

import (
	"crypto/rand"
	"math/big"
	"net/http"
	"net/url"
	"strconv"

	"mooring/internal/problem"
	"mooring/internal/secret"
	"mooring/server/c8yjson"
	"mooring/server/platform"
)

func (a *API) tenantsRoutes() []route {
	const all, one = "/tenant/tenants", "/tenant/tenants/{tenant}"
	reader := having(platform.RoleTenantManagementRead, platform.RoleTenantManagementAdmin)
	return []route{
		{method: "GET", path: all, access: reader, serve: listTenants,
			doc: doc{Does: "List tenants, for the management tenant", Query: "paging", Gives: "tenantCollection"}},
		{method: "POST", path: all, access: having(platform.RoleTenantManagementAdmin), serve: createTenant,
			doc: doc{Does: "Create a tenant with its first administrator", Takes: "newTenant", Gives: "tenant", Also: "409"}},
		{method: "GET", path: one, access: reader, serve: readTenant,
			doc: doc{Does: "Read a tenant, for the management tenant", Gives: "tenant"}},
	}
}

func listTenants(c *call) error {
	if err := c.management(); err != nil {
		return err
	}
	p, err := c.paging()
	if err != nil {
		return err
	}
	tenants, err := c.api.Accounts.Tenants(c.ctx())
	if err != nil {
		return err
	}
	collection(c, c8yjson.MediaTenants, "tenants", p, cutPage(tenants, p.Page), func(w *c8yjson.Writer, t platform.Tenant) {
		c8yjson.Tenant(w, c.base(), t)
	})
	return nil
}

func readTenant(c *call) error {
	if err := c.management(); err != nil {
		return err
	}
	t, err := c.api.Accounts.Tenant(c.ctx(), platform.TenantID(c.param("tenant")))
	if err != nil {
		return err
	}
	c.answer(http.StatusOK, c8yjson.MediaTenant, func(w *c8yjson.Writer) { c8yjson.Tenant(w, c.base(), t) })
	return nil
}

// createTenant makes a tenant with its first administrator. Without an ID it
// gets one like the platform's own.
func createTenant(c *call) error {
	if err := c.management(); err != nil {
		return err
	}
	body, err := c.body()
	if err != nil {
		return err
	}
	in, err := c8yjson.ParseNewTenant(body)
	if err != nil {
		return err
	}
	if in.ID == "" {
		if in.ID, err = newTenantID(); err != nil {
			return err
		}
	}
	err = c.api.Accounts.CreateTenant(c.ctx(), platform.Tenant{ID: platform.TenantID(in.ID), Domain: in.Domain}, in.AdminName, secret.New(in.AdminPass))
	if err != nil {
		return err
	}
	t, err := c.api.Accounts.Tenant(c.ctx(), platform.TenantID(in.ID))
	if err != nil {
		return err
	}
	c.created(c.base()+"/tenant/tenants/"+url.PathEscape(in.ID), c8yjson.MediaTenant, func(w *c8yjson.Writer) { c8yjson.Tenant(w, c.base(), t) })
	return nil
}

// maxTenantNumber is the largest number of an ID that we draw: "t" and at most
// nine digits. That one is drawn twice ends in a Conflict, and nothing lost.
const maxTenantNumber = 999_999_999

func newTenantID() (string, error) {
	n, err := rand.Int(rand.Reader, big.NewInt(maxTenantNumber))
	if err != nil {
		return "", problem.New(problem.Internal, "", err)
	}
	return "t" + strconv.FormatInt(n.Int64()+1, 10), nil
}
