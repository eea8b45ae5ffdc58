package restapi

import (
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"mooring/internal/problem"
	"mooring/internal/secret"
	"mooring/server/account"
	"mooring/server/c8yjson"
	"mooring/server/devicetoken"
	"mooring/server/httpauth"
	"mooring/server/platform"
)

// maxLoginBytes bounds the form of a login; a name and a password together stay
// below 1 KiB.
const maxLoginBytes = 8 << 10

func (a *API) loginRoutes() []route {
	return []route{
		{method: "GET", path: "/tenant/loginOptions", access: anyone, serve: listLoginOptions,
			doc: doc{Does: "List the ways to log in", Query: "tenantId, management: boolean", Gives: "loginOptionCollection"}},
		{method: "POST", path: "/tenant/oauth/token", access: anyone, serve: loginForToken,
			doc: doc{Does: "Log in and get a token", Query: "tenant_id", Takes: "application/x-www-form-urlencoded", Gives: "accessToken", Also: "401", Status: http.StatusOK}},
		{method: "POST", path: "/tenant/oauth", access: anyone, serve: loginForCookies,
			doc: doc{Does: "Log in and get cookies", Query: "tenant_id", Takes: "application/x-www-form-urlencoded", Also: "401", Status: http.StatusOK}},
		{method: "POST", path: "/user/logout", access: user, serve: logout,
			doc: doc{Does: "Log out", Status: http.StatusOK}},
		{method: "POST", path: "/user/logout/{tenant}/allUsers", access: having(platform.RoleUserAdmin), serve: logoutAll,
			doc: doc{Does: "End every login of the tenant", Status: http.StatusOK}},
	}
}

// listLoginOptions tells clients how to log in, before they have (rest.md §4.4).
func listLoginOptions(c *call) error {
	tenant := c.query.Get("tenantId")
	if tenant != "" && c.asks("management") {
		return problem.WithCode(problem.Invalid, "LoginOptions/Bad Request",
			"Do not use 'management' flag while querying loginOptions of tenant with id "+cut(tenant), nil)
	}
	if c.asks("management") {
		tenant = string(platform.Management)
	}
	if tenant == "" {
		id, err := c.api.Accounts.TenantForHost(c.ctx(), c.r.Host)
		if err != nil && problem.KindOf(err) != problem.NotFound {
			return err
		}
		tenant = string(id)
	}
	request := c.base() + "/tenant/oauth"
	if tenant != "" {
		request += "?tenant_id=" + url.QueryEscape(tenant)
	}
	lifespan, err := c.api.Tokens.LoginLifespan(c.ctx(), platform.TenantID(tenant))
	if err != nil {
		return err
	}
	c.answer(http.StatusOK, c8yjson.MediaLoginOptions, func(w *c8yjson.Writer) {
		c8yjson.LoginOptions(w, c.base(), devicetoken.LoginOption, request, lifespan, account.MinPasswordBytes)
	})
	return nil
}

// login reads the form of a login and proves the password in it.
func login(c *call) (token, xsrf string, err error) {
	form, err := loginForm(c)
	if err != nil {
		return "", "", err
	}
	tenant := platform.TenantID(c.query.Get("tenant_id"))
	name := form.Get("username")
	if before, after, named := strings.Cut(name, "/"); named && tenant == "" {
		tenant, name = platform.TenantID(before), after
	}
	if tenant == "" {
		tenant, err = c.api.Accounts.TenantForHost(c.ctx(), c.r.Host)
	} else {
		_, err = c.api.Accounts.Tenant(c.ctx(), tenant)
	}
	if problem.KindOf(err) == problem.NotFound {
		return "", "", badLogin(err)
	}
	if err != nil {
		return "", "", err
	}
	p, err := c.api.Accounts.Authenticate(c.ctx(), tenant, name, secret.New(form.Get("password")), httpauth.Address(c.r))
	if err != nil {
		return "", "", err
	}
	if p.Has(platform.RoleDeviceBootstrap) {
		return "", "", badLogin(nil)
	}
	return c.api.Tokens.IssueLogin(c.ctx(), p, bareHost(c.r.Host))
}

func badLogin(cause error) error {
	return problem.WithCode(problem.Unauthenticated, "security/Unauthorized", "Invalid credentials! : Bad credentials", cause)
}

func loginForm(c *call) (url.Values, error) {
	body, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, maxLoginBytes))
	if err != nil {
		return nil, problem.New(problem.TooLarge, "The form is longer than 8 KiB.", err)
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, problem.New(problem.Invalid, "The form is malformed.", err)
	}
	if kind := form.Get("grant_type"); kind != "PASSWORD" {
		return nil, problem.New(problem.Unprocessable, "'grant_type' must be PASSWORD.", nil)
	}
	return form, nil
}

func bareHost(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	return hostport
}

func loginForToken(c *call) error {
	token, _, err := login(c)
	if err != nil {
		return err
	}
	c.w.Header().Set("Cache-Control", "no-store")
	c.answer(http.StatusOK, c8yjson.MediaJSON, func(w *c8yjson.Writer) {
		w.Open('{')
		w.Text("access_token", token)
		w.Close('}')
	})
	return nil
}

func loginForCookies(c *call) error {
	token, xsrf, err := login(c)
	if err != nil {
		return err
	}
	c.setCookies(token, xsrf, 0)
	c.empty(http.StatusOK)
	return nil
}

// setCookies sets or, with a negative age, clears the cookies of a login. The
// page reads the second one to repeat it in a header.
func (c *call) setCookies(token, xsrf string, maxAge int) {
	for _, cookie := range []http.Cookie{
		{Name: httpauth.TokenCookie, Value: token, HttpOnly: true},
		{Name: httpauth.XSRFCookie, Value: xsrf},
	} {
		cookie.Path, cookie.Secure, cookie.SameSite, cookie.MaxAge = "/", true, http.SameSiteLaxMode, maxAge
		http.SetCookie(c.w, &cookie)
	}
}

func logout(c *call) error {
	if err := c.api.Accounts.Logout(c.ctx(), c.who); err != nil {
		return err
	}
	c.setCookies("", "", -1)
	c.empty(http.StatusOK)
	return nil
}

func logoutAll(c *call) error {
	if err := c.ownTenant(); err != nil {
		return err
	}
	if err := c.api.Accounts.LogoutAll(c.ctx(), c.actor()); err != nil {
		return err
	}
	c.empty(http.StatusOK)
	return nil
}
