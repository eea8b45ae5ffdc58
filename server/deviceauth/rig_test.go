package deviceauth_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mooring/internal/problem"
	"mooring/internal/secret"
	"mooring/server/deviceauth"
	"mooring/server/platform"
)

// epoch is when tests happen unless they use the clock of a bubble.
var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// party is a certificate with its key.
type party struct {
	cert *x509.Certificate
	key  crypto.Signer
}

var serial atomic.Int64

// issue makes a certificate signed by p, by itself if p is nil, that is valid
// for a month around now.
func (p *party) issue(tb testing.TB, now time.Time, cn string, ca bool) *party {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(0xab00 + serial.Add(1)), Subject: pkix.Name{CommonName: cn}, DNSNames: []string{cn},
		NotBefore: now.AddDate(0, 0, -15), NotAfter: now.AddDate(0, 0, 15), BasicConstraintsValid: true, IsCA: ca,
	}
	parent, signer := template, crypto.Signer(key)
	if p != nil {
		parent, signer = p.cert, p.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		tb.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatal(err)
	}
	return &party{cert: c, key: key}
}

func (p *party) tls() tls.Certificate {
	return tls.Certificate{Certificate: [][]byte{p.cert.Raw}, PrivateKey: p.key}
}

// judge is a Trust that says what the test wants.
type judge struct {
	mu         sync.Mutex
	verdict    platform.Verdict
	still      platform.Reason
	generation uint64
	asked      int
	panics     bool
}

func (j *judge) Verify(chain []*x509.Certificate, _ time.Time) platform.Verdict {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.asked++
	if j.panics {
		panic("hostile certificate")
	}
	v := j.verdict
	v.Generation = j.generation
	return v
}

func (j *judge) StillTrusted(platform.Verdict, time.Time) platform.Reason {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.still
}

func (j *judge) Generation() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.generation
}

func (j *judge) set(f func(*judge)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	f(j)
}

// userStore keeps device users in memory.
type userStore struct {
	mu    sync.Mutex
	users map[string]platform.DeviceUser // "tenant/external ID"
	audit []platform.AuditRecord
	reads int
	err   error
	// onRead, if set, runs once within DeviceUser, after the row was read.
	onRead func()
}

var _ platform.DeviceUsers = (*userStore)(nil)

func newUserStore(users ...platform.DeviceUser) *userStore {
	s := &userStore{users: map[string]platform.DeviceUser{}}
	for _, u := range users {
		s.users[string(u.Tenant)+"/"+u.ExternalID] = u
	}
	return s
}

func (s *userStore) DeviceUser(_ context.Context, tenant platform.TenantID, externalID string) (platform.DeviceUser, error) {
	s.mu.Lock()
	u, ok := s.users[string(tenant)+"/"+externalID]
	s.reads++
	err, hook := s.err, s.onRead
	s.onRead = nil
	s.mu.Unlock()
	if hook != nil {
		hook()
	}
	if err == nil && !ok {
		err = problem.New(problem.NotFound, "", nil)
	}
	return u, err
}

func (s *userStore) DeviceUsers(context.Context, platform.TenantID, platform.UserFilter, platform.Page) (platform.List[platform.DeviceUser], error) {
	return platform.List[platform.DeviceUser]{}, s.err
}

func (s *userStore) CreateDeviceUser(_ context.Context, u platform.DeviceUser, audit ...platform.AuditRecord) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	if _, ok := s.users[string(u.Tenant)+"/"+u.ExternalID]; ok {
		return problem.New(problem.Conflict, "", nil)
	}
	s.users[string(u.Tenant)+"/"+u.ExternalID] = u
	s.audit = append(s.audit, audit...)
	return nil
}

func (s *userStore) change(tenant platform.TenantID, externalID string, f func(*platform.DeviceUser)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.users[string(tenant)+"/"+externalID]
	f(&u)
	s.users[string(tenant)+"/"+externalID] = u
}

func (s *userStore) SetDeviceUserEnabled(_ context.Context, tenant platform.TenantID, externalID string, enabled bool, _ ...platform.AuditRecord) error {
	s.change(tenant, externalID, func(u *platform.DeviceUser) { u.Enabled = enabled })
	return nil
}

func (s *userStore) SetDevicePassword(_ context.Context, tenant platform.TenantID, externalID string, password platform.SecretMAC, _ ...platform.AuditRecord) error {
	s.change(tenant, externalID, func(u *platform.DeviceUser) { u.Password = password })
	return nil
}

func (s *userStore) DeleteDeviceUser(_ context.Context, tenant platform.TenantID, externalID string, _ ...platform.AuditRecord) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.users, string(tenant)+"/"+externalID)
	return nil
}

func (s *userStore) RecordProvisioned(_ context.Context, tenant platform.TenantID, externalID string, c platform.ProvisionedCertificate, audit ...platform.AuditRecord) (bool, error) {
	if s.err != nil {
		return false, s.err
	}
	recorded := false
	s.change(tenant, externalID, func(u *platform.DeviceUser) {
		if slices.ContainsFunc(u.Provisioned, func(p platform.ProvisionedCertificate) bool { return p.Serial == c.Serial }) {
			return
		}
		recorded = true
		u.Provisioned = append(slices.Clone(u.Provisioned), c)
		slices.SortFunc(u.Provisioned, func(a, b platform.ProvisionedCertificate) int { return b.NotBefore.Compare(a.NotBefore) })
		u.Provisioned = u.Provisioned[:min(len(u.Provisioned), platform.MaxProvisioned)]
	})
	if recorded {
		s.mu.Lock()
		s.audit = append(s.audit, audit...)
		s.mu.Unlock()
	}
	return recorded, nil
}

// plainSecrets takes the text itself for its MAC.
type plainSecrets struct{ err error }

func (p plainSecrets) CheckMAC(_ context.Context, _ platform.TenantID, _ string, s secret.String, mac platform.SecretMAC) (bool, error) {
	return len(mac.MAC) > 0 && string(mac.MAC) == s.Reveal(), p.err
}

func certificateUser(externalID string) platform.DeviceUser {
	return platform.DeviceUser{Tenant: "t1", ExternalID: externalID, Credential: platform.CredentialCertificate, Enabled: true}
}

func passwordUser(externalID, password string) platform.DeviceUser {
	return platform.DeviceUser{Tenant: "t1", ExternalID: externalID, Credential: platform.CredentialPassword, Enabled: true,
		Password: platform.SecretMAC{KeyID: "1", MAC: []byte(password)}}
}

// full is a verdict that lets dev1 of t1 in.
func full() platform.Verdict {
	return platform.Verdict{
		Scope: platform.Full, Tenant: "t1", Device: "dev1", Anchor: "00112233445566778899aabbccddeeff00112233", Serials: []string{"ab01", "1"},
		Leaf:       platform.CertificateFacts{Serial: "ab01", NotBefore: epoch.AddDate(0, 0, -1), NotAfter: epoch.AddDate(1, 0, 0)},
		ValidUntil: epoch.AddDate(1, 0, 0),
	}
}

type rig struct {
	auth  *deviceauth.Auth
	judge *judge
	users *userStore
	now   time.Time
}

func newRig(users ...platform.DeviceUser) *rig {
	r := &rig{judge: &judge{verdict: full(), generation: 1}, users: newUserStore(users...), now: epoch}
	r.auth = deviceauth.New(deviceauth.Config{Trust: r.judge, Users: r.users, Secrets: plainSecrets{}, Now: func() time.Time { return r.now }})
	return r
}

// told applies a change of dev1.
func (r *rig) told() {
	_ = r.auth.Apply(context.Background(), platform.Change{Tenant: "t1", Kind: platform.ChangeDeviceUser, Key: "dev1"})
}
