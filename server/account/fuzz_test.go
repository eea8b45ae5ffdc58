package account_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"mooring/internal/problem"
	"mooring/internal/secret"
	"mooring/server/account"
	"mooring/server/platform"
)

// FuzzTenantForHost gives any host name: it leads to a tenant only by its whole
// domain or its whole ID before the instance's domain, and to no tenant by
// anything longer, shorter or nested.
func FuzzTenantForHost(f *testing.F) {
	s, _ := open(f, account.Config{Domain: "cloud.example.com"})
	ctx := context.Background()
	check(f, s.CreateTenant(ctx, platform.Tenant{ID: "t2", Domain: "devices.example.org"}, "admin", secret.New(good)))
	names := map[string]platform.TenantID{
		"t1.example.com": "t1", "t1.cloud.example.com": "t1", "devices.example.org": "t2", "t2.cloud.example.com": "t2",
	}
	for _, host := range []string{"t1.example.com", "T1.Cloud.Example.COM:443", "[t2.cloud.example.com]:8443", "devices.example.org.", "a.t1.example.com",
		"cloud.example.com", ".cloud.example.com", "management.cloud.example.com", "t1.cloud.example.com.evil.example", "[::1]:443", "", ":", "t1\x00.example.com",
		"t1.example.com/../t2", "ｔ1.example.com", strings.Repeat("a.", 1<<12)} {
		f.Add(host)
	}
	f.Fuzz(func(t *testing.T, host string) {
		got, err := s.TenantForHost(ctx, host)
		if err != nil {
			if !errors.Is(err, problem.NotFound) || got != "" {
				t.Errorf("%q: %q, %v", host, got, err)
			}
			return
		}
		found := false
		for name, id := range names {
			// What surrounds a name in a host header is a port, brackets and a final dot.
			found = found || id == got && strings.Contains(strings.ToLower(host), name) && len(host) <= len(name)+len("[].:65535")+maxPort(host)
		}
		if !found && got != "management" {
			t.Errorf("%q leads to %q", host, got)
		}
		again, err := s.TenantForHost(ctx, strings.ToUpper(strings.ToLower(host)))
		if err != nil && strings.EqualFold(strings.ToLower(strings.ToUpper(host)), host) || err == nil && again != got {
			t.Errorf("%q leads to %q, in upper case to %q, %v", host, got, again, err)
		}
	})
}

// maxPort is the length of what stands behind the last colon, which is dropped
// unread: net/http has checked it.
func maxPort(host string) int {
	return len(host) - 1 - strings.LastIndexByte(host, ':')
}
