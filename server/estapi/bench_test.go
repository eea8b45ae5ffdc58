package estapi_test

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync"
	"syscall"
	"testing"
	"time"

	"mooring/internal/est"
	"mooring/server/ca"
)

// BenchmarkEnrol compares a whole enrolment, without sockets, with the least
// that any issuer does: check the request's signature and sign a leaf. The
// ratio of their CPU times is the first budget of the design, less HTTP and
// TLS; the figure that counts is measured on the running server.
func BenchmarkEnrol(b *testing.B) {
	b.Run("bare", func(b *testing.B) {
		der, err := est.DecodeRequest(csr(b, newKey(b), "dev1"))
		if err != nil {
			b.Fatal(err)
		}
		k, now := newKey(b), time.Now()
		template := &x509.Certificate{SerialNumber: big.NewInt(1 << 60), NotBefore: now, NotAfter: now.Add(time.Hour)}
		measure(b, func(int) {
			request, err := x509.ParseCertificateRequest(der)
			if err != nil || request.CheckSignature() != nil {
				b.Error("bad request")
				return
			}
			if _, err := x509.CreateCertificate(rand.Reader, template, template, request.PublicKey, k); err != nil {
				b.Error(err)
			}
		})
	})
	b.Run("whole", func(b *testing.B) {
		r := newRig(b, ca.Limits{})
		bodies := make([][]byte, b.N)
		for i := range bodies {
			id := fmt.Sprint("dev", i)
			r.register(tenant, id, "otp")
			bodies[i] = csr(b, newKey(b), id)
		}
		measure(b, func(i int) {
			req := httptest.NewRequest(http.MethodPost, "/.well-known/est/simpleenroll", bytes.NewReader(bodies[i]))
			req.SetBasicAuth(fmt.Sprint("dev", i), "otp")
			w := httptest.NewRecorder()
			r.https.Config.Handler.ServeHTTP(w, req)
			if w.Code != http.StatusOK {
				b.Errorf("status %d: %s", w.Code, w.Body)
			}
		})
	})
}

// clients is how many ask at once.
const clients = 16

// measure runs f b.N times and reports the CPU time of the process for each.
func measure(b *testing.B, f func(i int)) {
	b.ResetTimer()
	before := cpuTime(b)
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			for i := c; i < b.N; i += clients {
				f(i)
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(b.N), "cpu-us/op")
}

func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
