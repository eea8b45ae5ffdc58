package restapi_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mooring/hsm"
	"mooring/hsm/filekey"
	"mooring/internal/durable"
	"mooring/internal/durable/durabletest"
	"mooring/internal/secret"
	"mooring/server/account"
	"mooring/server/attest"
	"mooring/server/audit"
	"mooring/server/binary"
	"mooring/server/ca"
	"mooring/server/deviceauth"
	"mooring/server/devicetoken"
	"mooring/server/httpauth"
	"mooring/server/inventory"
	"mooring/server/notify"
	"mooring/server/openapi/openapitest"
	"mooring/server/operation"
	"mooring/server/platform"
	"mooring/server/refusal"
	"mooring/server/registration"
	"mooring/server/restapi"
	"mooring/server/retention"
	"mooring/server/sqlstore"
	"mooring/server/telemetry"
	"mooring/server/templates"
	"mooring/server/trust"
	"mooring/server/vault"
)

// rig is the API on the real services and a real store, behind two listeners.
type rig struct {
	t     testing.TB
	api   *restapi.API
	https *httptest.Server
	mtls  *httptest.Server

	store    *sqlstore.Store
	accounts *account.Service
	things   *inventory.Service
	files    *binary.Service
	values   *telemetry.Service
	orders   *operation.Service
	trust    *trust.Trust
	requests *registration.Service
	vault    *vault.Vault
	about    *openapitest.Document // every answer is compared with it
}

// Tenants of every rig, each with a user "admin".
const (
	tenant        = platform.TenantID("t1000")
	other         = platform.TenantID("t2000")
	adminPassword = "correct horse"
	tenantHost    = "t1000.example.com"
	otherHost     = "t2000.example.com"
)

// appliers hear of changes before a command returns.
type applier interface {
	Apply(ctx context.Context, c platform.Change) error
}

func newRig(t testing.TB) *rig {
	t.Helper()
	ctx := context.Background()
	var listeners atomic.Pointer[[]applier]
	store, err := sqlstore.OpenSQLite(ctx, durabletest.Dir(t), sqlstore.Options{OnCommit: func(changes []platform.Change) {
		if all := listeners.Load(); all != nil {
			for _, c := range changes {
				for _, a := range *all {
					if err := a.Apply(ctx, c); err != nil {
						t.Error(err)
					}
				}
			}
		}
	}})
	check(t, err)
	t.Cleanup(func() { check(t, store.Close()) })
	sealer, err := filekey.OpenSealer(durable.OS, filepath.Join(t.TempDir(), "kek"))
	check(t, err)

	r := &rig{t: t, store: store}
	v := vault.New(store, sealer, nil)
	r.vault = v
	r.accounts = account.New(account.Config{Tenants: store, Users: store, Groups: store, InventoryRoles: store, IDs: store, Options: store, Bootstrap: v, Sealer: v, Domain: "cloud.example.com", PasswordCost: account.Cheap})
	notices := notify.New(notify.Config{Store: store, IDs: store, Encode: func(context.Context, platform.Notice) []byte { return []byte("{}") }})
	r.things = inventory.New(inventory.Config{Store: store, IDs: store, Names: store})
	notices.Objects = r.things
	collections := templates.New(r.things, nil)
	r.files = binary.New(binary.Config{Store: store, IDs: store, MaxBytes: 3 << 20})
	r.values = telemetry.New(telemetry.Config{Store: store, IDs: store})
	r.orders = operation.New(operation.Config{Store: store, IDs: store, Objects: r.things, Options: r.accounts})
	r.trust = trust.New(trust.Config{Certificates: store, Revocations: store, Options: store, Tenants: store})
	devices := deviceauth.New(deviceauth.Config{Trust: r.trust, Users: store, Secrets: v})
	tokens := devicetoken.New(devicetoken.Config{Keys: store, Vault: v, Options: r.accounts})
	refusals := refusal.New(refusal.Config{Store: store})
	r.requests = registration.New(registration.Config{Store: store, MACs: v, IDs: store, Options: r.accounts})
	authority := ca.New(ca.Config{Store: store, Keys: store, Vault: v, Features: r.accounts})
	listeners.Store(&[]applier{notices, r.accounts, r.things, r.trust, devices, authority, collections})

	check(t, r.accounts.CreateTenant(ctx, platform.Tenant{ID: platform.Management}, "admin", secret.New(adminPassword)))
	check(t, r.accounts.CreateTenant(ctx, platform.Tenant{ID: tenant, Domain: tenantHost}, "admin", secret.New(adminPassword)))
	check(t, r.accounts.CreateTenant(ctx, platform.Tenant{ID: other, Domain: otherHost}, "admin", secret.New(adminPassword)))
	check(t, r.trust.Load(ctx))

	auth := httpauth.New(httpauth.Config{Accounts: r.accounts, Devices: devices, Tokens: tokens, Certificates: devices,
		Refusals: refusals, ReasonOf: deviceauth.ReasonOf})
	r.api = restapi.New(restapi.Config{Auth: auth, Accounts: r.accounts, DeviceUsers: store, Notifications: notices, NotificationTokens: tokens, Inventory: r.things, Files: r.files, IDs: store, Telemetry: r.values, Operations: r.orders,
		Audit:     audit.New(store, nil),
		Legacy:    collections,
		Retention: retention.New(retention.Config{Rules: store, Tenants: store, IDs: store, Telemetry: store, Operations: store, Old: store, Changes: store}), Trust: r.trust, Authority: authority, Tokens: tokens, Registrations: r.requests,
		Refusals: refusals, Version: "1.0", Attestations: attest.New(attest.Config{Store: store, Keys: v, Options: r.accounts, Seal: hsm.MakeCredential})})
	r.about = description(t, r.api)
	r.https = httptest.NewTLSServer(r.api)
	t.Cleanup(r.https.Close)
	r.mtls = httptest.NewUnstartedServer(httpauth.WithClientCertificates(r.api))
	r.mtls.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	r.mtls.StartTLS()
	t.Cleanup(r.mtls.Close)
	return r
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// request is one call; zero fields are what a careful client sends.
type request struct {
	method, path string
	body         string
	user         string // "admin" unless set; "-" for nobody
	password     string
	bearer       string
	host         string
	header       http.Header
	noAccept     bool
	identity     *tls.Certificate // a client certificate, on the mtls listener
	mtls         bool
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (r *rig) do(q request) answer {
	r.t.Helper()
	server := r.https
	client := r.https.Client()
	if q.identity != nil || q.mtls {
		server = r.mtls
		tr := r.mtls.Client().Transport.(*http.Transport).Clone()
		if q.identity != nil {
			tr.TLSClientConfig.Certificates = []tls.Certificate{*q.identity}
		}
		client = &http.Client{Transport: tr}
		defer client.CloseIdleConnections()
		if q.user == "" {
			q.user = "-"
		}
	}
	req, err := http.NewRequest(q.method, server.URL+q.path, strings.NewReader(q.body))
	check(r.t, err)
	for name, values := range q.header {
		req.Header[name] = values
	}
	req.Host = tenantHost
	if q.host != "" {
		req.Host = q.host
	}
	if !q.noAccept {
		req.Header.Set("Accept", "application/json")
	}
	switch {
	case q.bearer != "":
		req.Header.Set("Authorization", "Bearer "+q.bearer)
	case q.user != "-":
		if q.user == "" {
			q.user = "admin"
		}
		if q.password == "" {
			q.password = adminPassword
		}
		req.SetBasicAuth(q.user, q.password)
	}
	resp, err := client.Do(req)
	check(r.t, err)
	defer func() { check(r.t, resp.Body.Close()) }()
	body, err := io.ReadAll(resp.Body)
	check(r.t, err)
	if err := r.about.Check(openapitest.Exchange{Method: effective(req), Path: req.URL.EscapedPath(), Query: req.URL.Query(), RequestType: req.Header.Get("Content-Type"),
		RequestBody: []byte(q.body), Asked: req.Header.Get("Accept") != "", Status: resp.StatusCode, AnswerType: resp.Header.Get("Content-Type"), Answer: body}); err != nil {
		r.t.Errorf("not as described in /openapi.json: %v", err)
	}
	return answer{resp.StatusCode, resp.Header, body}
}

// want fails unless the answer has the status.
func (a answer) want(t testing.TB, status int) answer {
	t.Helper()
	if a.status != status {
		t.Fatalf("got %d %.2000s, want %d", a.status, a.body, status)
	}
	return a
}

// tree is the JSON of the answer.
func (a answer) tree(t testing.TB) map[string]any {
	t.Helper()
	var m map[string]any
	d := json.NewDecoder(bytes.NewReader(a.body))
	d.UseNumber()
	if err := d.Decode(&m); err != nil {
		t.Fatalf("%s: %v", a.body, err)
	}
	return m
}

// text is a member at the top of the JSON.
func (a answer) text(t testing.TB, name string) string {
	t.Helper()
	s, ok := a.tree(t)[name].(string)
	if !ok {
		t.Fatalf("%s has no text %q", a.body, name)
	}
	return s
}

// items is a member that is a list.
func (a answer) items(t testing.TB, name string) []any {
	t.Helper()
	list, ok := a.tree(t)[name].([]any)
	if !ok {
		t.Fatalf("%s has no list %q", a.body, name)
	}
	return list
}

// device makes a device with an object and a password user, and returns its
// object.
func (r *rig) device(t testing.TB, id platform.TenantID, name, password string) platform.ID {
	t.Helper()
	result, err := r.requests.Bulk(context.Background(), platform.Principal{Tenant: id, User: "admin"},
		strings.NewReader("ID;AUTH_TYPE;CREDENTIALS;TYPE;NAME\n"+name+";BASIC;"+password+";c8y_Linux;"+name+"\n"))
	check(t, err)
	if result.Created != 1 {
		t.Fatalf("%+v", result)
	}
	object, err := r.things.Device(context.Background(), id, name)
	check(t, err)
	return object
}

// authority is a root made by the test, with the text a client uploads.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t testing.TB, name string) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(5, 0, 0), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	check(t, err)
	cert, err := x509.ParseCertificate(der)
	check(t, err)
	return authority{key, cert}
}

// leaf signs a device certificate.
func (a authority) leaf(t testing.TB, name string, serial int64) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	check(t, err)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// intermediate is an authority below a.
func (a authority) intermediate(t testing.TB, name string) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(2, 0, 0), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	check(t, err)
	cert, err := x509.ParseCertificate(der)
	check(t, err)
	return authority{key, cert}
}
