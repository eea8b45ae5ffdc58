package restapi

import (
	"net"
	"net/http"
	"strings"

	"mooring/internal/problem"
	"mooring/server/c8yjson"
	"mooring/server/platform"
)

func (a *API) deviceTokenRoutes() []route {
	return []route{{method: "POST", path: "/devicecontrol/deviceAccessToken", access: access{certificatesOnly: true}, serve: createDeviceToken,
		doc: doc{Does: "Give a device that came with its certificate a token", Query: "@X-Ssl-Cert-Chain", Gives: "deviceToken", Status: http.StatusOK, Also: "400 422"}}}
}

// createDeviceToken gives a device that came with its certificate, and with
// nothing else, a device token (rest.md §4.1). The body is always sent.
func createDeviceToken(c *call) error {
	if c.who.Method != platform.ByCertificate || !c.who.IsDevice() {
		return problem.WithCode(problem.Forbidden, "security/Forbidden", "Not authorized to perform this operation.", nil)
	}
	token, err := c.api.Tokens.Issue(c.ctx(), c.who, clientHost(c.r))
	if err != nil {
		return err
	}
	c.w.Header().Set("Cache-Control", "no-store")
	c.answer(http.StatusOK, c8yjson.MediaJSON, func(w *c8yjson.Writer) {
		w.Open('{')
		w.Text("accessToken", token)
		w.Close('}')
	})
	return nil
}

// clientHost is the bare name under which the client knows this server: the
// one of its handshake, else that of the request.
func clientHost(r *http.Request) string {
	if r.TLS != nil && r.TLS.ServerName != "" {
		return r.TLS.ServerName
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.Trim(host, "[]")
}
