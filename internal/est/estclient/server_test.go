package estclient_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"mooring/internal/cms"
	"mooring/internal/est"
	"mooring/internal/est/estclient"
	"mooring/internal/pki"
)

// issuer is a CA with an intermediate between its root and the leaves.
type issuer struct {
	root, intermediate *x509.Certificate
	key                crypto.Signer
}

func newKey(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t testing.TB, name string, pub crypto.PublicKey, parent *x509.Certificate, key crypto.Signer) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		BasicConstraintsValid: true, IsCA: pub == key.Public() || name == "intermediate",
	}
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, pub, key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := pki.ParseDER(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func newIssuer(t testing.TB) *issuer {
	t.Helper()
	rootKey := newKey(t)
	i := &issuer{key: newKey(t)}
	i.root = sign(t, "root", rootKey.Public(), nil, rootKey)
	i.intermediate = sign(t, "intermediate", i.key.Public(), i.root, rootKey)
	return i
}

func (i *issuer) anchors() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(i.root)
	return pool
}

// leaf issues for the CSR of a request.
func (i *issuer) leaf(t testing.TB, r *http.Request) *x509.Certificate {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	der, err := est.DecodeRequest(body)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := pki.ParseCSR(der)
	if err != nil {
		t.Fatal(err)
	}
	return sign(t, csr.Subject.CommonName, csr.PublicKey, i.intermediate, i.key)
}

// answer writes certificates by the recipe.
func answer(t testing.TB, w http.ResponseWriter, certs ...*x509.Certificate) {
	t.Helper()
	der, err := cms.EncodeCertsOnly(certs...)
	if err != nil {
		t.Fatal(err)
	}
	w.Header().Set("Content-Type", est.CertsOnlyType)
	w.Header().Set("Content-Transfer-Encoding", est.TransferEncoding)
	_, _ = w.Write(est.EncodeCertificates(der))
}

// start serves handler over TLS and returns a client of it.
func start(t testing.TB, handler http.HandlerFunc) *estclient.Client {
	t.Helper()
	s := httptest.NewUnstartedServer(handler)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS = &tls.Config{ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS12}
	s.StartTLS()
	t.Cleanup(s.Close)
	return &estclient.Client{BaseURL: s.URL, HTTP: s.Client()}
}
