package trust_test

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"math/big"
	"runtime"
	"testing"

	"mooring/internal/pki"
	"mooring/server/platform"
	"mooring/server/trust"
)

// crowd adds n anchors of different subjects, made by changing digits in one
// certificate: nobody checks an anchor's own signature.
func (s *store) crowd(tb testing.TB, n int) {
	tb.Helper()
	model := newRoot(tb, "crowd-00000000")
	for i := range n {
		der := bytes.ReplaceAll(model.cert.Raw, []byte("crowd-00000000"), fmt.Appendf(nil, "crowd-%08d", i))
		c, err := x509.ParseCertificate(der)
		if err != nil {
			tb.Fatal(err)
		}
		s.add(platform.TenantID(fmt.Sprint("c", i%1000)), &party{cert: c})
	}
}

var crowds = []int{10, 1000, 100_000}

// BenchmarkVerify is the cost of a leaf that was not seen before, by the
// number of anchors.
func BenchmarkVerify(b *testing.B) {
	root := newRoot(b, "Root")
	issuing := root.ca(b, "Issuing")
	below := map[string][]*x509.Certificate{
		"leaf and issuer": chain(issuing.leaf(b, "dev1"), issuing),
		"leaf alone":      chain(root.leaf(b, "dev1")),
	}
	for _, n := range crowds {
		s := newStore("t1")
		s.crowd(b, n)
		s.add("t1", root)
		v := s.load(b)
		for _, name := range []string{"leaf and issuer", "leaf alone"} {
			b.Run(fmt.Sprintf("%s/anchors=%d", name, n), func(b *testing.B) {
				for b.Loop() {
					if got := v.Verify(below[name], epoch); got.Reason != platform.Accepted {
						b.Fatal(got.Reason)
					}
				}
			})
		}
	}
}

// BenchmarkLookup is what is left of it without signatures: the look-ups by
// key and by name for a self-signed leaf that nobody trusts.
func BenchmarkLookup(b *testing.B) {
	stranger := chain(newRoot(b, "dev1"))
	for _, n := range crowds {
		s := newStore("t1")
		s.crowd(b, n)
		v := s.load(b)
		b.Run(fmt.Sprintf("anchors=%d", n), func(b *testing.B) {
			for b.Loop() {
				if got := v.Verify(stranger, epoch); got.Reason != platform.ReasonUnknownIssuer {
					b.Fatal(got.Reason)
				}
			}
		})
	}
}

// BenchmarkStillTrusted is the second look at a live session or a ticket.
func BenchmarkStillTrusted(b *testing.B) {
	root := newRoot(b, "Root")
	for _, n := range crowds {
		s := newStore("t1")
		s.crowd(b, n)
		s.add("t1", root)
		v := s.load(b)
		session := v.Verify(chain(root.leaf(b, "dev1")), epoch)
		session.Generation++ // so that every part is looked at
		b.Run(fmt.Sprintf("anchors=%d", n), func(b *testing.B) {
			for b.Loop() {
				if got := v.StillTrusted(session, epoch); got != platform.Accepted {
					b.Fatal(got)
				}
			}
		})
	}
}

// BenchmarkCreate is the cost of a change of the snapshot.
func BenchmarkCreate(b *testing.B) {
	root := newRoot(b, "Root")
	in := trust.NewCertificate{Text: pki.BareBase64(root.cert), Status: trust.StatusEnabled}
	for _, n := range crowds {
		s := newStore("t1")
		s.crowd(b, n)
		v := s.load(b)
		s.rows = nil // the store's own cost does not count
		b.Run(fmt.Sprintf("anchors=%d", n), func(b *testing.B) {
			for b.Loop() {
				if _, err := v.Create(ctx, admin, "t1", in); err != nil {
					b.Fatal(err)
				}
				if err := v.Delete(ctx, admin, "t1", root.fingerprint()); err != nil {
					b.Fatal(err)
				}
				s.audit = nil
			}
		})
	}
}

// BenchmarkRevoked is the check of a list, which costs the same however long
// the list is; it reports the list's memory.
func BenchmarkRevoked(b *testing.B) {
	root := newRoot(b, "Root")
	leaf := root.leaf(b, "dev1")
	for _, serials := range []int{1000, 1_000_000} {
		s := newStore("t1")
		s.add("t1", root)
		s.options["t1"] = "true"
		for i := range serials {
			s.revoked["t1"] = append(s.revoked["t1"], platform.Revocation{Serial: new(big.Int).Lsh(big.NewInt(int64(i+1)), 96)})
		}
		before := heap()
		v := s.load(b)
		perSerial := float64(heap()-before) / float64(serials)
		session := v.Verify(chain(leaf), epoch)
		session.Generation++
		b.Run(fmt.Sprintf("serials=%d", serials), func(b *testing.B) {
			for b.Loop() {
				if got := v.StillTrusted(session, epoch); got != platform.Accepted {
					b.Fatal(got)
				}
			}
			b.ReportMetric(perSerial, "B/serial")
		})
		runtime.KeepAlive(s)
	}
}

// BenchmarkLoad is the start with 100,000 anchors; it reports their memory
// beyond the store's own rows.
func BenchmarkLoad(b *testing.B) {
	s := newStore("t1")
	s.crowd(b, 100_000)
	before := heap()
	var v *trust.Trust
	for b.Loop() {
		v = s.load(b)
	}
	b.ReportMetric(float64(heap()-before)/100_000, "B/anchor")
	runtime.KeepAlive(v)
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
