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

	"mooring/internal/problem"
	"mooring/internal/secret"
	"mooring/server/account"
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

// serveAdminSocket serves the REST interface on a UNIX socket that only the
// owner of the data directory can open: whoever can, may do everything.
func (s *Server) serveAdminSocket(run *group) error {
	l, err := s.opts.Listen(adminSocketName, AdminSocket(s.cfg.Data))
	if err != nil {
		return fmt.Errorf("admin socket: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /mooring/bootstrap", s.showBootstrap)
	mux.HandleFunc("POST /mooring/bootstrap", s.rotateBootstrap)
	server := s.httpServer(s.asAdministrator(byPrefix("/mooring/bootstrap", mux, s.services.rest)))
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

// showBootstrap and rotateBootstrap answer with the password by which devices
// fetch theirs; on the admin socket alone.
func (s *Server) showBootstrap(w http.ResponseWriter, r *http.Request) {
	s.answerBootstrap(w)(s.services.vault.BootstrapPassword(r.Context()))
}

func (s *Server) rotateBootstrap(w http.ResponseWriter, r *http.Request) {
	s.answerBootstrap(w)(s.services.vault.RotateBootstrap(r.Context()))
}

func (s *Server) answerBootstrap(w http.ResponseWriter) func(secret.String, error) {
	return func(password secret.String, err error) {
		if err != nil {
			s.adminProblem(w, err)
			return
		}
		writeJSON(w, http.StatusOK, map[string]string{"tenant": string(platform.Management), "user": account.BootstrapUser, "password": password.Reveal()})
	}
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
	writeJSON(w, status, map[string]string{"error": "bootstrap/" + string(problem.KindOf(err)), "message": message})
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
