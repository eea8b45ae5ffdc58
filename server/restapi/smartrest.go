package restapi

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"mooring/internal/problem"
	"mooring/internal/smartrest"
	"mooring/internal/smartrest/legacy"
	"mooring/server/platform"
	"mooring/server/templates"
)

// LegacyTemplates are the collections of SmartREST 1.0: server/templates.
type LegacyTemplates interface {
	Legacy(ctx context.Context, tenant platform.TenantID, xid string) (templates.Legacy, error)
	CreateLegacy(ctx context.Context, tenant platform.TenantID, owner, xid string, c *legacy.Collection) (platform.ID, error)
}

func (a *API) smartRESTRoutes() []route {
	return []route{{method: "POST", path: "/s", access: access{bootstrap: true}, serve: serveSmartREST, maxBody: smartrest.MaxLegacyPayload,
		doc: doc{Does: "Carry out lines of SmartREST 1.0", Query: "@X-Id", Takes: "*/*", Gives: mediaLines, Status: http.StatusOK}}}
}

// mediaLines is the media type of lines.
const mediaLines = "text/plain"

// maxLinesBytes bounds the answer to one body over HTTP, maxLinesTime what its lines
// may take together; ours. The connection is given up 120 s after the request.
const (
	maxLinesBytes = 1 << 20
	maxLinesTime  = 100 * time.Second
)

// serveSmartREST answers a body of lines. What is wrong with a line is told by a
// line, with status 200.
func serveSmartREST(c *call) error {
	if c.ctx().Value(withinKey{}) != nil {
		return problem.New(problem.NotFound, "SmartREST cannot be asked from within SmartREST.", nil)
	}
	body, err := io.ReadAll(c.r.Body)
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return problem.New(problem.TooLarge, "The request has more than 262144 bytes.", err)
	}
	if err != nil {
		return problem.New(problem.Invalid, "The request cannot be read.", err)
	}
	x := exchange{api: c.api, ctx: c.ctx(), client: LegacyClient{Principal: c.who, Host: c.host(), Address: c.r.RemoteAddr}, left: maxLinesBytes}
	if err := x.carryOut(c.r.Header.Get("X-Id"), body); err != nil {
		return err
	}
	c.bytes(http.StatusOK, mediaLines+";charset=UTF-8", x.answer())
	return nil
}

// LegacyClient is who speaks SmartREST 1.0.
type LegacyClient struct {
	Principal platform.Principal
	Host      string // name of this server as the client knows it
	Address   string
}

// SmartREST carries out a body of SmartREST 1.0 that came otherwise, and returns the
// lines of the answer, maxBytes at most. xid names the collection; empty: the body
// does. The processing mode is that of ctx.
//
// An error says that nothing of it was carried out and that it may be sent again.
func (a *API) SmartREST(ctx context.Context, client LegacyClient, xid string, body []byte, maxBytes int) ([]byte, error) {
	x := exchange{api: a, ctx: ctx, client: client, left: maxBytes, retries: true}
	if err := x.carryOut(xid, body); err != nil {
		return nil, err
	}
	return x.answer(), nil
}
