package deviceauth_test

import (
	"crypto/x509"
	"testing"

	"mooring/server/platform"
)

// BenchmarkDecide is a chain that was seen before, as on resumption, from many
// goroutines.
func BenchmarkDecide(b *testing.B) {
	var nobody *party
	r := newRig(certificateUser("dev1"))
	chain := []*x509.Certificate{nobody.issue(b, epoch, "dev1", false).cert, nobody.issue(b, epoch, "Issuing", true).cert}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if v := r.auth.Decide(chain, epoch); v.Scope != platform.Full {
				b.Fatal(v.Reason)
			}
		}
	})
}

// BenchmarkAdmit is a device that is known.
func BenchmarkAdmit(b *testing.B) {
	r := newRig(certificateUser("dev1"))
	v := full()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.auth.Admit(b.Context(), v, "mqtts"); err != nil {
			b.Fatal(err)
		}
	}
}
