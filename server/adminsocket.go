package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"mooring/internal/problem"
	"mooring/internal/secret"
	"mooring/server/httpauth"
	"mooring/server/platform"
)

// TenantHeader names the tenant an administrative request is for; it may be
// left out while there is one tenant besides management.
const TenantHeader = "X-Mooring-Tenant"

// AdminSocket is the path of the admin socket of a data directory.
func AdminSocket(data string) string { return filepath.Join(data, "admin.sock") }

// adminSocketName is the admin socket's name among the listeners.
const adminSocketName = "admin.sock"

// listenUnix opens a socket that only its owner can open. A socket left by a
// killed server is removed: the directory's lock says that nobody uses it.
func listenUnix(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// maxAdminBody bounds a body on the admin socket's own resources.
const maxAdminBody = 64 << 10

// serveAdminSocket serves the REST interface on a UNIX socket that only the
// owner of the data directory can open: whoever can, may do everything.
func (s *Server) serveAdminSocket(run *group) error {
	l, err := s.opts.Listen(adminSocketName, AdminSocket(s.cfg.Data))
	if err != nil {
		return fmt.Errorf("admin socket: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /tenant/tenants", s.listTenants)
	mux.HandleFunc("POST /tenant/tenants", s.createTenant)
	mux.Handle("/", s.services.rest)
	server := s.httpServer(s.asAdministrator(mux))
	run.serve(adminSocketName, func() error { return server.Serve(l) }, server.Shutdown)
	return nil
}

// asAdministrator makes every request one of the instance's owner, for the
// tenant the request names.
func (s *Server) asAdministrator(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tenant, err := s.adminTenant(r)
		if err != nil {
			writeJSON(w, http.StatusNotFound, map[string]string{"error": "security/Not Found", "message": err.Error()})
			return
		}
		p := platform.Principal{Tenant: tenant, User: "root", Roles: platform.AdminRoles, Method: platform.ByAdminSocket}
		next.ServeHTTP(w, r.WithContext(httpauth.WithPrincipal(r.Context(), p)))
	})
}

func (s *Server) adminTenant(r *http.Request) (platform.TenantID, error) {
	if id := r.Header.Get(TenantHeader); id != "" {
		t, err := s.services.accounts.Tenant(r.Context(), platform.TenantID(id))
		if err != nil {
			return "", fmt.Errorf("there is no tenant %q", id)
		}
		return t.ID, nil
	}
	tenants, err := s.services.accounts.Tenants(r.Context())
	if err != nil {
		return "", err
	}
	var customers []platform.TenantID
	for _, t := range tenants {
		if t.ID != platform.Management {
			customers = append(customers, t.ID)
		}
	}
	switch len(customers) {
	case 1:
		return customers[0], nil
	case 0:
		return platform.Management, nil
	}
	return "", errors.New("there are several tenants: name one")
}

type tenantJSON struct {
	ID           string        `json:"id"`
	Domain       string        `json:"domain"`
	CreationTime string        `json:"creationTime,omitempty"`
	AdminName    string        `json:"adminName,omitempty"`
	AdminPass    secret.String `json:"adminPass,omitzero"`
}

func (s *Server) listTenants(w http.ResponseWriter, r *http.Request) {
	tenants, err := s.services.accounts.Tenants(r.Context())
	if err != nil {
		s.adminProblem(w, err)
		return
	}
	list := make([]tenantJSON, len(tenants))
	for i, t := range tenants {
		list[i] = tenantJSON{ID: string(t.ID), Domain: t.Domain, CreationTime: t.Created.UTC().Format(time.RFC3339)}
	}
	writeJSON(w, http.StatusOK, map[string]any{"tenants": list})
}

func (s *Server) createTenant(w http.ResponseWriter, r *http.Request) {
	var in tenantJSON
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxAdminBody)).Decode(&in); err != nil {
		s.adminProblem(w, problem.New(problem.Invalid, "the body is no tenant", err))
		return
	}
	if in.Domain == "" {
		in.Domain = s.cfg.TenantDomain(in.ID)
	}
	err := s.services.accounts.CreateTenant(r.Context(), platform.Tenant{ID: platform.TenantID(in.ID), Domain: in.Domain}, in.AdminName, in.AdminPass)
	if err != nil {
		s.adminProblem(w, err)
		return
	}
	writeJSON(w, http.StatusCreated, tenantJSON{ID: in.ID, Domain: in.Domain})
}

// adminStatus is the status of a kind on the admin socket's own resources;
// other kinds are 500.
var adminStatus = map[problem.Kind]int{
	problem.Invalid: http.StatusBadRequest, problem.Unprocessable: http.StatusUnprocessableEntity,
	problem.Conflict: http.StatusConflict, problem.NotFound: http.StatusNotFound, problem.Unavailable: http.StatusServiceUnavailable,
}

func (s *Server) adminProblem(w http.ResponseWriter, err error) {
	status, known := adminStatus[problem.KindOf(err)]
	message := "internal error"
	if p, ok := errors.AsType[*problem.Error](err); ok && known {
		message = p.Detail
	}
	if !known {
		status = http.StatusInternalServerError
		s.log.Error("admin request failed", "err", err)
	}
	writeJSON(w, status, map[string]string{"error": "tenant/" + string(problem.KindOf(err)), "message": message})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the peer may have gone
}

// httpServer is a server with the bounds every HTTP listener has.
func (s *Server) httpServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: s.cfg.Limits.ConnectWithin,
		ReadTimeout:       readWithin,
		WriteTimeout:      writeWithin,
		IdleTimeout:       idleWithin,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          logAdapter(s.log),
		BaseContext:       func(net.Listener) context.Context { return context.Background() },
	}
}
