package interop_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"mooring/hsm/pkcs11key/p11test"
	"mooring/hsm/tpmkey/swtpmtest"
)

// keyPlace is a real key store that a device may have.
type keyPlace struct {
	name string
	uri  string
	env  []string
}

// hardware gives a token and a TPM, each new.
func hardware(t *testing.T) []keyPlace {
	t.Helper()
	hsm := p11test.Start(t)
	hsm.AddToken(t, "dev")
	return []keyPlace{{"token", hsm.URI("dev", ""), []string{"SOFTHSM2_CONF=" + os.Getenv("SOFTHSM2_CONF")}},
		{name: "tpm", uri: "tpm:" + swtpmtest.Start(t).Socket + "?dir=" + t.TempDir()}}
}

// chainOf reads a chain in PEM.
func chainOf(t testing.TB, path string) (chain []*x509.Certificate) {
	t.Helper()
	for rest := []byte(readFile(t, path)); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return chain
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		chain = append(chain, c)
	}
}

// leaf is the certificate in force.
func (d *device) leaf(t testing.TB) *x509.Certificate {
	t.Helper()
	return chainOf(t, filepath.Join(d.state, "current", "chain.pem"))[0]
}

// maker issues certificates of its own, which the tenant trusts.
type maker struct {
	cert *x509.Certificate
	key  crypto.Signer
}

func newMaker(t testing.TB, s *instance) maker {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "maker"}, NotBefore: time.Now().AddDate(-3, 0, 0), NotAfter: time.Now().AddDate(3, 0, 0),
		BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(map[string]string{"name": "maker", "status": "ENABLED", "autoRegistrationEnabled": "true", "certInPemFormat": base64.StdEncoding.EncodeToString(der)})
	if err != nil {
		t.Fatal(err)
	}
	if a := s.admin(t, http.MethodPost, "/tenant/tenants/t1000/trusted-certificates", "application/json", body); a.status != http.StatusCreated {
		t.Fatalf("upload: %s", a)
	}
	return maker{c, key}
}

// chain writes a chain whose leaf ends at end.
func (m maker) chain(t testing.TB, id string, public crypto.PublicKey, end time.Time) string {
	t.Helper()
	c := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: id}, NotBefore: end.AddDate(-2, 0, 0), NotAfter: end,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, c, m.cert, public, m.key)
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	for _, raw := range [][]byte{der, m.cert.Raw} {
		if err := pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: raw}); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), id+".pem")
	writeFile(t, path, text.String())
	return path
}

// aim is where a command line leads, without enrolment.
func (d *device) aim() []string {
	s := d.server
	return []string{"--server", "localhost:" + port(s.t, s.HTTPS), "--mtls-port", port(s.t, s.MTLS), "--mqtts-port", port(s.t, s.MQTTS), "--ca", s.rootFile()}
}

// made has the key store make a key, and returns its public half.
func (d *device) made(t testing.TB, uri string) crypto.PublicKey {
	t.Helper()
	other := *d
	other.state = filepath.Join(t.TempDir(), "state")
	other.run(t, append(append([]string{"selfsign"}, d.aim()...), "--id", d.id, "--key", uri)...).want(t, exitDone)
	return other.leaf(t).PublicKey
}
