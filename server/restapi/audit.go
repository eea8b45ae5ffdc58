package restapi

import (
	"net/http"
	"time"

	"mooring/server/c8yjson"
	"mooring/server/platform"
)

func (a *API) auditRoutes() []route {
	const all, one = "/audit/auditRecords", "/audit/auditRecords/{id}"
	reader := having(platform.RoleAuditRead, platform.RoleAuditAdmin)
	return []route{
		{method: "GET", path: all, access: reader, serve: listAudit,
			doc: doc{Does: "List audit records", Query: "type, user, application, source, dateFrom, dateTo, revert: boolean, paging", Gives: "auditRecordCollection", Also: "422"}},
		{method: "POST", path: all, access: having(platform.RoleAuditAdmin), serve: createAudit,
			doc: doc{Does: "Add an audit record", Takes: "newAuditRecord", Gives: "auditRecord"}},
		{method: "GET", path: one, access: reader, serve: readAudit,
			doc: doc{Does: "Read an audit record", Gives: "auditRecord"}},
	}
}

func listAudit(c *call) error {
	p, err := c.paging()
	if err != nil {
		return err
	}
	f := platform.AuditFilter{Type: c.query.Get("type"), User: c.query.Get("user"), Source: c.query.Get("source"), Application: c.query.Get("application"), OldestFirst: c.revert()}
	for name, into := range map[string]*time.Time{"dateFrom": &f.From, "dateTo": &f.To} {
		if text := c.query.Get(name); text != "" {
			if *into, err = c8yjson.ParseQueryTime(text); err != nil {
				return err
			}
		}
	}
	list, err := c.api.Audit.List(c.ctx(), c.tenant(), f, p.Page)
	if err != nil {
		return err
	}
	collection(c, c8yjson.MediaAuditRecords, "auditRecords", p, list, func(w *c8yjson.Writer, r platform.AuditRecord) {
		c8yjson.AuditRecord(w, c.base(), r)
	})
	return nil
}

func readAudit(c *call) error {
	id, err := c.id("id")
	if err != nil {
		return err
	}
	r, err := c.api.Audit.Record(c.ctx(), c.tenant(), id)
	if err != nil {
		return err
	}
	c.answer(http.StatusOK, c8yjson.MediaAuditRecord, func(w *c8yjson.Writer) { c8yjson.AuditRecord(w, c.base(), r) })
	return nil
}

func createAudit(c *call) error {
	body, err := c.body()
	if err != nil {
		return err
	}
	r, err := c8yjson.ParseAuditRecord(body)
	if err != nil {
		return err
	}
	if r, err = c.api.Audit.Append(c.ctx(), c.actor(), r); err != nil {
		return err
	}
	c.created(c.base()+c8yjson.PathAuditRecords+r.ID.String(), c8yjson.MediaAuditRecord, func(w *c8yjson.Writer) { c8yjson.AuditRecord(w, c.base(), r) })
	return nil
}
