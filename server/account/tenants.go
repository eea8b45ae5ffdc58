package account

import (
	"context"
	"errors"
	"net"
	"regexp"
	"strings"

	"mooring/internal/problem"
	"mooring/internal/secret"
	"mooring/server/platform"
)

// tenantPattern is what a tenant ID looks like: the platform's own are "t"
// and digits. It appears in paths, JWTs and the subject of the tenant's CA.
var tenantPattern = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,31}$`)

// domainPattern is a host name of at most 253 bytes (RFC 1123 §2.1).
var domainPattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$`)

const maxDomainBytes = 253

// directory is all tenants, for look-ups.
type directory struct {
	byID     map[platform.TenantID]platform.Tenant
	byDomain map[string]platform.TenantID
	only     platform.TenantID // the one tenant besides management, if there is just one
}

// CreateTenant adds a tenant with its first administrator. An empty domain is
// allowed: such a tenant is reached by "tenant/user" or as the only one.
//
// Errors: problem.Unprocessable for a malformed name, domain or password,
// problem.Conflict if the ID or the domain is taken.
func (s *Service) CreateTenant(ctx context.Context, t platform.Tenant, adminName string, password secret.String) error {
	t.Domain = strings.ToLower(t.Domain)
	if t.Domain == "" && s.domain != "" && t.ID != platform.Management {
		t.Domain = string(t.ID) + "." + s.domain
	}
	switch {
	case !tenantPattern.MatchString(string(t.ID)):
		return problem.New(problem.Unprocessable, "A tenant ID is a small letter followed by up to 31 small letters, digits, '_' or '-'.", nil)
	case t.Domain != "" && (len(t.Domain) > maxDomainBytes || !domainPattern.MatchString(t.Domain)):
		return problem.New(problem.Unprocessable, "The domain is not a host name.", nil)
	}
	if err := checkUserName(adminName); err != nil {
		return err
	}
	hash, err := s.passwordCost.Hash(password)
	if err != nil {
		return err
	}
	now := platform.Millis(s.now())
	if t.Created.IsZero() {
		t.Created = now
	}
	admin := platform.User{Tenant: t.ID, Name: adminName, PasswordHash: hash, Groups: []platform.ID{GroupAdmins},
		Enabled: true, Created: now, PasswordSet: now}
	err = s.tenants.CreateTenant(ctx, t, admin, platform.AuditRecord{Tenant: t.ID, At: now, Type: "Tenant",
		Activity: "Tenant created", Text: "Tenant '" + string(t.ID) + "' created", Source: string(t.ID)})
	s.forgetTenants()
	if errors.Is(err, problem.Conflict) {
		return problem.New(problem.Conflict, "The tenant ID or the domain is taken.", err)
	}
	return err
}

// Tenant returns a tenant; problem.NotFound if there is none.
func (s *Service) Tenant(ctx context.Context, id platform.TenantID) (platform.Tenant, error) {
	d, err := s.directory(ctx)
	if err != nil {
		return platform.Tenant{}, err
	}
	t, ok := d.byID[id]
	if !ok {
		return platform.Tenant{}, problem.WithCode(problem.NotFound, "security/Not Found", "There is no tenant with id = "+string(id), nil)
	}
	return t, nil
}

// Tenants lists all tenants in the order of their creation.
func (s *Service) Tenants(ctx context.Context) ([]platform.Tenant, error) {
	return s.tenants.Tenants(ctx)
}

// TenantForHost returns the tenant that a client means by the host it used:
// the one with that domain, or with that ID before the domain of the instance,
// else the only one besides management.
// problem.NotFound if neither helps.
func (s *Service) TenantForHost(ctx context.Context, host string) (platform.TenantID, error) {
	d, err := s.directory(ctx)
	if err != nil {
		return "", err
	}
	host = bareHost(host)
	if id, ok := d.byDomain[host]; ok {
		return id, nil
	}
	if name, ok := strings.CutSuffix(host, "."+s.domain); ok && s.domain != "" {
		if t, ok := d.byID[platform.TenantID(name)]; ok {
			return t.ID, nil
		}
	}
	if d.only != "" {
		return d.only, nil
	}
	return "", problem.WithCode(problem.NotFound, "security/Not Found", "No tenant has this host name.", nil)
}

// bareHost drops port, brackets, a final dot and the case.
func bareHost(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
}

func (s *Service) directory(ctx context.Context) (*directory, error) {
	s.mu.Lock()
	known, forgot := s.known, s.forgot
	s.mu.Unlock()
	if known != nil {
		return known, nil
	}
	tenants, err := s.tenants.Tenants(ctx)
	if err != nil {
		return nil, err
	}
	d := newDirectory(tenants)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.forgot == forgot {
		s.known = d
	}
	return d, nil
}

func newDirectory(tenants []platform.Tenant) *directory {
	d := &directory{byID: map[platform.TenantID]platform.Tenant{}, byDomain: map[string]platform.TenantID{}}
	customers := 0
	for _, t := range tenants {
		d.byID[t.ID] = t
		if t.Domain != "" {
			d.byDomain[strings.ToLower(t.Domain)] = t.ID
		}
		if t.ID != platform.Management {
			customers++
			d.only = t.ID
		}
	}
	if customers != 1 {
		d.only = ""
	}
	return d
}

func (s *Service) forgetTenants() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known = nil
	s.forgot++
}
