package restapi

import (
	"net/http"

	"mooring/server/c8yjson"
	"mooring/server/platform"
)

func (a *API) tenantRoutes() []route {
	return []route{
		{method: "GET", path: "/tenant/currentTenant", access: having(platform.RoleUserOwnRead, platform.RoleUserRead, platform.RoleUserAdmin, platform.RoleDevice), serve: readCurrentTenant,
			doc: doc{Does: "Read the tenant of the caller", Query: "withParent: boolean", Gives: "currentTenant"}},
	}
}

func readCurrentTenant(c *call) error {
	t, err := c.api.Accounts.Tenant(c.ctx(), c.tenant())
	if err != nil {
		return err
	}
	if t.Domain == "" {
		t.Domain = clientHost(c.r)
	}
	parent := platform.TenantID("")
	if c.asks("withParent") && t.ID != platform.Management {
		parent = platform.Management
	}
	c.answer(http.StatusOK, c8yjson.MediaCurrentTenant, func(w *c8yjson.Writer) { c8yjson.CurrentTenant(w, c.base(), t, parent) })
	return nil
}
