package account_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"mooring/internal/problem"
	"mooring/internal/secret"
	"mooring/server/account"
	"mooring/server/platform"
)

// TestFailures holds that wrong passwords slow the addresses they come from,
// and nobody else.
func TestFailures(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s, _ := open(t, account.Config{Now: func() time.Time { return now },
		Failures: account.FailureLimits{UserBurst: 3, UserRefill: time.Minute, BlockBurst: 5, BlockRefill: time.Hour}})
	ctx := context.Background()
	check(t, s.CreateUser(ctx, admin, platform.User{Tenant: "t1", Name: "ann", Enabled: true}, secret.New(good)))
	login := func(user, password, address string) error {
		_, err := s.Authenticate(ctx, "t1", user, secret.New(password), address)
		return err
	}
	steps := []struct {
		name                    string
		user, password, address string
		later                   time.Duration
		want                    error
	}{
		{name: "right ones are free", user: "admin", password: good, address: "192.0.2.1"},
		{name: "first", user: "admin", password: "wrong horse", address: "192.0.2.1", want: problem.Unauthenticated},
		{name: "second", user: "admin", password: "wrong horse", address: "192.0.2.2", want: problem.Unauthenticated},
		{name: "right between", user: "admin", password: good, address: "192.0.2.1"},
		{name: "third", user: "admin", password: "wrong horse", address: "192.0.2.1", want: problem.Unauthenticated},
		{name: "fourth", user: "admin", password: "wrong horse", address: "192.0.2.1", want: problem.TooMany},
		{name: "right from there: no oracle", user: "admin", password: good, address: "192.0.2.1", want: problem.TooMany},
		{name: "right from elsewhere", user: "admin", password: good, address: "198.51.100.1"},
		{name: "another person from there", user: "ann", password: good, address: "192.0.2.1"},
		{name: "after a while", later: time.Minute, user: "admin", password: good, address: "192.0.2.1"},
		{name: "fourth of the block", user: "x", password: "wrong horse", address: "192.0.2.1", want: problem.Unauthenticated},
		{name: "fifth of the block", user: "y", password: "wrong horse", address: "192.0.2.1", want: problem.Unauthenticated},
		{name: "sixth of the block", user: "z", password: "wrong horse", address: "192.0.2.1", want: problem.TooMany},
		{name: "known a moment ago", user: "ann", password: good, address: "192.0.2.1"},
		{name: "nobody is locked out", user: "z", password: "wrong horse", address: "198.51.100.1", want: problem.Unauthenticated},
	}
	for _, step := range steps {
		now = now.Add(step.later)
		if err := login(step.user, step.password, step.address); !errors.Is(err, step.want) {
			t.Errorf("%s: %v, want %v", step.name, err, step.want)
		}
	}
}
