package restapi

import (
	"net/http"

	"mooring/server/c8yjson"
	"mooring/server/platform"
)

func (a *API) retentionRoutes() []route {
	const all, one = "/retention/retentions", "/retention/retentions/{id}"
	reader := having(platform.RoleRetentionRead, platform.RoleRetentionAdmin)
	admin := having(platform.RoleRetentionAdmin)
	return []route{
		{method: "GET", path: all, access: reader, serve: listRetentionRules,
			doc: doc{Does: "List retention rules", Query: "paging", Gives: "retentionRuleCollection"}},
		{method: "POST", path: all, access: admin, serve: createRetentionRule,
			doc: doc{Does: "Create a retention rule", Takes: "newRetentionRule", Gives: "retentionRule", Also: "422"}},
		{method: "GET", path: one, access: reader, serve: readRetentionRule,
			doc: doc{Does: "Read a retention rule", Gives: "retentionRule"}},
		{method: "PUT", path: one, access: admin, serve: updateRetentionRule,
			doc: doc{Does: "Change a retention rule", Takes: "retentionRuleChange", Gives: "retentionRule"}},
		{method: "DELETE", path: one, access: admin, serve: deleteRetentionRule,
			doc: doc{Does: "Delete a retention rule"}},
	}
}

func listRetentionRules(c *call) error {
	p, err := c.paging()
	if err != nil {
		return err
	}
	list, err := c.api.Retention.List(c.ctx(), c.tenant(), p.Page)
	if err != nil {
		return err
	}
	base := c.base()
	collection(c, c8yjson.MediaRetentionRules, "retentionRules", p, list, func(w *c8yjson.Writer, r platform.RetentionRule) {
		c8yjson.RetentionRule(w, base, r)
	})
	return nil
}

func createRetentionRule(c *call) error {
	body, err := c.body()
	if err != nil {
		return err
	}
	r := platform.RetentionRule{Editable: true}
	if err := c8yjson.PatchRetentionRule(&r, body); err != nil {
		return err
	}
	if r, err = c.api.Retention.Create(c.ctx(), c.actor(), r); err != nil {
		return err
	}
	c.created(c.base()+c8yjson.PathRetentions+r.ID.String(), c8yjson.MediaRetentionRule, func(w *c8yjson.Writer) {
		c8yjson.RetentionRule(w, c.base(), r)
	})
	return nil
}

func readRetentionRule(c *call) error {
	id, err := c.id("id")
	if err != nil {
		return err
	}
	r, err := c.api.Retention.Rule(c.ctx(), c.tenant(), id)
	if err != nil {
		return err
	}
	c.answer(http.StatusOK, c8yjson.MediaRetentionRule, func(w *c8yjson.Writer) { c8yjson.RetentionRule(w, c.base(), r) })
	return nil
}

func updateRetentionRule(c *call) error {
	id, err := c.id("id")
	if err != nil {
		return err
	}
	body, err := c.body()
	if err != nil {
		return err
	}
	r, err := c.api.Retention.Update(c.ctx(), c.actor(), id, func(r *platform.RetentionRule) error { return c8yjson.PatchRetentionRule(r, body) })
	if err != nil {
		return err
	}
	c.written(http.StatusOK, c8yjson.MediaRetentionRule, func(w *c8yjson.Writer) { c8yjson.RetentionRule(w, c.base(), r) })
	return nil
}

func deleteRetentionRule(c *call) error {
	id, err := c.id("id")
	if err != nil {
		return err
	}
	if err := c.api.Retention.Delete(c.ctx(), c.actor(), id); err != nil {
		return err
	}
	c.empty(http.StatusNoContent)
	return nil
}
