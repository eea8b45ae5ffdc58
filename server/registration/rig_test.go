package registration_test

import (
	"context"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mooring/hsm/filekey"
	"mooring/internal/durable"
	"mooring/internal/durable/durabletest"
	"mooring/internal/secret"
	"mooring/server/platform"
	"mooring/server/registration"
	"mooring/server/sqlstore"
	"mooring/server/vault"
)

const tenant = platform.TenantID("t1000")

var (
	admin    = platform.Principal{Tenant: tenant, User: "admin", Roles: platform.AdminRoles}
	operator = platform.Principal{Tenant: platform.Management, User: "operator", Roles: platform.AdminRoles}
)

type rig struct {
	*registration.Service
	t     testing.TB
	store *sqlstore.Store
	vault *vault.Vault

	options options
	told    *listener
}

// listener notes the objects it is told of.
type listener struct{ list []string }

func (l *listener) Wanted(id platform.TenantID) bool { return id == tenant }

func (l *listener) Post(notices []platform.Notice, done func(error)) {
	for _, n := range notices {
		o, _ := n.Object.(platform.ManagedObject)
		l.list = append(l.list, string(n.Action)+" "+string(n.API)+" "+o.Name)
	}
	done(nil)
}

// options are those of every tenant.
type options map[platform.OptionKey]string

func (o options) Option(_ context.Context, _ platform.TenantID, key platform.OptionKey) (string, bool, error) {
	v, ok := o[key]
	return v, ok, nil
}

func csv(text string) io.Reader { return strings.NewReader(text) }

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newRig(t testing.TB) *rig {
	t.Helper()
	store, err := sqlstore.OpenSQLite(t.Context(), durabletest.Dir(t), sqlstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	for _, id := range []platform.TenantID{platform.Management, tenant, "t2000"} {
		err := store.CreateTenant(t.Context(), platform.Tenant{ID: id, Domain: string(id) + ".example.com", Created: epoch}, platform.User{Tenant: id, Name: "admin"})
		if err != nil {
			t.Fatal(err)
		}
	}
	sealer, err := filekey.OpenSealer(durable.OS, filepath.Join(t.TempDir(), "kek"))
	if err != nil {
		t.Fatal(err)
	}
	v := vault.New(store, sealer, nil)
	o, told := options{}, &listener{}
	return &rig{t: t, store: store, vault: v, options: o, told: told, Service: registration.New(registration.Config{
		Store: store, MACs: v, IDs: store, Options: o, Notices: told, Now: func() time.Time { return epoch },
	})}
}

// hasOTP reports whether otp is that of the registration.
func (r *rig) hasOTP(tenant platform.TenantID, id, otp string) bool {
	r.t.Helper()
	reg, err := r.store.Registration(r.t.Context(), tenant, id)
	if err != nil {
		r.t.Fatal(err)
	}
	ok, err := r.vault.CheckMAC(r.t.Context(), tenant, id, secret.New(otp), reg.OTP)
	if err != nil {
		r.t.Fatal(err)
	}
	return ok && reg.OTPSpent == nil
}

// hasPassword reports whether password is that of the device user.
func (r *rig) hasPassword(id, password string) bool {
	r.t.Helper()
	user, err := r.store.DeviceUser(r.t.Context(), tenant, id)
	if err != nil {
		r.t.Fatal(err)
	}
	ok, err := r.vault.CheckMAC(r.t.Context(), tenant, "device_"+id, secret.New(password), user.Password)
	if err != nil {
		r.t.Fatal(err)
	}
	return ok && user.Credential == platform.CredentialPassword
}

// object returns the managed object of a name.
func (r *rig) object(kind, value string) platform.ManagedObject {
	r.t.Helper()
	id, err := r.store.ObjectByExternalID(r.t.Context(), tenant, platform.ExternalID{Type: kind, Value: value})
	if err != nil {
		r.t.Fatalf("object %s %s: %v", kind, value, err)
	}
	o, err := r.store.Object(r.t.Context(), tenant, id)
	if err != nil {
		r.t.Fatal(err)
	}
	return o
}
