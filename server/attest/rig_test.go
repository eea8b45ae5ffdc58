package attest_test

import (
	"context"
	"crypto/x509"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"mooring/hsm"
	"mooring/hsm/filekey"
	"mooring/hsm/tpmkey/attesttest"
	"mooring/internal/durable"
	"mooring/internal/problem"
	"mooring/server/attest"
	"mooring/server/platform"
	"mooring/server/sqlstore"
	"mooring/server/vault"
)

const (
	tenant = platform.TenantID("t1000")
	other  = platform.TenantID("t2000")
)

var admin = platform.Principal{Tenant: tenant, User: "admin"}

// options are those of all tenants.
type options map[platform.OptionKey]string

func (o options) Option(_ context.Context, _ platform.TenantID, key platform.OptionKey) (string, bool, error) {
	value, set := o[key]
	return value, set, nil
}

// rig is the service on a real store, with a clock that tests turn: it begins after
// the certificates of the TPMs that tests make.
type rig struct {
	*attest.Service
	t       *testing.T
	store   *sqlstore.Store
	vault   *vault.Vault
	options options
	now     time.Time
	serials int
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, options: options{platform.OptionAttestation: platform.AttestationRequired}, now: time.Now().Add(time.Hour)}
	var err error
	if r.store, err = sqlstore.OpenSQLite(t.Context(), t.TempDir(), sqlstore.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.store.Close() })
	for _, id := range []platform.TenantID{platform.Management, tenant, other} {
		if err := r.store.CreateTenant(t.Context(), platform.Tenant{ID: id, Domain: string(id) + ".example.com"}, platform.User{Tenant: id, Name: "admin"}); err != nil {
			t.Fatal(err)
		}
	}
	sealer, err := filekey.OpenSealer(durable.OS, filepath.Join(t.TempDir(), "kek"))
	if err != nil {
		t.Fatal(err)
	}
	r.vault = vault.New(r.store, sealer, nil)
	r.Service = r.node()
	return r
}

// node is another node on the same store.
func (r *rig) node() *attest.Service {
	return attest.New(attest.Config{Store: r.store, Keys: r.vault, Options: r.options, Seal: hsm.MakeCredential, Now: func() time.Time { return r.now }})
}

// trust has a tenant take makers, in PEM.
func (r *rig) trust(id platform.TenantID, makers []byte) {
	r.t.Helper()
	if _, err := r.AddMakers(r.t.Context(), platform.Principal{Tenant: id, User: "admin"}, makers); err != nil {
		r.t.Fatal(err)
	}
}

// challenge asks for d as device.
func (r *rig) challenge(id platform.TenantID, device string, d *attesttest.Device) attesttest.Challenge {
	r.t.Helper()
	c, err := r.Challenge(r.t.Context(), id, device, platform.TPMKeys{EKPublic: d.EKPublic, AKPublic: d.AKPublic})
	if err != nil {
		r.t.Fatal(err)
	}
	return attesttest.Challenge{Ticket: c.Ticket, Credential: c.Credential, Secret: c.Secret}
}

// claim is about a request.
func (r *rig) claim(id platform.TenantID, device string, der []byte) platform.TPMClaim {
	r.t.Helper()
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := csr.CheckSignature(); err != nil {
		r.t.Fatal(err)
	}
	return platform.TPMClaim{Tenant: id, ExternalID: device, TBS: csr.RawTBSCertificateRequest, Key: csr.PublicKey, Now: r.now}
}

// prove is a claim with a good answer to a challenge of its own.
func (r *rig) prove(device string, d *attesttest.Device) platform.TPMClaim {
	r.t.Helper()
	return r.claim(tenant, device, d.Request(device, r.challenge(tenant, device, d)))
}

// issue records a certificate of a device, as the authority does after j.
func (r *rig) issue(device string, j platform.TPMJudgement) {
	r.t.Helper()
	r.serials++
	c := platform.IssuedCertificate{Tenant: tenant, Serial: string(rune('a' + r.serials)), ExternalID: device, Certificate: []byte{1},
		NotBefore: r.now, NotAfter: r.now.AddDate(1, 0, 0), IssuedAt: r.now.Add(time.Duration(r.serials) * time.Millisecond)}
	if err := r.store.Issue(r.t.Context(), platform.Issue{Certificate: c, Attestation: j.Attestation}); err != nil {
		r.t.Fatal(err)
	}
}

// want compares what came of a claim with a flaw; nil wants the key to be proved.
func (r *rig) want(c platform.TPMClaim, flaw error) platform.TPMJudgement {
	r.t.Helper()
	j, err := r.Judge(r.t.Context(), c)
	switch {
	case flaw == nil && (err != nil || j.Attestation == nil):
		r.t.Errorf("%+v, %v; want an attestation", j, err)
	case flaw != nil && (!errors.Is(err, flaw) || !errors.Is(err, problem.Unprocessable)):
		r.t.Errorf("%+v, %v; want %v", j, err, flaw)
	}
	return j
}

// device has a TPM of a maker that the tenant takes.
func (r *rig) device() *attesttest.Device {
	r.t.Helper()
	m := attesttest.NewMaker(r.t)
	r.trust(tenant, m.PEM())
	return attesttest.New(r.t, m.Start(r.t))
}
