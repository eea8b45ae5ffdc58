package doctor_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"flag"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mooring/agent/config"
	"mooring/agent/doctor"
	"mooring/agent/identity"
	"mooring/hsm/filekey"
	"mooring/hsm/key"
	"mooring/internal/durable"
	"mooring/internal/durable/durabletest"
	"mooring/internal/pki"
	"mooring/server/servertest"
)

const (
	state  = "/state"
	device = "S2422700003" // of the forum's certificate
)

// rig is a device with a disk in memory, beside a server in memory. Tests run
// in a synctest bubble: waits cost nothing.
type rig struct {
	t      testing.TB
	server *servertest.Server
	disk   *durabletest.FS
	keys   key.Store
	ids    *identity.Store
	o      doctor.Options
	held   uint32 // generations made
}

func newRig(t testing.TB, s *servertest.Server) *rig {
	t.Helper()
	r := &rig{t: t, server: s, disk: durabletest.New()}
	must(t, durable.MkdirAll(r.disk, state, 0o700))
	must(t, durable.WriteFile(r.disk, state+"/root.pem", s.RootPEM, 0o644))
	var err error
	r.keys, err = filekey.Open(r.disk, state+"/keys")
	must(t, err)
	r.ids, err = identity.Open(r.disk, state, r.keys)
	must(t, err)
	c := config.Default()
	c.State, c.Server, c.DeviceID, c.CA = state, servertest.Host, device, state+"/root.pem"
	r.o = doctor.Options{
		Config:   c,
		FS:       r.disk,
		OpenKeys: func(context.Context, string) (key.Store, error) { return r.keys, nil },
		Direct:   s.Network.DialContext,
		Resolve:  func(context.Context, string) ([]string, error) { return []string{"192.0.2.1"}, nil },
		Getenv:   func(string) string { return "" },
		Disk:     func(string) (doctor.Disk, error) { return doctor.Disk{Free: 1 << 30}, nil },
		Lock:     func(string) (func(), error) { return func() {}, nil },
	}
	return r
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func easy(t testing.TB) *servertest.Server {
	t.Helper()
	return servertest.Start(t, servertest.Options{Easy: true})
}

// hold gives the device an identity whose chain make builds for its key.
func (r *rig) hold(build func(crypto.PublicKey) pki.Chain) {
	r.t.Helper()
	r.held++
	id, err := r.ids.Prepare(r.t.Context(), r.held, r.held, time.Now())
	must(r.t, err)
	must(r.t, r.ids.SaveChain(r.t.Context(), r.held, build(id.Signer.Public())))
	must(r.t, r.ids.Commit(r.t.Context(), r.held))
}

// replace puts another chain in place of the one stored, as a person would who
// copies files.
func (r *rig) replace(chain pki.Chain) {
	r.t.Helper()
	dir := state + "/generations/0001/"
	must(r.t, durable.WriteFile(r.disk, dir+"chain.pem", pki.EncodePEM(chain...), 0o644))
	h := sha256.New()
	for _, name := range []string{"identity.json", "chain.pem"} {
		text, err := r.disk.ReadFile(dir + name)
		must(r.t, err)
		fmt.Fprintf(h, "%s %d\n", name, len(text))
		h.Write(text)
	}
	must(r.t, durable.WriteFile(r.disk, dir+"digest", []byte("sha256:"+hex.EncodeToString(h.Sum(nil))+"\n"), 0o644))
}

func (r *rig) run() doctor.Report {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), doctor.Limit(r.disk, r.o.Config)) // as the command does
	defer cancel()
	return r.examine(ctx)
}

func (r *rig) examine(ctx context.Context) doctor.Report {
	report := doctor.Run(ctx, r.o)
	for _, f := range report.Findings {
		reproduced.Store(f.Code, true)
	}
	return report
}

// reproduced has the codes that tests of this run have led to.
var reproduced sync.Map

// TestMain wants each code to be reproduced by a test.
func TestMain(m *testing.M) {
	status := m.Run()
	if f := flag.Lookup("test.run"); status == 0 && f.Value.String() == "" && flag.Lookup("test.fuzz").Value.String() == "" && flag.Lookup("test.list").Value.String() == "" {
		for _, e := range doctor.Codes {
			if _, ok := reproduced.Load(e.Code); !ok {
				fmt.Printf("no test leads to %s, %s\n", e.Code, e.Cause)
				status = 1
			}
		}
	}
	os.Exit(status)
}

// finds runs the doctor and wants code as the fault, or as a finding if it is a
// warning, and nothing else that is an error and not named in also.
func (r *rig) finds(code doctor.Code, also ...doctor.Code) doctor.Report {
	r.t.Helper()
	report := r.run()
	held := false
	for _, f := range report.Findings {
		if held = held || f.Code == code; f.Code == code {
			if f.Cause == "" || f.Advice == "" {
				r.t.Errorf("%s without cause or advice: %+v", code, f)
			}
		} else if f.Level == doctor.Error && !slices.Contains(also, f.Code) {
			r.t.Errorf("also finds %s: %s %s: %s", f.Code, f.Check, f.Cause, f.Detail)
		}
	}
	e, ok := doctor.Lookup(code)
	if !ok {
		r.t.Fatalf("%s is no code", code)
	}
	if !held || e.Level == doctor.Error && (report.Fault == nil || report.Fault.Code != code) {
		r.t.Errorf("want %s (%s), got\n%s", code, e.Cause, text(report))
	}
	return report
}

func (r *rig) healthy() {
	r.t.Helper()
	report := r.run()
	if report.ExitStatus() != 0 || report.Fault != nil {
		r.t.Fatalf("want no error, got\n%s", text(report))
	}
}

func text(r doctor.Report) string {
	var b strings.Builder
	r.Write(&b)
	return b.String()
}

// authority is a CA of the operator's own.
type authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  crypto.Signer
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	return k
}

func template(cn string, ca bool) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62))
	c := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: cn, Organization: []string{"Solenis"}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(2, 0, 0), BasicConstraintsValid: true, IsCA: ca, KeyUsage: x509.KeyUsageDigitalSignature}
	if ca {
		c.KeyUsage |= x509.KeyUsageCertSign
	}
	return c
}

func newAuthority(t testing.TB, edit ...func(*x509.Certificate)) authority {
	t.Helper()
	c, k := template("*.iot-dev.solenis.com", true), newKey(t)
	for _, e := range edit {
		e(c)
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, k.Public(), k)
	must(t, err)
	cert, err := x509.ParseCertificate(der)
	must(t, err)
	return authority{t, cert, k}
}

// issue signs a certificate for a key, of the device unless edited.
func (a authority) issue(public crypto.PublicKey, edit ...func(*x509.Certificate)) *x509.Certificate {
	a.t.Helper()
	c := template(device, false)
	for _, e := range edit {
		e(c)
	}
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, public, a.key)
	must(a.t, err)
	cert, err := x509.ParseCertificate(der)
	must(a.t, err)
	return cert
}

func (a authority) intermediate(edit ...func(*x509.Certificate)) authority {
	a.t.Helper()
	k := newKey(a.t)
	return authority{a.t, a.issue(k.Public(), append([]func(*x509.Certificate){func(c *x509.Certificate) {
		*c = *template("intermediate", true)
	}}, edit...)...), k}
}

// leafOf builds a chain of a's leaf and the certificates given.
func (a authority) leafOf(above ...*x509.Certificate) func(crypto.PublicKey) pki.Chain {
	return func(p crypto.PublicKey) pki.Chain { return append(pki.Chain{a.issue(p)}, above...) }
}

const trustedPath = "/tenant/tenants/" + servertest.Tenant + "/trusted-certificates"

// trust uploads a certificate to the tenant.
func (r *rig) trust(c *x509.Certificate, autoRegistration bool) {
	r.t.Helper()
	r.server.Call(http.MethodPost, trustedPath, map[string]string{"status": "ENABLED", "name": "root",
		"autoRegistrationEnabled": fmt.Sprint(autoRegistration), "certInPemFormat": base64.StdEncoding.EncodeToString(c.Raw)}, nil)
}

// certificates registers the device for certificates of the operator's CA.
func (r *rig) certificates() {
	r.t.Helper()
	r.server.RegisterCSV("ID;AUTH_TYPE\n" + device + ";CERTIFICATES\n")
}
