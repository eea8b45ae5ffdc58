package restapi

import (
	"net/http"

	"mooring/server/c8yjson"
	"mooring/server/openapi"
)

// doc is what the description of the API says of a route.
type doc = openapi.Text

const aboutAPI = "The REST calls of this server. Those of the real platform behave as clients of it expect; " +
	"those below /mooring are its own. POST and PUT answer with a body only if the request has an Accept header."

// descriptionRoutes serve the description. Anyone may read it: it tells of the
// product and of no tenant, and tools fetch it before they have a login.
func (a *API) descriptionRoutes() []route {
	return []route{
		{method: "GET", path: "/openapi.json", access: anyone, serve: readDescription,
			doc: doc{Does: "Read this description of the API", Gives: "anything"}},
		{method: "GET", path: "/apidocs", access: anyone, serve: readAPIDocs,
			doc: doc{Does: "Read a list of the calls, for people", Gives: "text/html"}},
	}
}

func readAPIDocs(c *call) error {
	c.w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	c.bytes(http.StatusOK, "text/html; charset=utf-8", c.api.docs)
	return nil
}

func readDescription(c *call) error {
	c.bytes(http.StatusOK, c8yjson.MediaJSON, c.api.about)
	return nil
}

// describe writes the description from the routes. It cannot fail for any
// reason but a mistake in them, which TestDescription shows by name.
func (a *API) describe() (description, page []byte) {
	calls := a.described()
	text, err := openapi.Describe("Mooring", a.Version, aboutAPI, shapes(), calls)
	if err != nil {
		panic("the description of the API: " + err.Error())
	}
	return text, apiDocs(calls)
}

func (a *API) described() []openapi.Call {
	var calls []openapi.Call
	for _, r := range a.routes() {
		c := openapi.Call{Text: r.doc, Method: r.method, Path: r.path, Open: r.access.open, Certificate: r.access.certificatesOnly}
		for _, role := range r.access.roles {
			c.Roles = append(c.Roles, string(role))
		}
		calls = append(calls, c)
	}
	return append(calls, a.Described...)
}
