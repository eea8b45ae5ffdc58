package account_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"mooring/internal/durable/durabletest"
	"mooring/internal/problem"
	"mooring/internal/secret"
	"mooring/server/account"
	"mooring/server/platform"
	"mooring/server/sqlstore"
)

const good = "correct horse"

var admin = platform.Principal{Tenant: "t1", User: "admin"}

// open returns a Service on a real store that tells it of changes, with the
// tenant t1 and its user admin.
func open(t testing.TB, c account.Config) (*account.Service, *sqlstore.Store) {
	t.Helper()
	var s *account.Service
	store, err := sqlstore.OpenSQLite(context.Background(), durabletest.Dir(t), sqlstore.Options{OnCommit: func(changes []platform.Change) {
		for _, c := range changes {
			check(t, s.Apply(context.Background(), c))
		}
	}})
	check(t, err)
	t.Cleanup(func() { check(t, store.Close()) })
	c.Tenants, c.Users, c.Options, c.Groups, c.IDs = store, store, store, store, store
	s = account.New(c)
	check(t, s.CreateTenant(context.Background(), platform.Tenant{ID: "t1", Domain: "t1.example.com"}, "admin", secret.New(good)))
	return s, store
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestAuthenticate(t *testing.T) {
	s, _ := open(t, account.Config{})
	ctx := context.Background()
	check(t, s.CreateUser(ctx, admin, platform.User{Tenant: "t1", Name: "off"}, secret.New(good)))
	tests := []struct {
		name           string
		tenant         platform.TenantID
		user, password string
		wantErr        error
	}{
		{name: "right", tenant: "t1", user: "admin", password: good},
		{name: "right again", tenant: "t1", user: "admin", password: good},
		{name: "wrong", tenant: "t1", user: "admin", password: "wrong horse", wantErr: problem.Unauthenticated},
		{name: "empty", tenant: "t1", user: "admin", wantErr: problem.Unauthenticated},
		{name: "too long", tenant: "t1", user: "admin", password: strings.Repeat("x", 257), wantErr: problem.Unauthenticated},
		{name: "unknown user", tenant: "t1", user: "nobody", password: good, wantErr: problem.Unauthenticated},
		{name: "unknown tenant", tenant: "t2", user: "admin", password: good, wantErr: problem.Unauthenticated},
		{name: "disabled", tenant: "t1", user: "off", password: good, wantErr: problem.Unauthenticated},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := s.Authenticate(ctx, tt.tenant, tt.user, secret.New(tt.password), "192.0.2.1")
			if tt.wantErr != nil {
				if !errors.Is(err, tt.wantErr) || err.Error() != "Invalid credentials! : Bad credentials" {
					t.Errorf("got %+v, %v; want %v", p, err, tt.wantErr)
				}
				return
			}
			if err != nil || p.Tenant != "t1" || p.User != "admin" || p.Method != platform.ByPassword || !p.Has(platform.RoleTenantAdmin) {
				t.Errorf("got %+v, %v", p, err)
			}
		})
	}
}

// TestVerifiedIsForgotten sees that a password that was just verified counts
// no longer than the user has it.
func TestVerifiedIsForgotten(t *testing.T) {
	ctx := context.Background()
	login := func(s *account.Service, password string) error {
		_, err := s.Authenticate(ctx, "t1", "admin", secret.New(password), "192.0.2.1")
		return err
	}
	t.Run("new password", func(t *testing.T) {
		s, _ := open(t, account.Config{})
		check(t, login(s, good))
		check(t, s.SetPassword(ctx, admin, "t1", "admin", secret.New("another horse")))
		if err := login(s, good); !errors.Is(err, problem.Unauthenticated) {
			t.Errorf("the old password gives %v", err)
		}
		check(t, login(s, "another horse"))
	})
	t.Run("disabled", func(t *testing.T) {
		s, _ := open(t, account.Config{})
		check(t, login(s, good))
		check(t, s.SetEnabled(ctx, admin, "t1", "admin", false))
		if err := login(s, good); !errors.Is(err, problem.Unauthenticated) {
			t.Errorf("a disabled user gets %v", err)
		}
	})
	t.Run("by another node", func(t *testing.T) {
		s, store := open(t, account.Config{})
		check(t, login(s, good))
		u, err := store.User(ctx, "t1", "admin")
		check(t, err)
		u.Enabled = false
		check(t, store.PutUser(ctx, u)) // the store tells the service
		if err := login(s, good); !errors.Is(err, problem.Unauthenticated) {
			t.Errorf("a disabled user gets %v", err)
		}
	})
}

// TestVerifiedExpires counts how often the store is asked: not while a
// password is remembered, and again from the end of that time.
func TestVerifiedExpires(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	_, store := open(t, account.Config{})
	users := &counting{people: store}
	s := account.New(account.Config{Tenants: store, Users: users, Groups: store, IDs: store, Options: store, Now: func() time.Time { return now }})
	for _, step := range []struct {
		after time.Duration
		want  int
	}{{0, 1}, {account.VerifiedTime - 1, 1}, {1, 2}, {0, 2}} {
		now = now.Add(step.after)
		_, err := s.Authenticate(context.Background(), "t1", "admin", secret.New(good), "192.0.2.1")
		check(t, err)
		if users.asked != step.want {
			t.Errorf("asked %d times, want %d", users.asked, step.want)
		}
	}
}

type people interface{ platform.Users }

type counting struct {
	people
	asked int
}

func (c *counting) User(ctx context.Context, tenant platform.TenantID, name string) (platform.User, error) {
	c.asked++
	return c.people.User(ctx, tenant, name)
}

// TestTooManyLogins lets more log in at once than may be hashed in the time
// they wait: some get in, the others are told to come back, none hangs.
func TestTooManyLogins(t *testing.T) {
	s, _ := open(t, account.Config{Verifications: 1, MaxWait: time.Nanosecond})
	var wg sync.WaitGroup
	results := make(chan error, 16)
	for range cap(results) {
		wg.Go(func() {
			_, err := s.Authenticate(context.Background(), "t1", "nobody", secret.New("wrong horse"), "192.0.2.1")
			results <- err
		})
	}
	wg.Wait()
	close(results)
	kinds := map[problem.Kind]int{}
	for err := range results {
		kinds[problem.KindOf(err)]++
		if errors.Is(err, problem.TooMany) && problem.RetryAfter(err) <= 0 {
			t.Error("no time to come back")
		}
	}
	if kinds[problem.TooMany] == 0 || kinds[problem.TooMany]+kinds[problem.Unauthenticated] != cap(results) {
		t.Errorf("got %v", kinds)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, _ = s.Authenticate(ctx, "t1", "nobody", secret.New("wrong horse"), "192.0.2.1") // returns, whatever it says
}

func TestTenantForHost(t *testing.T) {
	s, _ := open(t, account.Config{})
	ctx := context.Background()
	check(t, s.CreateTenant(ctx, platform.Tenant{ID: platform.Management}, "admin", secret.New(good)))
	host := func(h string) platform.TenantID {
		id, err := s.TenantForHost(ctx, h)
		if err != nil && !errors.Is(err, problem.NotFound) {
			t.Fatal(err)
		}
		return id
	}
	for _, h := range []string{"t1.example.com", "T1.EXAMPLE.COM:443", "t1.example.com.", "anything", "127.0.0.1:9443", "[::1]:9443", ""} {
		if got := host(h); got != "t1" {
			t.Errorf("%q is %q while t1 is the only tenant", h, got)
		}
	}
	check(t, s.CreateTenant(ctx, platform.Tenant{ID: "t2", Domain: "T2.example.com"}, "admin", secret.New(good)))
	for h, want := range map[string]platform.TenantID{"t1.example.com": "t1", "t2.example.com:8443": "t2", "anything": "", "": "", "example.com": ""} {
		if got := host(h); got != want {
			t.Errorf("%q is %q, want %q", h, got, want)
		}
	}
}

func TestCreateTenant(t *testing.T) {
	s, _ := open(t, account.Config{})
	tests := []struct {
		name         string
		id           platform.TenantID
		domain, user string
		password     string
		wantErr      error
	}{
		{name: "32 characters", id: platform.TenantID("t" + strings.Repeat("1", 31)), user: "admin", password: good},
		{name: "33 characters", id: platform.TenantID("t" + strings.Repeat("1", 32)), user: "admin", password: good, wantErr: problem.Unprocessable},
		{name: "no name", user: "admin", password: good, wantErr: problem.Unprocessable},
		{name: "slash", id: "a/b", user: "admin", password: good, wantErr: problem.Unprocessable},
		{name: "taken", id: "t1", user: "admin", password: good, wantErr: problem.Conflict},
		{name: "domain taken", id: "t3", domain: "T1.example.com", user: "admin", password: good, wantErr: problem.Conflict},
		{name: "bad domain", id: "t4", domain: "a_b.example", user: "admin", password: good, wantErr: problem.Unprocessable},
		{name: "device as administrator", id: "t5", user: "device_x", password: good, wantErr: problem.Unprocessable},
		{name: "colon in the user", id: "t5", user: "a:b", password: good, wantErr: problem.Unprocessable},
		{name: "7 bytes", id: "t6", user: "admin", password: "1234567", wantErr: problem.Unprocessable},
		{name: "8 bytes", id: "t6", user: "admin", password: "12345678"},
		{name: "256 bytes", id: "t7", user: "admin", password: strings.Repeat("x", 256)},
		{name: "257 bytes", id: "t8", user: "admin", password: strings.Repeat("x", 257), wantErr: problem.Unprocessable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := s.CreateTenant(context.Background(), platform.Tenant{ID: tt.id, Domain: tt.domain}, tt.user, secret.New(tt.password))
			if tt.wantErr == nil {
				check(t, err)
				_, err = s.Authenticate(context.Background(), tt.id, tt.user, secret.New(tt.password), "192.0.2.1")
			}
			if !errors.Is(err, tt.wantErr) {
				t.Errorf("got %v, want %v", err, tt.wantErr)
			}
		})
	}
}

func TestOptions(t *testing.T) {
	s, store := open(t, account.Config{})
	ctx := context.Background()
	key := platform.OptionTokenLifespan
	want := func(value string, set bool) {
		t.Helper()
		if v, ok, err := s.Option(ctx, "t1", key); v != value || ok != set || err != nil {
			t.Errorf("got %q, %v, %v; want %q, %v", v, ok, err, value, set)
		}
	}
	want("", false)
	want("", false) // from the cache
	check(t, s.SetOption(ctx, admin, "t1", key, "600"))
	want("600", true)
	check(t, store.SetOptions(ctx, "t1", []platform.Option{{OptionKey: key, Value: "700"}})) // as another node
	want("700", true)
	check(t, s.DeleteOption(ctx, admin, "t1", key))
	want("", false)
	if err := s.DeleteOption(ctx, admin, "t1", key); !errors.Is(err, problem.NotFound) {
		t.Errorf("got %v", err)
	}
	if v, ok, err := s.Option(ctx, "t2", key); ok || v != "" || err != nil && !errors.Is(err, problem.NotFound) {
		t.Errorf("another tenant has %q, %v, %v", v, ok, err)
	}
	for n, wantErr := range map[int]error{255: nil, 256: nil, 257: problem.Unprocessable} {
		err := s.SetOption(ctx, admin, "t1", platform.OptionKey{Category: "c", Key: strings.Repeat("k", n)}, "v")
		if !errors.Is(err, wantErr) {
			t.Errorf("key of %d bytes: got %v, want %v", n, err, wantErr)
		}
	}
	for n, wantErr := range map[int]error{account.MaxOptionValueBytes: nil, account.MaxOptionValueBytes + 1: problem.Unprocessable} {
		if err := s.SetOption(ctx, admin, "t1", key, strings.Repeat("v", n)); !errors.Is(err, wantErr) {
			t.Errorf("value of %d bytes: got %v, want %v", n, err, wantErr)
		}
	}
}

func TestFeatures(t *testing.T) {
	s, _ := open(t, account.Config{})
	ctx := context.Background()
	on := func() bool {
		t.Helper()
		v, err := s.Feature(ctx, "t1", platform.FeatureCertificateAuthority)
		check(t, err)
		return v
	}
	if !on() {
		t.Error("the certificate authority is off at first")
	}
	check(t, s.SetFeature(ctx, admin, "t1", platform.FeatureCertificateAuthority, false))
	if on() {
		t.Error("it is on although it was switched off")
	}
	check(t, s.ResetFeature(ctx, admin, "t1", platform.FeatureCertificateAuthority))
	check(t, s.ResetFeature(ctx, admin, "t1", platform.FeatureCertificateAuthority))
	if !on() {
		t.Error("it is off without an override")
	}
	if _, err := s.Feature(ctx, "t1", "none"); !errors.Is(err, problem.NotFound) {
		t.Errorf("got %v", err)
	}
}

func BenchmarkVerifiedLogin(b *testing.B) {
	s, _ := open(b, account.Config{})
	for b.Loop() {
		if _, err := s.Authenticate(context.Background(), "t1", "admin", secret.New(good), "192.0.2.1"); err != nil {
			b.Fatal(err)
		}
	}
}
