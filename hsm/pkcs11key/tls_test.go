package pkcs11key_test

import (
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"testing"
	"time"

	"mooring/hsm/key"
)

// selfSigned is the certificate of a key in the token, signed by itself.
func selfSigned(t testing.TB, signer crypto.Signer) tls.Certificate {
	t.Helper()
	now := time.Now()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "dev"}, DNSNames: []string{"dev"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, signer.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: signer, Leaf: leaf}
}

// handshake connects both ends with one certificate.
func handshake(t testing.TB, certificate tls.Certificate, version uint16) error {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(certificate.Leaf)
	config := &tls.Config{Certificates: []tls.Certificate{certificate}, RootCAs: pool, ClientCAs: pool, ServerName: "dev",
		ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: version, MaxVersion: version}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	served := make(chan error, 1)
	go func() {
		conn, err := listener.Accept()
		if err == nil {
			defer conn.Close()
			err = tls.Server(conn, config).Handshake()
		}
		served <- err
	}()
	conn, err := tls.Dial("tcp", listener.Addr().String(), config)
	if err != nil {
		return err
	}
	defer conn.Close()
	return <-served
}

func TestTLS(t *testing.T) {
	hsm := startPlain(t, "dev")
	store := opened(t, hsm.URI("dev", ""))
	for _, a := range []key.Algorithm{key.ECDSAP256, key.ECDSAP384, key.RSA2048} {
		_, signer := create(t, store, key.Spec{Algorithm: a})
		certificate := selfSigned(t, signer)
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(fmt.Sprint(a, " ", tls.VersionName(version)), func(t *testing.T) {
				if err := handshake(t, certificate, version); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func BenchmarkSign(b *testing.B) {
	hsm := startBench(b)
	store := opened(b, hsm)
	_, signer := create(b, store, key.Spec{})
	digest := make([]byte, 32)
	for b.Loop() {
		if _, err := signer.Sign(rand.Reader, digest, crypto.SHA256); err != nil {
			b.Fatal(err)
		}
	}
}
