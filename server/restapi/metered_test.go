package restapi_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"mooring/server/platform"
	"mooring/server/restapi"
)

// witness notes whether what it is asked counts against the tenant's share.
type witness struct {
	restapi.Retention
	metered bool
}

func (w *witness) List(ctx context.Context, tenant platform.TenantID, page platform.Page) (platform.List[platform.RetentionRule], error) {
	w.metered = platform.IsMetered(ctx)
	return w.Retention.List(ctx, tenant, page)
}

// TestReadsAreMetered sees that what a call reads counts against the share of its
// tenant, and what its login reads does not.
func TestReadsAreMetered(t *testing.T) {
	r := newRig(t)
	cfg := r.api.Config
	w := &witness{Retention: cfg.Retention}
	login := &loginWitness{Authenticator: cfg.Auth}
	cfg.Retention, cfg.Auth = w, login
	req := httptest.NewRequest("GET", "/retention/retentions", nil)
	req.Host = tenantHost
	req.SetBasicAuth("admin", adminPassword)
	answer := httptest.NewRecorder()
	restapi.New(cfg).ServeHTTP(answer, req)
	if answer.Code != 200 || !w.metered || login.metered {
		t.Errorf("status %d, metered %v, login metered %v", answer.Code, w.metered, login.metered)
	}
}

type loginWitness struct {
	restapi.Authenticator
	metered bool
}

func (w *loginWitness) Principal(r *http.Request) (platform.Principal, error) {
	w.metered = platform.IsMetered(r.Context())
	return w.Authenticator.Principal(r)
}
