package restapi

import (
	"net/http"

	"mooring/internal/problem"
	"mooring/internal/secret"
	"mooring/server/c8yjson"
	"mooring/server/platform"
	"mooring/server/registration"
)

func (a *API) registrationRoutes() []route {
	const all, one = "/devicecontrol/newDeviceRequests", "/devicecontrol/newDeviceRequests/{id}"
	reader := having(platform.RoleDeviceControlRead, platform.RoleDeviceControlAdmin)
	admin := having(platform.RoleDeviceControlAdmin)
	remover := having(platform.RoleUserAdmin)
	return []route{
		{method: "GET", path: all, access: reader, serve: listRegistrations,
			doc: doc{Does: "List new device requests", Query: "paging", Gives: "newDeviceRequestCollection"}},
		{method: "POST", path: all, access: admin, serve: createRegistration,
			doc: doc{Does: "Register a device", Takes: "newNewDeviceRequest", Gives: "newDeviceRequest"}},
		{method: "POST", path: all + "/acceptAll", access: admin, serve: acceptAll,
			doc: doc{Does: "Accept every device that has asked", Gives: "acceptances", Status: http.StatusOK}},
		{method: "GET", path: all + "/limit", access: reader, serve: readLimit,
			doc: doc{Does: "Read how many devices there are and may be", Gives: "deviceLimit"}},
		{method: "GET", path: one, access: reader, serve: readRegistration,
			doc: doc{Does: "Read a new device request", Gives: "newDeviceRequest"}},
		{method: "PUT", path: one, access: admin, serve: acceptRegistration,
			doc: doc{Does: "Accept a device that has asked", Takes: "acceptance", Gives: "newDeviceRequest"}},
		{method: "DELETE", path: one, access: remover, serve: deleteRegistration,
			doc: doc{Does: "Delete a new device request"}},
		{method: "POST", path: "/devicecontrol/bulkNewDeviceRequests", access: admin, serve: registerInBulk,
			doc: doc{Does: "Register devices by a CSV file", Takes: "form file", Gives: "bulkNewDeviceRequest"}},
		{method: "POST", path: "/devicecontrol/deviceCredentials", access: having(platform.RoleDeviceBootstrap), serve: fetchCredentials,
			doc: doc{Does: "Fetch the password of an accepted device, for the bootstrap user", Takes: "deviceCredentialsRequest", Gives: "deviceCredentials", Also: "404"}},
		{method: "DELETE", path: "/devicecontrol/bulkNewDeviceRequests/{id}", access: having(platform.RoleDeviceControlAdmin, platform.RoleUserAdmin), serve: deleteRegistration,
			doc: doc{Does: "Delete what a bulk registration made of a device"}},
	}
}

func listRegistrations(c *call) error {
	p, err := c.paging()
	if err != nil {
		return err
	}
	list, err := c.api.Registrations.List(c.ctx(), c.tenant(), p.Page)
	if err != nil {
		return err
	}
	collection(c, c8yjson.MediaNewDeviceRequests, "newDeviceRequests", p, list, func(w *c8yjson.Writer, r platform.Registration) {
		c8yjson.NewDeviceRequest(w, c.base(), r)
	})
	return nil
}

func createRegistration(c *call) error {
	body, err := c.body()
	if err != nil {
		return err
	}
	in, err := c8yjson.ParseNewDeviceRequest(body)
	if err != nil {
		return err
	}
	r, err := c.api.Registrations.Create(c.ctx(), c.actor(), registration.NewRequest{ExternalID: in.ID, OTP: in.EnrolmentOTP,
		Type: in.Type, GroupID: in.GroupID, Tenant: platform.TenantID(in.TenantID), Custom: in.Custom, Extra: in.Extra, SecurityToken: in.SecurityToken})
	if err != nil {
		return err
	}
	c.created(c8yjson.NewDeviceRequestLink(c.base(), r.ExternalID), c8yjson.MediaNewDeviceRequest, func(w *c8yjson.Writer) {
		c8yjson.NewDeviceRequest(w, c.base(), r)
	})
	return nil
}

func readRegistration(c *call) error {
	r, err := c.api.Registrations.Get(c.ctx(), c.tenant(), c.param("id"))
	if err != nil {
		return err
	}
	c.answer(http.StatusOK, c8yjson.MediaNewDeviceRequest, func(w *c8yjson.Writer) { c8yjson.NewDeviceRequest(w, c.base(), r) })
	return nil
}

// acceptRegistration carries out {"status":"ACCEPTED"}, the one change there is.
func acceptRegistration(c *call) error {
	body, err := c.body()
	if err != nil {
		return err
	}
	in, err := c8yjson.ParseNewDeviceRequest(body)
	if err != nil {
		return err
	}
	switch in.Status {
	case "":
		return c8yjson.Missing("status")
	case string(platform.StatusAccepted):
	default:
		return problem.WithCode(problem.Unprocessable, "undefined/validationError", "'status' can only be set to ACCEPTED.", nil)
	}
	r, err := c.api.Registrations.Accept(c.ctx(), c.actor(), c.param("id"), in.SecurityToken)
	if err != nil {
		return err
	}
	c.written(http.StatusOK, c8yjson.MediaNewDeviceRequest, func(w *c8yjson.Writer) { c8yjson.NewDeviceRequest(w, c.base(), r) })
	return nil
}

func deleteRegistration(c *call) error {
	if err := c.api.Registrations.Delete(c.ctx(), c.actor(), c.param("id")); err != nil {
		return err
	}
	c.empty(http.StatusNoContent)
	return nil
}

// acceptance is what became of one request.
type acceptance struct {
	id  string
	err error
}

// acceptAll accepts the requests whose devices have asked.
func acceptAll(c *call) error {
	var done []acceptance
	for page := (platform.Page{Number: 1, Size: platform.MaxPageSize}); ; page.Number++ {
		list, err := c.api.Registrations.List(c.ctx(), c.tenant(), page)
		if err != nil {
			return err
		}
		for _, r := range list.Items {
			if r.Status == platform.StatusPending {
				_, err := c.api.Registrations.Accept(c.ctx(), c.actor(), r.ExternalID, secret.String{})
				done = append(done, acceptance{r.ExternalID, err})
			}
		}
		if !list.More {
			break
		}
	}
	c.answer(http.StatusOK, c8yjson.MediaJSON, func(w *c8yjson.Writer) {
		w.Open('[')
		for _, o := range done {
			w.Open('{')
			w.Text("id", o.id)
			w.Bool("successful", o.err == nil)
			if o.err != nil {
				w.Text("error", publicText(o.err))
			}
			w.Close('}')
		}
		w.Close(']')
	})
	return nil
}

// readLimit tells how many devices there are and may be.
func readLimit(c *call) error {
	l, err := c.api.Registrations.Limit(c.ctx(), c.tenant())
	if err != nil {
		return err
	}
	c.answer(http.StatusOK, c8yjson.MediaJSON, func(w *c8yjson.Writer) {
		w.Open('{')
		w.Bool("isReached", l.Reached())
		if l.Max > 0 {
			w.Int("limit", l.Max)
		}
		w.Int("deviceCount", l.Devices)
		w.Close('}')
	})
	return nil
}

// fetchCredentials answers a device that asks for its password (rest.md §5.3).
func fetchCredentials(c *call) error {
	body, err := c.body()
	if err != nil {
		return err
	}
	in, err := c8yjson.ParseNewDeviceRequest(body)
	if err != nil {
		return err
	}
	hint, err := c.api.Accounts.TenantForHost(c.ctx(), c.r.Host)
	if err != nil && problem.KindOf(err) != problem.NotFound {
		return err
	}
	given, err := c.api.Registrations.Fetch(c.ctx(), hint, in.ID, in.SecurityToken)
	if err != nil {
		return err
	}
	c.answer(http.StatusCreated, c8yjson.MediaDeviceCredentials, func(w *c8yjson.Writer) {
		w.Open('{')
		w.Text("id", given.ExternalID)
		w.Text("tenantId", string(given.Tenant))
		w.Text("username", given.User)
		w.Text("password", given.Password.Reveal())
		w.Link("self", c.base(), "/devicecontrol/deviceCredentials/", given.ExternalID)
		w.Close('}')
	})
	return nil
}

// registerInBulk answers 201 also when every row failed: the body tells, and it
// is always sent (rest.md §5.2).
func registerInBulk(c *call) error {
	file, err := formFile(c, "file")
	if err != nil {
		return err
	}
	result, err := c.api.Registrations.Bulk(c.ctx(), c.actor(), file)
	if err != nil {
		return err
	}
	c.answer(http.StatusCreated, c8yjson.MediaBulkNewDeviceRequest, func(w *c8yjson.Writer) {
		w.Open('{')
		w.Int("numberOfAll", int64(result.All))
		w.Int("numberOfCreated", int64(result.Created))
		w.Int("numberOfFailed", int64(len(result.Failed)))
		w.Int("numberOfSuccessful", int64(result.Successful()))
		bulkRows(w, "credentialUpdatedList", result.Updated)
		bulkRows(w, "failedCreationList", result.Failed)
		w.Close('}')
	})
	return nil
}

func bulkRows(w *c8yjson.Writer, name string, rows []registration.BulkRow) {
	w.Key(name)
	w.Open('[')
	for _, r := range rows {
		w.Open('{')
		w.Text("bulkNewDeviceStatus", string(r.Status))
		w.Text("deviceId", r.ExternalID)
		w.TextIf("failureReason", r.Reason)
		w.TextIf("line", r.Line)
		w.Close('}')
	}
	w.Close(']')
}
