package restapi

import (
	"errors"
	"mime"
	"net/http"
	"strings"

	"mooring/internal/pki"
	"mooring/internal/problem"
	"mooring/server/c8yjson"
	"mooring/server/platform"
)

// Headers that carry a chain to be explained, and its tenant (rest.md §3.3).
const (
	headerClientChain = "X-Cumulocity-Client-Cert-Chain"
	headerTenant      = "X-Cumulocity-TenantId"
)

const (
	// maxHeaderChain bounds the certificates of the header. Those of a file are
	// bounded by the decision itself, which explains a chain that is too deep.
	maxHeaderChain = 5
	// maxTenantBytes bounds the tenant of a form.
	maxTenantBytes = 256
	// shallowChain is how many certificates a chain may have before the guide
	// asks for a proof of possession.
	shallowChain = 2
)

const proveHint = "The chain has more than two certificates: complete the proof of possession of the trusted certificate."

func (a *API) chainRoutes() []route {
	return []route{{method: "POST", path: "/tenant/trusted-certificates/verify-cert-chain",
		access: having(platform.RoleTenantManagementAdmin, platform.RoleTenantManagementRead), serve: verifyChain,
		doc: doc{Does: "Tell what a handshake with a chain would lead to", Query: "@X-Cumulocity-Client-Cert-Chain, @X-Cumulocity-TenantId",
			Takes: "form file tenantId?", Gives: "chainVerdict", Status: http.StatusOK, Also: "404"}}}
}

// verifyChain tells what a handshake with the chain would lead to: the same
// code decides.
func verifyChain(c *call) error {
	pem, named, err := sentChain(c)
	if err != nil {
		return err
	}
	if err := c.mayExplain(named); err != nil {
		return err
	}
	chain, err := pki.ParsePEMChain(pem)
	if err != nil {
		return badRequest("Cannot parse X509 certificate. : Incomplete data", err)
	}
	v := c.api.Trust.Verify(chain, c.api.now())
	if named == "" && c.tenant() != platform.Management {
		named = c.tenant()
	}
	if named != "" && v.Tenant != "" && v.Tenant != named {
		// Whose it is concerns that tenant alone.
		v = platform.Verdict{Reason: platform.ReasonUnknownIssuer, Leaf: v.Leaf}
	}
	if v.Scope != platform.Full {
		c.chainRefused(v)
		return nil
	}
	hint, err := c.chainHint(v, len(chain))
	if err != nil {
		return err
	}
	c.answer(http.StatusOK, c8yjson.MediaJSON, func(w *c8yjson.Writer) {
		w.Open('{')
		w.Bool("successfullyValidated", true)
		w.Text("tenantId", string(v.Tenant))
		w.Text("issuer", v.Leaf.Issuer)
		w.Text("subject", v.Leaf.Subject)
		if hint != "" {
			w.Text("hint", hint)
		}
		w.Close('}')
	})
	return nil
}

// sentChain finds the PEM text and the tenant: a form goes before the headers.
func sentChain(c *call) (pem []byte, tenant platform.TenantID, err error) {
	if media, _, _ := mime.ParseMediaType(multipartType(c.r)); media == "multipart/form-data" {
		parts, err := formParts(c, map[string]int{"file": pki.MaxChainBytes, "tenantId": maxTenantBytes})
		if err != nil {
			return nil, "", err
		}
		if file, ok := parts["file"]; ok {
			return file, platform.TenantID(strings.TrimSpace(string(parts["tenantId"]))), nil
		}
	}
	header := c.r.Header.Get(headerClientChain)
	switch n := strings.Count(header, "-----BEGIN"); {
	case n == 0:
		return nil, "", badRequest("Cannot parse X509 certificate. : Incomplete data", nil)
	case n > maxHeaderChain:
		return nil, "", badRequest("The header has more than 5 certificates: send them as a file.", nil)
	}
	return []byte(header), platform.TenantID(strings.TrimSpace(c.r.Header.Get(headerTenant))), nil
}

// mayExplain allows one's own tenant, and any that exists to who administers
// the instance.
func (c *call) mayExplain(named platform.TenantID) error {
	if named == "" || named == c.tenant() {
		return nil
	}
	if c.tenant() != platform.Management {
		return forbidden()
	}
	_, err := c.api.Accounts.Tenant(c.ctx(), named)
	if errors.Is(err, problem.NotFound) {
		return problem.WithCode(problem.NotFound, "Device Certificates/Not Found", "Tenant Id doesn't exists", err)
	}
	return err
}

// chainHint is what the guide advises about a chain that is accepted.
func (c *call) chainHint(v platform.Verdict, sent int) (string, error) {
	if max(sent, len(v.Serials)) <= shallowChain {
		return "", nil
	}
	t, err := c.api.Trust.Get(c.ctx(), v.Tenant, v.Anchor)
	if errors.Is(err, problem.NotFound) {
		return "", nil // deleted since
	}
	if err != nil || t.Proven || t.IsTenantCA {
		return "", err
	}
	return proveHint, nil
}

// chainRefused answers 401 as the platform does and says why.
func (c *call) chainRefused(v platform.Verdict) {
	detail := v.Detail
	if detail == "" {
		detail = v.Reason.Text()
	}
	c.answer(http.StatusUnauthorized, c8yjson.MediaError, func(w *c8yjson.Writer) {
		c8yjson.ErrorWith(w, "security/Unauthorized", "Invalid certificate chain!", func() {
			w.Text("reason", string(v.Reason))
			w.Text("explanation", v.Reason.Text())
			w.Text("detail", detail)
		})
	})
}
