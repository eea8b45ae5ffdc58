package restapi

import (
	"encoding/hex"
	"net/http"

	"mooring/internal/problem"
	"mooring/server/c8yjson"
	"mooring/server/platform"
)

// explainSearch is how many refusals of a name are searched for one of the very
// certificate: all that are kept (design decision 14).
const explainSearch = 20

// mooringRoutes are calls that the real platform does not have.
func (a *API) mooringRoutes() []route {
	certificates := access{certificatesOnly: true}
	return []route{
		{method: "GET", path: "/mooring/whoami", access: certificates, serve: whoami,
			doc: doc{Does: "Tell a device which of its certificates was accepted", Gives: "whoami"}},
		{method: "GET", path: "/mooring/explain", access: access{open: true, certificatesOnly: true}, serve: explain,
			doc: doc{Does: "Tell what the server thinks of the certificate of this connection", Gives: "explanation"}},
		{method: "GET", path: "/mooring/renewal", access: access{open: true, certificatesOnly: true}, serve: renewalWindow,
			doc: doc{Does: "Tell a device when to renew its certificate", Gives: "renewalWindow", Also: "403"}},
		{method: "GET", path: "/mooring/refusals", access: having(platform.RoleTenantAdmin, platform.RoleTenantManagementRead), serve: listRefusals,
			doc: doc{Does: "List why devices were refused", Query: "cn, paging", Gives: "refusalCollection"}},
	}
}

// whoami tells a device which of its certificates was accepted.
func whoami(c *call) error {
	if c.who.Method != platform.ByCertificate {
		return forbidden()
	}
	v, err := c.api.auth.Verdict(c.r)
	if err != nil {
		return err
	}
	c.answer(http.StatusOK, c8yjson.MediaJSON, func(w *c8yjson.Writer) {
		w.Open('{')
		w.Text("tenant", string(c.who.Tenant))
		w.Text("device", c.who.Device)
		w.Text("serial", v.Leaf.Serial)
		w.Text("fingerprint_sha256", hex.EncodeToString(v.Leaf.Fingerprint[:]))
		w.Time("not_after", v.Leaf.NotAfter)
		w.Close('}')
	})
	return nil
}

// explain tells who proved the key of a certificate in the handshake what the
// server thinks of it: the verdict on the chain of this connection now, and
// the last refusal of this very leaf. It speaks of no other certificate.
func explain(c *call) error {
	v, err := c.api.auth.Verdict(c.r)
	if err != nil {
		return err
	}
	last, found, err := lastRefusal(c, v)
	if err != nil {
		return err
	}
	reason, detail := string(v.Reason), v.Detail
	if detail == "" {
		detail = v.Reason.Text()
	}
	if v.Reason == platform.Accepted {
		reason = "accepted"
	}
	c.answer(http.StatusOK, c8yjson.MediaJSON, func(w *c8yjson.Writer) {
		w.Open('{')
		w.Text("reason", reason)
		w.Text("detail", detail)
		w.Time("time", c.api.now())
		w.Text("subject", v.Leaf.Subject)
		w.Text("serial", v.Leaf.Serial)
		if found {
			w.Key("last_refusal")
			refusal(w, last)
		}
		w.Close('}')
	})
	return nil
}

// lastRefusal finds the newest refusal of the leaf of v.
func lastRefusal(c *call, v platform.Verdict) (platform.Refusal, bool, error) {
	if v.Device == "" || v.Leaf.Fingerprint == [32]byte{} {
		return platform.Refusal{}, false, nil
	}
	tenant := v.Tenant
	if tenant == "" {
		tenant = platform.Management
	}
	list, err := c.api.Refusals.List(c.ctx(), tenant, v.Device, platform.Page{Number: 1, Size: explainSearch})
	if err != nil && problem.KindOf(err) != problem.NotFound {
		return platform.Refusal{}, false, err
	}
	for _, r := range list.Items {
		if r.Leaf.Fingerprint == v.Leaf.Fingerprint {
			return r, true, nil
		}
	}
	return platform.Refusal{}, false, nil
}

// refusal writes r without the address and the name, which a device knows of
// itself and an administrator reads beside it.
func refusal(w *c8yjson.Writer, r platform.Refusal) {
	w.Open('{')
	refusalFacts(w, r)
	w.Close('}')
}

func refusalFacts(w *c8yjson.Writer, r platform.Refusal) {
	detail := r.Detail
	if detail == "" {
		detail = r.Reason.Text()
	}
	w.Text("reason", string(r.Reason))
	w.Text("detail", detail)
	w.Time("time", r.At)
	w.Text("door", r.Door)
}

// listRefusals shows an administrator why devices of the tenant were refused.
func listRefusals(c *call) error {
	p, err := c.paging()
	if err != nil {
		return err
	}
	list, err := c.api.Refusals.List(c.ctx(), c.tenant(), c.query.Get("cn"), p.Page)
	if err != nil {
		return err
	}
	collection(c, c8yjson.MediaJSON, "refusals", p, list, func(w *c8yjson.Writer, r platform.Refusal) {
		w.Open('{')
		w.Text("cn", r.CN)
		refusalFacts(w, r)
		w.Text("text", r.Reason.Text())
		w.Text("address", r.Address)
		if r.Leaf.Serial != "" {
			w.Text("subject", r.Leaf.Subject)
			w.Text("issuer", r.Leaf.Issuer)
			w.Text("serial", r.Leaf.Serial)
			w.Text("fingerprint_sha256", hex.EncodeToString(r.Leaf.Fingerprint[:]))
			w.Time("not_before", r.Leaf.NotBefore)
			w.Time("not_after", r.Leaf.NotAfter)
		}
		w.Close('}')
	})
	return nil
}
