package estapi

import (
	"errors"
	"net/http"

	"mooring/internal/problem"
	"mooring/server/httpauth"
	"mooring/server/platform"
)

// tenant is the one that the label names, else that of credentials or host.
func (c *call) tenant(r *http.Request) (platform.TenantID, error) {
	if c.label == "" {
		return c.auth.Tenant(r)
	}
	t, err := c.tenants.Tenant(r.Context(), c.label)
	if errors.Is(err, problem.NotFound) {
		return "", problem.WithCode(problem.NotFound, "security/Not Found", "There is no tenant with id = "+string(c.label), err)
	}
	return t.ID, err
}

// authenticate is a way to tell who sends a request.
type authenticate func(*http.Request) (platform.Principal, error)

// principal authenticates a request by anything but an OTP. Under a label it
// must be that tenant's; a user of Basic credentials without tenant is taken
// for one of the label's.
func (c *call) principal(who authenticate) (platform.Principal, error) {
	if c.label == "" {
		return who(c.r)
	}
	tenant, err := c.tenant(c.r)
	if err != nil {
		return platform.Principal{}, err
	}
	r := c.r
	if basic, ok := httpauth.BasicCredentials(r); ok && basic.Tenant == "" {
		r = r.Clone(r.Context())
		r.SetBasicAuth(string(tenant)+"/"+basic.User, basic.Password.Reveal())
	}
	p, err := who(r)
	if err == nil && p.Tenant != tenant {
		return platform.Principal{}, problem.WithCode(problem.Unauthenticated, "security/Unauthorized",
			"Invalid credentials! : Bad credentials", errors.New("the caller is of another tenant than the label"))
	}
	return p, err
}
