package deviceauth_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"mooring/internal/problem"
	"mooring/internal/secret"
	"mooring/server/deviceauth"
	"mooring/server/platform"
)

func TestPassword(t *testing.T) {
	off := passwordUser("off", "right")
	off.Enabled = false
	long := strings.Repeat("x", 1024)
	converted := passwordUser("converted", "right") // its old password is still in the row
	converted.Credential = platform.CredentialCertificate
	users := []platform.DeviceUser{converted, passwordUser("dev1", "right"), passwordUser("long", long), certificateUser("cert"), off}
	for _, tt := range []struct {
		name, user, password string
		want                 platform.Reason
		wantErr              error
	}{
		{name: "right", user: "device_dev1", password: "right"},
		{name: "1024 bytes", user: "device_long", password: long},
		{"1025 bytes", "device_long", long + "x", platform.ReasonBadCredentials, problem.Unauthenticated},
		{"wrong", "device_dev1", "wrong", platform.ReasonBadCredentials, problem.Unauthenticated},
		{"empty", "device_dev1", "", platform.ReasonBadCredentials, problem.Unauthenticated},
		{"unknown", "device_nobody", "right", platform.ReasonBadCredentials, problem.Unauthenticated},
		{"no device user", "dev1", "right", platform.ReasonBadCredentials, problem.Unauthenticated},
		{"certificate user", "device_cert", "", platform.ReasonBadCredentials, problem.Unauthenticated},
		{"converted to certificates", "device_converted", "right", platform.ReasonBadCredentials, problem.Unauthenticated},
		{"disabled, right", "device_off", "right", platform.ReasonUserDisabled, problem.Unauthenticated},
		{"disabled, wrong", "device_off", "wrong", platform.ReasonBadCredentials, problem.Unauthenticated},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := newRig(users...).auth.Password(t.Context(), "t1", tt.user, secret.New(tt.password), "192.0.2.1")
			checkRefusal(t, err, tt.want, tt.wantErr, "Invalid credentials! : Bad credentials")
			if tt.want == platform.Accepted && (p.User != tt.user || p.Method != platform.ByPassword || "device_"+p.Device != tt.user || p.Tenant != "t1") {
				t.Errorf("principal %+v", p)
			}
		})
	}
}

func TestPasswordLimits(t *testing.T) {
	type attempt struct {
		user, password, address string
		at                      time.Duration
		want                    error
	}
	wrong := func(n int, user, address string) []attempt {
		var all []attempt
		for range n {
			all = append(all, attempt{user, "wrong", address, 0, problem.Unauthenticated})
		}
		return all
	}
	tests := []struct {
		name     string
		attempts []attempt
	}{
		{"the last of the burst", append(wrong(9, "dev1", "192.0.2.1"), attempt{"dev1", "right", "192.0.2.1", 0, nil})},
		{"one too many", append(wrong(10, "dev1", "192.0.2.1"), attempt{"dev1", "right", "192.0.2.1", 0, problem.TooMany})},
		{"same block of addresses", append(wrong(10, "dev1", "192.0.2.1"), attempt{"dev1", "right", "192.0.2.254", 0, problem.TooMany})},
		{"same block of IPv6", append(wrong(10, "dev1", "2001:db8::1"), attempt{"dev1", "right", "2001:db8::ffff:1", 0, problem.TooMany})},
		{"IPv4 in IPv6", append(wrong(10, "dev1", "::ffff:192.0.2.1"), attempt{"dev1", "right", "192.0.2.1", 0, problem.TooMany})},
		{"nobody locks a device out from elsewhere", append(wrong(10, "dev1", "192.0.2.1"), attempt{"dev1", "right", "192.0.3.1", 0, nil})},
		{"another device behind the address", append(wrong(10, "dev1", "192.0.2.1"), attempt{"dev2", "right", "192.0.2.1", 0, nil})},
		{"right before the refill", append(wrong(10, "dev1", "192.0.2.1"), attempt{"dev1", "right", "192.0.2.1", 6*time.Second - 1, problem.TooMany})},
		{"refilled", append(wrong(10, "dev1", "192.0.2.1"), attempt{"dev1", "right", "192.0.2.1", 6 * time.Second, nil})},
		{"no address", append(wrong(10, "dev1", ""), attempt{"dev1", "right", "", 0, problem.TooMany})},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(passwordUser("dev1", "right"), passwordUser("dev2", "right"))
			for i, a := range tt.attempts {
				r.now = epoch.Add(a.at)
				_, err := r.auth.Password(t.Context(), "t1", "device_"+a.user, secret.New(a.password), a.address)
				if problem.KindOf(err) != problem.KindOf(a.want) {
					t.Fatalf("attempt %d: %v, want %v", i, err, a.want)
				}
				if a.want == problem.TooMany && problem.RetryAfter(err) != 6*time.Second-a.at {
					t.Errorf("retry after %v", problem.RetryAfter(err))
				}
			}
		})
	}
}

func TestPasswordLimitOfBlock(t *testing.T) {
	r := newRig(passwordUser("dev1", "right"))
	for i := range 100 {
		_, err := r.auth.Password(t.Context(), "t1", fmt.Sprintf("device_guess%d", i), secret.New("x"), "192.0.2.1")
		checkRefusal(t, err, platform.ReasonBadCredentials, problem.Unauthenticated, "")
	}
	_, err := r.auth.Password(t.Context(), "t1", "device_dev1", secret.New("right"), "192.0.2.9")
	checkRefusal(t, err, platform.ReasonBadCredentials, problem.TooMany, "")
	r.now = epoch.Add(time.Second)
	if _, err := r.auth.Password(t.Context(), "t1", "device_dev1", secret.New("right"), "192.0.2.9"); err != nil {
		t.Error(err)
	}
}

// TestPasswordStorm holds that right passwords are never too many.
func TestPasswordStorm(t *testing.T) {
	r := newRig(passwordUser("dev1", "right"))
	for range 1000 {
		if _, err := r.auth.Password(t.Context(), "t1", "device_dev1", secret.New("right"), "192.0.2.1"); err != nil {
			t.Fatal(err)
		}
	}
	if r.users.reads != 1 {
		t.Errorf("%d reads, want 1", r.users.reads)
	}
}

func TestPasswordVaultFails(t *testing.T) {
	users := newUserStore(passwordUser("dev1", "right"))
	auth := deviceauth.New(deviceauth.Config{Trust: &judge{}, Users: users, Secrets: plainSecrets{err: context.DeadlineExceeded}})
	_, err := auth.Password(t.Context(), "t1", "device_dev1", secret.New("right"), "192.0.2.1")
	checkRefusal(t, err, platform.ReasonInternal, problem.Unavailable, "")
}
