package trust_test

import (
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"mooring/server/platform"
	"mooring/server/trust"
)

// crowdTrust is a Trust with n anchors besides root.
func crowdTrust(b *testing.B, n int, root *party) *trust.Trust {
	s := newStore("t1")
	s.crowd(b, n)
	s.add("t1", root)
	return s.load(b)
}

// BenchmarkHandshake is a whole mutual TLS 1.3 handshake, both sides, with a
// verdict that nothing was remembered for, by the number of anchors. The sizes
// take turns, so that what else the machine does falls on all alike; it reports
// the median of each and how much the largest is above the smallest.
func BenchmarkHandshake(b *testing.B) {
	root := newRoot(b, "Root")
	issuing := root.ca(b, "Issuing")
	device, server := issuing.leaf(b, "dev1"), root.leaf(b, "server")
	client := &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{{
		Certificate: [][]byte{device.cert.Raw, issuing.cert.Raw}, PrivateKey: device.key}}}
	servers := make([]*tls.Config, len(crowds))
	for i, n := range crowds {
		v := crowdTrust(b, n, root)
		servers[i] = &tls.Config{ClientAuth: tls.RequestClientCert, SessionTicketsDisabled: true,
			Certificates: []tls.Certificate{{Certificate: [][]byte{server.cert.Raw}, PrivateKey: server.key}},
			VerifyConnection: func(s tls.ConnectionState) error {
				if got := v.Verify(s.PeerCertificates, epoch); got.Reason != platform.Accepted {
					return fmt.Errorf("verdict %s", got.Reason)
				}
				return nil
			}}
	}
	took := make([][]time.Duration, len(crowds))
	for b.Loop() {
		for i, cfg := range servers {
			began := time.Now()
			shake(b, client, cfg)
			took[i] = append(took[i], time.Since(began))
		}
	}
	medians := make([]float64, len(crowds))
	for i, n := range crowds {
		slices.Sort(took[i])
		medians[i] = float64(took[i][len(took[i])/2].Microseconds())
		b.ReportMetric(medians[i], fmt.Sprintf("µs-median-%d", n))
	}
	b.ReportMetric(100*(medians[len(medians)-1]/medians[0]-1), "%-more")
}

func shake(b *testing.B, client, server *tls.Config) {
	here, there := net.Pipe()
	c, s := tls.Client(here, client), tls.Server(there, server)
	failed := make(chan error, 1)
	go func() { failed <- s.Handshake() }()
	if err := c.Handshake(); err != nil {
		b.Fatal(err)
	}
	if err := <-failed; err != nil {
		b.Fatal(err)
	}
	_, _ = here.Close(), there.Close()
}

// BenchmarkVerifyWhileChanging is the verdict on a chain whose issuer is known
// among 100,000 anchors, while another goroutine replaces the snapshot as fast
// as it can, and without: the latencies that 99 and 99.9 of a hundred stay
// below, and the number of snapshots.
func BenchmarkVerifyWhileChanging(b *testing.B) {
	root := newRoot(b, "Root")
	presented := chain(root.leaf(b, "dev1"))
	for _, changing := range []bool{false, true} {
		b.Run(fmt.Sprintf("changing=%t", changing), func(b *testing.B) {
			s := newStore("t1")
			s.crowd(b, 100_000)
			s.add("t1", root)
			v := s.load(b)
			s.rows = nil
			stop := make(chan struct{})
			var writer sync.WaitGroup
			if changing {
				s.add("t1", newRoot(b, "Changes"))
				print := s.rows[0].Fingerprint
				writer.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
						}
						s.rows[0].Enabled = !s.rows[0].Enabled
						if err := v.Apply(ctx, platform.Change{Kind: platform.ChangeTrust, Tenant: "t1", Key: print}); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			first := v.Generation()
			var took []time.Duration
			for b.Loop() {
				began := time.Now()
				if got := v.Verify(presented, epoch); got.Reason != platform.Accepted {
					b.Fatal(got.Reason)
				}
				took = append(took, time.Since(began))
			}
			close(stop)
			writer.Wait()
			slices.Sort(took)
			for _, q := range []struct {
				name string
				part float64
			}{{"µs-median", 0.5}, {"µs-99", 0.99}, {"µs-99.9", 0.999}} {
				b.ReportMetric(float64(took[min(int(q.part*float64(len(took))), len(took)-1)].Nanoseconds())/1000, q.name)
			}
			b.ReportMetric(float64(v.Generation()-first), "snapshots")
		})
	}
}
