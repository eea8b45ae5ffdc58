package tpmkey_test

import (
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-tpm/tpm2"

	"mooring/hsm/key"
	"mooring/hsm/tpmkey"
	"mooring/hsm/tpmkey/swtpmtest"
	"mooring/internal/pki"
)

// TestFaults: whatever the TPM answers, a signature is made in the end, or the
// error says which kind it is; and the next one works.
func TestFaults(t *testing.T) {
	f := newFaults(t)
	store := open(t, tpmkey.Location{Device: f.path, Dir: t.TempDir()})
	_, signer := create(t, store, key.Spec{})
	sign := func() error { return pki.SignVerify(signer) }
	rows := []struct {
		name  string
		spoil func([]byte) ([]byte, bool)
		want  tpmkey.Kind // empty: it works
	}{
		{"busy", first(5, tpm2.TPMCCSign, code(tpm2.TPMRCRetry)), ""},
		{"yielded", first(1, tpm2.TPMCCSign, code(tpm2.TPMRCYielded)), ""},
		{"self test", first(3, tpm2.TPMCCStartAuthSession, code(tpm2.TPMRCTesting)), ""},
		{"handle lost", first(1, tpm2.TPMCCSign, code(tpm2.TPMRCReferenceH0)), ""},
		{"session lost", first(1, tpm2.TPMCCSign, code(tpm2.TPMRCReferenceS0)), ""},
		{"contexts out of step", first(1, tpm2.TPMCCSign, code(tpm2.TPMRCContextGap)), ""},
		{"no room", first(1, tpm2.TPMCCStartAuthSession, code(tpm2.TPMRCSessionMemory)), ""},
		{"hung up", first(1, tpm2.TPMCCSign, nil), ""},
		{"cut short", first(1, tpm2.TPMCCSign, code(0)[:6]), ""},
		{"hung up twice", first(2, tpm2.TPMCCSign, nil), tpmkey.Gone},
		{"locked out", first(1, tpm2.TPMCCSign, code(tpm2.TPMRCLockout)), tpmkey.Gone},
		{"password", first(1, tpm2.TPMCCSign, code(tpm2.TPMRCBadAuth)), tpmkey.Barred},
		{"failure mode", first(1, tpm2.TPMCCSign, code(tpm2.TPMRCFailure)), tpmkey.Refused},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			f.spoil(row.spoil)
			err := sign()
			f.spoil(nil)
			var known *tpmkey.Error
			if row.want == "" && err != nil || row.want != "" && (!errors.As(err, &known) || known.Kind != row.want) {
				t.Errorf("%v, want kind %q", err, row.want)
			}
			if err := sign(); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

// A key that is in use stays loaded: a signature costs two commands.
func TestKeyStaysLoaded(t *testing.T) {
	f := newFaults(t)
	_, signer := create(t, open(t, tpmkey.Location{Device: f.path, Dir: t.TempDir()}), key.Spec{})
	for range 5 {
		if err := pki.SignVerify(signer); err != nil {
			t.Fatal(err)
		}
	}
	if loads, primaries := f.count(tpm2.TPMCCLoad), f.count(tpm2.TPMCCCreatePrimary); loads != 1 || primaries != 1 {
		t.Errorf("%d loads and %d primary keys for 5 signatures", loads, primaries)
	}
}

// Creating and signing at once neither deadlocks nor mixes keys up.
func TestAtOnce(t *testing.T) {
	tpm := swtpmtest.Start(t)
	store := open(t, tpmkey.Location{Device: tpm.Socket, Dir: t.TempDir()})
	_, signer := create(t, store, key.Spec{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 5 {
				if err := pki.SignVerify(signer); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			_, other, err := store.Create(t.Context(), key.Spec{})
			if err == nil {
				err = pki.SignVerify(other)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// TestTLS logs in with a key in the TPM.
func TestTLS(t *testing.T) {
	tpm := swtpmtest.Start(t)
	store := open(t, tpmkey.Location{Device: tpm.Socket, Dir: t.TempDir()})
	for _, a := range []key.Algorithm{key.ECDSAP256, key.ECDSAP384, key.RSA2048} {
		_, signer := create(t, store, key.Spec{Algorithm: a})
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(fmt.Sprintf("%v %s", a, tls.VersionName(version)), func(t *testing.T) { handshake(t, signer, version) })
		}
	}
}

func handshake(t *testing.T, signer crypto.Signer, version uint16) {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"x"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, signer.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: signer}
	ours, theirs := net.Pipe()
	defer ours.Close()
	server := tls.Server(theirs, &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAnyClientCert, MinVersion: version, MaxVersion: version, SessionTicketsDisabled: true})
	done := make(chan error, 1)
	go func() { done <- server.Handshake() }()
	client := tls.Client(ours, &tls.Config{Certificates: []tls.Certificate{cert}, InsecureSkipVerify: true})
	if err := client.Handshake(); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// OpenSSL's tpm2 provider uses the same file.
func TestOpenSSLReadsTheKey(t *testing.T) {
	tpm, dir := swtpmtest.Start(t), t.TempDir()
	ref, signer := create(t, open(t, tpmkey.Location{Device: tpm.Socket, Dir: dir}), key.Spec{})
	openssl := func(args ...string) ([]byte, error) {
		cmd := exec.Command("openssl", args...)
		cmd.Env = append(os.Environ(), "TPM2OPENSSL_TCTI=swtpm:path="+tpm.Socket)
		return cmd.CombinedOutput()
	}
	if out, err := openssl("list", "-providers", "-provider", "tpm2"); err != nil {
		if os.Getenv("REQUIRE_HSM") == "1" {
			t.Fatalf("openssl with the tpm2 provider is needed: %v: %s", err, out)
		}
		t.Skipf("openssl has no tpm2 provider: %v", err)
	}
	out, err := openssl("pkey", "-provider", "tpm2", "-provider", "default", "-propquery", "?provider=tpm2",
		"-in", filepath.Join(dir, string(ref)+".tss2"), "-pubout")
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	block, _ := pem.Decode(out)
	if block == nil {
		t.Fatalf("no public key: %s", out)
	}
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if !pki.SamePublicKey(public, signer.Public()) {
		t.Error("OpenSSL reads another public key")
	}
}
