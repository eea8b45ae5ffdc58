package ca_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"mooring/internal/problem"
	"mooring/internal/secret"
	"mooring/server/ca"
	"mooring/server/platform"
)

func requestOf(t testing.TB, k crypto.Signer, template *x509.CertificateRequest) []byte {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, template, k)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func constraints(t testing.TB, isCA bool) pkix.Extension {
	t.Helper()
	value, err := asn1.Marshal(struct {
		IsCA bool `asn1:"optional"`
	}{isCA})
	if err != nil {
		t.Fatal(err)
	}
	return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 19}, Critical: true, Value: value}
}

// padded returns a subject whose DER has n bytes, counted with a 4-byte header.
func padded(t testing.TB, n int) []byte {
	t.Helper()
	name := pkix.Name{CommonName: "dev1", Organization: []string{""}}
	for i := 0; ; i++ {
		der, err := asn1.Marshal(name.ToRDNSequence())
		if err != nil {
			t.Fatal(err)
		}
		if len(der) == n {
			return der
		}
		if len(der) > n {
			t.Fatalf("no subject of %d bytes, next is %d", n, len(der))
		}
		name.Organization[0] += "x"
	}
}

func TestRefusedRequestLeavesTheOTP(t *testing.T) {
	cn := pkix.Name{CommonName: "dev1"}
	small, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	broken := requestOf(t, newKey(t), &x509.CertificateRequest{Subject: cn})
	broken[len(broken)-1] ^= 1
	tests := []struct {
		name    string
		csr     []byte
		wantErr error
	}{
		{name: "empty", wantErr: problem.Invalid},
		{name: "no request", csr: []byte("0 it is not"), wantErr: problem.Invalid},
		{name: "broken signature", csr: broken, wantErr: problem.Unprocessable},
		{name: "other CN", csr: newCSR(t, newKey(t), "dev2"), wantErr: problem.Unprocessable},
		{name: "CN in other case", csr: newCSR(t, newKey(t), "Dev1"), wantErr: problem.Unprocessable},
		{name: "no CN", csr: requestOf(t, newKey(t), &x509.CertificateRequest{}), wantErr: problem.Unprocessable},
		{name: "P-224", csr: requestOf(t, small, &x509.CertificateRequest{Subject: cn}), wantErr: problem.Unprocessable},
		{name: "CA:TRUE", csr: requestOf(t, newKey(t), &x509.CertificateRequest{Subject: cn,
			ExtraExtensions: []pkix.Extension{constraints(t, true)}}), wantErr: problem.Unprocessable},
		{name: "unknown critical extension", csr: requestOf(t, newKey(t), &x509.CertificateRequest{Subject: cn,
			ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Critical: true, Value: []byte{5, 0}}}}), wantErr: problem.Unprocessable},
		{name: "subject too long", csr: requestOf(t, newKey(t), &x509.CertificateRequest{RawSubject: padded(t, 1025)}), wantErr: problem.Unprocessable},
		{name: "longest subject", csr: requestOf(t, newKey(t), &x509.CertificateRequest{RawSubject: padded(t, 1024)})},
		{name: "CA:FALSE and a subjectAltName", csr: requestOf(t, newKey(t), &x509.CertificateRequest{Subject: cn, DNSNames: []string{"x"},
			ExtraExtensions: []pkix.Extension{constraints(t, false)}})},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, setup{})
			r.create()
			r.register("dev1", "otp-1")
			der, err := r.enrol("dev1", "otp-1", tt.csr)
			if !errors.Is(err, tt.wantErr) {
				t.Fatalf("error = %v, want %v", err, tt.wantErr)
			}
			if err == nil {
				if leaf := parse(t, der); leaf.IsCA || len(leaf.DNSNames) > 0 {
					t.Errorf("requested extensions are in the leaf: CA %v, names %v", leaf.IsCA, leaf.DNSNames)
				}
				return
			}
			if _, err := r.enrol("dev1", "otp-1", newCSR(t, newKey(t), "dev1")); err != nil {
				t.Errorf("the OTP no longer works: %v", err)
			}
		})
	}
}

func TestRequestWithTheKeyOfTheAuthority(t *testing.T) {
	r := newRig(t, setup{})
	r.create()
	r.register("dev1", "otp-1")
	issuer, err := r.store.Issuer(t.Context(), tenant)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := r.store.SealedKey(t.Context(), tenant, vaultPurpose, issuer.KeyID)
	if err != nil {
		t.Fatal(err)
	}
	der, err := r.vault.Open(t.Context(), sealed)
	if err != nil {
		t.Fatal(err)
	}
	k, err := x509.ParseECPrivateKey(der)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.enrol("dev1", "otp-1", newCSR(t, k, "dev1")); !errors.Is(err, problem.Unprocessable) {
		t.Errorf("error = %v, want Unprocessable", err)
	}
}

func TestAuthorityMustOutliveItsLeaves(t *testing.T) {
	const fiveMinutes = 5 * time.Minute // by which the CA's certificate is backdated
	lastDay := 1095*24*time.Hour - fiveMinutes - 365*24*time.Hour
	tests := []struct {
		name    string
		after   time.Duration
		wantErr error
	}{
		{name: "new"},
		{name: "a year left", after: lastDay},
		{name: "less than a year left", after: lastDay + time.Second, wantErr: problem.Unprocessable},
		{name: "expired", after: 1100 * 24 * time.Hour, wantErr: problem.Unprocessable},
		{name: "not valid yet", after: -fiveMinutes - time.Second, wantErr: problem.Unprocessable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, setup{})
			c := r.create()
			r.register("dev1", "otp-1")
			r.advance(tt.after)
			der, err := r.enrol("dev1", "otp-1", newCSR(t, newKey(t), "dev1"))
			if !errors.Is(err, tt.wantErr) {
				t.Fatalf("error = %v, want %v", err, tt.wantErr)
			}
			if err == nil && parse(t, der).NotAfter.After(c.NotAfter) {
				t.Error("the leaf outlives its issuer")
			}
		})
	}
}

func TestPoPLinking(t *testing.T) {
	unique := []byte("twelve bytes")
	withChallenge := func(text string) []byte {
		return opensslCSR(t, text)
	}
	tests := []struct {
		name    string
		csr     []byte
		unique  []byte
		wantErr error
	}{
		{name: "no challengePassword", csr: newCSR(t, newKey(t), "dev1"), unique: unique},
		{name: "it matches", csr: withChallenge(base64.StdEncoding.EncodeToString(unique)), unique: unique},
		{name: "of another connection", csr: withChallenge(base64.StdEncoding.EncodeToString([]byte("other bytes!"))), unique: unique, wantErr: problem.Invalid},
		{name: "free text", csr: withChallenge("please"), unique: unique, wantErr: problem.Invalid},
		{name: "TLS 1.3", csr: withChallenge("please")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, setup{})
			r.create()
			r.register("dev1", "otp-1")
			_, err := r.Enrol(t.Context(), ca.Enrolment{Tenant: tenant, ExternalID: "dev1", CSR: tt.csr, OTP: secret.New("otp-1"), TLSUnique: tt.unique})
			if !errors.Is(err, tt.wantErr) {
				t.Errorf("Enrol: error = %v, want %v", err, tt.wantErr)
			}
			_, err = r.ReEnrol(t.Context(), ca.ReEnrolment{Principal: device("dev1"), CSR: tt.csr, TLSUnique: tt.unique})
			if !errors.Is(err, tt.wantErr) {
				t.Errorf("ReEnrol: error = %v, want %v", err, tt.wantErr)
			}
		})
	}
}

// opensslCSR makes a request with a challengePassword, which Go cannot.
func opensslCSR(t testing.TB, challenge string) []byte {
	t.Helper()
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		if os.Getenv("REQUIRE_HSM") == "1" {
			t.Fatal("openssl is not installed")
		}
		t.Skip("openssl is not installed")
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "csr.cnf")
	text := "[req]\nprompt=no\ndistinguished_name=dn\nattributes=attrs\n[dn]\nCN=dev1\n[attrs]\nchallengePassword=" + challenge + "\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "csr.der")
	cmd := exec.Command(openssl, "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
		"-keyout", filepath.Join(dir, "key.pem"), "-config", config, "-outform", "DER", "-out", out)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("openssl: %v\n%s", err, text)
	}
	der, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func device(id string) platform.Principal {
	return platform.Principal{Tenant: tenant, User: "device_" + id, Device: id, Roles: platform.DeviceRoles, Method: platform.ByToken}
}
