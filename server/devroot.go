package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"mooring/internal/durable"
)

// devValidity is how long the development root and its server certificate
// last: longer than any test or simulation.
const devValidity = 10 * 365 * 24 * time.Hour

// devCertificate returns the development server certificate of dir, made on
// first use: dir/root.pem is what clients trust, dir/server.pem and
// dir/server.key are shown to them. The root's own key is not kept. A later
// start with other host names makes a new pair under a new root.
func devCertificate(dir string, hosts []string, now time.Time) (tls.Certificate, error) {
	certFile, keyFile := filepath.Join(dir, "server.pem"), filepath.Join(dir, "server.key")
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	switch {
	case err == nil && coversHosts(pair.Leaf, hosts, now):
		return pair, nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return tls.Certificate{}, fmt.Errorf("development certificate: %w", err)
	}
	if err := makeDevCertificate(dir, hosts, now); err != nil {
		return tls.Certificate{}, fmt.Errorf("make development certificate: %w", err)
	}
	return tls.LoadX509KeyPair(certFile, keyFile)
}

func coversHosts(leaf *x509.Certificate, hosts []string, now time.Time) bool {
	for _, host := range hosts {
		if leaf.VerifyHostname(host) != nil {
			return false
		}
	}
	return now.Before(leaf.NotAfter)
}

func makeDevCertificate(dir string, hosts []string, now time.Time) error {
	rootKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serverKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	root := devTemplate(now, "Mooring development root")
	root.IsCA, root.KeyUsage = true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
	rootDER, err := x509.CreateCertificate(rand.Reader, root, root, rootKey.Public(), rootKey)
	if err != nil {
		return err
	}
	leaf := devTemplate(now, hosts[0])
	leaf.KeyUsage = x509.KeyUsageDigitalSignature
	leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			leaf.IPAddresses = append(leaf.IPAddresses, ip)
		} else {
			leaf.DNSNames = append(leaf.DNSNames, host)
		}
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, root, serverKey.Public(), rootKey)
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(serverKey)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	// The key last: a pair that is cut short is not there, and is made again.
	if err := os.Remove(filepath.Join(dir, "server.key")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return errors.Join(
		durable.WriteFile(durable.OS, filepath.Join(dir, "root.pem"), pemBlock("CERTIFICATE", rootDER), 0o644),
		durable.WriteFile(durable.OS, filepath.Join(dir, "server.pem"), pemBlock("CERTIFICATE", leafDER), 0o644),
		durable.WriteFile(durable.OS, filepath.Join(dir, "server.key"), pemBlock("PRIVATE KEY", keyDER), 0o600),
	)
}

func devTemplate(now time.Time, commonName string) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		panic(err) // crypto/rand.Reader never fails (Go 1.24 and later)
	}
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: commonName, Organization: []string{"Mooring"}},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(devValidity), BasicConstraintsValid: true,
	}
}

func pemBlock(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
