package estapi_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"mooring/hsm"
	"mooring/hsm/filekey"
	"mooring/internal/durable"
	"mooring/internal/durable/durabletest"
	"mooring/internal/est"
	"mooring/internal/pki"
	"mooring/internal/problem"
	"mooring/internal/secret"
	"mooring/server/attest"
	"mooring/server/ca"
	"mooring/server/devicetoken"
	"mooring/server/estapi"
	"mooring/server/httpauth"
	"mooring/server/openapi"
	"mooring/server/openapi/openapitest"
	"mooring/server/platform"
	"mooring/server/sqlstore"
	"mooring/server/vault"
)

const (
	tenant = platform.TenantID("t1000")
	other  = platform.TenantID("t2000")
)

// accounts knows two tenants, their hosts and their administrators.
type accounts struct{ store platform.Tenants }

func (a accounts) Authenticate(_ context.Context, t platform.TenantID, user string, password secret.String, _ string) (platform.Principal, error) {
	if user == "admin" && password.Equal(secret.New("admin-password")) {
		return platform.Principal{Tenant: t, User: user, Roles: platform.AdminRoles, Method: platform.ByPassword}, nil
	}
	return platform.Principal{}, problem.New(problem.Unauthenticated, "", nil)
}

func (a accounts) Resume(_ context.Context, p platform.Principal) (platform.Principal, error) {
	return p, nil
}

func (a accounts) TenantForHost(_ context.Context, host string) (platform.TenantID, error) {
	if strings.HasPrefix(host, string(other)) {
		return other, nil
	}
	if strings.HasPrefix(host, "nowhere") {
		return "", problem.NotFound
	}
	return tenant, nil
}

func (a accounts) Tenant(ctx context.Context, id platform.TenantID) (platform.Tenant, error) {
	return a.store.Tenant(ctx, id)
}

// devices checks device users against the store.
type devices struct {
	store *sqlstore.Store
	vault *vault.Vault
}

func (d devices) Password(ctx context.Context, t platform.TenantID, user string, password secret.String, _ string) (platform.Principal, error) {
	id := strings.TrimPrefix(user, "device_")
	u, err := d.store.DeviceUser(ctx, t, id)
	if err != nil {
		return platform.Principal{}, err
	}
	if ok, err := d.vault.CheckMAC(ctx, t, user, password, u.Password); err != nil || !ok {
		return platform.Principal{}, problem.New(problem.Unauthenticated, "", err)
	}
	return platform.Principal{Tenant: t, User: user, Device: id, Method: platform.ByPassword}, nil
}

func (d devices) CheckDevice(ctx context.Context, p platform.Principal) error {
	_, err := d.store.DeviceUser(ctx, p.Tenant, p.Device)
	return err
}

// certificates takes the CN of every client certificate for a device of tenant.
type certificates struct{}

func (certificates) Decide(chain []*x509.Certificate, _ time.Time) platform.Verdict {
	return platform.Verdict{Scope: platform.Full, Tenant: tenant, Device: chain[0].Subject.CommonName}
}

func (certificates) Admit(_ context.Context, v platform.Verdict, _ string) (platform.Principal, error) {
	return platform.Principal{Tenant: v.Tenant, User: "device_" + v.Device, Device: v.Device, Method: platform.ByCertificate}, nil
}

// refusals keeps them all.
type refusals struct {
	mu  sync.Mutex
	all []platform.Refusal
}

func (r *refusals) Record(x platform.Refusal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, x)
}

func (r *refusals) last() platform.Refusal {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.all) == 0 {
		return platform.Refusal{}
	}
	return r.all[len(r.all)-1]
}

// options are those of all tenants.
type options map[platform.OptionKey]string

func (o options) Option(_ context.Context, _ platform.TenantID, key platform.OptionKey) (string, bool, error) {
	value, set := o[key]
	return value, set, nil
}

// rig is EST over TLS: https as on 443, and mtls where client certificates count.
type rig struct {
	t           testing.TB
	https, mtls *httptest.Server
	store       *sqlstore.Store
	vault       *vault.Vault
	ca          *ca.Service
	tokens      *devicetoken.Service
	refusals    *refusals
	authority   *x509.Certificate
	options     options // before the first request
	attests     *attest.Service
	about       *openapitest.Document // every answer is compared with it
}

func newRig(t testing.TB, limits ca.Limits) *rig {
	t.Helper()
	r := &rig{t: t, refusals: &refusals{}, about: description(t), options: options{}}
	var err error
	if r.store, err = sqlstore.OpenSQLite(t.Context(), durabletest.Dir(t), sqlstore.Options{}); err != nil {
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
	profile, err := ca.NewProfile(ca.ProfileConfig{CRLBase: "https://tenant-with-a-long-name.example.com:8443"})
	if err != nil {
		t.Fatal(err)
	}
	r.attests = attest.New(attest.Config{Store: r.store, Keys: r.vault, Options: r.options, Seal: hsm.MakeCredential})
	r.ca = ca.New(ca.Config{Store: r.store, Keys: r.store, Vault: r.vault, Profile: profile, Limits: limits, Attestations: r.attests})
	r.tokens = devicetoken.New(devicetoken.Config{Keys: r.store, Vault: r.vault, Options: options{}})
	created, err := r.ca.Create(t.Context(), tenant, platform.Principal{Tenant: tenant, User: "admin"})
	if err != nil {
		t.Fatal(err)
	}
	if r.authority, err = x509.ParseCertificate(created.Certificate); err != nil {
		t.Fatal(err)
	}
	known := accounts{store: r.store}
	api := estapi.New(estapi.Config{
		CA: r.ca, Tenants: known, Refusals: r.refusals,
		Auth: httpauth.New(httpauth.Config{Accounts: known, Devices: devices{r.store, r.vault}, Tokens: r.tokens, Certificates: certificates{}}),
	})
	r.https = serve(t, api, tls.NoClientCert)
	r.mtls = serve(t, httpauth.WithClientCertificates(api), tls.RequestClientCert)
	return r
}

func description(t testing.TB) *openapitest.Document {
	t.Helper()
	text, err := openapi.Describe("EST", "1", "", openapi.Shapes{openapi.ErrorShape: openapi.Of("application/vnd.com.nsn.cumulocity.error+json",
		"error: string, message: string, info: uri"), "tpmKeys": openapi.JSON("ek_public: string, ak_public: string, *"),
		"tpmChallenge": openapi.JSON("ticket: string, credential: string, secret: string")}, estapi.Calls())
	if err != nil {
		t.Fatal(err)
	}
	d, err := openapitest.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range d.Faults() {
		t.Error(fault)
	}
	return d
}

func serve(t testing.TB, h http.Handler, mode tls.ClientAuthType) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.TLS = &tls.Config{ClientAuth: mode, DynamicRecordSizingDisabled: true}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func (r *rig) register(t platform.TenantID, id, otp string) {
	r.t.Helper()
	mac, err := r.vault.MAC(r.t.Context(), t, id, secret.New(otp))
	if err != nil {
		r.t.Fatal(err)
	}
	reg := platform.Registration{Tenant: t, ExternalID: id, Status: platform.StatusAccepted, OTP: mac, Created: time.Now()}
	if _, err := r.store.Register(r.t.Context(), platform.RegisterDevice{Registration: reg}); err != nil {
		r.t.Fatal(err)
	}
}

// addUser gives a device its user, with a password unless it is empty.
func (r *rig) addUser(id, password string) {
	r.t.Helper()
	u := platform.DeviceUser{Tenant: tenant, ExternalID: id, Credential: platform.CredentialCertificate, Enabled: true, Created: time.Now()}
	if password != "" {
		mac, err := r.vault.MAC(r.t.Context(), tenant, "device_"+id, secret.New(password))
		if err != nil {
			r.t.Fatal(err)
		}
		u.Credential, u.Password = platform.CredentialPassword, mac
	}
	if err := r.store.CreateDeviceUser(r.t.Context(), u); err != nil && !errors.Is(err, problem.Conflict) {
		r.t.Fatal(err)
	}
}

// ask is a request; zero fields mean a POST of nothing to https.
type ask struct {
	server *httptest.Server
	method string
	path   string // below /.well-known/est/, or with a slash in front
	host   string
	basic  string // user:password
	bearer string
	body   []byte
	header http.Header
	client *tls.Certificate
}

// answer is what came back.
type answer struct {
	*http.Response
	body []byte
}

func (r *rig) do(a ask) answer {
	r.t.Helper()
	if a.server == nil {
		a.server = r.https
	}
	if a.method == "" {
		a.method = http.MethodPost
	}
	if !strings.HasPrefix(a.path, "/") {
		a.path = est.PathPrefix + a.path
	}
	req, err := http.NewRequestWithContext(r.t.Context(), a.method, a.server.URL+a.path, strings.NewReader(string(a.body)))
	if err != nil {
		r.t.Fatal(err)
	}
	for name, values := range a.header {
		req.Header[name] = values
	}
	if a.host != "" {
		req.Host = a.host
	}
	if user, password, ok := strings.Cut(a.basic, ":"); ok {
		req.SetBasicAuth(user, password)
	}
	if a.bearer != "" {
		req.Header.Set("Authorization", "Bearer "+a.bearer)
	}
	client := a.server.Client()
	if a.client != nil {
		transport := client.Transport.(*http.Transport).Clone()
		transport.TLSClientConfig.Certificates = []tls.Certificate{*a.client}
		defer transport.CloseIdleConnections()
		client = &http.Client{Transport: transport}
	}
	res, err := client.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := r.about.Check(openapitest.Exchange{Method: a.method, Path: req.URL.EscapedPath(), Query: req.URL.Query(), Asked: true,
		Status: res.StatusCode, AnswerType: res.Header.Get("Content-Type"), Answer: body}); err != nil {
		r.t.Errorf("not as described: %v", err)
	}
	return answer{res, body}
}

// leaf decodes a successful answer.
func (a answer) leaf(t testing.TB) *x509.Certificate {
	t.Helper()
	if a.StatusCode != http.StatusOK {
		t.Fatalf("status %d: %s", a.StatusCode, a.body)
	}
	certs, err := est.DecodeCertificates(a.body)
	if err != nil {
		t.Fatal(err)
	}
	if len(certs) != 1 {
		t.Fatalf("%d certificates, want the leaf alone", len(certs))
	}
	return certs[0]
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// csr is a request in base64 on one line.
func csr(t testing.TB, k crypto.Signer, cn string) []byte {
	t.Helper()
	der, err := pki.CreateCSR(rand.Reader, k, pkix.Name{CommonName: cn})
	if err != nil {
		t.Fatal(err)
	}
	return []byte(base64.StdEncoding.EncodeToString(der))
}
