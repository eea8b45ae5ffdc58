package restapi

import (
	"net/http"

	"mooring/server/account"
	"mooring/server/c8yjson"
	"mooring/server/platform"
)

func (a *API) featureRoutes() []route {
	const one, byTenant, ofTenant = "/features/{key}", "/features/{key}/by-tenant", "/features/{key}/by-tenant/{tenant}"
	admin := having(platform.RoleTenantManagementAdmin)
	own := func(c *call) (platform.TenantID, error) { return c.tenant(), nil }
	set := doc{Does: "Switch a feature on or off for a tenant", Takes: "featureSwitch"}
	reset := doc{Does: "Leave a feature to its definition again", Status: http.StatusOK}
	var routes []route
	for _, path := range []string{one, byTenant} {
		routes = append(routes,
			route{method: "PUT", path: path, access: admin, serve: func(c *call) error { return setFeature(c, own) }, doc: set},
			route{method: "DELETE", path: path, access: admin, serve: func(c *call) error { return resetFeature(c, own) }, doc: reset})
	}
	return append(routes,
		route{method: "GET", path: "/features", access: user, serve: listFeatures,
			doc: doc{Does: "List feature toggles", Gives: "features"}},
		route{method: "GET", path: one, access: user, serve: readFeature,
			doc: doc{Does: "Read a feature toggle", Gives: "feature"}},
		route{method: "GET", path: byTenant, access: admin, serve: listFeatureByTenant,
			doc: doc{Does: "Read a toggle of every tenant, for the management tenant", Gives: "tenantFeatures"}},
		route{method: "PUT", path: ofTenant, access: admin, serve: func(c *call) error { return setFeature(c, namedTenant) }, doc: set},
		route{method: "DELETE", path: ofTenant, access: admin, serve: func(c *call) error { return resetFeature(c, namedTenant) }, doc: reset})
}

// namedTenant is the tenant in the path, for management alone.
func namedTenant(c *call) (platform.TenantID, error) {
	if err := c.management(); err != nil {
		return "", err
	}
	t, err := c.api.Accounts.Tenant(c.ctx(), platform.TenantID(c.param("tenant")))
	return t.ID, err
}

func feature(w *c8yjson.Writer, f account.Feature) {
	c8yjson.FeatureToggle(w, c8yjson.Feature{Key: f.Key, Phase: "GENERALLY_AVAILABLE", Active: f.Active, Override: f.Override})
}

func listFeatures(c *call) error {
	list, err := c.api.Accounts.Features(c.ctx(), c.tenant())
	if err != nil {
		return err
	}
	c.answer(http.StatusOK, c8yjson.MediaJSON, func(w *c8yjson.Writer) {
		w.Open('[')
		for _, f := range list {
			feature(w, f)
		}
		w.Close(']')
	})
	return nil
}

func readFeature(c *call) error {
	f, err := c.api.Accounts.FeatureOf(c.ctx(), c.tenant(), c.param("key"))
	if err != nil {
		return err
	}
	c.answer(http.StatusOK, c8yjson.MediaJSON, func(w *c8yjson.Writer) { feature(w, f) })
	return nil
}

func listFeatureByTenant(c *call) error {
	if err := c.management(); err != nil {
		return err
	}
	tenants, err := c.api.Accounts.Tenants(c.ctx())
	if err != nil {
		return err
	}
	toggles := make([]account.Feature, len(tenants))
	for i, t := range tenants {
		if toggles[i], err = c.api.Accounts.FeatureOf(c.ctx(), t.ID, c.param("key")); err != nil {
			return err
		}
	}
	c.answer(http.StatusOK, c8yjson.MediaJSON, func(w *c8yjson.Writer) {
		w.Open('[')
		for i, t := range tenants {
			w.Open('{')
			w.Text("tenantId", string(t.ID))
			w.Bool("active", toggles[i].Active)
			w.Close('}')
		}
		w.Close(']')
	})
	return nil
}

func setFeature(c *call, of func(*call) (platform.TenantID, error)) error {
	tenant, err := of(c)
	if err != nil {
		return err
	}
	body, err := c.body()
	if err != nil {
		return err
	}
	active, err := c8yjson.ParseActive(body)
	if err != nil {
		return err
	}
	if err := c.api.Accounts.SetFeature(c.ctx(), c.actor(), tenant, c.param("key"), active); err != nil {
		return err
	}
	c.empty(http.StatusOK)
	return nil
}

func resetFeature(c *call, of func(*call) (platform.TenantID, error)) error {
	tenant, err := of(c)
	if err != nil {
		return err
	}
	if err := c.api.Accounts.ResetFeature(c.ctx(), c.actor(), tenant, c.param("key")); err != nil {
		return err
	}
	c.empty(http.StatusOK)
	return nil
}
