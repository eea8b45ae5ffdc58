package doctor_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"mooring/agent/doctor"
	"mooring/internal/durable"
	"mooring/internal/pki"
	"mooring/server/servertest"
)

// failing returns errors for dials to a port, or hangs.
func failing(r *rig, port string, err error) {
	next := r.o.Direct
	r.o.Direct = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if _, p, _ := net.SplitHostPort(addr); p != port && port != "" {
			return next(ctx, network, addr)
		}
		if err == nil {
			<-ctx.Done()
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.ErrDeadlineExceeded}
		}
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", err)}
	}
}

// TestNetwork names what is wrong below TLS and in it. where is the check that
// must have it.
func TestNetwork(t *testing.T) {
	says := func(text string) func(net.Conn) {
		return func(c net.Conn) {
			_, _ = c.Read(make([]byte, 4096))
			_, _ = io.WriteString(c, text)
		}
	}
	tests := []struct {
		name  string
		set   func(f *fake, r *rig)
		want  doctor.Code
		where string
		also  []doctor.Code
	}{
		{"no such name", func(_ *fake, r *rig) {
			r.o.Resolve = func(_ context.Context, host string) ([]string, error) {
				return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
			}
		}, "M070", "dns", nil},
		{"refused", func(_ *fake, r *rig) { failing(r, "", syscall.ECONNREFUSED) }, "M090", "tcp https", nil},
		{"8883 refused", func(_ *fake, r *rig) { failing(r, "8883", syscall.ECONNREFUSED) }, "M090", "tcp mqtts", nil},
		{"8883 swallowed", func(_ *fake, r *rig) { failing(r, "8883", nil) }, "M091", "tcp mqtts", nil},
		{"no route", func(_ *fake, r *rig) { failing(r, "", syscall.ENETUNREACH) }, "M092", "tcp https", nil},
		{"no sockets left", func(_ *fake, r *rig) { failing(r, "", syscall.EMFILE) }, "M093", "tcp https", nil},
		{"HTTP on 8883", func(f *fake, _ *rig) { f.raw["8883"] = says("HTTP/1.1 400 Bad Request\r\n\r\n<html>") }, "M100", "tls mqtts", nil},
		{"captive portal", func(f *fake, _ *rig) {
			for _, p := range []string{"443", "8443", "8883"} {
				f.raw[p] = says("HTTP/1.0 302 Found\r\nLocation: http://login/\r\n\r\n")
			}
		}, "M100", "tls https", nil},
		{"hangs up", func(f *fake, _ *rig) { f.raw["8883"] = says("") }, "M109", "tls mqtts", nil},
		{"hangs", func(f *fake, _ *rig) { f.raw["8883"] = func(c net.Conn) { _, _ = io.Copy(io.Discard, c) } }, "M110", "tls mqtts", nil},
		{"unknown authority", func(f *fake, r *rig) { anchors(r, newAuthority(f.t)) }, "M101", "certificate https", nil},
		{"another name", func(_ *fake, r *rig) { r.o.Config.Server = "other.test" }, "M102", "certificate https", nil},
		{"another address", func(_ *fake, r *rig) { r.o.Config.Server = "2001:db8::1" }, "M102", "certificate https", nil},
		{"server certificate expired", func(f *fake, _ *rig) {
			f.serverCertificate(func(c *x509.Certificate) {
				c.NotBefore, c.NotAfter = time.Now().AddDate(-1, 0, 0), time.Now().AddDate(0, -1, 0)
			})
		}, "M103", "certificate https", nil},
		{"clock ahead of the certificate's end", func(_ *fake, r *rig) {
			r.o.Now = func() time.Time { return time.Now().AddDate(1, 6, 0) }
		}, "M030", "clock", nil},
		{"clock a little off", func(_ *fake, r *rig) { r.o.Now = func() time.Time { return time.Now().Add(time.Minute) } }, "M031", "clock", nil},
		{"old TLS", func(f *fake, _ *rig) { f.tls.MinVersion, f.tls.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }, "M104", "tls https", nil},
		{"TLS 1.3 is cut", func(f *fake, _ *rig) { f.alert = cut13 }, "M105", "tls mtls", nil},
		{"many CA names", func(f *fake, _ *rig) {
			f.tls.ClientCAs = x509.NewCertPool()
			k := newKey(f.t)
			for i := range 200 {
				f.tls.ClientCAs.AddCert(f.root.issue(k.Public(), func(c *x509.Certificate) {
					c.Subject.CommonName, c.IsCA = fmt.Sprintf("tenant %d with a name that is quite long, as names of tenants are in the field", i), true
				}))
			}
		}, "M107", "tls mtls", nil},
		{"one-way TLS", func(f *fake, _ *rig) { f.tls.ClientAuth = tls.NoClientCert }, "M108", "tls mtls", nil},
		{"issuer unknown to TLS", func(f *fake, _ *rig) {
			f.tls.ClientAuth, f.tls.ClientCAs = tls.VerifyClientCertIfGiven, x509.NewCertPool()
			f.tls.ClientCAs.AddCert(newAuthority(f.t).cert)
		}, "M112", "tls+cert mqtts", nil},
		{"expired for TLS", func(f *fake, _ *rig) {
			f.tls.ClientAuth, f.tls.ClientCAs = tls.VerifyClientCertIfGiven, x509.NewCertPool()
			f.tls.ClientCAs.AddCert(f.root.cert)
			f.tls.Time = func() time.Time { return time.Now().AddDate(3, 0, 0) }
		}, "M113", "tls+cert mqtts", nil},
		{"revoked for TLS", alerting(44), "M114", "tls+cert mqtts", nil},
		{"signature refused by TLS", alerting(51), "M115", "tls+cert mqtts", nil},
		{"handshake failure", alerting(40), "M111", "tls+cert mqtts", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t)
				r := f.rig()
				tt.set(f, r)
				report := r.finds(tt.want, append(tt.also, tt.want)...)
				for _, found := range report.Findings {
					if found.Code == tt.want {
						if found.Check != tt.where && !strings.HasPrefix(found.Check, "whoami") {
							t.Errorf("%s at %s, want %s", tt.want, found.Check, tt.where)
						}
						return
					}
				}
			})
		})
	}
}

// TestClockBehind: as the agent does, the doctor goes on by the time of a server
// whose certificate is only not valid yet by the clock here.
func TestClockBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.serverCertificate(func(c *x509.Certificate) { c.NotBefore = time.Now().Add(-time.Minute) }) // after that of the device
		r := f.rig()
		r.o.Config.MTLSPort = 0
		r.o.Now = func() time.Time { return time.Now().AddDate(-3, 0, 0) }
		if report := r.finds("M032"); !strings.Contains(text(report), "connected as "+device) {
			t.Errorf("got\n%s", text(report))
		}
	})
}

func anchors(r *rig, a authority) {
	must(r.t, durable.WriteFile(r.disk, state+"/root.pem", pki.EncodePEM(a.cert), 0o644))
}

func (f *fake) serverCertificate(edit func(*x509.Certificate)) {
	k := newKey(f.t)
	leaf := f.root.issue(k.Public(), func(c *x509.Certificate) {
		c.DNSNames = []string{servertest.Host}
		edit(c)
	})
	f.tls.Certificates = []tls.Certificate{{Certificate: [][]byte{leaf.Raw}, PrivateKey: k}}
}

// alerting refuses certificates with an alert, in TLS 1.2.
func alerting(code byte) func(*fake, *rig) {
	return func(f *fake, _ *rig) {
		f.tls.MaxVersion = tls.VersionTLS12
		f.alert = func(c net.Conn) net.Conn { return alertAs{c, code} }
		f.tls.VerifyPeerCertificate = func(certs [][]byte, _ [][]*x509.Certificate) error {
			if len(certs) > 0 {
				return fmt.Errorf("no")
			}
			return nil
		}
	}
}

// cut13 is a box in between that ends connections with hellos of TLS 1.3: those
// with the extension supported_versions and its value 0x0304 alone.
func cut13(c net.Conn) net.Conn { return &cutter{Conn: c} }

type cutter struct {
	net.Conn
	seen string
}

// Read implements net.Conn.
func (c *cutter) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.seen += string(p[:n]); strings.Contains(c.seen, "\x00\x2b\x00\x03\x02\x03\x04") {
		_ = c.Close()
		return 0, io.EOF
	}
	return n, err
}

// TestProxy names what is wrong with a proxy, and works through a good one.
func TestProxy(t *testing.T) {
	tests := []struct {
		name string
		do   func(f *fake) func(net.Conn)
		want doctor.Code
	}{
		{"works", func(f *fake) func(net.Conn) {
			return func(c net.Conn) {
				var addr string
				if _, err := fmt.Fscanf(c, "CONNECT %s HTTP/1.1\r\n", &addr); err != nil {
					return
				}
				head := make([]byte, 1)
				for end := ""; !strings.HasSuffix(end, "\r\n\r\n"); end += string(head) {
					if _, err := c.Read(head); err != nil {
						return
					}
				}
				s, err := f.dial(context.Background(), "tcp", addr)
				if err != nil {
					return
				}
				defer s.Close()
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
				go func() { _, _ = io.Copy(s, c); _ = s.Close() }()
				_, _ = io.Copy(c, s)
			}
		}, ""},
		{"away", nil, "M080"},
		{"silent", func(*fake) func(net.Conn) { return func(c net.Conn) { _, _ = io.Copy(io.Discard, c) } }, "M081"},
		{"credentials", proxySays("HTTP/1.1 407 No\r\n\r\n"), "M082"},
		{"forbidden", proxySays("HTTP/1.1 403 No\r\n\r\n<html>"), "M083"},
		{"no way", proxySays("HTTP/1.1 504 No\r\n\r\n"), "M084"},
		{"HTML", proxySays("<html>\r\n\r\n"), "M085"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t)
				r := f.rig()
				r.o.Config.Proxy.URL = "http://proxy.test:3128"
				r.o.Resolve = func(_ context.Context, host string) ([]string, error) {
					if host != "proxy.test" {
						return nil, &net.DNSError{IsNotFound: true}
					}
					return []string{"192.0.2.9"}, nil
				}
				r.o.Direct = func(_ context.Context, _, addr string) (net.Conn, error) {
					if addr != "proxy.test:3128" || tt.do == nil {
						return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
					}
					a := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 9), Port: 3128}
					client, server := servertest.Pipe(a, a)
					go func() { tt.do(f)(server); _ = server.Close() }()
					return client, nil
				}
				if tt.want == "" {
					r.healthy()
					return
				}
				r.finds(tt.want, tt.want)
			})
		})
	}
}

func proxySays(text string) func(*fake) func(net.Conn) {
	return func(*fake) func(net.Conn) {
		return func(c net.Conn) {
			_, _ = c.Read(make([]byte, 4096))
			_, _ = io.WriteString(c, text)
		}
	}
}

// TestSpareAddress: the device works, and one of its addresses does not, be it
// configured or behind the name.
func TestSpareAddress(t *testing.T) {
	tests := []struct {
		name       string
		configured []string
		resolved   []string
		err        error // of 2001:db8::2; nil: it swallows everything
		want       doctor.Code
	}{
		{"configured", []string{"192.0.2.1", "2001:db8::2"}, nil, nil, "M094"},
		{"behind the name", nil, []string{"192.0.2.1", "2001:db8::2"}, nil, "M094"},
		{"refused behind the name", nil, []string{"2001:db8::2", "192.0.2.1"}, syscall.ECONNREFUSED, "M094"},
		{"no way to IPv6 at all", nil, []string{"2001:db8::2", "192.0.2.1"}, syscall.ENETUNREACH, ""},
		{"all answer", nil, []string{"192.0.2.3", "192.0.2.1"}, nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newFake(t).rig()
				r.o.Config.Addresses = tt.configured
				r.o.Resolve = func(context.Context, string) ([]string, error) { return tt.resolved, nil }
				next := r.o.Direct
				r.o.Direct = func(ctx context.Context, network, addr string) (net.Conn, error) {
					switch {
					case !strings.HasPrefix(addr, "[2001:db8::2]"):
						return next(ctx, network, addr)
					case tt.err != nil:
						return nil, &net.OpError{Op: "dial", Err: tt.err}
					}
					<-ctx.Done()
					return nil, ctx.Err()
				}
				if tt.want != "" {
					r.finds(tt.want)
					return
				}
				if report := r.run(); strings.Contains(text(report), "M094") || report.Fault != nil {
					t.Errorf("got\n%s", text(report))
				}
			})
		})
	}
}

// TestPortOfHTTPS: the port of HTTPS, which asks for no certificate, is not said to
// be one of MQTT without two-way TLS.
func TestPortOfHTTPS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, easy(t))
		a := newAuthority(t)
		r.trust(a.cert, true)
		r.certificates()
		r.hold(a.leafOf(a.cert))
		r.o.Config.MQTTSPort = r.o.Config.HTTPSPort
		r.finds("M154")
	})
}
