package mqttapi_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"mooring/server/mqttapi"
	"mooring/server/platform"
)

// fakeOptions are the settings of one tenant.
type fakeOptions map[platform.OptionKey]string

func (f fakeOptions) Option(_ context.Context, t platform.TenantID, key platform.OptionKey) (string, bool, error) {
	if t != tenant {
		return "", false, nil
	}
	v, ok := f[key]
	return v, ok, nil
}

// TestPasswordBesideCertificate: the certificate decides, unless the tenant that
// the user name names says otherwise; and then only the password counts.
func TestPasswordBesideCertificate(t *testing.T) {
	allowed := fakeOptions{platform.OptionPasswordBesideCertificate: "true"}
	tests := []struct {
		name     string
		settings fakeOptions
		tenant   string
		password string
		trusted  bool
		want     byte
	}{
		{name: "default", tenant: "t1000", password: "right", want: 5},
		{name: "allowed", settings: allowed, tenant: "t1000", password: "right", want: 0},
		{name: "any other value", settings: fakeOptions{platform.OptionPasswordBesideCertificate: "yes"}, tenant: "t1000", password: "right", want: 5},
		{name: "wrong password", settings: allowed, tenant: "t1000", password: "wrong", want: 4},
		{name: "no password", settings: allowed, tenant: "t1000", want: 5},
		{name: "of another tenant", settings: allowed, tenant: "t2000", password: "right", want: 5},
		{name: "the certificate is good", settings: allowed, tenant: "t1000", password: "wrong", trusted: true, want: 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			certificate := newCertificate(t, "dev1")
			synctest.Test(t, func(t *testing.T) {
				r := newRigOf(t, func(c *mqttapi.Config) { c.Options = tt.settings })
				if tt.trusted {
					r.trust("dev1")
				}
				o := options{id: "dev1", user: tt.tenant + "/device_dev1", password: tt.password, noPassword: tt.password == ""}
				if got := r.dialTLS(t, certificate).connect(o); got != tt.want {
					t.Errorf("CONNACK %d, want %d", got, tt.want)
				}
			})
		})
	}
}

// TestOneWay: who comes without password to a server that takes no certificates
// is told why.
func TestOneWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRigOf(t, func(c *mqttapi.Config) { c.OneWay = true })
		if got := r.dialTLS(t).connect(options{id: "dev1", noUser: true, noPassword: true}); got != 5 {
			t.Errorf("CONNACK %d, want 5", got)
		}
		if got := r.refusals.last(); got.Reason != platform.ReasonOneWay || got.CN != "dev1" || got.Reason.Text() == "" {
			t.Errorf("refusal %+v", got)
		}
		if got := r.dialTLS(t).connect(dev("dev1")); got != 0 {
			t.Errorf("password: CONNACK %d", got)
		}
	})
}

// TestRateOfTenant: a tenant sets the rate of its devices; who outruns it for
// longer than WindowWait is cut off, and its owner can find out why.
func TestRateOfTenant(t *testing.T) {
	tests := []struct {
		name     string
		settings fakeOptions
		want     time.Duration // until 30 publishes are carried out
	}{
		{name: "unset"},
		{name: "rate", settings: fakeOptions{platform.OptionPublishRate: "10"}, want: time.Second},
		{name: "rate and burst", settings: fakeOptions{platform.OptionPublishRate: "10", platform.OptionPublishBurst: "10"}, want: 2 * time.Second},
		{name: "burst", settings: fakeOptions{platform.OptionPublishBurst: "1"}, want: 29 * time.Second / 5000},
		{name: "zero is no rate", settings: fakeOptions{platform.OptionPublishRate: "0"}},
		{name: "one is", settings: fakeOptions{platform.OptionPublishRate: "1", platform.OptionPublishBurst: "28"}, want: 2 * time.Second},
		{name: "the highest", settings: fakeOptions{platform.OptionPublishRate: "1000000"}},
		{name: "above it", settings: fakeOptions{platform.OptionPublishRate: "1000001"}},
		{name: "no number", settings: fakeOptions{platform.OptionPublishRate: "fast"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRigOf(t, func(c *mqttapi.Config) { c.Options = tt.settings })
				c, start := r.connect(t, dev("dev1")), time.Now()
				for range 30 {
					c.send(publish(0, 0, "s/us", "125"))
				}
				c.sync()
				if got := time.Since(start); got != tt.want {
					t.Errorf("carried out after %v, want %v", got, tt.want)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		r := newRigOf(t, func(c *mqttapi.Config) {
			c.Options = fakeOptions{platform.OptionPublishRate: "1", platform.OptionPublishBurst: "1"}
			c.Limits.WindowWait = time.Second / 2
		})
		c := r.connect(t, dev("dev1"))
		c.send(publish(0, 0, "s/us", "125"), publish(0, 0, "s/us", "125"))
		c.wantClosed()
		got := r.refusals.last()
		if got.Reason != platform.ReasonTooFast || got.CN != "dev1" || got.Tenant != tenant || r.Stats().TooFast != 1 {
			t.Errorf("refusal %+v, counted %d", got, r.Stats().TooFast)
		}
	})
}

// TestConnections: beyond the bound nobody is let in, and a place that is left is free.
func TestConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, mqttapi.Limits{Connections: 2})
		first := r.connect(t, dev("dev1"))
		r.connect(t, dev("dev2"))
		if n := r.dial(t).wantClosed(); n != 0 || r.Stats().TurnedAway != 1 {
			t.Errorf("third connection: %d packets, %d turned away", n, r.Stats().TurnedAway)
		}
		first.Close()
		synctest.Wait()
		r.connect(t, dev("dev3"))
	})
}
