package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"runtime"
	"syscall"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"
	"golang.org/x/sync/errgroup"
)

// yardstick is a process that ours is compared with. It prints a ready line
// and works until its standard input ends or ctx is done.
func yardstick(ctx context.Context, role string, _ io.Reader, stdout io.Writer) error {
	ready := func(fields map[string]any) { _ = json.NewEncoder(stdout).Encode(fields) }
	switch role {
	case "issue":
		return yardstickIssue(ready)
	case "tls":
		return yardstickTLS(ctx, ready)
	case "mochi":
		return yardstickMochi(ctx, ready)
	}
	return fmt.Errorf("unknown role %q", role)
}

// issueRounds is how often each CPU issues, about 2 s.
const issueRounds = 8000

// yardstickIssue checks a CSR and signs a certificate in a loop: the ceiling of
// enrolment in Go. It loops on every CPU, because the server under load does so
// too: two threads of one core get less done in a CPU-second each.
func yardstickIssue(ready func(map[string]any)) error {
	ca, err := newFleetCA()
	if err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	request := &x509.CertificateRequest{Subject: pkix.Name{CommonName: "dev-0"}}
	der, err := x509.CreateCertificateRequest(rand.Reader, request, key)
	if err != nil {
		return err
	}
	var group errgroup.Group
	begin := ownCPU()
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() error { return issueLoop(ca, der) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	rounds := runtime.GOMAXPROCS(0) * issueRounds
	ready(map[string]any{"rate": float64(rounds) / (ownCPU() - begin).Seconds()})
	return nil
}

func issueLoop(ca *fleetCA, der []byte) error {
	for i := range issueRounds {
		csr, err := x509.ParseCertificateRequest(der)
		if err != nil {
			return err
		}
		if err := csr.CheckSignature(); err != nil {
			return err
		}
		template := &x509.Certificate{SerialNumber: big.NewInt(int64(i + 2)), Subject: csr.Subject,
			KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
			BasicConstraintsValid: true, NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour)}
		if _, err := x509.CreateCertificate(rand.Reader, template, ca.cert, csr.PublicKey, ca.key); err != nil {
			return err
		}
	}
	return nil
}

// ownCPU is the CPU time of this process, user and system.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // RUSAGE_SELF never fails
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// yardstickTLS accepts mutual TLS 1.3, verifies the chain to one root and reads
// until the peer goes: the floor of every connect and of memory per connection.
// It answers what it read first with CONNACK 0, so that one client fits all.
func yardstickTLS(ctx context.Context, ready func(map[string]any)) error {
	ca, err := newFleetCA()
	if err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	cert, err := ca.leaf("localhost", 2, key, "localhost")
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalECPrivateKey(ca.key)
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert},
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool, MinVersion: tls.VersionTLS13})
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	ready(map[string]any{"addr": l.Addr().String(), "ca": ca.cert.Raw, "key": keyDER})
	for {
		conn, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		go answerOnce(conn)
	}
}

func answerOnce(conn net.Conn) {
	defer conn.Close()
	var buf [64]byte
	if _, err := conn.Read(buf[:]); err != nil {
		return
	}
	if _, err := conn.Write([]byte{0x20, 2, 0, 0}); err != nil {
		return
	}
	_, _ = bufio.NewReaderSize(conn, 16).ReadByte() // until the peer goes
}

// allowAll lets everybody do everything.
type allowAll struct{ mochi.HookBase }

func (allowAll) ID() string { return "allow-all" }
func (allowAll) Provides(b byte) bool {
	return b == mochi.OnConnectAuthenticate || b == mochi.OnACLCheck
}
func (allowAll) OnConnectAuthenticate(*mochi.Client, packets.Packet) bool { return true }
func (allowAll) OnACLCheck(*mochi.Client, string, bool) bool              { return true }

// yardstickMochi is mochi with nothing attached, over plain TCP.
func yardstickMochi(ctx context.Context, ready func(map[string]any)) error {
	probe, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	broker := mochi.New(&mochi.Options{Logger: slog.New(slog.DiscardHandler)})
	if err := broker.AddHook(new(allowAll), nil); err != nil {
		return err
	}
	if err := broker.AddListener(listeners.NewNet("tcp", probe)); err != nil {
		return err
	}
	if err := broker.Serve(); err != nil {
		return err
	}
	ready(map[string]any{"addr": probe.Addr().String()})
	<-ctx.Done()
	return broker.Close()
}
