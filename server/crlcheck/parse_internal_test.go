package crlcheck

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net/netip"
	"testing"
	"time"
)

func TestPublic(t *testing.T) {
	tests := map[string]bool{
		"8.8.8.8": true, "2606:4700::1111": true, "172.15.255.255": true, "172.32.0.0": true, "100.63.255.255": true, "100.128.0.0": true,
		"127.0.0.1": false, "10.0.0.1": false, "172.16.0.0": false, "172.31.255.255": false, "192.168.1.1": false, "169.254.169.254": false,
		"100.64.0.0": false, "100.127.255.255": false, "0.0.0.0": false, "0.1.2.3": false, "224.0.0.1": false, "255.255.255.255": false, "240.0.0.1": false,
		"198.18.0.1": false, "192.0.0.8": false, "::": false, "::1": false, "::ffff:10.0.0.1": false, "::7f00:1": false, "fe80::1%eth0": false,
		"fc00::1": false, "fd12::1": false, "fec0::1": false, "ff02::1": false, "64:ff9b::7f00:1": false, "2002:7f00:1::": false, "2001::1": false,
	}
	for text, want := range tests {
		if got := public(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: %t, want %t", text, got, want)
		}
	}
}

func TestNext(t *testing.T) {
	long := func(n int, header ...byte) []byte { return append(header, make([]byte, n)...) }
	tests := []struct {
		name string
		in   []byte
		want int // bytes inside; -1: refused
	}{
		{"nothing", nil, -1}, {"tag alone", []byte{4}, -1}, {"empty", []byte{4, 0}, 0}, {"long tag", []byte{0x1f, 1, 0}, -1},
		{"one short", long(126, 4, 127), -1}, {"127", long(127, 4, 127), 127}, {"one more follows", long(128, 4, 127), 127},
		{"128", long(128, 4, 0x81, 128), 128}, {"128, one short", long(127, 4, 0x81, 128), -1}, {"length cut", []byte{4, 0x82, 1}, -1},
		{"256", long(256, 4, 0x82, 1, 0), 256}, {"indefinite", long(9, 0x30, 0x80), -1},
		{"four digits", long(3, 4, 0x84, 0, 0, 0, 3), 3}, {"five digits", long(3, 4, 0x85, 0, 0, 0, 0, 3), -1}, {"4 GiB", long(3, 4, 0x84, 255, 255, 255, 255), -1},
	}
	for _, tt := range tests {
		e, rest, err := next(tt.in)
		if tt.want < 0 {
			if err == nil {
				t.Errorf("%s: %d bytes", tt.name, len(e.inside))
			}
			continue
		}
		if err != nil || len(e.inside) != tt.want || len(e.whole)+len(rest) != len(tt.in) {
			t.Errorf("%s: %d bytes, %d left, %v", tt.name, len(e.inside), len(rest), err)
		}
	}
}

// FuzzParse: whatever a site answers, reading it ends without a panic, and
// nothing unsigned counts.
func FuzzParse(f *testing.F) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Issuer"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: now, NotAfter: now.AddDate(1, 0, 0), KeyUsage: x509.KeyUsageCRLSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		f.Fatal(err)
	}
	issuer, err := x509.ParseCertificate(der)
	if err != nil {
		f.Fatal(err)
	}
	good, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: now, NextUpdate: now.Add(time.Hour),
		RevokedCertificateEntries: []x509.RevocationListEntry{{SerialNumber: big.NewInt(7), RevocationTime: now}}}, issuer, key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte("-----BEGIN X509 CRL-----\n-----END X509 CRL-----\n"))
	f.Add(good[:len(good)-1])
	f.Add(good)
	f.Fuzz(func(t *testing.T, body []byte) {
		c, err := parse(body, issuer, nil, now)
		if err == nil && (len(c.serials) != 1 || !c.has(big.NewInt(7))) {
			t.Errorf("a list that nobody signed: %+v", c)
		}
	})
}

// BenchmarkHas is the check of a list of a million serials.
func BenchmarkHas(b *testing.B) {
	const serials = 1_000_000
	c := &content{serials: make(map[serialKey]struct{}, serials)}
	for i := range serials {
		c.serials[keyOfSerial(big.NewInt(int64(i+1)))] = struct{}{}
	}
	absent := new(big.Int).Lsh(big.NewInt(1), 127)
	for b.Loop() {
		if c.has(absent) {
			b.Fatal("listed")
		}
	}
}

// BenchmarkParse reads a list of MaxListBytes; B/op is what it takes meanwhile.
func BenchmarkParse(b *testing.B) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	issuer := &x509.Certificate{Subject: pkix.Name{CommonName: "Issuer"}, PublicKeyAlgorithm: x509.ECDSA, IsCA: true, BasicConstraintsValid: true, Version: 3,
		KeyUsage: x509.KeyUsageCRLSign, PublicKey: key.Public(), SubjectKeyId: []byte{1}}
	list := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: now, NextUpdate: now.Add(time.Hour)}
	for i := range MaxListBytes / 37 {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: new(big.Int).Lsh(big.NewInt(int64(i+1)), 96), RevocationTime: now})
	}
	body, err := x509.CreateRevocationList(rand.Reader, list, issuer, key)
	if err != nil {
		b.Fatal(err)
	}
	parsed, err := x509.ParseRevocationList(body)
	if err != nil {
		b.Fatal(err)
	}
	issuer.RawSubject = parsed.RawIssuer
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parse(body, issuer, nil, now); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(list.RevokedCertificateEntries)), "serials")
}
