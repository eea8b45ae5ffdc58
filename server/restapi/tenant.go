package restapi

import (
	"net/http"

	"mooring/internal/problem"
	"mooring/server/c8yjson"
	"mooring/server/platform"
)

func (a *API) tenantRoutes() []route {
	return []route{
		{method: "GET", path: "/tenant/currentTenant", access: having(platform.RoleUserOwnRead, platform.RoleUserRead, platform.RoleUserAdmin, platform.RoleDevice), serve: readCurrentTenant},
		{method: "GET", path: "/tenant/loginOptions", access: anyone, serve: listLoginOptions},
	}
}

func readCurrentTenant(c *call) error {
	t, err := c.api.Accounts.Tenant(c.ctx(), c.tenant())
	if err != nil {
		return err
	}
	if t.Domain == "" {
		t.Domain = c.r.Host
	}
	c.answer(http.StatusOK, c8yjson.MediaCurrentTenant, func(w *c8yjson.Writer) { c8yjson.CurrentTenant(w, c.base(), t) })
	return nil
}

// listLoginOptions tells clients how to log in, before they have (rest.md §4.4).
func listLoginOptions(c *call) error {
	if tenant := c.query.Get("tenantId"); tenant != "" && c.query.Get("management") == "true" {
		return problem.WithCode(problem.Invalid, "LoginOptions/Bad Request",
			"Do not use 'management' flag while querying loginOptions of tenant with id "+cut(tenant), nil)
	}
	c.answer(http.StatusOK, c8yjson.MediaLoginOptions, func(w *c8yjson.Writer) {
		w.Open('{')
		w.Link("self", c.base(), "/tenant/loginOptions/")
		w.Key("loginOptions")
		w.Open('[')
		w.Open('{')
		w.Text("id", "BASIC")
		w.Text("type", "BASIC")
		w.Text("userManagementSource", "INTERNAL")
		w.Bool("visibleOnLoginPage", true)
		w.Link("self", c.base(), "/tenant/loginOptions/BASIC")
		w.Close('}')
		w.Close(']')
		w.Close('}')
	})
	return nil
}
